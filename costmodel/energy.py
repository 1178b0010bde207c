"""How much energy a network would take at best: Horowitz, "Computing's Energy Problem", ISSCC 2014, 45 nm at 0.9 V.

An estimate, good for comparing networks and precisions, not for a battery: it counts arithmetic and DRAM, and leaves
out instructions, registers and caches, which take most of a processor's energy; a newer process takes less of all.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from costmodel.conventions import Work
from npfuse.graph_memory import FLOAT32_BYTES

SOURCE = "Horowitz, ISSCC 2014, Fig. 1.1.9: 45 nm, 0.9 V; an estimate, without instructions, registers and caches"

# One access of 64 bits takes 1.3 to 2.6 nJ; both ends, in pJ a byte.
DRAM_PJ_PER_BYTE = (1300 / 8, 2600 / 8)


@dataclass(frozen=True, kw_only=True)
class Precision:
    """What arithmetic takes, in pJ.

    Parameters
    ----------
    name : of the number format
    bytes : of a number
    multiply_pj, add_pj : of one operation; int8 products are summed in 32 bits
    """

    name: str
    bytes: int
    multiply_pj: float
    add_pj: float


_ALL = (
    Precision(name="fp32", bytes=4, multiply_pj=3.7, add_pj=0.9),
    Precision(name="fp16", bytes=2, multiply_pj=1.1, add_pj=0.4),
    Precision(name="int8", bytes=1, multiply_pj=0.2, add_pj=0.1),
)

PRECISIONS: Mapping[str, Precision] = MappingProxyType({precision.name: precision for precision in _ALL})


@dataclass(frozen=True, kw_only=True)
class Energy:
    """An estimate in mJ.

    Parameters
    ----------
    arithmetic_mj : of all operations
    dram_mj : of the memory traffic, (least, most)
    """

    arithmetic_mj: float
    dram_mj: tuple[float, float]

    @property
    def total_mj(self) -> tuple[float, float]:
        """The sum, (least, most)."""
        return self.arithmetic_mj + self.dram_mj[0], self.arithmetic_mj + self.dram_mj[1]


def energy(work: Work, float32_bytes: int, precision: Precision, *, pixel_bytes: int = 0) -> Energy:
    """Return the energy of work and memory traffic.

    Parameters
    ----------
    work : arithmetic; what is neither a multiply-add nor a multiplication counts as an addition
    float32_bytes : moved to and from memory where numbers are float32
    precision : of the arithmetic and of the numbers moved
    pixel_bytes : moved besides, whatever the precision: pictures of 8 bits

    Returns
    -------
    Energy

    Examples
    --------
    >>> energy(Work(convolution_macs=10**9), 0, PRECISIONS["fp32"]).arithmetic_mj
    4.6
    """
    multiplications = work.macs + work.multiplications
    additions = work.macs + work.other - work.multiplications
    moved = float32_bytes * precision.bytes / FLOAT32_BYTES + pixel_bytes
    least, most = (moved * pj / 1e9 for pj in DRAM_PJ_PER_BYTE)
    arithmetic = (multiplications * precision.multiply_pj + additions * precision.add_pj) / 1e9
    return Energy(arithmetic_mj=arithmetic, dram_mj=(least, most))
