"""How good a fused picture is: against a reference (PSNR, SSIM), against its exposures (MEF-SSIM), and its blocks.

All take RGB pictures in [0, 1] or uint8, and compute in float64. PSNR and SSIM ask how near a picture is to one that
somebody chose, MEF-SSIM how much of the exposures' local structure is kept; they disagree, and neither is what the eye
sees.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from npfuse.color import LUMA

Plane = NDArray[np.float64]

K1, K2 = 0.01**2, 0.03**2  # SSIM's constants for a range of 1
SIGMA, RADIUS = 1.5, 5  # of SSIM's Gaussian: 11 taps
MEF_C = 0.03**2
MEF_SCALES = (0.0448, 0.2856, 0.3001)  # the first three of MS-SSIM's, scaled to a sum of 1 where they are used
BLOCK = 8


def psnr(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Return the peak signal-to-noise ratio in dB; infinity for equal pictures.

    Examples
    --------
    >>> round(psnr(np.full((4, 4, 3), 0.5), np.full((4, 4, 3), 0.6)), 6)  # an error of 0.1: 20 dB
    20.0
    """
    x, y = _pair("psnr", a, b)
    mse = float(np.mean((x - y) ** 2))
    return float("inf") if mse == 0 else float(-10 * np.log10(mse))


