"""The rates of this machine as a table: `python -m costmodel calibrate`."""

from costmodel.calibration.calibration import Calibration
from costmodel.tables import Column, Table, Value


def rates_table(calibration: Calibration) -> Table:
    """Return one row per kind of step and amount."""
    columns = (
        Column(key="kind", header="step", meaning="operator, chain of pointwise layers, or other work"),
        Column(key="amount", header="amount", meaning="what takes the time: a call, a multiply-add, a value moved"),
        Column(key="picoseconds", header="ps each", meaning="picoseconds for each", kind="decimal", digits=1),
        Column(key="spread", header="spread", meaning="relative error of the samples", kind="percent", digits=0),
    )
    rows: list[tuple[Value, ...]] = [
        (kind, amount, 1e12 * seconds, rates.spread)
        for kind, rates in calibration.rates.items()
        for amount, seconds in rates.seconds.items()
        if seconds
    ]
    processor = calibration.identity["processor"]
    return Table(
        name="rates",
        title=f"Rates of one thread of {processor}",
        columns=columns,
        rows=tuple(rows),
        notes=("far: bytes beyond 14 MiB. Processor time; none of the samples has the shape of a method.",),
    )
