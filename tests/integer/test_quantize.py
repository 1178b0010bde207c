"""The network in integers: bounds that hold and are reached, no saturation, one result on every machine."""

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from npfuse.graph import GraphBuilder
from npfuse.integer import hidden_values, quantized, run_integers
from npfuse.integer.format import BEFORE_TANH, Format
from npfuse.integer.ranges import constant, sums
from npfuse.integer_pair import integer_inputs, integer_network
from npfuse.ops import Conv2DTranspose, DepthwiseConv2D, LeakyReLU, PointwiseConv2D
from npfuse.run import run
from npfuse.strips import network_inputs
from npfuse.weights.loading import load_weights
from tests.integer.networks import ARITHMETICS, CASES, extreme_pair, network_of
from tests.networks import random_pair

each_case = pytest.mark.parametrize("case", CASES)
each_arithmetic = pytest.mark.parametrize("arithmetic", ARITHMETICS)


def run_pair(network, weights, pair, **options):
    sized = network.at(weights.graph(*weights.padded_size(*pair[0].shape[:2])))
    return sized, run_integers(sized, integer_inputs(*pair, weights), **options)


@each_case
@each_arithmetic
def test_no_value_leaves_its_interval_and_no_sum_its_bound(case, arithmetic):
    weights = CASES[case]
    network = network_of(weights, arithmetic)
    for pair in (random_pair((9, 18, 3)), extreme_pair((16, 11, 3), 1)):
        totals = {}
        sized, values = run_pair(network, weights, pair, keep=list(network.formats), sums=totals)
        for layer in sized.layers:
            low, high = layer.interval
            value = values[layer.name][0]
            assert (value >= low).all(), layer.name
            assert (value <= high).all(), layer.name
            assert value.dtype == layer.output.dtype
            if layer.name in totals:
                least, most = layer.sum_interval
                assert (totals[layer.name][0] >= least).all(), layer.name
                assert (totals[layer.name][0] <= most).all(), layer.name
                assert layer.sum_bound < 2**31
                assert max(-least.min(), most.max()) <= layer.sum_bound


@each_case
@pytest.mark.parametrize("arithmetic", ["int16", "int16 double", "int16-shift"])
def test_nothing_saturates_without_measured_ranges_but_what_tanh_reads(case, arithmetic):
    network = network_of(CASES[case], arithmetic)
    (read,) = (layer.inputs[0] for layer in network.layers if layer.levels is not None)
    coarse = {"global3_pointwise", "global4", "up", "up1", "up2", "up3"}
    before = {read, *network.layer(read).inputs, *(coarse & network.formats.keys())}
    assert {layer.name for layer in network.layers if layer.saturates} <= before
    names = [name for name in network.formats if name not in before]
    pair = extreme_pair((16, 16, 3), 2)
    expected, actual = (run_pair(n, CASES[case], pair, keep=names)[1] for n in (network, without_saturation(network)))
    for name in names:
        assert np.array_equal(expected[name], actual[name]), name


@pytest.mark.parametrize("arithmetic", ["int16", "int16-shift"])
def test_a_term_of_the_sum_before_tanh_saturates_only_where_tanh_is_1_or_minus_1(arithmetic):
    """A term is cut at 8 more than the other can be; there the sum is beyond 8, whatever the other is."""
    arrays = dict(CASES["lightfuse"].arrays)
    arrays["global3_pointwise/kernel"] = arrays["global3_pointwise/kernel"] * 40
    weights = replace(CASES["lightfuse"], arrays=arrays)
    network = network_of(weights, arithmetic)
    layer = network.layer("global3_pointwise")
    assert layer.saturates
    pair = extreme_pair((24, 40, 3), 5)
    names = ["global3_pointwise", "fused"]
    cut, whole = (run_pair(n, weights, pair, keep=names)[1] for n in (network, without_saturation(network)))
    beyond = np.abs(whole["global3_pointwise"]) > layer.output.high
    assert 0 < beyond.mean() < 1
    assert (np.abs(cut["global3_pointwise"])[beyond] == layer.output.high).all()
    assert np.array_equal(cut["fused"], whole["fused"])


def without_saturation(network):
    """Return a network whose values have 32 bits, but for what tanh reads; ReLU is left of saturation."""
    return replace(network, layers=tuple(replace(layer, output=_unbounded(layer)) for layer in network.layers))


def _unbounded(layer):
    if layer.output == BEFORE_TANH or layer.levels is not None:
        return layer.output
    low = 0 if layer.output.low == 0 else -(2**30)
    return Format(bits=32, signed=True, scale=layer.output.scale, low=low, high=2**30)


