"""The tables of the report. Every number in them is counted by walking a graph, or is one of `costmodel.published`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from costmodel.conventions import CONVENTIONS, Convention, Work
from costmodel.counts import GraphCost, count
from costmodel.energy import PRECISIONS, SOURCE, energy
from costmodel.execution import StepCost, fused_steps, steps
from costmodel.machine import Machine, predicted_s
from costmodel.networks.description import Network
from costmodel.published import NOT_PUBLISHED, TABLE_3
from costmodel.tables import Column, Table, Value, decimal, integer, scaled
from npfuse.graph import Graph
from npfuse.graph_memory import FLOAT32_BYTES, Peak, peak
from npfuse.methods import METHODS, Method

if TYPE_CHECKING:
    from costmodel.calibration.calibration import Predicted

KIND_MEANINGS = {
    "convolution_macs": "multiply-adds of convolutions with learned kernels",
    "resizing_macs": "multiply-adds of resizing",
    "additions": "other additions and subtractions",
    "multiplications": "other multiplications",
    "comparisons": "comparisons",
    "divisions": "divisions",
    "functions": "roots, exponentials, sigmoids and hyperbolic tangents",
}


@dataclass(frozen=True)
class Subject:
    """A network in the report: what it is called, its graph, and how often it runs for a pair of pictures.

    Parameters
    ----------
    name : for people
    graph : for one size
    runs : of the graph for one result
    height, width : of the result, by whose pixels costs are divided
    model : key of `npfuse.methods.METHODS`, if npfuse fuses with it; None for somebody else's network
    notes : why it differs from the paper's, and what is left out
    network : that the graph is of, read from a file
    """

    name: str
    graph: Graph
    runs: int
    height: int
    width: int
    model: str | None = None
    notes: tuple[str, ...] = ()
    network: Network | None = None

    @property
    def pixels(self) -> int:
        """Of the result."""
        return self.height * self.width

    @cached_property
    def cost(self) -> GraphCost:
        """What the graph costs, once."""
        return count(self.network or self.graph)

    @cached_property
    def steps(self) -> tuple[StepCost, ...]:
        """The steps of execution operator by operator."""
        return steps(self.graph, self.cost, merge=False)

    @cached_property
    def fused_steps(self) -> tuple[StepCost, ...]:
        """The steps of fused execution; of somebody else's network, with chains merged."""
        return fused_steps(self.graph, self.cost) if self.model else steps(self.graph, self.cost, merge=True)

    @cached_property
    def peaks(self) -> tuple[Peak, Peak]:
        """The peak memory operator by operator, and fused."""
        size = max(self.network.value_bytes.values()) if self.network else FLOAT32_BYTES
        alone = peak(self.graph, merge=False, element_bytes=size)
        if self.model:
            return alone, METHODS[self.model].peak(self.height, self.width)
        return alone, peak(self.graph, merge=True, element_bytes=size)

    @property
    def grid(self) -> str:
        """What the network runs on, as printed."""
        height, width, _ = self.graph.inputs[0][1]
        return (f"{self.runs} x " if self.runs > 1 else "") + f"{height}x{width}"


def method_subject(method: Method, height: int, width: int) -> Subject:
    """Return what really runs for a pair of pictures of one size."""
    published = next((row for row in TABLE_3 if row.model == method.name), None)
    name, difference = (published.name, published.difference) if published else (method.title, NOT_PUBLISHED)
    rows, columns = method.grid(height, width)
    return Subject(
        name=name,
        graph=method.graph(rows, columns),
        runs=method.runs,
        height=height,
        width=width,
        model=method.name,
        notes=(f"{name}: {difference}. Not counted: {method.around}.",),
    )


def model_subject(model: str, height: int, width: int) -> Subject:
    """Return what really runs of one model; ValueError where it is unknown."""
    if model not in METHODS:
        raise ValueError(f"model is {model!r}, expected one of {', '.join(METHODS)}")
    return method_subject(METHODS[model], height, width)


def all_subjects(height: int, width: int) -> list[Subject]:
    """Return what really runs of every method: those of Table III in its order, then the others."""
    printed = [row.model for row in TABLE_3]
    names = [*printed, *(name for name in METHODS if name not in printed)]
    return [model_subject(name, height, width) for name in names]


