"""What a number of operations counts. Flop counters disagree by factors of two because they do not say; here each says.

A convention is data: how much each kind of work weighs in its total. The kinds are the fields of `Work`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Self


@dataclass(frozen=True, kw_only=True)
class Work:
    """The arithmetic of an operator, of a layer or of a network, by kind. The kinds do not overlap.

    Parameters
    ----------
    convolution_macs : multiply-adds of convolutions with learned kernels; padded and cropped taps count
    resizing_macs : multiply-adds of resizing, by a fixed kernel or by interpolation weights; multiplying by 1 counts
    additions, multiplications, comparisons, divisions : that are no part of a multiply-add: biases, elementwise work
    functions : square roots, exponentials, logarithms, hyperbolic tangents and sigmoids, each as one

    Examples
    --------
    >>> work = Work(convolution_macs=6, additions=2) + Work(resizing_macs=4, additions=1)
    >>> work.macs, work.other
    (10, 3)
    """

    convolution_macs: int = 0
    resizing_macs: int = 0
    additions: int = 0
    multiplications: int = 0
    comparisons: int = 0
    divisions: int = 0
    functions: int = 0

    @property
    def macs(self) -> int:
        """All multiply-adds."""
        return self.convolution_macs + self.resizing_macs

    @property
    def other(self) -> int:
        """All operations that are no part of a multiply-add."""
        return self.additions + self.multiplications + self.comparisons + self.divisions + self.functions

    def __add__(self, that: Self) -> Self:
        """Add kind by kind."""
        return type(self)(**{f.name: getattr(self, f.name) + getattr(that, f.name) for f in fields(self)})

    def __mul__(self, times: int) -> Self:
        """Repeat the work so many times."""
        return type(self)(**{f.name: getattr(self, f.name) * times for f in fields(self)})


@dataclass(frozen=True, kw_only=True)
class Convention:
    """A way to count.

    Parameters
    ----------
    name : as `--convention` takes it
    unit : of its totals, "FLOPs" or "MACs"
    sentence : what it counts, for people
    weights : of each kind of work in the total; kinds left out count 0

    Examples
    --------
    >>> CONVENTIONS["paper"].amount(Work(convolution_macs=6, additions=2))
    12
    """

    name: str
    unit: str
    sentence: str
    weights: Mapping[str, int]

    def amount(self, work: Work) -> int:
        """Return the total under this convention."""
        return sum(weight * int(getattr(work, kind)) for kind, weight in self.weights.items())


_ALL = (
    Convention(
        name="paper",
        unit="FLOPs",
        sentence="2 FLOPs a multiply-add of the convolutions with learned kernels; biases, activations, normalisation, "
        "elementwise work and resizing count 0 (Table III; torch's FlopCounterMode counts the same)",
        weights={"convolution_macs": 2},
    ),
    Convention(
        name="macs",
        unit="MACs",
        sentence="1 MAC a multiply-add, of the convolutions and of resizing, padded and cropped taps included; "
        "everything else counts 0",
        weights={"convolution_macs": 1, "resizing_macs": 1},
    ),
    Convention(
        name="flops-all",
        unit="FLOPs",
        sentence="2 FLOPs a multiply-add, of the convolutions and of resizing, and 1 each for every other addition, "
        "multiplication, comparison, division, root, exponential and tanh (biases, activations, normalisation, sums)",
        weights={
            "convolution_macs": 2,
            "resizing_macs": 2,
            "additions": 1,
            "multiplications": 1,
            "comparisons": 1,
            "divisions": 1,
            "functions": 1,
        },
    ),
)

CONVENTIONS: Mapping[str, Convention] = MappingProxyType({convention.name: convention for convention in _ALL})


def convention_named(name: str) -> Convention:
    """Return a convention by name; ValueError names the ones there are."""
    if name not in CONVENTIONS:
        raise ValueError(f"convention is {name!r}, expected one of {', '.join(CONVENTIONS)}")
    return CONVENTIONS[name]