@pytest.mark.parametrize("op", [PointwiseConv2D(features=3), DepthwiseConv2D(kernel_size=(3, 3))])
def test_the_interval_of_a_sum_is_reached_by_the_signs_of_the_kernel(op):
    rng = np.random.default_rng(3)
    kernel = rng.integers(-127, 128, (4, 3) if isinstance(op, PointwiseConv2D) else (3, 3, 3))
    bias = rng.integers(-999, 999, 3)
    reads = 4 if isinstance(op, PointwiseConv2D) else 3
    (low, high), bound = sums(op, constant(-255, 255, reads), kernel, bias)
    assert (high - bias == 255 * np.abs(kernel).reshape(-1, 3).sum(axis=0)).all()
    assert (bias - low == high - bias).all()
    assert (bound == 255 * np.abs(kernel).reshape(-1, 3).sum(axis=0) + np.abs(bias)).all()


def test_the_bound_of_a_transposed_convolution_is_that_of_the_taps_that_meet():
    op = Conv2DTranspose(features=1, kernel_size=(4, 4), stride=(2, 2))
    kernel = np.ones((4, 4, 1, 2), np.int64)
    (low, high), bound = sums(op, constant(0, 10, 2), kernel, None)
    assert (low[0], high[0], bound[0]) == (0, 2 * 2 * 2 * 10, 80)  # 4 of 16 taps, 2 channels


def test_a_worst_case_picture_reaches_the_first_layer_s_bound():
    weights = CASES["lightfuse"]
    network = integer_network(weights)
    layer = network.layer("detail1_relu")
    channel = int(np.argmax(layer.sum_interval[1]))
    worst = np.where(layer.kernel[:, channel] > 0, 255, 0).astype(np.uint8)
    totals = {}
    run_pair(network, weights, (np.tile(worst[:3], (8, 8, 1)), np.tile(worst[3:], (8, 8, 1))), sums=totals)
    assert totals["detail1_relu"][0, 0, 0, channel] == layer.sum_interval[1][channel]


@each_case
@each_arithmetic
def test_python_integers_give_the_same_numbers(case, arithmetic):
    weights = CASES[case]
    network = network_of(weights, arithmetic).at(weights.graph(24, 24))
    rng = np.random.default_rng(6)
    inputs = {
        name: rng.integers(network.formats[name].low, network.formats[name].high + 1, (1, *shape))
        for name, shape in network.graph.inputs
    }
    names = list(network.formats)
    found = run_integers(network, inputs, keep=names)
    exact = run_integers(network, {name: x.astype(object) for name, x in inputs.items()}, keep=names)
    for name in names:
        assert found[name].tolist() == exact[name].tolist(), name


@each_case
def test_the_integers_stand_for_the_values_of_the_float_network(case):
    # ToneFuse's random values grow from sum to sum at an eighth of the size, and their proven ranges with them.
    weights = load_weights("tonefuse") if case == "tonefuse" else CASES[case]
    pair = random_pair((16, 24, 3), seed=7)
    sized, values = run_pair(integer_network(weights), weights, pair, keep=list(integer_network(weights).formats))
    floats = run(sized.graph, network_inputs(*pair, weights), weights.arrays, engine="definition", keep=list(values))
    for name, value in values.items():
        real = sized.formats[name].real(value)
        assert np.abs(real - floats[name]).max() <= 0.03 * np.abs(floats[name]).max() + 1 / 127, name


def test_shifts_are_all_that_int16_shift_needs():
    for weights in (*CASES.values(), load_weights("lightfuse"), load_weights("tonefuse")):
        network = integer_network(weights, "int16-shift")
        for layer in network.layers:
            assert all(by.only_shifts for by in layer.rescales), layer.name
            assert layer.added is None or layer.added.only_shifts


def test_mixed_keeps_hidden_values_of_full_size_in_bytes():
    network = network_of(CASES["tonefuse"], "mixed")
    narrow = [layer.name for layer in network.layers if layer.output.bits == 8 and layer.levels is None]
    assert narrow == hidden_values(network.graph) == ["detail1_relu", "detail2_relu"]


def cpu_features():
    """Return the features beyond the least that NumPy has loops of its own for, on this processor."""
    from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

    return [name for name in __cpu_dispatch__ if __cpu_features__.get(name)]


HASH = """
import hashlib, numpy as np
from tests.integer.networks import CASES
from npfuse.integer_pair import integer_network
from npfuse.vectors import integer_vectors
from tests.networks import random_pair
digest = hashlib.sha256()
for case in ("lightfuse", "tonefuse"):
    for arithmetic in ("int16", "int16-shift"):
        weights = CASES[case]
        vectors = integer_vectors(*random_pair((37, 45, 3)), weights, integer_network(weights, arithmetic), sums=True)
        for name in sorted(vectors.arrays):
            digest.update(name.encode() + vectors.arrays[name].tobytes())
print(digest.hexdigest())
"""