def network_subject(network: Network) -> Subject:
    """Return somebody else's network, which runs once."""
    graph = network.graph
    height, width, _ = graph.shapes[graph.outputs[0]]
    return Subject(name=graph.name, graph=graph, runs=1, height=height, width=width, network=network)


def running_table(subjects: Sequence[Subject], convention: Convention, title: str) -> Table:
    """Return what really runs for one result."""
    unit = convention.unit
    columns = [
        Column(key="method", header="method", meaning="name of the method"),
        Column(key="grid", header="runs on", meaning="runs of the network, and its height x width"),
        integer("parameters", "parameters", "number of parameters, shared ones once"),
        scaled("macs", "MACs", "multiply-adds for one result, resizing included"),
        scaled("amount", f"{unit} ({convention.name})", f"{unit} for one result, under {convention.name}"),
        decimal("amount_per_pixel", f"{unit}/pixel", f"{unit} per pixel of the result", 1),
    ]
    first = subjects[0].runs * subjects[0].cost.amount(convention)
    compared = len(subjects) > 1
    if compared:
        columns.append(decimal("ratio", f"x {subjects[0].name}", f"{unit}, times those of {subjects[0].name}", 3))
    rows: list[tuple[Value, ...]] = []
    for subject in subjects:
        amount = subject.runs * subject.cost.amount(convention)
        rows.append(
            (
                subject.name,
                subject.grid,
                subject.cost.parameters,
                subject.runs * subject.cost.work.macs,
                amount,
                amount / subject.pixels,
                *([amount / first] if compared else []),
            )
        )
    notes = (f"{convention.name}: {convention.sentence}.", *(note for subject in subjects for note in subject.notes))
    return Table(name="running", title=title, columns=tuple(columns), rows=tuple(rows), notes=notes)


_FUSED = (
    "fused: as npfuse.fuse runs it on one thread: LightFuse and ToneFuse in two passes over strips of the 8-bit "
    "pictures with everything else in the cache, T_CNN in one, the others with chains of pointwise convolutions and "
    "ReLUs in one step, over tiles where they can be cut. Its peak includes the pictures and what a method holds "
    "around its graph; the other columns count the graph alone."
)
_MERGED = "fused: as npfuse.run runs it, chains of pointwise convolutions and ReLUs in one step."


class Expected(Protocol):
    """Predicts times by this machine's rates; `costmodel.expected.Expectation`."""

    @property
    def note(self) -> str:
        """What the times rest on."""

    def graph(self, subject: Subject) -> "Predicted":
        """Return the time of a subject's graph."""

    def fuse(self, subject: Subject) -> "Predicted | None":
        """Return the time of `npfuse.fuse`."""


def resources_table(
    subjects: Sequence[Subject], machine: Machine | None, title: str, expected: Expected | None = None
) -> Table:
    """Return memory, energy and, for a machine, time.

    Parameters
    ----------
    subjects : one row each
    machine : whose least time is given, or None
    title : of the table
    expected : predicts times by this machine's rates, or None
    """
    one_by_one, fused = "op by op", "fused"
    columns = [
        Column(key="method", header="method", meaning="name of the method"),
        _mib("weights_bytes", "MiB", "bytes of the parameters in float32", "weights", digits=3),
        _mib("peak_bytes", one_by_one, "most bytes of values in memory at once, inputs included", "peak MiB"),
        _mib(
            "peak_bytes_fused", fused, "most bytes in memory at once in fused execution, pictures included", "peak MiB"
        ),
        _mib("moved_bytes", one_by_one, "bytes read and written for one result, operator by operator", "moved MiB"),
        _mib("moved_bytes_fused", fused, "bytes read and written for one result in fused execution", "moved MiB"),
    ]
    for precision in PRECISIONS.values():
        meaning = f"mJ for one result in {precision.name} in fused execution: arithmetic and DRAM"
        for end in ("least", "most"):
            columns.append(
                decimal(f"energy_{precision.name}_{end}_mj", end, f"{end} {meaning}", 1, f"{precision.name} mJ")
            )
    notes = [
        "op by op: the graph, each operator reading float32 values from memory and writing its result there.",
        _FUSED if any(subject.model for subject in subjects) else _MERGED,
        f"Energy is of fused execution; {SOURCE}. Least and most: a DRAM access of 64 bits takes 1.3 to 2.6 nJ.",
    ]
    if machine:
        for key, header, how in (("time_ms", one_by_one, "operator by operator"), ("time_ms_fused", fused, "fused")):
            columns.append(decimal(key, header, f"least ms for one result on {machine.name}, {how}", 2, "ms"))
        notes += machine_notes(machine)
    if expected:
        for key, group in (("expected", "graph, expected"), ("expected_fuse", "npfuse.fuse, expected")):
            what = "npfuse.fuse" if key == "expected_fuse" else "the graph in npfuse.run"
            columns.append(
                decimal(f"{key}_ms", "ms", f"expected ms of {what} for one result on this machine", 1, group)
            )
            meaning = "relative error of the rates"
            columns.append(Column(key=f"{key}_error_bar", header="+-", meaning=meaning, kind="percent", group=group))
        notes.append(expected.note)
        for subject in subjects:
            if missing := expected.graph(subject).missing:
                notes.append(f"{subject.name}: kinds without rates are {', '.join(missing)}, so no time is expected.")
    rows = [(*_resources(subject, machine), *_expected(subject, expected)) for subject in subjects]
    return Table(name="resources", title=title, columns=tuple(columns), rows=tuple(rows), notes=tuple(notes))


