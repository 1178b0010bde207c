"""One row per layer: what it is, what it costs, its share of the total and, on a machine, its time."""

from collections.abc import Mapping

from costmodel.calibration.calibration import Predicted
from costmodel.conventions import Convention
from costmodel.counts import GraphCost, LayerCost
from costmodel.machine import Machine, StepTime, step_time
from costmodel.report import machine_notes
from costmodel.tables import Column, Table, Value
from npfuse.ops.operator import Pair


def layer_table(
    cost: GraphCost,
    convention: Convention,
    machine: Machine | None,
    title: str,
    expected: Mapping[str, Predicted] | None = None,
) -> Table:
    """Return the layers of a network for one run.

    Parameters
    ----------
    cost : of the network
    convention : under which amounts and shares are counted
    machine : whose time is predicted, or None
    title : of the table
    expected : times by this machine's rates, by the last layer of each step of execution

    Returns
    -------
    Table, whose total is the sum of its rows
    """
    columns = [
        Column(key="layer", header="layer", meaning="name of the node"),
        Column(key="operator", header="operator", meaning="class of npfuse.ops, or of its own framework"),
        Column(key="inputs", header="inputs", meaning="names of the values that it reads"),
        Column(key="output", header="output", meaning="height x width x channels of the output"),
        Column(
            key="kernel", header="kernel", meaning="height x width of the kernel, and its dilation where there is one"
        ),
        Column(key="stride", header="stride", meaning="rows x columns"),
        Column(
            key="pads",
            header="pads",
            meaning="zeros around the input, top bottom left right; what a transposed convolution cuts off",
        ),
        Column(key="kernel_layout", header="layout", meaning="axes of the learned kernel; values are (H, W, C)"),
        Column(
            key="receptive_field",
            header="field",
            group="receptive",
            meaning="height x width of the inputs that one position depends on; where they differ, input by input",
        ),
        Column(key="parameters", header="parameters", meaning="number of parameters, shared ones once", kind="integer"),
        Column(key="macs", header="MACs", meaning="multiply-adds", kind="integer"),
        Column(
            key="additions", header="additions", meaning="additions that are no part of a multiply-add", kind="integer"
        ),
        Column(
            key="other",
            header="other",
            meaning="other operations: multiplications, comparisons, divisions, roots, exponentials, tanh",
            kind="integer",
        ),
        Column(key="read_bytes", header="read MiB", meaning="bytes read, inputs and weights", kind="mib", digits=2),
        Column(key="written_bytes", header="written MiB", meaning="bytes written", kind="mib", digits=2),
        Column(
            key="intensity",
            header="op/byte",
            meaning="arithmetic intensity: multiply-adds and other operations, each as one, per byte read or written",
            kind="decimal",
            digits=2,
        ),
        Column(
            key="amount",
            header=f"{convention.unit} ({convention.name})",
            meaning=f"{convention.unit} under the convention {convention.name}",
            kind="integer",
        ),
        Column(key="share", header="share", meaning="fraction of the total amount", kind="percent", digits=2),
    ]
    times: list[StepTime | None] = [None] * len(cost.layers)
    notes = [f"{convention.name}: {convention.sentence}."]
    if machine:
        columns += [
            Column(
                key="time_ms", header="ms", meaning=f"least time on {machine.name}, in ms", kind="decimal", digits=3
            ),
            Column(key="bound", header="bound", meaning="what the time is limited by: compute or memory"),
        ]
        times = [step_time(layer.operations, layer.bytes_moved, machine) for layer in cost.layers]
        notes += machine_notes(machine)
    if expected is not None:
        columns += [
            Column(
                key="expected_ms",
                header="ms",
                meaning="expected on this machine, in ms, of the step that ends with this layer",
                kind="decimal",
                digits=3,
                group="expected",
            ),
            Column(
                key="error_bar", header="+-", meaning="relative error of the rates", kind="percent", group="expected"
            ),
        ]
        notes.append("A step that is executed in one goes by its last layer: the layers before have no expected time.")
        if unknown := sorted({kind for each in expected.values() for kind in each.missing}):
            notes.append(f"Without rates: {', '.join(unknown)}.")
    if any(layer.shares for layer in cost.layers):
        notes.append("Parameters of 0 (of …) are another layer's, counted there.")
    amount = cost.amount(convention)
    rows = [
        (*_row(layer, convention, amount, time), *(() if expected is None else _expected(expected.get(layer.name))))
        for layer, time in zip(cost.layers, times, strict=True)
    ]
    total = _total(cost, amount, [time for time in times if time])
    return Table(
        name="layers",
        title=title,
        columns=tuple(columns),
        rows=tuple(rows),
        total=total if expected is None else (*total, *_expected_total(expected)),
        notes=tuple(notes),
    )


