"""Tanh, compiled: for float32 by a formula without branches, vector by vector; for float64 by the C library.

With e = exp(-2|x|), tanh|x| = (1 - e) / (1 + e). Near 0 that loses digits, so the odd Taylor series is taken for
|x| < 0.3. Its first omitted term, 1382 x^11 / 155925, is then less than 2**-24 of tanh x. The exponential is
exp(z) = 2^n exp(r), with n = round(z / ln 2) and |r| <= ln(2) / 2; for exp(r), the Taylor polynomial of degree 7 is
taken, whose relative error is below r^8 / 8! < 2**-27.

Division is slow, so 1 / d, for d = 1 + e between 1 and 2, is approximated. The first guess is the quadratic q(d) with
the least relative error, 1 / 99: the one for which 1 - d q(d) = T3(2 d - 3) / T3(-3), T3 being Chebyshev's polynomial.
Two steps of Newton's method, q + q (1 - d q), square the error each: 1e-4, 1e-8.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from npfuse.engine.compiled import compiled
from npfuse.engine.processor import VECTOR_NUMBERS
from npfuse.engine.vectors import vector_function

if TYPE_CHECKING:
    from npfuse.engine.emission import Value, Vectors

SATURATED = 10.0  # tanh rounds to 1 in float32 from 9.02 on
SERIES_BELOW = 0.3
LOG2_E = 1 / math.log(2)
LN_2_HIGH = 0.693359375  # ln 2 in two parts: n times the first is exact for the n that occur here
LN_2_LOW = math.log(2) - LN_2_HIGH
EXP = [1 / math.factorial(k) for k in range(2, 8)]
RECIPROCAL = [210 / 99, -144 / 99, 32 / 99]
TANH = [-1 / 3, 2 / 15, -17 / 315, 62 / 2835]  # of x^3, x^5, x^7, x^9


@compiled
def tanh_numbers(x, out):
    """Write the hyperbolic tangents of numbers (n,), float32 or float64, to `out`, which may be `x`."""
    whole = len(x) // VECTOR_NUMBERS * VECTOR_NUMBERS
    tanh_vectors(x, out, whole)
    if whole < len(x):
        rest = np.zeros(VECTOR_NUMBERS, x.dtype)
        for i in range(whole, len(x)):
            rest[i - whole] = x[i]
        tanh_vectors(rest, rest, VECTOR_NUMBERS)
        for i in range(whole, len(x)):
            out[i] = rest[i - whole]


@vector_function
def tanh_vectors(v: Vectors, x: Value, out: Value, count: Value) -> None:
    """Apply tanh to `count` numbers, a multiple of VECTOR_NUMBERS; `out` may be `x`."""
    with v.loop(count // v.width) as chunk:
        value = v.load(x + chunk * v.width)
        result = _single(v, value) if v.itemsize == 4 else v.call_c("tanh", value)
        v.store(result, out + chunk * v.width)


def _single(v: Vectors, value: Value) -> Value:
    """Emit the tanh of a vector of float32."""
    one = v.number(1)
    a = v.absolute(value)
    a = v.select(v.number(SATURATED) < a, v.number(SATURATED), a)  # a NaN stays a NaN
    z = v.number(0) - (a + a)
    n = v.call("floor", z * v.number(LOG2_E) + v.number(0.5))
    r = z - n * v.number(LN_2_HIGH) - n * v.number(LN_2_LOW)
    e = (one + r + r * r * polynomial(v, r, EXP)) * v.power_of_two(n)
    d = one + e
    q = polynomial(v, d, RECIPROCAL)
    for _ in range(2):
        q = q + q * (one - d * q)
    far = (one - e) * q
    t = a * a
    near = a + a * t * polynomial(v, t, TANH)
    return v.with_sign(v.select(a < v.number(SERIES_BELOW), near, far), value)


def polynomial(v: Vectors, x: Value, coefficients: list[float]) -> Value:
    """Emit a polynomial by Horner's rule; coefficients begin with the constant."""
    *others, total = (v.number(coefficient) for coefficient in coefficients)
    for coefficient in reversed(others):
        total = coefficient + x * total
    return total
