"""Draws a network under a machine's roofline, and the cost of its layers. Needs Matplotlib (extra `plot`).

Points carry the numbers of the bars beside them, so that names are written once and cover nothing. Hollow points are
what the roofline lets a step attain; filled ones what it achieves by this machine's rates, where there are some.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from costmodel.conventions import Convention
from costmodel.execution import StepCost, steps
from costmodel.machine import Machine, step_time
from costmodel.report import Subject
from costmodel.tables import Column
from npfuse.pictures.atomic import written_in_place

BARS = 24  # of the costliest steps; the others get one bar together
LONGEST = {"page": 26, "column": 20}  # characters of a name
# Places of a number, in typographic points from its point: beside it, or above and below it where that is on the line.
BESIDE = ((10, 0), (-10, 0), (0, -9), (0, 9), (9, -7), (-9, -7), (9, 7), (-9, 7))
ABOVE = ((0, -9), (0, 9), (0, -18), (0, 18), (0, -27), (0, 27), (13, -6), (-13, 6))
MARKER = 4  # typographic points

WIDTHS = {"page": 13.0, "column": 3.5}  # inches


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A step of execution in the drawing.

    Parameters
    ----------
    number : in the order of execution, from 1; None for the others together
    name : of the step
    amount : under the convention
    step : StepCost, or None for the others together
    achieved_s : its time by the rates of this machine, if known
    """

    number: int | None
    name: str
    amount: int
    step: StepCost | None
    achieved_s: float | None = None


def plot(
    subject: Subject,
    convention: Convention,
    machine: Machine,
    path: Path,
    *,
    achieved: Sequence[float] | None = None,
    fit: str = "page",
) -> None:
    """Draw a network into a file.

    Parameters
    ----------
    subject : the network
    convention : under which the cost of steps is counted
    machine : whose roofline is drawn
    path : of the file; its ending chooses the format (png, svg, pdf, …)
    achieved : seconds of each step as `npfuse.run` runs it, if known
    fit : "page", or "column" for a column of a paper, 3.5 inches wide

    Raises
    ------
    ValueError : Matplotlib is missing, or does not write such files, or another fit
    OSError : the file cannot be written
    """
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError:
        raise ValueError('plot: Matplotlib is missing, expected the extra "plot": pip install "npfuse[plot]"') from None
    if fit not in WIDTHS:
        raise ValueError(f"plot: fit is {fit!r}, expected one of {', '.join(WIDTHS)}")
    bars = _bars(subject, convention, achieved)
    narrow = fit == "column"
    with rc_context({"font.size": 6.5 if narrow else 9, "svg.fonttype": "none"}):
        height = max(5, 0.27 * len(bars) + 1.5)
        size = (WIDTHS[fit], 2.4 + max(1.6, 0.14 * len(bars) + 0.7)) if narrow else (WIDTHS[fit], height)
        figure = Figure(figsize=size, layout="constrained")
        known = figure.canvas.get_supported_filetypes()
        if path.suffix[1:].lower() not in known:
            raise ValueError(f"plot: ending of {path} is {path.suffix!r}, expected one of {', '.join(sorted(known))}")
        if narrow:
            upper, lower = figure.subplots(2, 1, height_ratios=[2.4, size[1] - 2.4])
        else:
            upper, lower = figure.subplots(1, 2)
        points = _roofline(upper, bars, machine)
        _costs(lower, bars, subject, convention, LONGEST[fit])
        for axes in (upper, lower):  # where labels are long, a title in the middle would not fit
            if narrow:
                title = axes.get_title()
                axes.set_title("")
                axes.set_title(title, loc="right")
        figure.draw_without_rendering()  # what is laid out has its place
        _number_points(upper, points)
        try:
            with written_in_place(path, overwrite=True) as file:
                figure.savefig(file, format=path.suffix[1:].lower(), dpi=300 if narrow else 120)
        except OSError as error:  # the temporary file's name is of no use to anybody
            raise OSError(error.errno, error.strerror, str(path)) from None


def _bars(subject: Subject, convention: Convention, achieved: Sequence[float] | None) -> list[Bar]:
    """Return the costliest steps in the order of execution, and the others together."""
    walk = steps(subject.graph, subject.cost, merge=True)
    seconds: Sequence[float | None] = achieved or [None] * len(walk)
    every = [
        Bar(number=i, name=step.name, amount=convention.amount(step.work), step=step, achieved_s=time)
        for i, (step, time) in enumerate(zip(walk, seconds, strict=True), start=1)
    ]
    costly = [bar for bar in every if bar.amount]
    if len(costly) <= BARS:
        return costly
    limit = sorted(costly, key=lambda bar: -bar.amount)[: BARS - 1]
    rest = sum(bar.amount for bar in costly) - sum(bar.amount for bar in limit)
    name = f"{len(costly) - len(limit)} others"
    shown = {bar.number for bar in limit}
    return [*(bar for bar in costly if bar.number in shown), Bar(number=None, name=name, amount=rest, step=None)]


