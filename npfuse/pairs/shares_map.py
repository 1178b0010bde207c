"""The map of `npfuse fuse --weights-map`: which exposure each place of a fused picture comes from, in a file."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from npfuse.choices import Order
from npfuse.methods.shares import SHARES
from npfuse.picture_shares import exposure_shares, share_colours
from npfuse.pictures.atomic import written_in_place
from npfuse.pictures.picture import Picture
from npfuse.pictures.writing import check_writable, write_picture
from npfuse.strips import Pixels
from npfuse.weights.weights import Weights


def check_map(path: Path, *, overwrite: bool) -> None:
    """Raise, before the work, the errors of writing after it: a name of no format, or a file that exists."""
    if path.suffix.lower() != ".npy":
        check_writable(path, overwrite=overwrite)


def write_shares_map(
    path: Path,
    exposures: Sequence[Pixels],
    weights: Weights | None,
    *,
    method: str,
    order: Order = "auto",
    pair: bool = False,
    overwrite: bool = False,
) -> str:
    """Write the map of a fusion.

    Parameters
    ----------
    path : Path
        A picture's name for colours, blue from the darkest exposure to yellow from the brightest; `.npy` for the shares
        themselves, (K, H, W), float32, darkest first.
    exposures : sequence of ndarrays (H, W, 3) or (H, W)
    weights, method, order, pair : as for `npfuse.fuse_stack`
    overwrite : bool
        Whether an existing file may be replaced.

    Returns
    -------
    str, a sentence on how the shares were measured
    """
    shares = exposure_shares(exposures, weights, method=method, order=order, pair=pair)
    if path.suffix.lower() == ".npy":
        with written_in_place(path, overwrite=overwrite) as file:
            np.save(file, shares, allow_pickle=False)
    else:
        write_picture(path, Picture(pixels=share_colours(shares)), overwrite=overwrite)
    height, width = shares.shape[1:]
    return f"map of exposures in {path}, {height}x{width} (height x width): {SHARES[method].words}"
