"""Draws the comparison: how npfuse's lead depends on the content of a pair, and seconds over size."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.comparison import Row
from bench.runtime import NPFUSE, title
from bench.tables import threads_text
from npfuse.pictures.atomic import written_in_place


def plot(rows: Sequence[Row], path: Path) -> None:
    """Draw two panels per network, for the first number of threads, in the format of the path's suffix."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    networks = list(dict.fromkeys(row.network for row in rows))
    figure, panels = pyplot.subplots(len(networks), 2, figsize=(12, 4.5 * len(networks)), squeeze=False)
    for network, (lead, seconds) in zip(networks, panels, strict=True):
        mine = [row for row in rows if row.network == network and row.threads == rows[0].threads]
        mine = [row for row in mine if row.engine != NPFUSE or not row.ratio]  # npfuse again, beside more threads
        _draw_lead(lead, mine)
        _draw_seconds(seconds, mine)
    for axis in (panel.yaxis for pair in panels for panel in pair):
        axis.set_major_formatter("{x:g}")
    figure.tight_layout()
    with written_in_place(path, overwrite=True) as file:
        figure.savefig(file, format=path.suffix.lstrip(".") or "png", dpi=120)
    pyplot.close(figure)


def _engines(rows: Sequence[Row]) -> list[str]:
    """Return the engines of rows, each once, in their order."""
    return list(dict.fromkeys(row.engine for row in rows))


def _draw_lead(panel: Any, rows: Sequence[Row]) -> None:
    """Draw how many times as long each peer takes, by the content of the smallest pairs."""
    smallest = min(row.height * row.width for row in rows)
    small = [row for row in rows if row.height * row.width == smallest]
    contents = list(dict.fromkeys(row.content for row in small))
    for engine in _engines(rows):
        if engine == NPFUSE:
            continue
        found = {row.content: row.ratio.median for row in small if row.engine == engine and row.ratio}
        panel.plot([contents.index(content) for content in found], list(found.values()), "o-", label=title(engine))
    panel.axhline(1, color="black", linewidth=0.8)
    panel.set_yscale("log")
    panel.set_xticks(range(len(contents)), contents, rotation=20, ha="right", fontsize=8)
    panel.set_ylabel("time / npfuse's time")
    panel.set_title(f"{rows[0].network}, {small[0].height} x {small[0].width}, {threads_text(rows[0].threads)}")
    panel.legend(fontsize=8)


def _draw_seconds(panel: Any, rows: Sequence[Row]) -> None:
    """Draw how long each engine takes for the first pair, by its size."""
    for engine in _engines(rows):
        found = {
            row.height * row.width / 1e6: row.wall_s.median
            for row in rows
            if row.engine == engine and row.content == rows[0].content
        }
        style = {"color": "black", "linewidth": 2.5} if engine == NPFUSE else {}
        panel.plot(list(found), list(found.values()), "o-", label=title(engine), **style)
    panel.set_xscale("log")
    panel.set_yscale("log")
    sizes = sorted({row.height * row.width / 1e6 for row in rows})
    panel.set_xticks(sizes, [f"{size:.3g}" for size in sizes])
    panel.set_xticks([], minor=True)
    panel.set_xlabel("megapixels")
    panel.set_ylabel("seconds")
    panel.set_title(f"{rows[0].network}, {rows[0].content}, {threads_text(rows[0].threads)}")
    panel.legend(fontsize=8)
