"""A table as data, and its five forms: text, Markdown, CSV, JSON and LaTeX.

The schema of JSON and CSV, with the keys of every table, is in `docs/costmodel.md`, and the tests hold them to it.
"""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from textwrap import wrap
from types import MappingProxyType
from typing import Literal

SCHEMA = 2

MIB = 2**20

GAP = "  "  # between columns of text
WIDTH = 80  # columns of text, unless another width is asked for

Value = str | int | float | None
Kind = Literal["text", "integer", "decimal", "general", "mib", "percent", "scaled"]

JSON_TYPES: Mapping[Kind, str] = MappingProxyType(
    {
        "text": "string",
        "integer": "integer",
        "decimal": "number",
        "general": "number",
        "mib": "integer",
        "percent": "number",
        "scaled": "integer",
    }
)


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column.

    Parameters
    ----------
    key : in JSON and CSV
    header : as printed
    group : heading over neighbouring columns of the same group, or nothing
    meaning : a sentence, with the unit of the raw value
    kind : how values are printed; "general" without trailing zeros, "mib" bytes in MiB, "percent" a fraction of 1,
        "scaled" with four digits and k, M, G or T for thousands and their powers
    digits : after the decimal point
    """

    key: str
    header: str
    meaning: str
    kind: Kind = "text"
    digits: int = 0
    group: str = ""

    @property
    def full_header(self) -> str:
        """The header with its group."""
        return f"{self.group} {self.header}".strip()

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
        if self.kind == "scaled":
            return _scaled(value)
        if self.kind == "general":
            return f"{value:g}"
        if self.kind == "mib":
            return f"{value / MIB:,.{self.digits}f}"
        return f"{value:,.{self.digits}f}" if self.kind == "decimal" else f"{value:,}"


def _scaled(value: float) -> str:
    """Return a number with the letter of its power of a thousand.

    Examples
    --------
    >>> _scaled(21_832_581_120), _scaled(1574), _scaled(12)
    ('21.83 G', '1.574 k', '12')
    """
    power = 0
    while abs(value) >= 999.95 and power < 4:
        value, power = value / 1000, power + 1
    return f"{value:.4g} {'kMGT'[power - 1]}" if power else f"{value:g}"


def integer(key: str, header: str, meaning: str, group: str = "") -> Column:
    """Return a column of whole numbers."""
    return Column(key=key, header=header, meaning=meaning, kind="integer", group=group)


def scaled(key: str, header: str, meaning: str, group: str = "") -> Column:
    """Return a column of whole numbers of any size, printed with k, M, G or T."""
    return Column(key=key, header=header, meaning=meaning, kind="scaled", group=group)


def decimal(key: str, header: str, meaning: str, digits: int, group: str = "") -> Column:
    """Return a column of numbers with so many digits after the decimal point."""
    return Column(key=key, header=header, meaning=meaning, kind="decimal", digits=digits, group=group)


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows under columns.

    Parameters
    ----------
    name : identifies the table in JSON
    title : for people
    columns : in order
    rows : a value for each column
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
        rows = [[column.text(value) for column, value in zip(self.columns, row, strict=True)] for row in self.rows]
        if self.total:
            pairs = zip(self.columns, self.total, strict=True)
            rows.append(["" if value is None else column.text(value) for column, value in pairs])
        return rows


def text(tables: Sequence[Table], width: int = WIDTH) -> str:
    """Return tables for a terminal; one that is wider than that goes on below itself, under its first column again.

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
    return "\n\n".join(_text(table, width) for table in tables)


def _text(table: Table, width: int) -> str:
    cells = [[column.header for column in table.columns], *table.cells()]
    blocks: list[list[str]] = []
    columns = [0]
    for i in range(1, len(table.columns)):
        fits = max(map(len, _block(table, cells, [*columns, i]))) <= width
        if len(columns) > 1 and not fits:
            blocks.append(_block(table, cells, columns))
            columns = [0]
        columns.append(i)
    blocks.append(_block(table, cells, columns))
    notes = [line for note in table.notes for line in wrap(note, width, subsequent_indent="  ")]
    return "\n".join([*wrap(table.title, width), "\n\n".join("\n".join(block) for block in blocks), *notes])


