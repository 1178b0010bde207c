"""Finds which exposure each place of a fused picture comes from, as each exposure's share.

Mertens 2009 and MEF-Net blend by weights, which are the shares. The other networks have no weights, and the share is
measured: how much the result's brightness changes with the exposure's, times the exposure's contrast around the place,
divided by the sum over all exposures (`npfuse.methods.shares`). Shares are found on copies whose longer side has at
most 1024 pixels.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from npfuse.choices import Order, method_and_weights
from npfuse.methods.method import as_floats
from npfuse.methods.shares import SHARES
from npfuse.run import Engine
from npfuse.strips import Pixels
from npfuse.weights.weights import Weights

LONG_SIDE = 1024  # pixels: longer side, at most, of the copies on which shares are found
PALETTE = ((24, 66, 160), (30, 150, 150), (252, 186, 3))  # darkest, middle, brightest; told apart by the colour-blind


def exposure_shares(
    exposures: Sequence[Pixels],
    weights: "Weights | str | Path | None" = None,
    *,
    method: str | None = None,
    order: Order = "auto",
    engine: Engine = "fast",
    pair: bool = False,
    long_side: int = LONG_SIDE,
) -> NDArray[np.float32]:
    """Return the share of each exposure in every place of the fused picture.

    Parameters
    ----------
    exposures : sequence of at least two ndarrays (H, W, 3) or (H, W), of one shape and dtype
        As `npfuse.fuse_stack` takes them.
    weights, method, order, engine, pair : as for `npfuse.fuse_stack`
    long_side : int
        Longer side of the copies, in pixels, at most; larger pictures are averaged over areas.

    Returns
    -------
    ndarray (K, H', W'), float32
        Darkest exposure first; the shares of a place add up to 1. An exposure that is left out has 0; so has
        one between the extremes that only takes their noise away (`npfuse.stacks`).

    Raises
    ------
    ValueError : fewer than two exposures, shapes that differ, or an unknown method or weights

    Examples
    --------
    >>> dark, bright = np.full((16, 24, 3), 0.05, np.float32), np.full((16, 24, 3), 0.5, np.float32)
    >>> shares = exposure_shares([dark, bright], method="mertens")  # flat grey has neither contrast nor colour
    >>> shares.shape, float(shares[1].min()), bool(np.allclose(shares.sum(axis=0), 1))
    ((2, 16, 24), 0.5, True)
    """
    if len(exposures) < 2 or any(x.shape != exposures[0].shape for x in exposures):
        shapes = ", ".join(str(x.shape) for x in exposures)
        raise ValueError(f"exposure_shares: shapes are {shapes or 'none'}, expected two or more of one shape")
    chosen, loaded = method_and_weights(method, weights)
    copies = [_copy(picture, long_side) for picture in exposures]
    ordered = range(len(copies)) if order == "given" else sorted(range(len(copies)), key=lambda k: copies[k].mean())
    in_order = [copies[k] for k in ordered]
    measure = SHARES[chosen.name]
    used = [0, len(copies) - 1] if pair or measure.extremes else list(range(len(copies)))
    shares = np.zeros((len(copies), *in_order[0].shape[:2]), np.float32)
    shares[used] = measure.shares([in_order[k] for k in used], loaded, engine)
    return shares


def share_palette(exposures: int) -> NDArray[np.uint8]:
    """Return the colour of each exposure in a map, (K, 3), darkest first.

    Examples
    --------
    >>> share_palette(2).tolist()
    [[24, 66, 160], [252, 186, 3]]
    """
    places = np.linspace(0, len(PALETTE) - 1, exposures)
    channels = [np.interp(places, range(len(PALETTE)), channel) for channel in zip(*PALETTE, strict=True)]
    return np.rint(np.stack(channels, axis=1)).astype(np.uint8)


def share_colours(shares: NDArray[Any]) -> NDArray[np.uint8]:
    """Return a map of shares (K, H, W) in colours, (H, W, 3): the exposures' colours, mixed by their shares.

    Examples
    --------
    >>> share_colours(np.array([[[1.0, 0.5]], [[0.0, 0.5]]]))[0].tolist()
    [[24, 66, 160], [138, 126, 82]]
    """
    mixed = np.tensordot(np.moveaxis(shares, 0, -1), share_palette(len(shares)).astype(np.float32), axes=1)
    return np.rint(mixed).astype(np.uint8)


def _copy(picture: Pixels, long_side: int) -> NDArray[np.float32]:
    """Return a picture in float32; if it is larger than `long_side`, averaged over areas."""
    values = as_floats(picture).astype(np.float32, copy=False)
    height, width = values.shape[:2]
    if max(height, width) <= long_side:
        return values
    size = max(1, round(width * long_side / max(height, width))), max(1, round(height * long_side / max(height, width)))
    planes = [values] if values.ndim == 2 else [values[..., channel] for channel in range(3)]
    resized = [np.asarray(Image.fromarray(np.ascontiguousarray(p)).resize(size, Image.Resampling.BOX)) for p in planes]
    return resized[0] if values.ndim == 2 else np.stack(resized, axis=2)
