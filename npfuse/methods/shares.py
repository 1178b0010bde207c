"""How each method tells which exposure a place of its result comes from.

A method that blends has weights, and a share is a weight: Mertens' before they are smoothed in pyramids, MEF-Net's of
luma. A network that computes colours has none. There, an exposure's part in a place is a product of two factors: the
absolute derivative of the result's brightness as the exposure gets brighter, and the exposure's own contrast around the
place. To first order, this is how much of the result's detail comes from that exposure. (The derivative alone would
give half of a window to an exposure in which the window is plain white.) A share is one exposure's part divided by the
sum of all parts.

The derivative is a central difference of half a level each way. The thumbnail and the range that the network sees of
the whole pictures stay as they are, so that a share is about the place alone. For DeepFuse, the derivative is that of
its network's luma, before it is stretched.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from npfuse.color import STUDIO, luma_of
from npfuse.methods.guided_filter import guided_coefficients
from npfuse.methods.mefnet import EPSILON, LEAST_WEIGHT, RADIUS, _enlarged_rows, _luma, _shrunk, low_resolution
from npfuse.models.mertens import mertens
from npfuse.padding import GRID
from npfuse.run import Engine, run
from npfuse.strips import Pixels, fuse_pair, thumbnail_size
from npfuse.survey import survey
from npfuse.weights.weights import Weights

STEP = 0.5 / 255  # each way
WINDOW = 9  # pixels along each side of the window in which an exposure's contrast is taken
LEAST_CONTRAST = 0.5 / 255  # added to each exposure's contrast: where all are plain, the derivatives alone decide

Shares = Callable[[Sequence[Pixels], Weights | None, Engine], NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class Measure:
    """How a method's shares are found.

    Parameters
    ----------
    words : str
        Phrase that says what a share is, for people.
    shares : callable
        Function of exposures (ndarrays (H, W, 3) or (H, W), float32, darkest first), weights and an engine; returns the
        shares (K, H, W).
    extremes : bool
        Whether only the darkest and the brightest of more than two exposures have a share.
    """

    words: str
    shares: Shares
    extremes: bool = False


def pair_shares(exposures: Sequence[Pixels], weights: Weights | None, engine: Engine) -> NDArray[Any]:
    """Return the shares of a network of a pair, by the derivative of its result."""
    assert weights is not None
    network = weights
    size = thumbnail_size(network.graph(GRID, GRID))
    surveys = survey(exposures[0], *size), survey(exposures[1], *size)

    def brightness(under: Pixels, over: Pixels) -> NDArray[Any]:
        out = np.empty_like(under)
        for job in fuse_pair(under, over, out, network, engine=engine, threads=1, surveys=surveys):
            job()
        return out.mean(axis=2) if out.ndim == 3 else out

    return _by_derivative(brightness, exposures)


def deepfuse_shares(exposures: Sequence[Pixels], weights: Weights | None, engine: Engine) -> NDArray[Any]:
    """Return the shares of DeepFuse, by the derivative of its network's luma."""
    assert weights is not None
    graph = weights.graph(*exposures[0].shape[:2])
    arrays = dict(weights.arrays)

    def luma(*pair: Pixels) -> NDArray[Any]:
        lumas = [luma_of(x, STUDIO) if x.ndim == 3 else x * STUDIO.luma_range + STUDIO.black for x in pair]
        inputs = {
            name: x.astype(np.float32)[np.newaxis, :, :, np.newaxis]
            for name, x in zip(("under", "over"), lumas, strict=True)
        }
        return run(graph, inputs, arrays, engine=engine)["fused"][0, :, :, 0]

    return _by_derivative(luma, exposures)


def mertens_shares(exposures: Sequence[Pixels], weights: Weights | None, engine: Engine) -> NDArray[Any]:
    """Return the shares of Mertens' method, its weights."""
    height, width = exposures[0].shape[:2]
    channels = 3 if exposures[0].ndim == 3 else 1
    graph = mertens(height, width, exposures=len(exposures), channels=channels)
    names = tuple(f"weight{k}" for k in range(1, len(exposures) + 1))
    inputs = {f"exposure{k}": x.reshape(1, height, width, channels) for k, x in enumerate(exposures, 1)}
    values = run(replace(graph, outputs=names), inputs, {}, engine=engine)
    return np.stack([values[name][0, :, :, 0] for name in names])


