"""MEF-Net: weight maps from small copies, brought to full size by a guided filter; a weighted sum of any exposures.

Luma and chroma are full-range (JFIF). The network sees a copy of each exposure's luma whose short side is 128. A guided
filter fits a linear function of luma to its map; the coefficients are enlarged, which gives a map w of full size. The
weights are |w| + 1e-8, divided by their sum over the exposures. Chroma is averaged with the weights |C - 0.5| + 1e-8.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.color import JFIF, luma_of, to_rgb, to_ycbcr
from npfuse.graph_memory import peak
from npfuse.methods.guided_filter import guided_coefficients
from npfuse.methods.method import (
    Moment,
    NetworkMethod,
    Phases,
    Task,
    as_planes,
    strip_planes,
    strips,
    times,
    to_levels,
    total,
)
from npfuse.models.mefnet import mefnet
from npfuse.ops import DEFINITIONS, Resize
from npfuse.ops.resize import resize_taps
from npfuse.run import Engine, run
from npfuse.strips import Pixels, float_dtype
from npfuse.weights.weights import Weights

SHORT_SIDE = 128
LONG_SIDE = 2048  # at most: the copy of a very long picture is squeezed, so that its size is bounded
RADIUS, EPSILON = 1, 1e-4  # of the guided filter
LEAST_WEIGHT = 1e-8

# Planes of floats of a strip that are held at once.
LUMA_PLANES = 7  # three of the colours, three in computing luma, and luma
BLEND_PLANES = 16, 8  # the result's 3, a share, and RGB with rounding 12; per picture, RGB, YCbCr and 2 shares
GREY_PLANES = 7, 3  # the result, a share, and rounding; per picture, luma and 2 shares


def low_resolution(height: int, width: int) -> tuple[int, int]:
    """Return height and width of the network's copy: the short side 128, the other in proportion, rounded down.

    Pictures longer than 16 to 1, which the authors do not provide for, get a long side of 2048.

    Examples
    --------
    >>> low_resolution(896, 1344), low_resolution(1344, 896), low_resolution(1, 1000)
    ((128, 192), (192, 128), (128, 2048))
    """
    short = min(height, width)
    return min(height * SHORT_SIDE // short, LONG_SIDE), min(width * SHORT_SIDE // short, LONG_SIDE)


def mefnet_phases(
    exposures: Sequence[Pixels], out: Pixels, weights: Weights, *, engine: Engine, threads: int
) -> Phases:
    """Return two phases: the coefficients of the exposures, one job per exposure; then the sum, strip by strip.

    Notes
    -----
    Source: Ma et al. 2020; https://github.com/makedede/MEFNet, e2emef.py, TrainModel.py and batch_transformers.py,
    commit 28ed074. The small copy is made of luma as computed, not of RGB bytes.
    """
    height, width = out.shape[:2]
    small = low_resolution(height, width)
    dtype = float_dtype(out.dtype)
    coefficients: list[tuple[NDArray[Any], NDArray[Any]]] = [(np.empty(0), np.empty(0))] * len(exposures)

    def fit(k: int) -> None:
        luma = _luma(exposures[k])
        guide = _shrunk(luma[np.newaxis, :, :, np.newaxis], *small, engine=engine)
        arrays = {name: array.astype(dtype, copy=False) for name, array in weights.arrays.items()}
        weight_map = run(weights.graph(*small), {"luma": guide}, arrays, engine=engine)["weight_map"]
        a, b = guided_coefficients(guide[0, :, :, 0], weight_map[0, :, :, 0], radius=RADIUS, epsilon=EPSILON)
        coefficients[k] = a.astype(dtype), b.astype(dtype)

    def blend(start: int, stop: int) -> None:
        parts = [as_planes(picture[start:stop]) for picture in exposures]
        pictures = [to_ycbcr(part, JFIF) if part.ndim == 3 else part[..., np.newaxis] for part in parts]
        fused = np.empty_like(pictures[0])  # (rows, W, 3), or (rows, W, 1) for grey
        shares = []
        for picture, (a, b) in zip(pictures, coefficients, strict=True):
            slope, offset = (_enlarged_rows(c, start, stop, height, width) for c in (a, b))
            shares.append(np.abs(slope * picture[..., 0] + offset) + dtype.type(LEAST_WEIGHT))
        fused[..., 0] = np.clip(_average([picture[..., 0] for picture in pictures], shares), 0, 1)
        for channel in range(1, fused.shape[2]):
            chromas = [picture[..., channel] for picture in pictures]
            shares = [np.abs(chroma - dtype.type(JFIF.neutral)) + dtype.type(LEAST_WEIGHT) for chroma in chromas]
            fused[..., channel] = _average(chromas, shares)
        values = to_rgb(fused, JFIF) if fused.shape[2] == 3 else fused[..., 0]
        out[start:stop] = to_levels(values, out.dtype)

    return [
        [partial(fit, k) for k in range(len(exposures))],
        [partial(blend, start, stop) for start, stop in strips(height, width)],
    ]


def _luma(picture: Pixels) -> NDArray[Any]:
    """Return the luma of a whole picture, (H, W); makes no float copy of its colours."""
    height, width = picture.shape[:2]
    luma = np.empty((height, width), float_dtype(picture.dtype))
    for start, stop in strips(height, width):
        part = as_planes(picture[start:stop])
        luma[start:stop] = luma_of(part, JFIF) if part.ndim == 3 else part
    return luma


def _shrunk(x: NDArray[Any], height: int, width: int, *, engine: Engine) -> NDArray[Any]:
    """Return a plane, resampled with antialiasing to (height, width), by either engine."""
    if engine == "definition":
        return DEFINITIONS[Resize](x, height=height, width=width, method="antialiased")
    from npfuse.fast import FAST

    return FAST[Resize](x, height=height, width=width, method="antialiased")


def _average(xs: Sequence[NDArray[Any]], shares: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Return the average of planes, weighted by shares."""
    total, weighted = shares[0].copy(), xs[0] * shares[0]
    for x, share in zip(xs[1:], shares[1:], strict=True):
        total += share
        weighted += x * share
    average: NDArray[Any] = np.divide(weighted, total, out=weighted)
    return average


