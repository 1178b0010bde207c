"""AddChannels, compiled."""

from typing import Any

from numpy.typing import NDArray

from npfuse.engine.compiled import aligned_empty, compiled, contiguous
from npfuse.ops.add_channels import AddChannels
from npfuse.ops.operator import check_arrays


def add_channels(x: NDArray[Any], v: NDArray[Any]) -> NDArray[Any]:
    """Add one number per channel to every pixel; see `npfuse.ops.add_channels`. Both float32 or both float64."""
    check_arrays(AddChannels(), x, v)
    x, v = contiguous("add_channels", x, v)
    out = aligned_empty(x.shape, x.dtype)
    n, height, width, channels = x.shape
    flat = n, height * width, channels
    _add_channels(x.reshape(flat), v.reshape(n, channels), out.reshape(flat))
    return out


@compiled
def _add_channels(x, v, out):
    for n in range(x.shape[0]):
        for p in range(x.shape[1]):
            for c in range(x.shape[2]):
                out[n, p, c] = x[n, p, c] + v[n, c]
