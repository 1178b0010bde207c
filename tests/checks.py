"""Checks that every operator's tests make alike: fast function against definition, and bad input."""

import re
from types import MappingProxyType

import numpy as np
import pytest

from npfuse.fast import FAST
from npfuse.ops import DEFINITIONS, Operator
from tests.arrays import Call, assert_close

# A test that runs once with the definitions and once with the fast functions, as mappings from operator to function.
both = pytest.mark.parametrize("functions", [DEFINITIONS, FAST], ids=["definition", "fast"])

PICTURE = np.zeros((2, 5, 6, 3))


def check_fast_equals_definition(call: Call, tolerance=0) -> None:
    """Compare the results, and see that both are new arrays of the right shape and dtype and leave the input alone."""
    before = call.map(np.copy)
    operands = [array for array in call.arrays if array is not None]
    expected, actual = call(DEFINITIONS[call.op]), call(FAST[call.op])
    assert_close(actual, expected, tolerance)
    for result in (expected, actual):
        assert result.dtype == call.dtype
        assert not any(np.shares_memory(result, array) for array in operands)
    for array, copy in zip(call.arrays, before.arrays, strict=True):
        if copy is not None:
            assert_close(array, copy)


def check_rejects(function, message: str, *arrays, error=ValueError, **attributes) -> None:
    """See that a call fails with this message; "…" in it stands for anything."""
    pattern = "^" + ".*".join(re.escape(part) for part in message.split("…"))
    with pytest.raises(error, match=pattern):
        function(*arrays, **attributes)


def check_rejects_dtypes(op: type[Operator], *arrays: np.ndarray, **attributes) -> None:
    """See that the fast function takes float32 or float64 only, and only one of them in a call."""
    for dtype in (np.float16, np.longdouble, np.int64, np.uint8, np.bool_, np.complex64, object, np.dtype(">f4")):
        message = f"…dtypes are {np.dtype(dtype)}, expected all float32 or all float64"
        check_rejects(FAST[op], message, *(a.astype(dtype) for a in arrays), error=TypeError, **attributes)
    for odd in range(1, len(arrays)):
        mixed = [a.astype(np.float32 if i == odd else np.float64) for i, a in enumerate(arrays)]
        message = "…dtypes are float32, float64, expected all float32 or all float64"
        check_rejects(FAST[op], message, *mixed, error=TypeError, **attributes)


def check_rejects_pictures(op: type[Operator], *weights: np.ndarray, attributes=MappingProxyType({})) -> None:
    """See that definition and fast function want a picture (N, H, W, C) of at least one pixel and channel."""
    for function in (DEFINITIONS[op], FAST[op]):
        for rank in (0, 1, 2, 3, 5):
            x = np.zeros(range(1, rank + 1))
            message = f"{op.__name__}: input rank is {rank}, expected 4 (N, H, W, C); input shape {x.shape}"
            check_rejects(function, message, x, *weights, **attributes)
        for shape in ((0, 6, 3), (5, 0, 3), (5, 6, 0)):
            message = f"{op.__name__}: input shape is {shape}, expected (H, W, C) of at least 1 each; input shapes "
            check_rejects(function, message, np.zeros((2, *shape)), *weights, **attributes)


def check_rejects_counts(operator: Operator, wrong: tuple[int, ...], expected: str) -> None:
    """See that an operator does not take this many inputs."""
    for count in wrong:
        shapes = ((5, 6, 3),) * count
        told = ", ".join(map(str, shapes)) or "none"
        message = f"{operator.kind}: number of inputs is {count}, expected {expected}; input shapes {told}"
        check_rejects(operator.output_shape, message, *shapes)