def _costs(axes: Any, bars: list[Bar], subject: Subject, convention: Convention, longest: int) -> None:
    """Draw one bar per step on a linear axis, with its share of the total."""
    from matplotlib.ticker import EngFormatter

    total = sum(bar.amount for bar in bars)
    amount = Column(key="", header="", meaning="", kind="scaled").text(total)
    axes.set_title(f"{subject.name}, {subject.grid}: {amount}{convention.unit}")
    if not total:
        text = f"the convention {convention.name} counts nothing here"
        axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes)
        axes.set_axis_off()
        return
    labels = [f"{_short(bar.name, longest)}  {bar.number}" if bar.number else bar.name for bar in bars]
    drawn = axes.barh(range(len(bars)), [bar.amount for bar in bars])
    axes.set_yticks(range(len(bars)), labels)
    axes.bar_label(drawn, labels=[f" {bar.amount / total:.1%}" for bar in bars])
    axes.invert_yaxis()
    axes.set_xlim(right=1.2 * max(bar.amount for bar in bars))
    axes.xaxis.set_major_formatter(EngFormatter())
    axes.set_xlabel(f"{convention.unit} ({convention.name}), and their share")
    axes.spines[["top", "right"]].set_visible(False)


def _short(name: str, longest: int) -> str:
    """Return a name without its middle where it is long.

    Examples
    --------
    >>> _short("block_4_expand_convolution_relu", 26)
    'block_4_expan…volution_relu'
    >>> _short("around1_pointwise…around1_relu", 26)
    'around1_point…around1_relu'
    """
    half = longest // 2
    return name if len(name) <= longest else f"{name[:half].rstrip('…')}…{name[-half:].lstrip('…')}"


def _roofline(axes: Any, bars: list[Bar], machine: Machine) -> list[tuple[str, float, float]]:
    """Draw attainable and achieved operations a second over arithmetic intensity.

    Returns
    -------
    list of (number, x, y) of all points; the number is empty where a point has none
    """
    shown = [(bar, bar.step) for bar in bars if bar.step is not None and bar.step.operations]
    places = [(bar, step.operations / step.bytes_moved, step.operations) for bar, step in shown]
    xs = [machine.balance, *(x for _, x, _ in places)]
    corners = [min(min(xs) / 2, machine.balance / 5), machine.balance, max(max(xs) * 2, machine.balance * 5)]
    axes.loglog(corners, [_attainable(x, machine) for x in corners], color="black", lw=1)
    attainable = [  # above the line where a cache may hold what a step moves
        (bar, x, done / step_time(done, step.bytes_moved, machine).total_s / 1e9)
        for (bar, x, done), (_, step) in zip(places, shown, strict=True)
    ]
    axes.loglog(
        [x for _, x, _ in attainable], [y for *_, y in attainable], "o", mfc="none", ms=MARKER, label="attainable"
    )
    achieved = [(bar, x, done / bar.achieved_s / 1e9) for bar, x, done in places if bar.achieved_s]
    if achieved:
        axes.loglog([x for _, x, _ in achieved], [y for *_, y in achieved], "o", ms=MARKER, label="achieved")
    _label_roofline(axes, machine)
    lowest = min(y for *_, y in (*attainable, *achieved)) if attainable else machine.peak_gmacs
    axes.set_ylim(lowest / 3, 3 * machine.peak_gmacs)
    unnumbered = [("", x, y) for _, x, y in attainable] if achieved else []
    return [*((str(bar.number), x, y) for bar, x, y in achieved or attainable), *unnumbered]


def _label_roofline(axes: Any, machine: Machine) -> None:
    axes.set_xlabel("operations per byte")
    axes.set_ylabel("1e9 operations per second")
    where = "this machine" if machine.name == "here" else machine.name
    axes.set_title(f"{where}: {machine.peak_gmacs:,.4g} GMAC/s, {machine.bandwidth_gb_s:,.4g} GB/s")
    axes.legend(loc="lower right", frameon=False)
    axes.grid(which="major", alpha=0.3)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter("")


def _attainable(intensity: float, machine: Machine) -> float:
    return min(machine.peak_gmacs, machine.bandwidth_gb_s * intensity)


def _number_points(axes: Any, points: Sequence[tuple[str, float, float]]) -> None:
    """Write each point's number beside it, where there is room; one that would cover anything is left out."""
    from matplotlib.transforms import Bbox

    half = MARKER / 72 * axes.figure.dpi / 2
    centres = axes.transData.transform([(x, y) for _, x, y in points]) if points else []
    taken: list[Any] = [Bbox([(x - half, y - half), (x + half, y + half)]) for x, y in centres]
    frame = axes.get_window_extent()
    offsets = BESIDE if any(not label for label, *_ in points) else ABOVE
    for label, x, y in points:
        for offset in offsets if label else ():
            text = axes.annotate(label, (x, y), textcoords="offset points", xytext=offset, ha="center", va="center")
            box = text.get_window_extent().expanded(1.1, 1.0)
            if frame.x0 < box.x0 and box.x1 < frame.x1 and frame.y0 < box.y0 and not box.count_overlaps(taken):
                taken.append(box)
                break
            text.remove()
