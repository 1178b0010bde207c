"""The tables of `report --measure`: time and memory, predicted beside measured here."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from costmodel.calibration.calibration import Calibration, Session
from costmodel.machine import Machine
from costmodel.measure import SCENE, Timing, counts_of, fuse_case, graph_case, least_s, timed_cases
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
    session: Session,
    pair: NDArray[np.uint8],
    progress: Callable[[str], None],
) -> tuple[Table, Calibration]:
    """Run subjects and return their times beside the predicted ones, and the rates that were measured meanwhile.

    Parameters
    ----------
    subjects : the first one's times are what the others' are compared with
    machine : one core of this one, whose roofline bounds
    session : of the calibration that predicts
    pair : ndarray (H, W, 6): under- then over-exposed RGB
    progress : called with each method's name before it runs

    Returns
    -------
    Table, Calibration
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
        percent("fuse_error_bar", "+-", "relative error of the rates, that of their samples", fuse),
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
    counts = {subject.name: counts_of(subject.model, pair) for subject in subjects}
    cases = {subject.name: graph_case(subject, pair, counts[subject.name]) for subject in subjects}
    whole = {
        f"npfuse.fuse, {subject.name}": fuse_case(subject.model, pair, counts[subject.name])
        for subject in subjects
        if subject.model
    }
    calibration, timings = timed_cases({**cases, **whole}, session, progress)
    named = {subject.name for subject in subjects} if first == COMPARED else set()
    published = {ratio.method: ratio.value for ratio in RUNTIME_RATIOS if ratio.method in named}
    height, width, _ = pair.shape
    missing = sorted({kind for timing in timings.values() for kind in timing.expected.missing})
    notes = (
        f"Processor time on one thread, for one result, on the example pair {SCENE} resampled to {height}x{width}; "
        "medians of runs in turn.",
        "Least: the roofline of all operations of the graph, of a chain of pointwise layers those that are executed.",
        "Expected: from rates of single operators and array work, measured in the same turns, and the executed "
        "operations.",
        *((f"Without rates, and left out: {', '.join(missing)}.",) if missing else ()),
        *(f"Printed, {ratio.method}: {ratio.where}." for ratio in RUNTIME_RATIOS if ratio.method in published),
        *((_PUBLISHED,) if published else ()),
        *machine_notes(machine),
    )
    rows: list[tuple[Value, ...]] = []
    for subject in subjects:
        graph, fused = timings[subject.name], timings.get(f"npfuse.fuse, {subject.name}")
        of_first = timings[first], timings.get(f"npfuse.fuse, {first}")
        rows.append(
            (
                subject.name,
                1e3 * least_s(subject, pair, machine),
                *_times(graph),
                *(_times(fused) if fused else (None,) * 4),
                graph.seconds / of_first[0].seconds,
                fused.seconds / of_first[1].seconds if fused and of_first[1] else None,
                published.get(subject.name),
                graph.runs,
            )
        )
    title = "Time, predicted and measured here"
    return Table(name="measured", title=title, columns=columns, rows=tuple(rows), notes=notes), calibration


def _times(timing: Timing) -> tuple[float, float, float, float]:
    """Return expected ms, their error bar, measured ms, and the error."""
    return 1e3 * timing.expected.seconds, timing.expected.error, 1e3 * timing.seconds, timing.error


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
        Column(key="pictures", header="pictures", meaning="height x width"),
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
        size = f"{subject.height}x{subject.width}"
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
