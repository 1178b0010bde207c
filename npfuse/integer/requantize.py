"""Requantisation: brings a sum to the scale of the value it becomes, by a whole multiplier and a shift.

The real factor is mult * 2**-shift. There are two rules of rounding, because both are in use elsewhere. They differ by
one in a few of a hundred values: that cannot be seen in a picture, but matters to a bit-exact port.

"single": (sum * mult + 2**(shift - 1)) >> shift, in 64 bits, with an arithmetic shift: to the nearest, ties upwards. It
is TensorFlow Lite's with TFLITE_SINGLE_ROUNDING, CMSIS-NN's with CMSIS_NN_USE_SINGLE_ROUNDING, and AP_RND of ap_fixed.
"double": gemmlowp's SaturatingRoundingDoublingHighMul, then RoundingDivideByPOT; TensorFlow Lite's default.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

Rounding = Literal["single", "double"]

MULTIPLIER_BITS = 31
LARGEST_SHIFT = 62


@dataclass(frozen=True, kw_only=True, eq=False)
class Rescale:
    """Multipliers and shifts: one of each for all channels, or one of each per channel.

    Parameters
    ----------
    mult : ndarray (1,) or (C,), int64, each below 2**31
    shift : ndarray of the same shape, int64, 0 to 62
    """

    mult: NDArray[np.int64]
    shift: NDArray[np.int64]

    @property
    def only_shifts(self) -> bool:
        """Return whether no multiplication is needed, since every multiplier is a power of two."""
        return all(int(mult).bit_count() == 1 for mult in self.mult)


def multiplier(factor: float) -> tuple[int, int]:
    """Return the multiplier of 31 bits and the shift that stand for a real factor.

    Notes
    -----
    Source: QuantizeMultiplier of TensorFlow Lite (quantization_util.cc): the mantissa, in [1/2, 1), times 2**31,
    rounded half up; a factor below 2**-32 is 0. The shift here is 31 minus TensorFlow Lite's.

    Examples
    --------
    >>> multiplier(0.75), multiplier(3.0)
    ((1610612736, 31), (1610612736, 29))
    """
    if not 0 <= factor < 2**30:
        raise ValueError(f"multiplier: factor is {factor}, expected at least 0 and less than 2**30")
    mantissa, exponent = math.frexp(factor)
    mult = math.floor(mantissa * 2**MULTIPLIER_BITS + 0.5)
    if mult == 2**MULTIPLIER_BITS:
        mult, exponent = mult // 2, exponent + 1
    shift = MULTIPLIER_BITS - exponent
    return (mult, shift) if mult and shift <= LARGEST_SHIFT else (0, 1)


def power_of_two(factor: float) -> tuple[int, int]:
    """Return the multiplier and the shift of a factor that is a power of two; up to 1, the multiplier is 1.

    Examples
    --------
    >>> power_of_two(0.25), power_of_two(4.0)
    ((1, 2), (4, 0))
    """
    mantissa, exponent = math.frexp(factor)
    if mantissa != 0.5:
        raise ValueError(f"power_of_two: factor is {factor}, expected a power of two")
    power = exponent - 1
    return (1 << power, 0) if power > 0 else (1, -power)


def power_above(number: float) -> float:
    """Return the least power of two that is not below a positive number.

    Examples
    --------
    >>> power_above(0.3), power_above(0.5)
    (0.5, 0.5)
    """
    mantissa, exponent = math.frexp(number)
    return math.ldexp(1.0, exponent - 1 if mantissa == 0.5 else exponent)


def rescale(factors: Sequence[float], *, only_shifts: bool) -> Rescale:
    """Return multipliers and shifts for real factors."""
    pairs = [power_of_two(factor) if only_shifts else multiplier(factor) for factor in factors]
    mult, shift = np.array(pairs, np.int64).T
    return Rescale(mult=mult, shift=shift)


def requantize(x: NDArray[Any], by: Rescale, rounding: Rounding = "single") -> NDArray[Any]:
    """Multiply sums by real factors and round them to whole numbers.

    Parameters
    ----------
    x : ndarray (..., C), int64 or object (of Python integers), within 32 bits
    by : Rescale
    rounding : "single" or "double"

    Returns
    -------
    ndarray (..., C), dtype of x, not saturated

    Examples
    --------
    >>> requantize(np.array([-3, -2, 2, 3]), rescale([0.25], only_shifts=True))
    array([-1,  0,  1,  1])
    """
    if rounding == "single":
        rounded: NDArray[Any] = x * by.mult
        rounded += (1 << by.shift) >> 1
        rounded >>= by.shift
        return rounded
    if rounding != "double":
        raise ValueError(f"requantize: rounding is {rounding!r}, expected one of {', '.join(get_args(Rounding))}")
    left = np.maximum(MULTIPLIER_BITS - by.shift, 0)
    right = np.maximum(by.shift - MULTIPLIER_BITS, 0)
    return _divided_by_power(_doubled_high_product(x << left, by.mult), right)


def _doubled_high_product(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """Return a * b / 2**31, rounded to the nearest, ties upwards above 0 and below (SaturatingRoundingDoublingHighMul).

    That function saturates for -2**31 times itself, which does not occur here: multipliers are positive.
    """
    product = a * b
    nudged = product + np.where(product >= 0, 1 << 30, 1 - (1 << 30))
    towards_zero: NDArray[Any] = np.where(nudged >= 0, nudged >> 31, -(-nudged >> 31))
    return towards_zero


def _divided_by_power(x: NDArray[Any], exponent: NDArray[Any]) -> NDArray[Any]:
    """Return x / 2**exponent, rounded to the nearest, ties away from 0 (RoundingDivideByPOT)."""
    mask = (1 << exponent) - 1
    threshold = (mask >> 1) + (x < 0)
    divided: NDArray[Any] = (x >> exponent) + ((x & mask) > threshold)
    return divided
