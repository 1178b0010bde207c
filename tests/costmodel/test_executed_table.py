"""The table of what is executed: layers with counters and without, sums, and the command."""

import json

import numpy as np

from costmodel.__main__ import main
from costmodel.counts import count
from costmodel.executed import Executed, ExecutedLayer
from costmodel.executed_table import executed_table
from npfuse.models import lightfuse
from npfuse.pictures.reading import Picture, write_picture

NAMES = ("detail1", "detail2", "detail3")


def layer(name, bounding, folding, evaluation):
    return ExecutedLayer(
        name=name,
        bounding_macs=bounding,
        folding_macs=folding,
        evaluation_macs=evaluation,
        undecided_by_bounds=12,
        undecided_by_values=3,
    )


def test_layers_without_counters_are_executed_as_counted_and_totals_add_up():
    cost = count(lightfuse(16, 32))
    done = Executed(pixels=16 * 32, blocks=8, blocks_plain=2, layers=tuple(layer(name, 1, 20, 300) for name in NAMES))
    table = executed_table(cost.layers, done, "a pair")
    keys = [column.key for column in table.columns]
    rows = {row[0]: dict(zip(keys, row, strict=True)) for row in table.rows}
    total = dict(zip(keys, table.total, strict=True))
    # 16x32 pixels, 6 channels to 256 units.
    assert rows["detail1"]["static_macs"] == 16 * 32 * 6 * 256
    assert rows["detail1"]["executed_macs"] == 321
    assert (rows["detail1"]["undecided_by_bounds"], rows["detail1"]["undecided_by_values"]) == (2.0, 0.5)
    assert rows["global1"]["executed_macs"] == rows["global1"]["static_macs"] == 8 * 16 * 9 * 6
    assert total["static_macs"] == cost.work.macs
    outside = sum(row["static_macs"] for name, row in rows.items() if name not in NAMES)
    assert total["executed_macs"] == 3 * 321 + outside
    assert "2 of them (25.0%)" in table.notes[0]


def test_command_prints_executed_beside_static_of_either_order(tmp_path, capsys):
    random = np.random.default_rng(0)
    files = []
    for name, level in (("over.png", 200), ("under.png", 30)):
        files.append(str(tmp_path / name))
        pixels = (level + random.integers(0, 3, (20, 28, 3))).astype(np.uint8)
        write_picture(tmp_path / name, Picture(pixels=pixels))
    found = []
    for arguments in (files, files[::-1]):
        assert main(["executed", *arguments, "--weights", "tonefuse", "--format", "json"]) == 0
        (table,) = json.loads(capsys.readouterr().out)["tables"]
        found.append((table["rows"], table["total"]))
    assert found[0] == found[1]
    rows, total = found[0]
    assert total["static_macs"] == sum(row["static_macs"] for row in rows)
    assert 0 < total["executed_macs"] < total["static_macs"]


def test_command_refuses_what_it_cannot_count(tmp_path, capsys):
    for name, side in (("a.png", 8), ("b.png", 16)):
        write_picture(tmp_path / name, Picture(pixels=np.zeros((side, 8, 3), np.uint8)))
    a, b = str(tmp_path / "a.png"), str(tmp_path / "b.png")
    for arguments, message in (
        ([a, b], "expected uint8 (8, 8, 3)"),
        ([a, str(tmp_path / "no.png")], "no.png"),
        ([a, a, "--weights", "t_cnn"], "t_cnn"),
        ([a, a, "--format", "xml"], "format is 'xml'"),
    ):
        assert main(["executed", *arguments]) == 2
        out, err = capsys.readouterr()
        assert (out, message in err, err.count("\n")) == ("", True, 1)
