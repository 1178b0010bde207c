"""The format of a value of the integer network: how many bits its numbers have, and what they stand for."""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Format:
    """Whole numbers that stand for real ones: real = scale * (whole - zero).

    Parameters
    ----------
    bits : width of the stored number
    signed : whether it is two's complement
    scale : real number that a step of 1 stands for: one for all channels, or one per channel
    zero : number that stands for 0; other than 0 only for the levels of the result, where 127.5 lies in the middle
    low, high : range that a value is saturated to

    Examples
    --------
    >>> hidden = Format(bits=16, signed=True, scale=0.5, low=0, high=32767)
    >>> hidden.dtype, hidden.real(np.array([3]))
    (dtype('int16'), array([1.5]))
    """

    bits: int
    signed: bool
    scale: float | tuple[float, ...]
    low: int
    high: int
    zero: float = 0.0

    @property
    def dtype(self) -> "np.dtype[Any]":
        """Return the narrowest dtype that holds the values."""
        return np.dtype(f"{'i' if self.signed else 'u'}{self.bits // 8}")

    @property
    def common_scale(self) -> float:
        """Return the scale of all channels; values that are added to others have a common one."""
        assert isinstance(self.scale, float), f"scale is {self.scale}, expected one of all channels"
        return self.scale

    def real(self, values: Any) -> Any:
        """Return the real numbers, float64, that whole ones stand for."""
        return (np.asarray(values, np.float64) - self.zero) * np.asarray(self.scale)

    def saturated(self, values: Any) -> Any:
        """Return whole numbers with those beyond [low, high] replaced by the nearer end."""
        return np.clip(values, self.low, self.high)


INPUT = Format(bits=16, signed=True, scale=1 / 255, low=-255, high=255)
"""A picture's byte u as 2u - 255."""

THUMBNAIL = Format(bits=16, signed=True, scale=1 / 32640, low=-32640, high=32640)
"""A mean of bytes m as 256m - 32640."""

BEFORE_TANH = Format(bits=16, signed=True, scale=2.0**-12, low=-32768, high=32767)
"""What tanh reads: Q3.12. Beyond 8, where it saturates, tanh rounds to a whole level."""

LEVELS = Format(bits=8, signed=False, scale=1 / 127.5, zero=127.5, low=0, high=255)
"""The result, a byte."""


def symmetric(scale: float | tuple[float, ...], *, positive: bool) -> Format:
    """Return the format int16 without its least number; for values that are never negative, from 0 on."""
    return Format(bits=16, signed=True, scale=scale, low=0 if positive else -32767, high=32767)


def byte(scale: float | tuple[float, ...]) -> Format:
    """Return the format uint8 with zero at 0, for hidden values that are never negative."""
    return Format(bits=8, signed=False, scale=scale, low=0, high=255)
