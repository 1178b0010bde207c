"""Tanh, compiled; float32 by a branchless formula that the compiler can vectorise, float64 by the C library.

With e = exp(-2|x|), tanh|x| = (1 - e) / (1 + e). Near 0 that loses digits, so below 0.3 the odd Taylor series is
taken: its first omitted term, 1382 x^11 / 155925, is then less than 2**-24 of tanh x. exp(z) = 2^n exp(r), with
n = round(z / ln 2), |r| <= ln(2) / 2 and the Taylor polynomial of degree 7, its relative error below r^8 / 8! < 2**-27.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.fast.compiled import aligned_empty, compiled, contiguous
from npfuse.ops.operator import check_arrays
from npfuse.ops.tanh import Tanh

ONE = np.float32(1)
HALF = np.float32(0.5)
SATURATED = np.float32(10)  # tanh rounds to 1 in float32 from 9.02 on
SERIES_BELOW = np.float32(0.3)
LOG2_E = np.float32(1 / math.log(2))
LN_2_HIGH = np.float32(0.693359375)  # ln 2 in two parts: n times the first is exact for the n that occur here
LN_2_LOW = np.float32(math.log(2) - 0.693359375)
EXP_2, EXP_3, EXP_4, EXP_5, EXP_6, EXP_7 = (np.float32(1 / math.factorial(k)) for k in range(2, 8))
TANH_3, TANH_5, TANH_7, TANH_9 = (np.float32(v) for v in (-1 / 3, 2 / 15, -17 / 315, 62 / 2835))


def tanh(x: NDArray[Any]) -> NDArray[Any]:
    """Apply the hyperbolic tangent; see `npfuse.ops.tanh`. float32 (to 4 units in the last place) or float64."""
    check_arrays(Tanh(), x)
    (x,) = contiguous("tanh", x)
    out = aligned_empty(x.shape, x.dtype)
    (_tanh_float32 if x.dtype == np.float32 else _tanh_float64)(x.reshape(-1), out.reshape(-1))
    return out


@compiled
def _tanh_float32(x: Any, out: Any) -> None:
    for i in range(len(x)):
        v = x[i]
        a = abs(v)
        a = SATURATED if a > SATURATED else a  # a NaN stays one
        z = -(a + a)
        n = np.float32(np.floor(z * LOG2_E + HALF))
        r = z - n * LN_2_HIGH - n * LN_2_LOW
        p = EXP_2 + r * (EXP_3 + r * (EXP_4 + r * (EXP_5 + r * (EXP_6 + r * EXP_7))))
        e = (ONE + r + r * r * p) * np.int32((np.int32(n) + np.int32(127)) << np.int32(23)).view(np.float32)
        far = (ONE - e) / (ONE + e)
        t = a * a
        near = a + a * t * (TANH_3 + t * (TANH_5 + t * (TANH_7 + t * TANH_9)))
        y = near if a < SERIES_BELOW else far
        out[i] = np.copysign(y, v)


@compiled
def _tanh_float64(x: Any, out: Any) -> None:
    for i in range(len(x)):
        out[i] = math.tanh(x[i])
