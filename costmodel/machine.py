"""How fast a network could run at best on a machine: the roofline model (Williams, Waterman and Patterson, 2009).

A step takes at least the time of its arithmetic at the machine's peak, and at least the time of its memory traffic at
the machine's bandwidth; the longer of the two is predicted. Every operation outside a multiply-add takes one
multiply-add's time. It is a lower bound: nothing here knows of caches that are missed or of vectors half full. Peaks of
named machines are those of float32 and of all cores at base clock, from data sheets; `costmodel.this_machine` measures
this one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

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
    """

    name: str
    description: str
    peak_gmacs: float
    bandwidth_gb_s: float
    sources: tuple[str, ...]

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
) -> Machine:
    """Return a machine from its data sheet; bus_bytes is that of all channels together."""
    return Machine(
        name=name,
        description=f"{description}: {cores} x {clock_ghz} GHz x {macs_per_cycle} multiply-adds a cycle, "
        f"{mega_transfers} MT/s x {bus_bytes} bytes",
        peak_gmacs=cores * clock_ghz * macs_per_cycle,
        bandwidth_gb_s=mega_transfers * bus_bytes / 1000,
        sources=sources,
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
        ),
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
        compute_s=operations / (machine.peak_gmacs * 1e9), memory_s=bytes_moved / (machine.bandwidth_gb_s * 1e9)
    )


def predicted_s(steps: Sequence[StepCost], machine: Machine) -> float:
    """Return the least time of steps that run one after another, in seconds."""
    return sum(step_time(step.operations, step.bytes_moved, machine).total_s for step in steps)


def machine_named(name: str) -> Machine:
    """Return a machine by name; ValueError names the machines there are."""
    if name not in MACHINES:
        raise ValueError(f"machine is {name!r}, expected one of here, {', '.join(MACHINES)}")
    return MACHINES[name]
