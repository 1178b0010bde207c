"""The five forms of a table."""

import csv
import io
import json

import pytest

from costmodel.tables import FORMATS, Column, Table

COLUMNS = (
    Column(key="name", header="name", meaning="who"),
    Column(key="count", header="count", meaning="how many", kind="integer", group="amounts"),
    Column(key="size", header="size", meaning="in bytes", kind="mib", digits=1, group="amounts"),
)
TABLE = Table(
    name="things",
    title="50 % of_things",
    columns=COLUMNS,
    rows=(("a|b", 12345, 3 * 2**20), ("c & d", None, 2**19)),
    total=("total", 12345, None),
    notes=("First.", "Second: 3 × #1."),
)


def test_text_aligns_numbers_to_the_right_and_rules_off_the_total():
    assert FORMATS["text"]([TABLE]).splitlines() == [
        "50 % of_things",
        "         amounts",
        "name    count  size",
        "-------------------",
        "a|b    12,345   3.0",
        "c & d       —   0.5",
        "-------------------",
        "total  12,345",
        "First.",
        "Second: 3 × #1.",
    ]


def test_text_makes_room_for_a_group_wider_than_its_columns():
    columns = (
        Column(key="a", header="a", meaning="", group="a long group"),
        Column(key="b", header="b", meaning="", kind="integer"),
    )
    table = Table(name="t", title="t", columns=columns, rows=(("x", 1),))
    assert FORMATS["text"]([table]).splitlines()[1:] == [
        "a long group",
        "a             b",
        "---------------",
        "x             1",
    ]


def test_markdown_escapes_bars_and_names_groups():
    assert FORMATS["markdown"]([TABLE]).splitlines()[2:6] == [
        "| name | amounts count | amounts size |",
        "| --- | ---: | ---: |",
        "| a\\|b | 12,345 | 3.0 |",
        "| c & d | — | 0.5 |",
    ]


def test_csv_has_keys_and_raw_values():
    rows = list(csv.reader(io.StringIO(FORMATS["csv"]([TABLE]))))
    assert rows == [
        ["name", "count", "size"],
        ["a|b", "12345", "3145728"],
        ["c & d", "", "524288"],
        ["total", "12345", ""],
    ]


def test_json_follows_its_documented_schema():
    document = json.loads(FORMATS["json"]([TABLE, TABLE]))
    assert document.keys() == {"schema", "tables"}
    assert document["schema"] == 2
    first, second = document["tables"]
    assert (
        first
        == second
        == {
            "name": "things",
            "title": "50 % of_things",
            "columns": [
                {"key": "name", "type": "string", "header": "name", "meaning": "who"},
                {"key": "count", "type": "integer", "header": "amounts count", "meaning": "how many"},
                {"key": "size", "type": "integer", "header": "amounts size", "meaning": "in bytes"},
            ],
            "rows": [
                {"name": "a|b", "count": 12345, "size": 3145728},
                {"name": "c & d", "count": None, "size": 524288},
            ],
            "total": {"name": "total", "count": 12345, "size": None},
            "notes": ["First.", "Second: 3 × #1."],
        }
    )


def test_latex_escapes_what_latex_would_read():
    lines = FORMATS["latex"]([TABLE]).splitlines()
    assert r"\caption{50 \% of\_things}" in lines
    assert r"  a|b & 12,345 & 3.0 \\" in lines
    assert r"  c \& d & --- & 0.5 \\" in lines
    assert r"Second: 3 $\times$ \#1.\par" in lines
    assert r"\begin{tabular}{lrr}" in lines


def test_latex_of_code_and_options_is_what_was_written():
    table = Table(name="t", title="`paper`, see --model t_cnn", columns=COLUMNS, rows=())
    assert r"\caption{\texttt{paper}, see -{}-model t\_cnn}" in FORMATS["latex"]([table])


@pytest.mark.parametrize(
    ("kind", "value", "printed"),
    [
        ("text", "x", "x"),
        ("integer", 1234567, "1,234,567"),
        ("decimal", 1234.567, "1,234.57"),
        ("general", 20.0, "20"),
        ("general", 1.4, "1.4"),
        ("mib", 2**30, "1,024.00"),
        ("percent", 0.5, "50.00 %"),
        ("scaled", 21_832_581_120, "21.83 G"),
        ("scaled", 999_960, "1 M"),
        ("scaled", 12, "12"),
        ("decimal", None, "—"),
    ],
)
def test_column_prints_its_kind(kind, value, printed):
    assert Column(key="k", header="k", meaning="", kind=kind, digits=2).text(value) == printed


def test_tables_reject_rows_of_the_wrong_length():
    short = Table(name="t", title="t", columns=COLUMNS, rows=(("a", 1),))
    for form in ("text", "markdown", "latex", "json"):
        with pytest.raises(ValueError, match="zip"):
            FORMATS[form]([short])
