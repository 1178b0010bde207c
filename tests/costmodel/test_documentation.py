"""docs/costmodel.md, against what the command prints: keys, types, and the example in Python."""

import doctest
import json
import re
from pathlib import Path

import numpy as np
import pytest

from costmodel.__main__ import main
from costmodel.conventions import CONVENTIONS
from costmodel.machine import Machine
from npfuse.pictures.reading import Picture, write_picture
from tests.costmodel.test_measure import CALIBRATION, NoSession

PAGE = Path(__file__).parents[2] / "docs" / "costmodel.md"
LEFT_OUT = {"report": set(), "executed": {"convention", "machine"}, "calibrate": {"size", "convention", "machine"}}
JSON_TYPES = {"string": str, "integer": int, "number": int | float}


def documented():
    """Return {table: {key: (type, meaning)}} as the page has them; "" is what all tables have."""
    found = {}
    table = ""
    for line in PAGE.read_text(encoding="utf-8").split("## JSON and CSV")[1].splitlines():
        if heading := re.fullmatch(r"### `(\w+)`", line):
            table = heading[1]
        elif row := re.fullmatch(r"\| `([\w-]+)` \| ([\w ]+) \|(.*)\|", line):
            found.setdefault(table, {})[row[1]] = (row[2], row[3])
    return found


@pytest.fixture(scope="module")
def documents(tmp_path_factory):
    """What the command prints as JSON, over all of its tables."""
    folder = tmp_path_factory.mktemp("pair")
    for name, level in (("under.png", 30), ("over.png", 200)):
        write_picture(folder / name, Picture(pixels=np.full((20, 28, 3), level, np.uint8)))
    pair = [str(folder / name) for name in ("under.png", "over.png")]
    return [
        ["report", "--machine", "pi4", "--size", "48x64"],
        ["report", "--model", "lightfuse", "--size", "48x64"],
        ["report", "--layers", "--machine", "pi4", "--size", "48x64"],
        ["report", "--layers", "--machine", "here", "--size", "48x64"],
        ["report", "--model", "lightfuse", "--machine", "here", "--size", "48x64"],
        ["report", "--streaming", "--machine", "cortex-m7", "--size", "48x64"],
        ["report", "--streaming", "--size", "48x64"],
        ["report", "--measure", "--model", "tonefuse", "--size", "16x24"],
        ["executed", *pair],
        ["calibrate"],
    ]


def printed(capsys, monkeypatch, documents):
    machine = Machine(name="here", description="a machine", peak_gmacs=1.0, bandwidth_gb_s=1.0, sources=())
    monkeypatch.setattr("costmodel.report_command.this_machine", lambda: machine)
    monkeypatch.setattr("costmodel.calibration.calibration.Session", NoSession)
    monkeypatch.setattr("costmodel.calibration.calibration.keep", lambda calibration: None)
    monkeypatch.setattr("costmodel.calibration.calibration.kept", lambda: CALIBRATION)
    monkeypatch.setattr("costmodel.__main__._calibrated", lambda: CALIBRATION)
    monkeypatch.setattr("costmodel.measured_tables.measured_peak", lambda *arguments: 50_000)
    for arguments in documents:
        assert main([*arguments, "--format", "json"]) == 0
        yield arguments, json.loads(capsys.readouterr().out)


def test_json_has_the_documented_tables_keys_and_types(capsys, monkeypatch, documents):
    pages = documented()
    frame = pages.pop("")
    seen = {}
    for arguments, document in printed(capsys, monkeypatch, documents):
        assert (
            document.keys() == {"schema", "size", "convention", "machine", "version", "tables"} - LEFT_OUT[arguments[0]]
        )
        assert document["schema"] == 2
        for table in document["tables"]:
            assert table.keys() == frame.keys()
            keys = pages[table["name"]]
            columns = {column["key"]: column for column in table["columns"]}
            assert all(column.keys() == {"key", "type", "header", "meaning"} for column in columns.values())
            assert list(columns) == [key for key in keys if key in columns], "in the documented order"
            assert {key: column["type"] for key, column in columns.items()} == {key: keys[key][0] for key in columns}
            for row in [*table["rows"], *([table["total"]] if table["total"] else [])]:
                assert list(row) == list(columns)
                for key, value in row.items():
                    assert value is None or isinstance(value, JSON_TYPES[columns[key]["type"]]), (key, value)
            seen.setdefault(table["name"], []).append(columns.keys())
    assert seen.keys() == pages.keys()
    for name, keys in pages.items():
        assert set().union(*seen[name]) == keys.keys(), name
        sometimes = {key for key in keys if not all(key in columns for columns in seen[name])}
        assert sometimes <= {key for key, (_, meaning) in keys.items() if "only w" in meaning}


def test_conventions_are_documented_by_their_names():
    text = PAGE.read_text(encoding="utf-8")
    assert re.findall(r"^- `([\w-]+)`: \d", text, re.MULTILINE) == list(CONVENTIONS)


def test_the_example_runs():
    result = doctest.testfile(str(PAGE), module_relative=False)
    assert result.attempted == 8
    assert result.failed == 0
