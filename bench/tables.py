"""Rows of a comparison as lines of text, and the best and the worst case of each engine."""

from collections.abc import Iterable, Iterator, Sequence

from bench.command_share import Shares
from bench.comparison import MemoryRow, Row
from bench.runtime import NPFUSE, title
from bench.summary import Summary

MIB = 2**20

HEADER = (
    f"{'height x width':>14}  {'content':<22} {'engine':<20} {'as':<9} {'seconds (quartiles)':<27} {'ns/pixel':>8} "
    f"{'GMAC/s':>7} {'first':>6} {'busy':>5}  {'over npfuse (quartiles), runs':<30}  {'differs':<18}"
).rstrip()


def row_line(row: Row) -> str:
    """Return a row of the main table."""
    pixels = row.height * row.width
    ratio = "" if row.ratio is None else f"{quartiles(row.ratio, '.2f')} x, {row.ratio.count}"
    if row.ratio is None:
        ratio = f"{row.wall_s.count} runs"
    apart = "" if row.apart is None else f"{row.apart.levels} in {100 * row.apart.share:.4f} %"
    return (
        f"{row.height:>6} x {row.width:<5}  {row.content[:22]:<22} {_engine(row):<20} {manner(row):<9} "
        f"{quartiles(row.wall_s, '.4f'):<27} {1e9 * row.wall_s.median / pixels:>8.1f} "
        f"{row.macs / row.wall_s.median / 1e9:>7.1f} {row.first_s:>6.2f} {row.busy:>5.2f}  {ratio:<30}  "
        f"{apart:<18}"
    ).rstrip()


def quartiles(summary: Summary, form: str) -> str:
    """Return "median (low to high)"."""
    return f"{summary.median:{form}} ({summary.low:{form}} to {summary.high:{form}})"


def manner(row: Row | MemoryRow) -> str:
    """Return how a pair was cut, in words."""
    if row.engine == NPFUSE:
        return ""
    return "whole" if row.side is None else f"tiles {row.side}"


def _engine(row: Row) -> str:
    return f"{NPFUSE}, {threads_text(row.threads)}" if row.engine == NPFUSE and row.ratio else title(row.engine)


def threads_text(threads: int) -> str:
    """Return "1 thread", "2 threads"."""
    return f"{threads} thread{'' if threads == 1 else 's'}"


def extremes(rows: Sequence[Row]) -> Iterator[str]:
    """Yield, for each network, number of threads and peer, where npfuse is furthest ahead and where least."""
    cases: dict[tuple[str, int, str], list[tuple[float, Row]]] = {}
    for row in rows:
        if row.ratio is not None and row.engine != NPFUSE:
            cases.setdefault((row.network, row.threads, row.engine), []).append((row.ratio.median, row))
    for (network, threads, engine), found in cases.items():
        best, worst = max(found, key=lambda case: case[0]), min(found, key=lambda case: case[0])
        places = [f"{ratio:.2f} x ({row.content}, {row.height} x {row.width})" for ratio, row in (best, worst)]
        yield f"{network}, {threads_text(threads)}, {title(engine)}: at best {places[0]}, at worst {places[1]}"


def memory_lines(rows: Iterable[MemoryRow]) -> Iterator[str]:
    """Yield the table of memory."""
    yield f"{'height x width':>14}  {'network':<12} {'engine':<20} {'as':<9} {'MiB beyond':>10} {'MiB of process':>14}"
    for row in rows:
        mark = "" if row.memory.exact else "  (the process's whole life)"
        yield (
            f"{row.height:>6} x {row.width:<5}  {row.network:<12} {title(row.engine):<20} {manner(row):<9} "
            f"{row.memory.beyond_bytes / MIB:>10.0f} {row.memory.process_bytes / MIB:>14.0f}{mark}"
        )


def share_lines(network: str, shares: Shares) -> Iterator[str]:
    """Yield the lines that say how the command spends its time."""
    whole = shares.command_s.median
    parts = {"decoding": shares.decode_s, "fusing": shares.fuse_s, "encoding": shares.encode_s}
    rest = whole - sum(part.median for part in parts.values())
    text = ", ".join(f"{name} {s.median:.2f} s ({100 * s.median / whole:.0f} %)" for name, s in parts.items())
    yield (
        f"{network}, {shares.height} x {shares.width}, {threads_text(shares.threads)}: whole {whole:.2f} s; {text}, "
        f"everything else {rest:.2f} s ({100 * rest / whole:.0f} %)"
    )
    yield f"    fusing / decoding both files: {quartiles(shares.fuse_to_decode, '.2f')}"