def ssim(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Return the structural similarity, the mean over channels and all positions of an 11-tap Gaussian window.

    Parameters
    ----------
    a, b : ndarray (H, W, C), uint8 or in [0, 1]; H and W at least 11

    Returns
    -------
    float

    Raises
    ------
    ValueError : shapes differ, or a picture is smaller than the window

    Notes
    -----
    Source: Wang 2004; sigma 1.5, K1 0.01, K2 0.03, population variances, no padding.

    Examples
    --------
    >>> ssim(np.eye(11)[..., np.newaxis], np.eye(11)[..., np.newaxis])
    1.0
    """
    x, y = _pair("ssim", a, b)
    _check_window("ssim", x, 2 * RADIUS + 1)
    mean_x, mean_y = _blur(x), _blur(y)
    covariance = _blur(x * y) - mean_x * mean_y
    variances = _blur(x * x) + _blur(y * y) - mean_x**2 - mean_y**2
    luminance = (2 * mean_x * mean_y + K1) / (mean_x**2 + mean_y**2 + K1)
    return float(np.mean(luminance * (2 * covariance + K2) / (variances + K2)))


def blockiness(picture: NDArray[Any], *, besides: int | None = None) -> float:
    """Return the mean step across 8-pixel boundaries over the mean step elsewhere; 1 for a picture without blocks.

    Parameters
    ----------
    picture : ndarray (H, W, C), uint8 or in [0, 1]; larger than 8x8
    besides : where in each block, 1 to 7, the boundaries of other blocks lie, which count as neither; of a picture made
        from JPEG files whose first 4 rows and columns were cut off, 4 leaves out those of JPEG

    Returns
    -------
    float, of rows and columns together; 1 for a constant picture

    Examples
    --------
    >>> ramp = np.arange(24.0).reshape(1, 24, 1).repeat(24, axis=0) / 24
    >>> round(blockiness(ramp), 6)
    1.0
    """
    x = _float("blockiness", picture)
    if min(x.shape[:2]) <= BLOCK:
        raise ValueError(f"blockiness: size is {x.shape[:2]}, expected more than {BLOCK} each; shape {x.shape}")
    if besides is not None and not 1 <= besides < BLOCK:
        raise ValueError(f"blockiness: besides is {besides}, expected 1 to {BLOCK - 1}")
    across: list[Plane] = []
    inside: list[Plane] = []
    for axis in (0, 1):
        steps = np.moveaxis(np.abs(np.diff(x, axis=axis)), axis, 0)
        within = np.arange(1, len(steps) + 1) % BLOCK
        across.append(steps[within == 0].reshape(-1))
        inside.append(steps[(within != 0) & (within != besides)].reshape(-1))
    between, elsewhere = float(np.concatenate(across).mean()), float(np.concatenate(inside).mean())
    if elsewhere == 0:
        return 1.0 if between == 0 else float("inf")
    return between / elsewhere


def mef_ssim(exposures: Sequence[NDArray[Any]], fused: NDArray[Any]) -> float:
    """Return how much of the exposures' local structure a fused picture keeps, over three scales; 1 is the most.

    Parameters
    ----------
    exposures : ndarrays (H, W, 3), uint8 or in [0, 1]; two or more
    fused : ndarray of the same shape; H and W at least 44, so that the coarsest scale holds the window

    Returns
    -------
    float

    Raises
    ------
    ValueError : fewer than two exposures, shapes that differ, or a picture that is too small

    Notes
    -----
    Source: Ma, Zeng and Wang 2015, with the authors' default parameters (K 0.03, 11x11 windows, weights of MS-SSIM's
    first three scales, strength of the weights at most 10). It looks at luma only, and not at its level: a picture that
    is too dark everywhere loses nothing. Every sum over a patch is a filter here, since the wanted patch is a weighted
    sum of the exposures' patches.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> picture = rng.random((44, 44, 3))
    >>> round(mef_ssim([picture, picture], picture), 6)
    1.0
    """
    if len(exposures) < 2:
        raise ValueError(f"mef_ssim: number of exposures is {len(exposures)}, expected 2 or more")
    pairs = [_pair("mef_ssim", exposure, fused) for exposure in exposures]
    result = pairs[0][1]
    _check_window("mef_ssim", result, (2 * RADIUS + 1) * 2 ** (len(MEF_SCALES) - 1))
    planes = [_luma(exposure) for exposure, _ in pairs]
    plane = _luma(result)
    quality = 1.0
    for scale, weight in enumerate(MEF_SCALES):
        if scale:
            planes, plane = [_halved(x) for x in planes], _halved(plane)
        # Structure may be opposite everywhere, in small pictures at least: a negative mean has no power.
        quality *= max(_structure(planes, plane), 0.0) ** (weight / sum(MEF_SCALES))
    return quality


def _structure(exposures: list[Plane], fused: Plane) -> float:
    """Return the mean over all patches of the covariance term of SSIM with the structure that is wanted."""
    count = len(exposures)
    mixed = patch_mixture(exposures)
    blurred, blurred_fused = [_blur(x) for x in exposures], _blur(fused)
    own = sum(
        mixed[i] * mixed[j] * (_blur(exposures[i] * exposures[j]) - blurred[i] * blurred[j])
        for i in range(count)
        for j in range(count)
    )
    shared = sum(mixed[k] * (_blur(exposures[k] * fused) - blurred[k] * blurred_fused) for k in range(count))
    variance = _blur(fused * fused) - blurred_fused**2
    return float(np.mean((2 * shared + MEF_C) / (own + variance + MEF_C)))


def patch_mixture(exposures: Sequence[Plane]) -> list[Plane]:
    """Return how much of each exposure's patch, less its mean, makes the patch that MEF-SSIM wants.

    Parameters
    ----------
    exposures : ndarrays (H, W), luma in [0, 1]

    Returns
    -------
    list of ndarray (H - 10, W - 10), one per exposure: factors of the 11x11 patches
    """
    count = len(exposures)
    taps = (2 * RADIUS + 1) ** 2
    boxed = [_box(x) for x in exposures]
    box = [
        [_box(exposures[i] * exposures[j]) - boxed[i] * boxed[j] if i <= j else None for j in range(count)]
        for i in range(count)
    ]
    covariance = [[_either(box, i, j) for j in range(count)] for i in range(count)]  # over the patch, evenly weighted
    strengths = [np.sqrt(np.maximum(taps * covariance[k][k], 0)) for k in range(count)]
    strongest = np.maximum.reduce(strengths)
    # How far the exposures agree: from 0, where they cancel, to 1, where they are alike.
    together = np.sqrt(np.maximum(taps * sum(covariance[i][j] for i in range(count) for j in range(count)), 0))
    tiny = float(np.finfo(float).eps)
    agreement = np.clip((together + tiny) / (sum(strengths) + tiny), 0, 1 - tiny)
    power = np.minimum(np.tan(np.pi / 2 * agreement), 10)
    floor = 0.001 / 255
    raised = [((strength + floor) / (strongest + floor)) ** power for strength in strengths]
    total = sum(raised)
    shares = [weight / total / (strength + floor) for weight, strength in zip(raised, strengths, strict=True)]
    wanted = sum(shares[i] * shares[j] * covariance[i][j] for i in range(count) for j in range(count))
    norm = np.sqrt(np.maximum(taps * wanted, 0))
    scale = np.divide(strongest + floor, norm, out=np.zeros_like(norm), where=norm > 0)
    return [share * scale for share in shares]


def luma_mixture(exposures: Sequence[Plane]) -> list[Plane]:
    """Return how much each exposure's mean counts in the mean that MEF-SSIM's luminance term wants; they add up to 1.

    Parameters
    ----------
    exposures : ndarrays (H, W), luma in [0, 1]

    Returns
    -------
    list of ndarray (H - 10, W - 10), one per exposure

    Notes
    -----
    Source: Ma et al. 2020 (MEF-Net), which adds the term to train by: Gaussians of deviation 0.2 around 0.5, of the
    patch's mean and of the exposure's. `mef_ssim` leaves the term out, as Ma, Zeng and Wang 2015 do.
    """
    raised = [np.exp(-((_box(x) - 0.5) ** 2 + (x.mean() - 0.5) ** 2) / (2 * 0.2**2)) for x in exposures]
    total = sum(raised)
    return [weight / total for weight in raised]


def _either(triangle: "list[list[Plane | None]]", i: int, j: int) -> Plane:
    """Return an entry of a symmetric matrix of which the upper half is stored."""
    entry = triangle[min(i, j)][max(i, j)]
    assert entry is not None
    return entry


def _luma(rgb: Plane) -> Plane:
    """Return BT.601 luma, (H, W)."""
    luma: Plane = rgb @ np.array(LUMA)
    return luma


def _halved(x: Plane) -> Plane:
    """Return the means of 2x2 pixels; an odd last row or column is replicated."""
    padded = np.pad(x, [(0, n % 2) for n in x.shape], mode="edge")
    means: Plane = padded.reshape(padded.shape[0] // 2, 2, padded.shape[1] // 2, 2).mean(axis=(1, 3))
    return means


def _blur(x: Plane) -> Plane:
    """Blur rows and columns by the 11-tap Gaussian, without padding: 10 fewer of each."""
    for axis in (0, 1):
        x = scipy.ndimage.gaussian_filter1d(x, SIGMA, axis=axis, radius=RADIUS)
    return x[RADIUS:-RADIUS, RADIUS:-RADIUS]


def _box(x: Plane) -> Plane:
    """Return the means of 11x11 pixels, without padding."""
    means: Plane = scipy.ndimage.uniform_filter(x, 2 * RADIUS + 1)
    return means[RADIUS:-RADIUS, RADIUS:-RADIUS]


def _float(name: str, picture: NDArray[Any]) -> NDArray[np.float64]:
    """Return a picture in [0, 1]."""
    if picture.ndim != 3:
        raise ValueError(f"{name}: rank is {picture.ndim}, expected 3 (H, W, C); shape {picture.shape}")
    if picture.dtype == np.uint8:
        return picture / 255.0
    if picture.dtype.kind != "f":
        raise TypeError(f"{name}: dtype is {picture.dtype}, expected uint8 or floats in [0, 1]; shape {picture.shape}")
    return picture.astype(np.float64)


def _pair(name: str, a: NDArray[Any], b: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return two pictures in [0, 1], or raise where their shapes differ."""
    if a.shape != b.shape:
        raise ValueError(f"{name}: shape of the second is {b.shape}, expected {a.shape} as the first")
    return _float(name, a), _float(name, b)


def _check_window(name: str, x: NDArray[Any], least: int) -> None:
    """Raise ValueError where a picture does not hold the window."""
    if min(x.shape[:2]) < least:
        raise ValueError(f"{name}: size is {x.shape[:2]}, expected at least {least} each; shape {x.shape}")
