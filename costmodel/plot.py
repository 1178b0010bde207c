"""Draws a network under a machine's roofline, and the cost of its layers. Needs Matplotlib (extra `plot`)."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from costmodel.conventions import Convention
from costmodel.counts import LayerCost
from costmodel.machine import Machine
from costmodel.report import Subject
from npfuse.pictures.atomic import written_in_place

NAMED = 2  # layers named at one point
BARS = 24  # of the costliest layers; the others get one bar together
NEAR = 0.12  # decades between points that are named together

Point = tuple[str, float, float]  # name, operations a byte, attainable 1e9 operations a second


def plot(subject: Subject, convention: Convention, machine: Machine, path: Path) -> None:
    """Draw a network into a file.

    Parameters
    ----------
    subject : the network
    convention : under which the cost by layer is counted
    machine : whose roofline is drawn
    path : of the file; its ending chooses the format (png, svg, pdf, …)

    Raises
    ------
    ValueError : Matplotlib is missing, or does not write such files
    OSError : the file cannot be written
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ValueError('plot: Matplotlib is missing, expected the extra "plot": pip install "npfuse[plot]"') from None
    bars = _bars(subject.cost.layers, convention)
    figure = Figure(figsize=(13, max(5, 0.27 * len(bars) + 1.5)), layout="constrained")
    known = figure.canvas.get_supported_filetypes()
    if path.suffix[1:].lower() not in known:
        raise ValueError(f"plot: ending of {path} is {path.suffix!r}, expected one of {', '.join(sorted(known))}")
    left, right = figure.subplots(1, 2)
    _roofline(left, subject, machine)
    _costs(right, bars, subject, convention)
    try:
        with written_in_place(path, overwrite=True) as file:
            figure.savefig(file, format=path.suffix[1:].lower(), dpi=120)
    except OSError as error:  # the temporary file's name is of no use to anybody
        raise OSError(error.errno, error.strerror, str(path)) from None


def _bars(layers: Sequence[LayerCost], convention: Convention) -> list[tuple[str, int]]:
    """Return (name, amount) of the costliest layers, in the order of execution, and of the others together."""
    amounts = {layer.name: convention.amount(layer.work) for layer in layers if convention.amount(layer.work)}
    if len(amounts) <= BARS:
        return list(amounts.items())
    shown = set(sorted(amounts, key=lambda name: -amounts[name])[: BARS - 1])
    bars = [(name, amount) for name, amount in amounts.items() if name in shown]
    rest = [amount for name, amount in amounts.items() if name not in shown]
    return [*bars, (f"{len(rest)} others", sum(rest))]


def _costs(axes: Any, bars: list[tuple[str, int]], subject: Subject, convention: Convention) -> None:
    """Draw a bar for each layer, with its share of the total."""
    total = subject.cost.amount(convention)
    axes.set_title(f"{subject.name}, {subject.grid}: {total:,} {convention.unit} ({convention.name}) a run")
    if not total:
        text = f"the convention {convention.name} counts nothing here"
        axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes)
        axes.set_axis_off()
        return
    drawn = axes.barh([name for name, _ in bars], [amount for _, amount in bars])
    axes.bar_label(drawn, labels=[f" {amount / total:.2%}" for _, amount in bars], fontsize=8)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlim(right=8 * max(amount for _, amount in bars))
    axes.set_xlabel(f"{convention.unit} ({convention.name}), logarithmic; share of the total")


def _roofline(axes: Any, subject: Subject, machine: Machine) -> None:
    """Draw attainable operations a second over arithmetic intensity, of layers and of the steps of fused execution."""
    layers = [(row.name, row.operations, row.bytes_moved) for row in subject.cost.layers if row.operations]
    fused = [(step.name, step.operations, step.bytes_moved) for step in subject.fused_steps if step.operations]
    own, merged = _points(layers, machine), _points(fused, machine)
    intensities = [machine.balance, *(x for _, x, _ in own + merged)]
    corners = [min(intensities) / 2, machine.balance, max(intensities) * 2]
    axes.loglog(corners, [_attainable(x, machine) for x in corners], color="black")
    axes.loglog([x for _, x, _ in own], [y for _, _, y in own], "o", label="operator by operator")
    label = "as npfuse.fuse runs it" if subject.model else "with merged chains"
    axes.loglog([x for _, x, _ in merged], [y for _, _, y in merged], "D", mfc="none", ms=9, label=label)
    named = {name for name, _, _ in layers}
    right_third = corners[2] / (corners[2] / corners[0]) ** (1 / 3)
    for above, points in ((False, own), (True, [point for point in merged if point[0] not in named])):
        for name, x, y in _labels(points):
            offset, side = ((-7, 5), "right") if above or x > right_third else ((8, -9), "left")
            axes.annotate(name, (x, y), textcoords="offset points", xytext=offset, ha=side, fontsize=8)
    axes.set_xlabel("operations a byte")
    axes.set_ylabel("attainable 1e9 operations a second (a multiply-add is one)")
    where = "this machine" if machine.name == "here" else machine.name
    axes.set_title(f"Roofline of {where}: {machine.peak_gmacs:,.4g} GMAC/s, {machine.bandwidth_gb_s:,.4g} GB/s")
    axes.legend(loc="lower right")
    axes.grid(which="major", alpha=0.3)


def _attainable(intensity: float, machine: Machine) -> float:
    return min(machine.peak_gmacs, machine.bandwidth_gb_s * intensity)


def _points(rows: Sequence[tuple[str, int, int]], machine: Machine) -> list[Point]:
    return [(name, done / moved, _attainable(done / moved, machine)) for name, done, moved in rows]


def _labels(points: Sequence[Point]) -> list[Point]:
    """Return (names, x, y), one for all points that would be written over one another."""
    near: dict[int, list[Point]] = {}
    for point in points:
        near.setdefault(round(math.log10(point[1]) / NEAR), []).append(point)
    labels = []
    for (first, x, y), *others in near.values():
        names = [first, *(name for name, _, _ in others)]
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        labels.append((", ".join(names[:NAMED]) + more, x, y))
    return labels