def _row(layer: LayerCost, convention: Convention, total: int, time: StepTime | None) -> tuple[Value, ...]:
    amount = convention.amount(layer.work)
    kernel = _by(layer.kernel_size)
    if layer.dilation and layer.dilation != (1, 1):
        kernel = f"{kernel} dilation {_by(layer.dilation)}"
    return (
        layer.name,
        layer.operator + (f" (of {layer.shares})" if layer.shares else ""),
        " ".join(layer.reads),
        _by(layer.output),
        kernel,
        _by(layer.stride),
        None if layer.pads is None else " ".join(map(str, layer.pads)),
        ",".join(layer.kernel_layout) or None,
        _field(layer.receptive_field),
        layer.parameters,
        layer.work.macs,
        layer.work.additions,
        layer.work.other - layer.work.additions,
        layer.bytes_read,
        layer.bytes_written,
        layer.operations / layer.bytes_moved if layer.bytes_moved else 0.0,
        amount,
        amount / total if total else 0.0,
        *((1e3 * time.total_s, time.bound) if time else ()),
    )


def _expected(step: Predicted | None) -> tuple[Value, Value]:
    """Return expected ms and error bar; nothing where a step does not end, or has no rates."""
    return (None, None) if step is None or step.missing else (1e3 * step.seconds, step.error)


def _expected_total(expected: Mapping[str, Predicted]) -> tuple[Value, Value]:
    """Return expected ms of all steps and their error bar; nothing where one has no rates."""
    if any(step.missing for step in expected.values()):
        return None, None
    seconds = sum(step.seconds for step in expected.values())
    errors = sum(step.seconds * step.error for step in expected.values())
    return 1e3 * seconds, errors / seconds if seconds else 0.0


def _total(cost: GraphCost, amount: int, times: list[StepTime]) -> tuple[Value, ...]:
    work = cost.work
    operations, moved = work.macs + work.other, cost.bytes_read + cost.bytes_written
    return (
        "total",
        *(None,) * 8,
        cost.parameters,
        work.macs,
        work.additions,
        work.other - work.additions,
        cost.bytes_read,
        cost.bytes_written,
        operations / moved if moved else 0.0,
        amount,
        1.0 if amount else 0.0,
        *((1e3 * sum(time.total_s for time in times), None) if times else ()),
    )


def _field(fields: Mapping[str, Pair]) -> str:
    """Return a receptive field as printed: that of all inputs together where they agree.

    Examples
    --------
    >>> _field({"under": (7, 7), "over": (7, 7)}), _field({"exposures": (1, 1), "thumbnail": (16, 24)})
    ('7x7', '1x1 exposures, 16x24 thumbnail')
    """
    if len(set(fields.values())) == 1:
        return f"{next(iter(fields.values()))[0]}x{next(iter(fields.values()))[1]}"
    return ", ".join(f"{rows}x{columns} {name}" for name, (rows, columns) in fields.items())


def _by(lengths: tuple[int, ...] | None) -> str | None:
    """Return lengths as printed, e.g. 3x3."""
    return "x".join(map(str, lengths)) if lengths else None
