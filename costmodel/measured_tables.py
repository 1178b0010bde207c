"""The tables of `report --measure`: time and memory, predicted beside measured here."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from costmodel.calibration.calibration import Calibration
from costmodel.machine import Machine
from costmodel.measure import SCENE, Measurement, measure
from costmodel.measured_memory import measured_peak
from costmodel.published import RUNTIME_RATIOS
from costmodel.report import Subject, machine_notes
from costmodel.tables import Column, Table, Value, decimal
from npfuse.methods import METHODS

COMPARED = "LightFuse"  # what the paper's ratios are of

_PUBLISHED = (
    "The published ratios are of the authors' programs on another machine, the measured ones of npfuse's on this one."
)


def time_table(
    subjects: Sequence[Subject],
    machine: Machine,
    calibration: Calibration,
    pair: NDArray[np.uint8],
    progress: Callable[[str], None],
) -> Table:
    """Run subjects and return their times beside the predicted ones.

    Parameters
    ----------
    subjects : the first one's times are what the others' are compared with
    machine : one core of this one, whose roofline bounds
    calibration : of this machine, which predicts
    pair : ndarray (H, W, 6): under- then over-exposed RGB
    progress : called with each method's name before it runs

    Returns
    -------
    Table
    """
    first = subjects[0].name
    alone, fuse = "graph alone, ms", "npfuse.fuse, ms"

    def percent(key: str, header: str, meaning: str, group: str) -> Column:
        return Column(key=key, header=header, meaning=meaning, kind="percent", digits=0, group=group)

    columns = (
        Column(key="method", header="method", meaning="name of the method"),
        decimal("least_ms", "least", "the roofline's lower bound, in ms, of what is executed for the pair", 1, alone),
        decimal("expected_ms", "expected", "ms by the rates of this machine", 1, alone),
        percent("error_bar", "+-", "relative error of the rates, that of their samples", alone),
        decimal("measured_ms", "measured", "ms, run by npfuse.run", 1, alone),
        percent("error", "off by", "expected / measured - 1", alone),
        decimal("expected_fuse_ms", "expected", "ms by the rates of this machine", 1, fuse),
        decimal("fuse_ms", "measured", "ms, the whole method", 1, fuse),
        percent("fuse_error", "off by", "expected / measured - 1", fuse),
        decimal("measured_ratio", "graph", f"the graph's measured time, times {first}'s", 2, f"x {first}"),
        decimal("fuse_ratio", "npfuse.fuse", f"the time of npfuse.fuse, times {first}'s", 2, f"x {first}"),
        Column(
            key="published_ratio",
            header="printed",
            meaning=f"times {first}'s running time as the paper prints it",
            kind="general",
            group=f"x {first}",
        ),
        Column(key="runs", header="runs", meaning="how many runs were timed", kind="integer"),
    )
    measured = measure(subjects, pair, machine, calibration, progress)
    named = {subject.name for subject in subjects} if first == COMPARED else set()
    published = {ratio.method: ratio.value for ratio in RUNTIME_RATIOS if ratio.method in named}
    height, width, _ = pair.shape
    missing = sorted({kind for time in measured for kind in time.expected.missing})
    notes = (
        f"Processor time of one core, for one result, on the example pair {SCENE} resampled to {width}x{height}; "
        "medians of runs in turn, after one that is not timed.",
        "Least: the roofline of all operations of the graph, of a chain of pointwise layers those that are executed.",
        "Expected: from rates measured on single operators (`costmodel calibrate`), and the executed operations.",
        *((f"Without rates, and left out: {', '.join(missing)}.",) if missing else ()),
        *(f"Printed, {ratio.method}: {ratio.where}." for ratio in RUNTIME_RATIOS if ratio.method in published),
        *((_PUBLISHED,) if published else ()),
        *machine_notes(machine),
    )
    rows = tuple(
        _time_row(subject, time, measured[0], published.get(subject.name))
        for subject, time in zip(subjects, measured, strict=True)
    )
    return Table(name="measured", title="Time, predicted and measured here", columns=columns, rows=rows, notes=notes)


def _time_row(subject: Subject, time: Measurement, first: Measurement, published: float | None) -> tuple[Value, ...]:
    expected, fuse = time.expected.seconds, time.expected_fuse
    return (
        subject.name,
        1e3 * time.least_s,
        1e3 * expected,
        time.expected.error,
        1e3 * time.measured_s,
        expected / time.measured_s - 1,
        1e3 * fuse.seconds if fuse else None,
        1e3 * time.fuse_s if time.fuse_s else None,
        fuse.seconds / time.fuse_s - 1 if fuse and time.fuse_s else None,
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
