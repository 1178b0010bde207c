"""Streaming: line buffers against a count by hand and a simulation row by row; machines from files; the tables."""

import json

import pytest

from costmodel.__main__ import main
from costmodel.machine import MACHINES, machine_from_file
from costmodel.streaming import streaming
from costmodel.streaming_table import hardware_table
from npfuse.graph import Graph, GraphBuilder
from npfuse.models import MODELS, lightfuse, t_cnn, tonefuse
from npfuse.ops import Conv2D, PointwiseConv2D, ReLU


def test_lightfuse_has_the_line_buffers_of_the_hand_count():
    """Two rows of six channels at each of three sizes, and 14 rows of three channels until the coarse row is there.

    By hand, bytes a column: 12 + 6 + 3 = 21 in 8 bits, 12 + 12 + 6 = 30 where only the pictures have 8, and 14 * 3 = 42
    numbers. Weights: 18,292 values of kernels, 344 channels with a bias of 4 bytes and 5 more each, 255
    numbers of 2 for tanh.
    """
    found = streaming(lightfuse(400, 640))
    assert found.buffer_bytes == (640 * (21 + 42), 640 * (30 + 84))
    assert found.integer_bytes == 18_292 + 9 * 344 + 2 * 255
    assert found.delay == 15


def test_dense_convolutions_keep_all_rows_of_the_kernel_but_the_last():
    b = GraphBuilder("dense")
    x = b.input("picture", (24, 20, 1))
    x = b.add("wide", Conv2D(features=3, kernel_size=(5, 3), use_bias=False), x)
    found = streaming(b.build(b.add("act", ReLU(), b.add("last", PointwiseConv2D(features=2), x))))
    assert [value.rows for value in found.values] == [4, 0, 0, 0]
    assert found.macs_per_pixel == 15 * 3 + 3 * 2


def simulated_rows(graph: Graph, name: str) -> int:
    """Return the most rows of a value that are in memory, by asking the whole graph about each row in turn."""
    pictures = [source for source, shape in graph.inputs if shape[:2] == graph.inputs[0][1][:2]]

    def arrival(value: str, row: int) -> int:
        if value in dict(graph.inputs):
            return row + 1
        index = next(i for i, node in enumerate(graph.nodes) if node.name == value)
        part = Graph(name="part", inputs=graph.inputs, nodes=graph.nodes[: index + 1], outputs=(value,))
        spans = part.input_spans(0, 0, row + 1)
        return max(spans[source][1] for source in pictures if source in spans)

    rows = graph.shapes[name][0]
    made = [arrival(name, row) for row in range(rows)]
    needed = list(made)
    for node in graph.nodes:
        if name in node.inputs:
            for row in range(graph.shapes[node.name][0]):
                first, stop = node.op.input_span(0, row, row + 1, rows)
                for read in range(max(first, 0), min(stop, rows)):
                    needed[read] = max(needed[read], arrival(node.name, row))
    last = max(needed)
    return max(sum(made[row] <= time < needed[row] for row in range(rows)) for time in range(last + 1))


@pytest.mark.parametrize(
    "graph",
    [
        lightfuse(48, 16, hidden=(4,)),
        lightfuse(48, 16, hidden=(4,), decoder="bilinear"),
        tonefuse(48, 16),
        t_cnn(20, 9),
        MODELS["deepfuse"](30, 12),
    ],
    ids=lambda graph: graph.name,
)
def test_rows_are_those_of_a_simulation(graph):
    for value in streaming(graph).values:
        assert value.rows == simulated_rows(graph, value.name), value.name


def test_values_that_need_no_picture_row_are_computed_once():
    assert set(streaming(tonefuse(48, 16)).once) == {"tone1", "tone1_relu", "tone_mean", "tone2"}


def test_energy_accesses_and_time_by_hand():
    b = GraphBuilder("one")
    graph = b.build(b.add("mix", PointwiseConv2D(features=2, use_bias=False), b.input("picture", (10, 20, 3))))
    table = hardware_table(streaming(graph), MACHINES["cortex-m7"], 4, "")
    rows = [dict(zip((column.key for column in table.columns), row, strict=True)) for row in table.rows]
    macs, pixels = 10 * 20 * 6, 10 * 20
    assert rows[0]["register_accesses"] == 3 * macs
    assert (rows[0]["sram_bytes"], rows[1]["sram_bytes"]) == (2 * macs // 4, 2 * macs * 2 // 4)
    assert rows[0]["dram_bytes"] == 9 * pixels
    picojoules = macs * 0.3 + 3 * macs * 0.3 + 2 * macs / 4 * 2.5 + 9 * pixels * 162.5
    assert rows[0]["energy_least_mj"] == pytest.approx(picojoules / 1e9)
    assert rows[1]["time_ms"] == pytest.approx(macs / (2 * 480e6) * 1e3)
    assert rows[0]["fits"] == "yes"


def test_reuse_below_1_is_refused():
    with pytest.raises(ValueError, match="reuse is 0, expected at least 1"):
        hardware_table(streaming(lightfuse(8, 8)), None, 0, "")


SMALL = """
peak_gmacs = 0.1
bandwidth_gb_s = 0.5
int16_gmacs = 0.2
ram_bytes = 50000
flash_bytes = 20000
"""


def test_a_machine_from_a_file_says_what_does_not_fit(tmp_path, capsys):
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    arguments = ["report", "--streaming", "--size", "400x640", "--machine", str(path), "--format", "json"]
    assert main(arguments) == 0
    _, hardware = json.loads(capsys.readouterr().out)["tables"]
    assert [row["fits"] for row in hardware["rows"]] == [
        "no: flash 21,898 of 20,000",
        "no: RAM 73,984 of 50,000; flash 21,898 of 20,000",
    ]
    assert [row["time_ms"] is None for row in hardware["rows"]] == [True, False]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("peak_gmacs = ", "expected a TOML file with peak_gmacs and bandwidth_gb_s"),
        ("peak_gmacs = 1.0", "bandwidth_gb_s is missing, expected a positive number"),
        ("peak_gmacs = 1.0\nbandwidth_gb_s = -2", "bandwidth_gb_s is -2, expected a positive number"),
        ("peak_gmacs = true\nbandwidth_gb_s = 2", "peak_gmacs is True, expected a positive number"),
        ("peak_gmacs = 1\nbandwidth_gb_s = 2\ncache = 3", "unknown keys cache, expected some of bandwidth_gb_s"),
        ("peak_gmacs = 1\nbandwidth_gb_s = 2\nsources = 3", "sources is 3, expected text"),
        ("peak_gmacs = 1\nbandwidth_gb_s = nan", "bandwidth_gb_s is nan, expected a positive number"),
    ],
)
def test_files_that_describe_no_machine_are_refused(tmp_path, text, message):
    path = tmp_path / "machine.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        machine_from_file(path)


def test_a_machine_from_a_file_has_its_values(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('peak_gmacs = 2\nbandwidth_gb_s = 1.5\nsources = ["a data sheet"]\n')
    machine = machine_from_file(path)
    assert (machine.name, machine.peak_gmacs, machine.balance) == ("mine", 2, 2 / 1.5)
    assert machine.sources == ("a data sheet",)