def mefnet_shares(exposures: Sequence[Pixels], weights: Weights | None, engine: Engine) -> NDArray[Any]:
    """Return the shares of MEF-Net, its weights of luma."""
    assert weights is not None
    height, width = exposures[0].shape[:2]
    small = low_resolution(height, width)
    maps = []
    for picture in exposures:
        luma = _luma(picture)
        guide = _shrunk(luma[np.newaxis, :, :, np.newaxis], *small, engine=engine)
        weight_map = run(weights.graph(*small), {"luma": guide}, dict(weights.arrays), engine=engine)["weight_map"]
        found = guided_coefficients(guide[0, :, :, 0], weight_map[0, :, :, 0], radius=RADIUS, epsilon=EPSILON)
        slope, offset = (_enlarged_rows(c.astype(np.float32), 0, height, height, width) for c in found)
        maps.append(np.abs(slope * luma + offset) + np.float32(LEAST_WEIGHT))
    stacked: NDArray[Any] = np.stack(maps)
    shares: NDArray[Any] = stacked / stacked.sum(axis=0)
    return shares


def _by_derivative(brightness: Callable[..., NDArray[Any]], exposures: Sequence[Pixels]) -> NDArray[Any]:
    """Return the share of each exposure in the result's detail, (K, H, W).

    Examples
    --------
    >>> exposures = [np.full((1, 2), 0.5), np.full((1, 2), 0.5)]  # without contrast: by the derivatives alone
    >>> _by_derivative(lambda a, b: 0.3 * a - 0.1 * b, exposures).round(6).tolist()
    [[[0.75, 0.75]], [[0.25, 0.25]]]
    """
    parts = []
    for k, picture in enumerate(exposures):
        up, down = ([*exposures[:k], picture + picture.dtype.type(step), *exposures[k + 1 :]] for step in (STEP, -STEP))
        parts.append(np.abs(brightness(*up) - brightness(*down)) * (_contrast(picture) + LEAST_CONTRAST))
    stacked = np.stack(parts)
    total = stacked.sum(axis=0)
    shares: NDArray[Any] = np.full_like(stacked, 1 / len(exposures))
    np.divide(stacked, total, out=shares, where=total > 0)
    return shares


def _contrast(picture: Pixels) -> NDArray[Any]:
    """Return the standard deviation of brightness in the window around each pixel, (H, W).

    Examples
    --------
    >>> picture = np.zeros((3, 20))
    >>> picture[:, 10:] = 1
    >>> _contrast(picture)[1, [0, 10, 19]].round(3)
    array([0.   , 0.497, 0.   ])
    """
    brightness = (picture.mean(axis=2) if picture.ndim == 3 else picture).astype(np.float64)
    mean, mean_square = (uniform_filter(x, WINDOW, mode="nearest") for x in (brightness, brightness**2))
    contrast: NDArray[Any] = np.sqrt(np.maximum(mean_square - mean**2, 0)).astype(picture.dtype)
    return contrast


DERIVATIVE = (
    "how much of the result's detail comes from each exposure, to first order: how far the result's brightness follows "
    "the exposure's, times the exposure's contrast around the place"
)
PAIR = Measure(
    words=f"{DERIVATIVE}. Of more than two exposures, those between only take noise out of the darkest and the "
    "brightest, and have no share",
    shares=pair_shares,
    extremes=True,
)
SHARES: Mapping[str, Measure] = MappingProxyType(
    {
        "tonefuse": PAIR,
        "lightfuse": PAIR,
        "t_cnn": PAIR,
        "deepfuse": Measure(
            words=f"{DERIVATIVE}. Measured on luma, before it is stretched", shares=deepfuse_shares, extremes=True
        ),
        "mertens": Measure(
            words="the weights that the method blends by, before they are smoothed in its pyramids",
            shares=mertens_shares,
        ),
        "mefnet": Measure(words="the weights that the method blends luma by", shares=mefnet_shares),
    }
)
