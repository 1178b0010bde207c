"""Arrays for the tests: how they are drawn and laid out in memory, and how results are compared."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import strategies as st

from npfuse.ops import Operator

FLOATS = (np.float32, np.float64)

# Small whole numbers: sums of up to 2**18 of their products are exact in float32, 8 * 8 * 2**18 = 2**24.
WHOLE = 8


@dataclass(frozen=True, kw_only=True)
class Call:
    """The arguments of one call of an operator's function.

    Parameters
    ----------
    op : class of the operator
    arrays : positional arguments, None for no bias
    attributes : keyword arguments
    exact : whether all values are small whole numbers, whose products and sums are exact in float32
    """

    op: type[Operator]
    arrays: tuple[np.ndarray | None, ...]
    attributes: dict[str, Any]
    exact: bool = False

    def __call__(self, function: Callable[..., np.ndarray]) -> np.ndarray:
        return function(*self.arrays, **self.attributes)

    def map(self, change: Callable[[np.ndarray], np.ndarray]) -> "Call":
        """Return the call with every array changed."""
        return replace(self, arrays=tuple(None if array is None else change(array) for array in self.arrays))

    @property
    def dtype(self) -> np.dtype:
        return self.arrays[0].dtype

    @property
    def eps(self) -> float:
        """The distance from 1 to the next number of the dtype, twice the relative error of one rounding."""
        return float(np.finfo(self.dtype).eps)

    def __repr__(self) -> str:
        arrays = ", ".join("None" if a is None else f"{a.dtype}{a.shape} strides {a.strides}" for a in self.arrays)
        return f"{self.op.__name__}({arrays}; {self.attributes})"


def in_c_order(array):
    return np.ascontiguousarray(array)


def in_fortran_order(array):
    return np.asfortranarray(array)


def reversed_axes(array):
    """Every axis runs backwards in memory."""
    return np.flip(np.flip(array).copy())


def channels_first(array):
    """The last axis is the slowest in memory."""
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(array, -1, 0)), 0, -1)


def every_other(array):
    """A view with gaps; NaN in them shows up in any result that reads them."""
    roomy = np.full([2 * length for length in array.shape], np.nan, array.dtype)
    view = roomy[tuple(slice(None, None, 2) for _ in array.shape)]
    view[...] = array
    return view


def read_only(array):
    fixed = array.copy()
    fixed.flags.writeable = False
    return fixed


LAYOUTS = (in_c_order, in_fortran_order, reversed_axes, channels_first, every_other, read_only)


def fractions(array: np.ndarray) -> np.ndarray:
    """Return the same numbers as `fractions.Fraction`."""
    return np.array([Fraction(float(v)) for v in array.flat], dtype=object).reshape(array.shape)


def whole(*shape: int, dtype: Any = np.float64, seed: int = 0) -> np.ndarray:
    """Return an array of small whole numbers."""
    return np.random.default_rng(seed).integers(-4, 4, shape, endpoint=True).astype(dtype)


def lengths(most: int) -> st.SearchStrategy[int]:
    return st.integers(1, most)


def unlike(most: int, least: int = 1) -> st.SearchStrategy[tuple[int, int]]:
    """Draw two different numbers, so that a result cannot be right with its axes mixed up."""
    # The second number skips the first, so that no draw is thrown away.
    pairs = st.tuples(st.integers(least, most), st.integers(least, most - 1))
    return pairs.map(lambda pair: (pair[0], pair[1] + (pair[1] >= pair[0])))


@st.composite
def numbers(draw, *shapes: tuple[int, ...] | None, dtype: Any = None, exact: bool | None = None):
    """Draw arrays of these shapes (None stays None) in any memory layout.

    Returns
    -------
    arrays : tuple, all of one dtype, float32 or float64 unless given
    exact : whether all are whole numbers of at most `WHOLE`; drawn unless given
    """
    dtype = draw(st.sampled_from(FLOATS)) if dtype is None else dtype
    exact = draw(st.booleans()) if exact is None else exact
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    arrays = []
    for shape in shapes:
        if shape is None:
            arrays.append(None)
            continue
        scale = 1 if exact else 2.0 ** draw(st.integers(-20, 20))
        values = rng.integers(-WHOLE, WHOLE, shape, endpoint=True) if exact else rng.normal(size=shape) * scale
        arrays.append(draw(st.sampled_from(LAYOUTS))(np.asarray(values, dtype)))
    return tuple(arrays), exact


@st.composite
def pictures(
    draw, op: type[Operator], attributes: st.SearchStrategy[dict] | None = None, *, most: int = 9, **kind
) -> Call:
    """Draw a call of an operator without weights: one picture of at most `most` rows, columns and channels."""
    (x,), exact = draw(numbers(draw(picture_shapes(most)), **kind))
    return Call(op=op, arrays=(x,), attributes={} if attributes is None else draw(attributes), exact=exact)


@st.composite
def picture_shapes(draw, most: int = 9) -> tuple[int, int, int, int]:
    """Draw (N, H, W, C) with H != W; N may be 0."""
    return draw(st.integers(0, 3)), *draw(unlike(most)), draw(lengths(most))


def assert_close(actual, expected, tolerance=0) -> None:
    """Raise AssertionError unless the shapes are equal and no element is off by more than the tolerance.

    Equal infinities are close, and so are two NaN. The message names the worst element.

    Parameters
    ----------
    actual, expected : ndarrays
    tolerance : number, or ndarray of a shape that broadcasts to theirs
    """
    actual, expected = np.asarray(actual), np.asarray(expected)
    if actual.shape != expected.shape:
        raise AssertionError(f"shape is {actual.shape}, expected {expected.shape}")
    tolerance = np.broadcast_to(tolerance, expected.shape)
    with np.errstate(invalid="ignore", over="ignore"):
        error = np.abs(actual - expected)
        same = (actual == expected) | ((actual != actual) & (expected != expected))
        close = (same | (error <= tolerance)).astype(bool)
    if not close.all():
        excess = np.where(close, -1.0, np.nan_to_num((error - tolerance).astype(float), nan=np.inf))
        worst = np.unravel_index(np.argmax(excess), expected.shape)
        raise AssertionError(
            f"{close.size - close.sum()} of {close.size} elements differ; the worst, at {tuple(map(int, worst))}, "
            f"is {actual[worst]!r}, expected {expected[worst]!r}, tolerance {tolerance[worst]!r}"
        )
