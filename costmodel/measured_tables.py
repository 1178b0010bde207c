"""The tables of `report --measure`: time and memory, predicted beside measured here."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from costmodel.machine import Machine
from costmodel.measure import SCENE, Measurement, measure
from costmodel.measured_memory import measured_peak
from costmodel.published import RUNTIME_RATIOS
from costmodel.report import Subject, machine_notes
from costmodel.tables import Column, Table, Value
from npfuse.methods import METHODS

COMPARED = "LightFuse"  # what the paper's ratios are of

_PUBLISHED = (
    "The published ratios are of the authors' programs on another machine, the measured ones of npfuse's on this one; "
    "the predicted ones are what the arithmetic and the traffic of the graphs alone explain."
)


def time_table(
    subjects: Sequence[Subject], machine: Machine, pair: NDArray[np.uint8], progress: Callable[[str], None]
) -> Table:
    """Run subjects and return their times beside the predicted ones.

    Parameters
    ----------
    subjects : the first one's times are what the others' are compared with
    machine : one core of this one
    pair : ndarray (H, W, 6): under- then over-exposed RGB
    progress : called with each method's name before it runs

    Returns
    -------
    Table
    """
    first = subjects[0].name
    alone, fuse = "graph alone, s", "npfuse.fuse, s"

    def number(key: str, header: str, meaning: str, group: str, digits: int = 3) -> Column:
        return Column(key=key, header=header, meaning=meaning, kind="decimal", digits=digits, group=group)

    def factor(key: str, group: str) -> Column:
        return number(key, "factor", "measured, times predicted", group, 2)

    columns = (
        Column(key="method", header="method", meaning="name of the method"),
        Column(key="grid", header="runs on", meaning="runs of the network, and its width x height"),
        number("predicted_s", "predicted", "the roofline's lower bound of the graph for one result, in s", alone),
        number("measured_s", "measured", "the graph for one result, run by npfuse.run, in s", alone),
        factor("factor", alone),
        number("predicted_fuse_s", "predicted", "the lower bound of the graph as npfuse.fuse executes it, in s", fuse),
        number("fuse_s", "measured", "npfuse.fuse, the whole method, for one result, in s", fuse),
        factor("fuse_factor", fuse),
        number("predicted_ratio", "predicted", f"the graph's predicted time, times {first}'s", f"x {first}", 2),
        number("measured_ratio", "measured", f"the graph's measured time, times {first}'s", f"x {first}", 2),
        number("fuse_ratio", "npfuse.fuse", f"the time of npfuse.fuse, times {first}'s", f"x {first}", 2),
        Column(
            key="published_ratio",
            header="published",
            meaning=f"times {first}'s running time as the paper prints it",
            kind="general",
            group=f"x {first}",
        ),
        Column(key="runs", header="runs", meaning="how many runs of the graph were timed", kind="integer"),
    )
    measured = []
    for subject in subjects:
        progress(subject.name)
        measured.append(measure(subject, pair, machine))
    named = {subject.name for subject in subjects} if first == COMPARED else set()
    published = {ratio.method: ratio.value for ratio in RUNTIME_RATIOS if ratio.method in named}
    height, width, _ = pair.shape
    notes = (
        f"Measured: on one core, on the example pair {SCENE} resampled to {width}x{height}; medians after one run that "
        "is not timed. Factor: measured / predicted.",
        "Predicted: of the graph alone, with all its operations; of npfuse.fuse, with the multiply-adds that it does "
        "execute for this pair (see the command `executed`). What a method does around its graph is measured, not "
        "predicted.",
        *(f"Published, {ratio.method}: {ratio.where}." for ratio in RUNTIME_RATIOS if ratio.method in published),
        *((_PUBLISHED,) if published else ()),
        *machine_notes(machine),
    )
    rows = tuple(
        _time_row(subject, time, measured[0], published.get(subject.name))
        for subject, time in zip(subjects, measured, strict=True)
    )
    return Table(name="measured", title="Time, predicted and measured here", columns=columns, rows=rows, notes=notes)


def _time_row(subject: Subject, time: Measurement, first: Measurement, published: float | None) -> tuple[Value, ...]:
    return (
        subject.name,
        subject.grid,
        time.predicted_s,
        time.measured_s,
        time.measured_s / time.predicted_s,
        time.predicted_fuse_s,
        time.fuse_s,
        time.fuse_s / time.predicted_fuse_s if time.fuse_s and time.predicted_fuse_s else None,
        time.predicted_s / first.predicted_s,
        time.measured_s / first.measured_s,
        time.fuse_s / first.fuse_s if time.fuse_s and first.fuse_s else None,
        published,
        time.runs,
    )


def memory_table(subjects: Sequence[Subject], progress: Callable[[str], None]) -> Table:
    """Fuse a pair with each subject's method in a process of its own; return the peaks beside the predicted ones.

    Parameters
    ----------
    subjects : with a method of npfuse
    progress : called with each method's name before it runs

    Returns
    -------
    Table
    """

    def mib(key: str, header: str, meaning: str) -> Column:
        return Column(key=key, header=header, meaning=meaning, kind="mib", digits=1, group="peak MiB")

    columns = (
        Column(key="method", header="method", meaning="name of the method"),
        Column(key="pictures", header="pictures", meaning="width x height"),
        mib("predicted_bytes", "predicted", "bytes of the pictures and of what is held in fused execution"),
        mib("measured_bytes", "measured", "bytes that a process takes more than before it fused the pair"),
        Column(
            key="error", header="error", meaning="predicted / measured - 1", kind="percent", digits=1, group="peak MiB"
        ),
    )
    rows: list[tuple[Value, ...]] = []
    for subject in subjects:
        progress(subject.name)
        assert subject.model is not None
        predicted = METHODS[subject.model].peak(subject.height, subject.width).bytes
        measured = measured_peak(subject.model, subject.height, subject.width)
        size = f"{subject.width}x{subject.height}"
        rows.append((subject.name, size, predicted, measured, predicted / measured - 1))
    return Table(
        name="measured_memory",
        title="Memory of npfuse.fuse on one thread, predicted and measured here",
        columns=columns,
        rows=tuple(rows),
        notes=(
            "Measured: the most that a process of its own takes on top of what it had taken after a small pair: both "
            "pictures, the result, and all that is held in between. Predicted: the same; without weights and code.",
        ),
    )
