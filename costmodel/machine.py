"""How fast a network could run at best on a machine: the roofline model (Williams, Waterman and Patterson, 2009).

A step takes at least the time of its arithmetic at the machine's peak, and at least the time of its memory traffic at
the machine's bandwidth; the longer of the two is predicted. Every operation outside a multiply-add takes one
multiply-add's time. It is a lower bound: nothing here knows of caches that are missed or of vectors half full. Peaks of
named machines are those of float32 and of all cores at base clock, from data sheets; `costmodel.this_machine` measures
this one.
"""

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from costmodel.execution import StepCost

Bound = Literal["compute", "memory"]


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What a roofline needs to know of a machine.

    Parameters
    ----------
    name : as `--machine` takes it
    description : for people, with how the numbers were come to
    peak_gmacs : float32 multiply-adds a second, in 1e9
    bandwidth_gb_s : of memory, in 1e9 bytes a second
    sources : where the numbers come from
    int16_gmacs, int8_gmacs : multiply-adds a second of 16-bit and 8-bit integers, in 1e9; None where not known
    ram_bytes, flash_bytes : of a machine without other memory, a microcontroller; None for others
    cache_bytes : bytes of a step that may lie in a cache: only those beyond are taken to come from memory
    """

    name: str
    description: str
    peak_gmacs: float
    bandwidth_gb_s: float
    sources: tuple[str, ...]
    int16_gmacs: float | None = None
    int8_gmacs: float | None = None
    ram_bytes: int | None = None
    flash_bytes: int | None = None
    cache_bytes: int = 0

    @property
    def balance(self) -> float:
        """Operations a byte above which arithmetic, not memory, is the limit."""
        return self.peak_gmacs / self.bandwidth_gb_s


def _named(
    name: str,
    description: str,
    *,
    cores: int,
    clock_ghz: float,
    macs_per_cycle: int,
    mega_transfers: int,
    bus_bytes: int,
    sources: tuple[str, ...],
    integer_macs_per_cycle: int | None = None,
    ram_bytes: int | None = None,
    flash_bytes: int | None = None,
) -> Machine:
    """Return a machine from its data sheet; bus_bytes is that of all channels together."""
    integer_gmacs = None if integer_macs_per_cycle is None else cores * clock_ghz * integer_macs_per_cycle
    return Machine(
        name=name,
        description=f"{description}: {cores} x {clock_ghz} GHz x {macs_per_cycle} multiply-adds a cycle, "
        f"{mega_transfers} MT/s x {bus_bytes} bytes",
        peak_gmacs=cores * clock_ghz * macs_per_cycle,
        bandwidth_gb_s=mega_transfers * bus_bytes / 1000,
        sources=sources,
        int16_gmacs=integer_gmacs,
        int8_gmacs=integer_gmacs,
        ram_bytes=ram_bytes,
        flash_bytes=flash_bytes,
    )


_TWO_AVX2_FMA = "two 8-wide FMA units: https://stackoverflow.com/questions/15655835"

_ALL = (
    _named(
        "i7-8565u",
        "Intel Core i7-8565U, the paper's laptop",
        cores=4,
        clock_ghz=1.8,
        macs_per_cycle=16,
        mega_transfers=2400,
        bus_bytes=16,
        sources=(
            "clock, DDR4-2400, two channels: Intel ARK, Core i7-8565U (turbo up to 4.6 GHz is not counted)",
            _TWO_AVX2_FMA,
        ),
    ),
    _named(
        "pi4",
        "Raspberry Pi 4, BCM2711",
        cores=4,
        clock_ghz=1.5,
        macs_per_cycle=4,
        mega_transfers=3200,
        bus_bytes=4,
        sources=(
            "clock and LPDDR4-3200, 32 bits: The Official Raspberry Pi Beginner's Guide, appendix F",
            "Cortex-A72, 8 FLOP a cycle measured: https://wlog.flatlib.jp/2015/10/30/n1787/",
        ),
    ),
    _named(
        "cortex-m7",
        "STM32H743, Cortex-M7, on-chip memory of 1 MB",
        cores=1,
        clock_ghz=0.48,
        macs_per_cycle=1,
        mega_transfers=240,
        bus_bytes=8,
        sources=(
            "clock, and AXI memory, 64 bits at half the clock: ST data sheet DS12110",
            "one scalar VFMA a cycle is assumed; Arm publishes no timings of this FPU",
            "integers: SMLAD, two 16-bit multiply-adds an instruction, one a cycle is assumed (Armv7-M Architecture "
            "Reference Manual); 8-bit numbers are widened to 16 bits for it",
            "2 MB of flash, 1 MB of RAM in all: ST data sheet DS12110",
        ),
        integer_macs_per_cycle=2,
        ram_bytes=1 << 20,
        flash_bytes=2 << 20,
    ),
    _named(
        "ryzen-7840u",
        "AMD Ryzen 7 7840U, a laptop of 2023",
        cores=8,
        clock_ghz=3.3,
        macs_per_cycle=16,
        mega_transfers=5600,
        bus_bytes=16,
        sources=(
            "clock, DDR5-5600, two channels: AMD product page, Ryzen 7 7840U (boost up to 5.1 GHz is not counted)",
            _TWO_AVX2_FMA,
        ),
    ),
    _named(
        "epyc-9654",
        "AMD EPYC 9654, a server of 2022",
        cores=96,
        clock_ghz=2.4,
        macs_per_cycle=16,
        mega_transfers=4800,
        bus_bytes=96,
        sources=(
            "clock, DDR5-4800, twelve channels: AMD product page, EPYC 9654 (boost up to 3.7 GHz is not counted)",
            _TWO_AVX2_FMA,
        ),
    ),
)

MACHINES: Mapping[str, Machine] = MappingProxyType({machine.name: machine for machine in _ALL})


@dataclass(frozen=True, kw_only=True)
class StepTime:
    """How long a step takes at best, in seconds.

    Parameters
    ----------
    compute_s : at the peak of the arithmetic
    memory_s : at the memory's bandwidth
    """

    compute_s: float
    memory_s: float

    @property
    def total_s(self) -> float:
        """The longer of the two: they overlap."""
        return max(self.compute_s, self.memory_s)

    @property
    def bound(self) -> Bound:
        """What takes longer."""
        return "compute" if self.compute_s >= self.memory_s else "memory"


def step_time(operations: int, bytes_moved: int, machine: Machine) -> StepTime:
    """Return the roofline of one step.

    Examples
    --------
    >>> pi4 = MACHINES["pi4"]
    >>> step_time(24_000_000, 128_000_000, pi4)
    StepTime(compute_s=0.001, memory_s=0.01)
    """
    return StepTime(
        compute_s=operations / (machine.peak_gmacs * 1e9),
        memory_s=max(0, bytes_moved - machine.cache_bytes) / (machine.bandwidth_gb_s * 1e9),
    )


def predicted_s(steps: Sequence[StepCost], machine: Machine) -> float:
    """Return the least time of steps that run one after another, in seconds."""
    return sum(step_time(step.operations, step.bytes_moved, machine).total_s for step in steps)


def machine_named(name: str) -> Machine:
    """Return a machine by name, or from a TOML file; ValueError names the machines there are."""
    if name.endswith(".toml"):
        return machine_from_file(Path(name))
    if name not in MACHINES:
        raise ValueError(f"machine is {name!r}, expected one of here, {', '.join(MACHINES)}, or a .toml file")
    return MACHINES[name]


def machine_from_file(path: Path) -> Machine:
    """Read a machine from a TOML file whose keys are the fields of `Machine`.

    Parameters
    ----------
    path : of a file with peak_gmacs and bandwidth_gb_s; the other fields are optional

    Returns
    -------
    Machine

    Raises
    ------
    ValueError : no TOML, a key that is no field, or a value that is no positive number (text for name and description,
        a list of texts for sources)
    OSError : the file cannot be read
    """
    try:
        with path.open("rb") as file:
            found = tomllib.load(file)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: {error}; expected a TOML file with peak_gmacs and bandwidth_gb_s") from None
    known = {field.name for field in fields(Machine)}
    if unknown := sorted(found.keys() - known):
        raise ValueError(f"{path}: unknown keys {', '.join(unknown)}, expected some of {', '.join(sorted(known))}")
    values: dict[str, Any] = {"name": path.stem, "description": f"as {path.name} says", "sources": [], **found}
    for key, value in values.items():
        texts = value if key == "sources" and isinstance(value, list) else [value]
        if key in ("name", "description", "sources"):
            if not all(isinstance(text, str) for text in texts):
                raise ValueError(f"{path}: {key} is {value!r}, expected text")
        elif isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
            raise ValueError(f"{path}: {key} is {value!r}, expected a positive number")
    for key in ("peak_gmacs", "bandwidth_gb_s"):
        if key not in values:
            raise ValueError(f"{path}: {key} is missing, expected a positive number")
    return Machine(**{**values, "sources": tuple(values["sources"])})
