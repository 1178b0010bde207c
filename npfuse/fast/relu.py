"""ReLU, compiled."""

from typing import Any

from numpy.typing import NDArray

from npfuse.engine.compiled import aligned_empty, compiled, contiguous
from npfuse.ops.operator import check_arrays
from npfuse.ops.relu import ReLU


def relu(x: NDArray[Any]) -> NDArray[Any]:
    """Replace negative values by 0; see `npfuse.ops.relu`. float32 or float64."""
    check_arrays(ReLU(), x)
    (x,) = contiguous("relu", x)
    out = aligned_empty(x.shape, x.dtype)
    rectify(x.reshape(-1), out.reshape(-1))
    return out


@compiled
def rectify(x: NDArray[Any], out: NDArray[Any]) -> None:
    """Write the ReLU of numbers (n,) to `out`, which may be `x`."""
    for i in range(len(x)):
        out[i] = 0 if x[i] < 0 else x[i]