def _enlarged_rows(x: NDArray[Any], start: int, stop: int, height: int, width: int) -> NDArray[Any]:
    """Return rows [start, stop) of a small plane, enlarged bilinearly to (height, width)."""
    rows, row_weights = (taps[start:stop] for taps in resize_taps(x.shape[0], height, "bilinear"))
    first = rows.min()
    columns, column_weights = resize_taps(x.shape[1], width, "bilinear")
    x = _between(x[first : rows.max() + 1], columns, column_weights, axis=1)
    return _between(x, rows - first, row_weights, axis=0)


def _between(x: NDArray[Any], positions: NDArray[Any], weights: NDArray[Any], *, axis: int) -> NDArray[Any]:
    """Return the weighted sums of a plane's rows, or columns, at two positions each."""
    low, high = (np.expand_dims(weights[:, t], 1 - axis).astype(x.dtype) for t in (0, 1))
    between: NDArray[Any] = np.take(x, positions[:, 0], axis=axis)
    between *= low
    between += np.take(x, positions[:, 1], axis=axis) * high
    return between


def mefnet_moments(task: Task) -> Iterator[Moment]:
    """Yield the memory of the weight maps, and of blending."""
    height, width = task.shape[:2]
    rows, columns = low_resolution(height, width)
    luma = (("luma", height * width * task.number_bytes),)
    network = peak(task.graph(rows, columns), merge=task.engine == "fast", element_bytes=task.number_bytes).values
    small = (("luma, rows", rows * width * task.number_bytes), *network)
    held = luma + max(strip_planes(task, LUMA_PLANES), small, key=total)
    yield Moment(during="weight maps", written=False, values=times(held, min(task.threads, task.exposures)))
    own, each = BLEND_PLANES if task.channels == 3 else GREY_PLANES
    blending = strip_planes(task, own + task.exposures * each)
    yield Moment(during="blending", written=True, values=times(blending, task.threads))


MEFNET = NetworkMethod(
    name="mefnet",
    title="MEF-Net",
    graph=mefnet,
    grid=low_resolution,
    runs=2,
    around="the copy, the guided filter that brings the weight maps to full size, their sum, and the chroma",
    most_exposures=None,
    moments=mefnet_moments,
    jobs=mefnet_phases,
    inputs={"luma": 1},
    weights_at="the authors' MEFNet_release.pt is at https://github.com/makedede/MEFNet",
)