def _block(table: Table, cells: Sequence[Sequence[str]], columns: Sequence[int]) -> list[str]:
    """Return the lines of some of a table's columns."""
    widths = {i: max(len(row[i]) for row in cells) for i in columns}
    groups = [(group, list(members)) for group, members in groupby(columns, _group_of(table))]
    for group, members in groups:
        missing = len(group) - sum(widths[i] + len(GAP) for i in members) + len(GAP)
        widths[members[-1]] += max(missing, 0)
    lines = []
    if any(group for group, _ in groups):
        spans = [sum(widths[i] + len(GAP) for i in members) - len(GAP) for _, members in groups]
        lines.append(GAP.join(group.center(span) for (group, _), span in zip(groups, spans, strict=True)).rstrip())
    for row in cells:
        padded = [
            row[i].ljust(widths[i]) if table.columns[i].kind == "text" else row[i].rjust(widths[i]) for i in columns
        ]
        lines.append(GAP.join(padded).rstrip())
    rule = "-" * max(map(len, lines))
    lines.insert(len(lines) - len(cells) + 1, rule)
    if table.total:
        lines.insert(-1, rule)
    return lines


def _group_of(table: Table) -> Callable[[int], str]:
    """Return the function that tells a column's group by its index."""
    return lambda i: table.columns[i].group


def markdown(tables: Sequence[Table]) -> str:
    """Return tables in GitHub's Markdown."""
    return "\n\n".join(_markdown(table) for table in tables)


def _markdown(table: Table) -> str:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    rule = "| " + " | ".join("---" if column.kind == "text" else "---:" for column in table.columns) + " |"
    rows = [line(row) for row in table.cells()]
    notes = [f"\n{note}" for note in table.notes]
    return "\n".join(
        [f"**{table.title}**\n", line([column.full_header for column in table.columns]), rule, *rows, *notes]
    )


def csv_text(tables: Sequence[Table]) -> str:
    """Return tables as CSV, with raw values; `docs/costmodel.md` says how."""
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


def json_text(tables: Sequence[Table], about: Mapping[str, Value] | None = None) -> str:
    """Return tables as JSON, with facts about the run; its schema is in `docs/costmodel.md`."""
    document = {"schema": SCHEMA, **(about or {}), "tables": [_json(table) for table in tables]}
    return json.dumps(document, indent=2, ensure_ascii=False)


def _json(table: Table) -> dict[str, object]:
    def record(row: tuple[Value, ...]) -> dict[str, Value]:
        return {column.key: value for column, value in zip(table.columns, row, strict=True)}

    return {
        "name": table.name,
        "title": table.title,
        "columns": [
            {"key": c.key, "type": JSON_TYPES[c.kind], "header": c.full_header, "meaning": c.meaning}
            for c in table.columns
        ],
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
        "…": r"\ldots{}",
    }
)


def latex(tables: Sequence[Table]) -> str:
    """Return tables in LaTeX; one that is wider than a line is scaled down to it, which needs graphicx."""
    return "\n\n".join(["% needs \\usepackage{graphicx}", *(_latex(table) for table in tables)])


def _latex_text(text: str) -> str:
    """Return text with what LaTeX would read escaped, two hyphens no dash, and `code` in typewriter."""
    parts = ["-{}-".join(piece.translate(_LATEX) for piece in part.split("--")) for part in text.split("`")]
    return "".join(rf"\texttt{{{part}}}" if i % 2 else part for i, part in enumerate(parts))


def _latex(table: Table) -> str:
    def line(cells: Sequence[str]) -> str:
        return "  " + " & ".join(map(_latex_text, cells)) + r" \\"

    rows = [line(row) for row in table.cells()]
    if table.total:
        rows.insert(-1, r"  \hline")
    headers = [line([column.header for column in table.columns])]
    groups = [(group, len(list(columns))) for group, columns in groupby(range(len(table.columns)), _group_of(table))]
    if any(group for group, _ in groups):
        spans = [rf"\multicolumn{{{span}}}{{c}}{{{_latex_text(group)}}}" for group, span in groups]
        headers.insert(0, "  " + " & ".join(spans) + r" \\")
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering\renewcommand{\arraystretch}{1.15}\setlength{\tabcolsep}{4pt}",
            rf"\caption{{{_latex_text(table.title)}}}",
            r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
            rf"\begin{{tabular}}{{{''.join('l' if column.kind == 'text' else 'r' for column in table.columns)}}}",
            r"  \hline",
            *headers,
            r"  \hline",
            *rows,
            r"  \hline",
            r"\end{tabular}}",
            r"\begin{minipage}{\linewidth}\footnotesize\raggedright\vspace{1ex}",
            *(rf"{_latex_text(note)}\par" for note in table.notes),
            r"\end{minipage}",
            r"\end{table}",
        ]
    )


FORMATS: Mapping[str, Callable[[Sequence[Table]], str]] = MappingProxyType(
    {"text": text, "markdown": markdown, "csv": csv_text, "json": json_text, "latex": latex}
)