def _resources(subject: Subject, machine: Machine | None) -> tuple[Value, ...]:
    cost, runs = subject.cost, subject.runs
    walks = subject.steps, subject.fused_steps
    moved = [runs * sum(step.bytes_moved for step in walk) for walk in walks]
    pictures = runs * sum(step.picture_bytes for step in subject.fused_steps)
    work = sum((cost.work for _ in range(runs)), Work())
    energies = [
        energy(work, moved[1] - pictures, precision, pixel_bytes=pictures).total_mj for precision in PRECISIONS.values()
    ]
    times = [1e3 * runs * predicted_s(walk, machine) for walk in walks] if machine else []
    return (
        subject.name,
        cost.weight_bytes,
        *(peak.bytes for peak in subject.peaks),
        *moved,
        *(end for ends in energies for end in ends),
        *times,
    )


def _expected(subject: Subject, expected: Expected | None) -> Iterator[Value]:
    """Yield expected ms and error bar of the graph and of `npfuse.fuse`; nothing of what has no rates."""
    if expected is not None:
        for time in (expected.graph(subject), expected.fuse(subject)):
            yield from (None, None) if time is None or time.missing else (1e3 * time.seconds, time.error)


def machine_notes(machine: Machine) -> tuple[str, ...]:
    """Return what a prediction rests on."""
    return (
        f"{machine.name}: {machine.peak_gmacs:,.1f} GMAC/s, {machine.bandwidth_gb_s:,.1f} GB/s; {machine.description}.",
        *(f"Source: {source}." for source in machine.sources),
        "Time: the roofline's lower bound; each step takes the longer of its arithmetic and its memory traffic.",
    )


def work_table(subject: Subject) -> Table:
    """Return one run's arithmetic by kind, and what each convention makes of it."""
    columns = (
        Column(key="kind", header="work", meaning="kind of arithmetic"),
        integer("count", "count", "operations in one run"),
        *(
            integer(name, f"{convention.unit} ({name})", f"{convention.unit} under the convention {name}")
            for name, convention in CONVENTIONS.items()
        ),
    )
    work = subject.cost.work
    rows: list[tuple[Value, ...]] = []
    for kind in (field.name for field in fields(Work)):
        number = int(getattr(work, kind))
        weights = (convention.weights.get(kind, 0) for convention in CONVENTIONS.values())
        rows.append((KIND_MEANINGS[kind], number, *(weight * number for weight in weights)))
    total = ("total", None, *(convention.amount(work) for convention in CONVENTIONS.values()))
    return Table(
        name="work",
        title=f"{subject.name}: arithmetic of one run by kind",
        columns=columns,
        rows=tuple(rows),
        total=total,
        notes=tuple(f"{convention.name}: {convention.sentence}." for convention in CONVENTIONS.values()),
    )


def _mib(key: str, header: str, meaning: str, group: str, digits: int = 1) -> Column:
    return Column(key=key, header=header, meaning=meaning, kind="mib", digits=digits, group=group)
