"""Rates: how long a kind of step takes for each unit of what it does, fitted to a few measured samples.

A step's amounts are numbers by name: 1 call, multiply-adds, values read. A rate is a number of seconds for each, none
below 0; together they are fitted so that the relative errors are least (non-negative least squares).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, sqrt

import numpy as np
from scipy.optimize import nnls

Amounts = Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A measured step.

    Parameters
    ----------
    kind : of the step
    amounts : what it does
    seconds : processor time of the thread
    """

    kind: str
    amounts: Amounts
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Seconds for each unit of a kind of step.

    Parameters
    ----------
    seconds : by the amount's name, none below 0
    spread : relative error of the samples, the root of the mean square
    """

    seconds: Mapping[str, float]
    spread: float

    def predicted_s(self, amounts: Amounts) -> float:
        """Return the time of a step."""
        return sum(rate * amounts.get(name, 0.0) for name, rate in self.seconds.items())


def fitted(kind: str, samples: Sequence[Sample]) -> Rates:
    """Fit the rates of a kind.

    Parameters
    ----------
    kind : of the samples that are looked at
    samples : Sequence of Sample, at least as many of the kind as it has amounts

    Raises
    ------
    ValueError : a time or an amount that cannot be, or too few samples

    Examples
    --------
    >>> samples = [Sample(kind="Add", amounts={"call": 1, "read": n}, seconds=2 + 3 * n) for n in (1, 2, 5)]
    >>> rates = fitted("Add", samples)
    >>> round(rates.predicted_s({"call": 1, "read": 10}), 6), round(rates.spread, 6)
    (32.0, 0.0)
    """
    own = [sample for sample in samples if sample.kind == kind]
    names = list(dict.fromkeys(name for sample in own for name in sample.amounts))
    if len(own) < max(len(names), 2):
        raise ValueError(f"{kind}: number of samples is {len(own)}, expected at least {max(len(names), 2)}")
    for sample in own:
        if not isfinite(sample.seconds) or sample.seconds <= 0:
            raise ValueError(f"{kind}: time is {sample.seconds} s, expected more than 0")
        for name, amount in sample.amounts.items():
            if not isfinite(amount) or amount < 0:
                raise ValueError(f"{kind}: amount {name} is {amount}, expected at least 0")
    table = np.array([[sample.amounts.get(name, 0.0) / sample.seconds for name in names] for sample in own])
    scale = table.max(axis=0)
    scale[scale == 0] = 1
    found = nnls(table / scale, np.ones(len(own)))[0] / scale
    errors = table @ found - 1
    seconds = {name: float(rate) for name, rate in zip(names, found, strict=True)}
    return Rates(seconds=seconds, spread=sqrt(float(np.mean(errors**2))))
