"""Peak memory: by hand, and against a process that runs the network."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from npfuse import graph_memory
from npfuse.engine import window_sums
from npfuse.graph import GraphBuilder
from npfuse.graph_memory import peak
from npfuse.models import MODELS
from npfuse.ops import Add, Conv2D, Conv2DTranspose, DepthwiseConv2D, PointwiseConv2D, ReLU, Resize


def branches():
    """Build a graph whose first value is needed again at the end."""
    b = GraphBuilder("branches")
    x = b.input("x", (10, 10, 1))
    early = b.add("early", ReLU(), x)
    wide = b.add("wide", PointwiseConv2D(features=7), early)
    narrow = b.add("narrow", PointwiseConv2D(features=1), wide)
    return b.build(b.add("sum", Add(), early, narrow))


def test_peak_holds_values_until_their_last_use():
    found = peak(branches(), merge=False)
    assert found.values == (("x", 400), ("early", 400), ("wide", 2800), ("narrow", 400))
    assert (found.bytes, found.during) == (4000, "narrow")


def test_merged_peak_leaves_out_hidden_values():
    found = peak(branches(), merge=True)
    groups = 4 * 2 * 64 * 64 * (1 + 1)  # of the chain's input and output
    assert found.values == (("x", 400), ("early", 400), ("narrow", 400), ("narrow, groups", groups))
    assert (found.bytes, found.during) == (1200 + groups, "narrow")


def test_peak_scales_with_the_size_of_a_number():
    assert peak(branches(), merge=False, element_bytes=2).bytes == 2000


def peak_of(op, shape):
    b = GraphBuilder("one")
    graph = b.build(b.add("y", op, b.input("x", shape)))
    return peak(graph, merge=True).values


def test_peak_counts_the_padded_strip_of_a_dense_convolution():
    op = Conv2D(kernel_size=(3, 5), features=2)
    assert peak_of(op, (10, 20, 2)) == (("x", 1600), ("y", 1600), ("y, padded strip", 4 * 12 * 24 * 2))
    # 2**18 numbers are 62 rows of (2106 + 4) * 2 numbers; a window has 2 more.
    assert peak_of(op, (1000, 2106, 2))[2] == ("y, padded strip", 4 * (62 + 2) * 2110 * 2)
    assert len(peak_of(Conv2D(kernel_size=(1, 1), features=2), (10, 20, 2))) == 2


def test_peak_counts_the_padded_input_of_a_transposed_convolution():
    # An output is made of 2x2 inputs: a row and a column of zeros are added.
    op = Conv2DTranspose(kernel_size=(3, 3), stride=(2, 2), features=1)
    assert peak_of(op, (10, 20, 2)) == (("x", 1600), ("y", 4 * 20 * 40), ("y, padded", 4 * 11 * 21 * 2))


def test_peak_counts_the_groups_of_a_merged_chain():
    b = GraphBuilder("chain")
    x = b.input("x", (10, 100, 2))
    graph = b.build(b.add("act", ReLU(), b.add("mix", PointwiseConv2D(features=5), x)))
    # Groups of 64x64 pixels: two hold 100 columns, and one more where those begin within one.
    assert peak(graph, merge=True).values == (("x", 8000), ("act", 20_000), ("act, groups", 4 * 3 * 64 * 64 * (2 + 5)))


def test_peak_counts_nothing_beside_a_depthwise_convolution():
    assert peak_of(DepthwiseConv2D(kernel_size=(3, 5)), (10, 20, 2)) == (("x", 1600), ("y", 1600))


def test_strips_are_those_of_the_compiled_convolution():
    assert graph_memory.STRIP == window_sums.STRIP


def test_groups_are_those_of_the_compiled_chain():
    chains = importlib.import_module("npfuse.engine.pixel_mlp")  # the package has a function of that name
    assert (graph_memory.GROUPS, graph_memory.GROUP_SIDE) == (chains.PIECE, chains.GROUP_SIDE)


def test_peak_counts_the_half_resampled_picture_of_a_resize():
    b = GraphBuilder("resize")
    graph = b.build(b.add("y", Resize(height=40, width=60, method="bilinear"), b.input("x", (10, 20, 2))))
    assert peak(graph, merge=True).values == (("x", 1600), ("y", 4 * 40 * 60 * 2), ("y, rows", 4 * 40 * 20 * 2))


MEASURE = """
from pathlib import Path
import numpy as np
from npfuse.models import MODELS
from npfuse.run import run

def process(height, width):
    graph = MODELS[MODEL](height, width, **ARGUMENTS)
    weights = {name: np.zeros(shape, np.float32) for name, shape in graph.weight_shapes.items()}
    return run(graph, {name: np.ones((1, *shape), np.float32) for name, shape in graph.inputs}, weights, merge=MERGE)

def most_bytes():  # not ru_maxrss, which begins at the parent's
    status = Path("/proc/self/status").read_text()
    return 1024 * int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))

process(64, 64)  # compile
before = most_bytes()
process(HEIGHT, WIDTH)
print(most_bytes() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of a process is read from /proc")
@pytest.mark.parametrize(
    ("model", "size", "build", "merge"),
    [
        ("lightfuse", (1024, 1536), {}, True),
        ("lightfuse", (512, 768), {"hidden": (32, 32)}, False),
        ("mefnet", (512, 768), {}, True),
    ],
    ids=["lightfuse, merged", "small lightfuse, operator by operator", "mefnet"],
)
def test_peak_is_within_20_percent_of_what_a_process_takes(model, size, build, merge):
    values = {"MODEL": model, "MERGE": merge, "HEIGHT": size[0], "WIDTH": size[1], "ARGUMENTS": build}
    script = "".join(f"{name} = {value!r}\n" for name, value in values.items()) + MEASURE
    measured = int(subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout)
    predicted = peak(MODELS[model](*size, **build), merge=merge).bytes
    print(f"predicted {predicted / 2**20:.1f} MiB, measured {measured / 2**20:.1f} MiB")
    assert predicted == pytest.approx(measured, rel=0.2)