def kernels_of_blas():
    """Return those of OpenBLAS that this processor can run; elsewhere the variable changes nothing."""
    flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    known = {"Prescott": "pni", "Nehalem": "sse4_2", "Sandybridge": "avx", "Haswell": "avx2", "SkylakeX": "avx512bw"}
    return [kernel for kernel, flag in known.items() if flag in flags] or ["Generic"]


@pytest.mark.parametrize("threads", ["1", "2"])
@pytest.mark.parametrize("kernel", [kernels_of_blas()[0], kernels_of_blas()[-1]])
def test_vectors_are_the_same_for_every_kernel_of_blas_and_number_of_threads(kernel, threads):
    environment = os.environ | {"OPENBLAS_CORETYPE": kernel, "OPENBLAS_NUM_THREADS": threads}
    if threads == "1":  # NumPy's own loops, too, then use only what every processor of this kind has
        environment["NPY_DISABLE_CPU_FEATURES"] = " ".join(cpu_features())
    run_it = [sys.executable, "-c", HASH]
    found = subprocess.run(run_it, env=environment, capture_output=True, text=True, check=True).stdout.strip()
    # A change alarm: the same on all machines. Where the rules of npfuse.integer change, this changes.
    assert found == PINNED


PINNED = "ecdd59aaad5194342757e5f2f3d766af6b73e6f6a46d91d4510050fa2829c404"


def test_the_levels_of_tanh_do_not_change_unseen():
    digest = hashlib.sha256(integer_network(load_weights("lightfuse")).layers[-1].levels.tobytes()).hexdigest()
    assert digest == LEVELS


LEVELS = "bd2e1581b5cbc00729f78b7837c85256c03b0812b0ac5fd5bed78906355858fb"


def test_errors():
    weights = CASES["lightfuse"]
    graph, arrays = weights.graph(8, 8), weights.arrays
    for arguments, message in (
        ({"arithmetic": "int8"}, "lightfuse: arithmetic is 'int8', expected one of int16, int16-shift, mixed"),
        ({"rounding": "half"}, "lightfuse: rounding is 'half', expected one of single, double"),
        ({"arithmetic": "int16-shift", "rounding": "double"}, "expected 'single': a shift rounds once"),
        ({"arithmetic": "mixed"}, "lightfuse: range of detail1_relu is missing"),
    ):
        with pytest.raises(ValueError, match=message):
            quantized(graph, arrays, **{"arithmetic": "int16", **arguments})
    with pytest.raises(ValueError, match="weights do not fit"):
        quantized(graph, {})
    b = GraphBuilder("other")
    other = b.build(b.add("act", LeakyReLU(slope=0.1), b.input("exposures", (8, 8, 6))))
    with pytest.raises(ValueError, match="other/act: LeakyReLU has no integer form here"):
        quantized(other, {})
    b = GraphBuilder("other")
    other = b.build(b.add("mix", PointwiseConv2D(features=1, use_bias=False), b.input("luma", (8, 8, 1))))
    with pytest.raises(ValueError, match="other: input is 'luma', expected exposures and thumbnail in integers"):
        quantized(other, {"mix/kernel": np.ones((1, 1))})


def test_a_sum_that_could_leave_32_bits_is_refused():
    b = GraphBuilder("wide")
    x = b.add("mix1", PointwiseConv2D(features=700, use_bias=False), b.input("exposures", (8, 8, 6)))
    wide = b.build(b.add("mix2", PointwiseConv2D(features=1, use_bias=False), x))
    with pytest.raises(ValueError, match=r"wide/mix2: sums may reach 2\d{9}, expected less than 2\*\*31"):
        quantized(wide, {"mix1/kernel": np.ones((6, 700)), "mix2/kernel": np.ones((700, 1))})


def test_a_network_keeps_to_its_inputs():
    weights = CASES["lightfuse"]
    network = integer_network(weights)
    x = np.zeros((1, 8, 8, 6), np.int16)
    with pytest.raises(ValueError, match=r"input exposures is 0 to 256, expected -255 to 255"):
        run_integers(network, {"exposures": x + np.int16(256) * (np.arange(6) == 0)})
    with pytest.raises(ValueError, match=r"input exposures \(H, W, C\) is missing, expected \(8, 8, 6\)"):
        run_integers(network, {})
    with pytest.raises(TypeError, match="dtype of exposures is float64, expected integers"):
        run_integers(network, {"exposures": x.astype(float)})
    with pytest.raises(ValueError, match="value to keep is 'detail1', expected one of exposures, detail1_relu"):
        run_integers(network, {"exposures": x}, keep=["detail1"])
    with pytest.raises(ValueError, match="nodes differ from the integer network's"):
        network.at(CASES["t_cnn"].graph(8, 8))
