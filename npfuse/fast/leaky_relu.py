"""LeakyReLU, compiled."""

from typing import Any

from numpy.typing import NDArray

from npfuse.engine.compiled import aligned_empty, compiled, contiguous
from npfuse.ops.leaky_relu import LeakyReLU
from npfuse.ops.operator import check_arrays


def leaky_relu(x: NDArray[Any], *, slope: float) -> NDArray[Any]:
    """Scale negative values by a slope; see `npfuse.ops.leaky_relu`. float32 or float64."""
    check_arrays(LeakyReLU(slope=slope), x)
    (x,) = contiguous("leaky_relu", x)
    out = aligned_empty(x.shape, x.dtype)
    _leaky_relu(x.reshape(-1), x.dtype.type(slope), out.reshape(-1))
    return out


@compiled
def _leaky_relu(x, slope, out):
    for i in range(len(x)):
        out[i] = x[i] if x[i] > 0 else x[i] * slope
