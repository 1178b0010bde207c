"""A table as data, and its five forms: text, Markdown, CSV, JSON and LaTeX.

Schema of the JSON: an object with `schema` (1, raised when a key changes its meaning) and `tables`, a list of objects
with

- `name` : identifies the table; `title` : for people
- `columns` : a list of objects with `key`, `header` (as printed) and `meaning` (a sentence, with the unit)
- `rows` : a list of objects, a value a column key; null where there is none; whole numbers are exact
- `total` : an object like a row, or null
- `notes` : a list of sentences

CSV has the keys as its header, the same values, a row `total` where there is one, and an empty line between tables.
"""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

SCHEMA = 1

MIB = 2**20

Value = str | int | float | None
Kind = Literal["text", "integer", "decimal", "mib", "percent"]


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column.

    Parameters
    ----------
    key : in JSON and CSV
    header : as printed
    meaning : a sentence, with the unit of the raw value
    kind : how values are printed; "mib" prints bytes in MiB, "percent" a fraction of 1
    digits : after the decimal point
    """

    key: str
    header: str
    meaning: str
    kind: Kind = "text"
    digits: int = 0

    def text(self, value: Value) -> str:
        """Return a value as printed.

        Examples
        --------
        >>> Column(key="a", header="a", meaning="", kind="mib", digits=1).text(3 * 2**19)
        '1.5'
        """
        if value is None:
            return "—"
        if isinstance(value, str):
            return value
        if self.kind == "percent":
            return f"{100 * value:.{self.digits}f} %"
        if self.kind == "mib":
            return f"{value / MIB:,.{self.digits}f}"
        return f"{value:,.{self.digits}f}" if self.kind == "decimal" else f"{value:,}"


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows under columns.

    Parameters
    ----------
    name : identifies the table in JSON
    title : for people
    columns : in order
    rows : a value a column
    total : like a row, or None
    notes : sentences below the table
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...]
    total: tuple[Value, ...] | None = None
    notes: tuple[str, ...] = ()

    def cells(self) -> list[list[str]]:
        """Return the printed rows, the total last."""
        rows = [*self.rows, self.total] if self.total else list(self.rows)
        return [[column.text(value) for column, value in zip(self.columns, row, strict=True)] for row in rows]


def text(tables: Sequence[Table]) -> str:
    """Return tables for a terminal.

    Examples
    --------
    >>> columns = Column(key="a", header="name", meaning=""), Column(key="n", header="n", meaning="", kind="integer")
    >>> print(text([Table(name="t", title="Two", columns=columns, rows=(("x", 1000), ("y", None)))]))
    Two
    name      n
    -----------
    x     1,000
    y         —
    """
    return "\n\n".join(_text(table) for table in tables)


def _text(table: Table) -> str:
    cells = [[column.header for column in table.columns], *table.cells()]
    widths = [max(len(row[i]) for row in cells) for i in range(len(table.columns))]
    lines = []
    for row in cells:
        padded = [
            cell.ljust(width) if column.kind == "text" else cell.rjust(width)
            for cell, width, column in zip(row, widths, table.columns, strict=True)
        ]
        lines.append("  ".join(padded).rstrip())
    rule = "-" * max(map(len, lines))
    lines.insert(1, rule)
    if table.total:
        lines.insert(-1, rule)
    return "\n".join([table.title, *lines, *table.notes])


def markdown(tables: Sequence[Table]) -> str:
    """Return tables in GitHub's Markdown."""
    return "\n\n".join(_markdown(table) for table in tables)


def _markdown(table: Table) -> str:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    rule = "| " + " | ".join("---" if column.kind == "text" else "---:" for column in table.columns) + " |"
    rows = [line(row) for row in table.cells()]
    notes = [f"\n{note}" for note in table.notes]
    return "\n".join([f"**{table.title}**\n", line([column.header for column in table.columns]), rule, *rows, *notes])


def csv_text(tables: Sequence[Table]) -> str:
    """Return tables as CSV, with raw values; the module's docstring says how."""
    parts = []
    for table in tables:
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow([column.key for column in table.columns])
        writer.writerows(table.rows)
        if table.total:
            writer.writerow(table.total)
        parts.append(out.getvalue())
    return "\n".join(parts).rstrip("\n")


def json_text(tables: Sequence[Table]) -> str:
    """Return tables as JSON; the module's docstring is its schema."""
    return json.dumps({"schema": SCHEMA, "tables": [_json(table) for table in tables]}, indent=2, ensure_ascii=False)


def _json(table: Table) -> dict[str, object]:
    def record(row: tuple[Value, ...]) -> dict[str, Value]:
        return {column.key: value for column, value in zip(table.columns, row, strict=True)}

    return {
        "name": table.name,
        "title": table.title,
        "columns": [{"key": c.key, "header": c.header, "meaning": c.meaning} for c in table.columns],
        "rows": [record(row) for row in table.rows],
        "total": record(table.total) if table.total else None,
        "notes": list(table.notes),
    }


_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "&": r"\&",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "{": r"\{",
        "}": r"\}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "×": r"$\times$",
        "—": "---",
    }
)


def latex(tables: Sequence[Table]) -> str:
    """Return tables in LaTeX; they need no package."""
    return "\n\n".join(_latex(table) for table in tables)


def _latex(table: Table) -> str:
    def line(cells: Sequence[str]) -> str:
        return "  " + " & ".join(cell.translate(_LATEX) for cell in cells) + r" \\"

    rows = [line(row) for row in table.cells()]
    if table.total:
        rows.insert(-1, r"  \hline")
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{table.title.translate(_LATEX)}}}",
            rf"\begin{{tabular}}{{{''.join('l' if column.kind == 'text' else 'r' for column in table.columns)}}}",
            r"  \hline",
            line([column.header for column in table.columns]),
            r"  \hline",
            *rows,
            r"  \hline",
            r"\end{tabular}",
            *(rf"\par {note.translate(_LATEX)}" for note in table.notes),
            r"\end{table}",
        ]
    )


FORMATS: Mapping[str, Callable[[Sequence[Table]], str]] = MappingProxyType(
    {"text": text, "markdown": markdown, "csv": csv_text, "json": json_text, "latex": latex}
)
