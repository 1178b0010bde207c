"""Draws a network's layers under a machine's roofline, and their share of the cost. Needs Matplotlib (extra `plot`)."""

from pathlib import Path
from typing import Any

from costmodel.conventions import Convention
from costmodel.counts import LayerCost
from costmodel.machine import Machine
from costmodel.report import Subject

NAMED = 3  # layers named at one point


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
    layers = [layer for layer in subject.cost.layers if layer.operations]
    figure = Figure(figsize=(12, 0.25 * len(layers) + 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    _roofline(left, layers, machine)
    names = [layer.name for layer in layers]
    right.barh(names, [convention.amount(layer.work) for layer in layers])
    right.invert_yaxis()
    if subject.cost.amount(convention):
        right.set_xscale("log")
    right.set_xlabel(f"{convention.unit} ({convention.name})")
    right.set_title(f"{subject.name}: cost by layer")
    try:
        figure.savefig(path)
    except ValueError as error:
        raise ValueError(f"plot: file is {str(path)!r}: {error}") from None


def _roofline(axes: Any, layers: list[LayerCost], machine: Machine) -> None:
    """Draw attainable operations a second over arithmetic intensity."""
    intensities = [layer.operations / layer.bytes_moved for layer in layers]
    attainable = [min(machine.peak_gmacs, machine.bandwidth_gb_s * intensity) for intensity in intensities]
    least = min(*intensities, machine.balance) / 2
    most = max(*intensities, machine.balance) * 2
    corners = [least, machine.balance, most]
    roof = [min(machine.peak_gmacs, machine.bandwidth_gb_s * corner) for corner in corners]
    axes.loglog(corners, roof, color="black")
    axes.loglog(intensities, attainable, "o")
    for names, x, y in _labels(layers, intensities, attainable):
        axes.annotate(names, (x, y), textcoords="offset points", xytext=(5, -8), fontsize=7)
    axes.set_xlabel("operations a byte, operator by operator")
    axes.set_ylabel("attainable 1e9 operations a second")
    axes.set_title(f"Roofline of {'this machine' if machine.name == 'here' else machine.name}")


def _labels(layers: list[LayerCost], xs: list[float], ys: list[float]) -> list[tuple[str, float, float]]:
    """Return (names, x, y), one for all layers that would be written over one another."""
    near: dict[str, tuple[list[str], float, float]] = {}
    for layer, x, y in zip(layers, xs, ys, strict=True):
        near.setdefault(f"{x:.1e}", ([], x, y))[0].append(layer.name)
    return [
        (", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else ""), x, y)
        for names, x, y in near.values()
    ]
