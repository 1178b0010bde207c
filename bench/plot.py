"""The comparison as a picture: how npfuse's lead depends on what a pair shows, and seconds over size."""

from collections.abc import Sequence
from pathlib import Path

from bench.comparison import Row
from bench.runtime import NPFUSE, title
from bench.tables import threads_text
from npfuse.pictures.atomic import written_in_place


def plot(rows: Sequence[Row], path: Path) -> None:
    """Draw two panels a network, of the first number of threads, and write them as the suffix of the path says."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    threads = rows[0].threads
    networks = list(dict.fromkeys(row.network for row in rows))
    figure, panels = pyplot.subplots(len(networks), 2, figsize=(12, 4.5 * len(networks)), squeeze=False)
    for network, (lead, seconds) in zip(networks, panels, strict=True):
        mine = [row for row in rows if row.network == network and row.threads == threads]
        mine = [row for row in mine if row.engine != NPFUSE or not row.ratio]  # npfuse again, beside more threads
        engines = list(dict.fromkeys(row.engine for row in mine))
        smallest = min(row.height * row.width for row in mine)
        small = [row for row in mine if row.height * row.width == smallest]
        contents = list(dict.fromkeys(row.content for row in small))
        for engine in engines:
            if engine == NPFUSE:
                continue
            found = {row.content: row.ratio.median for row in small if row.engine == engine and row.ratio}
            lead.plot([contents.index(content) for content in found], list(found.values()), "o-", label=title(engine))
        lead.axhline(1, color="black", linewidth=0.8)
        lead.set_yscale("log")
        lead.set_xticks(range(len(contents)), contents, rotation=20, ha="right", fontsize=8)
        lead.set_ylabel("time / npfuse's time")
        lead.set_title(f"{network}, {small[0].height} x {small[0].width}, {threads_text(threads)}")
        lead.legend(fontsize=8)
        for engine in engines:
            found = {
                row.height * row.width / 1e6: row.wall_s.median
                for row in mine
                if row.engine == engine and row.content == mine[0].content
            }
            style = {"color": "black", "linewidth": 2.5} if engine == NPFUSE else {}
            seconds.plot(list(found), list(found.values()), "o-", label=title(engine), **style)
        seconds.set_xscale("log")
        seconds.set_yscale("log")
        sizes = sorted({row.height * row.width / 1e6 for row in mine})
        seconds.set_xticks(sizes, [f"{size:.3g}" for size in sizes])
        seconds.set_xticks([], minor=True)
        seconds.set_xlabel("megapixels")
        seconds.set_ylabel("seconds")
        seconds.set_title(f"{network}, {mine[0].content}, {threads_text(threads)}")
        seconds.legend(fontsize=8)
    for axis in (panel.yaxis for pair in panels for panel in pair):
        axis.set_major_formatter("{x:g}")
    figure.tight_layout()
    with written_in_place(path, overwrite=True) as file:
        figure.savefig(file, format=path.suffix.lstrip(".") or "png", dpi=120)
    pyplot.close(figure)
