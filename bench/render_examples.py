"""Render the example pictures of `npfuse.examples`: pairs of exposures out of CC0 HDR panoramas.

`python bench/render_examples.py HDRI_DIR OUT_DIR [--scene NAME ...]` takes a perspective view out of an
equirectangular panorama in linear light (Greg Zaal, HDRI Haven) and photographs it twice, once with too little light
and once with too much. The camera is stated in full, here and in `npfuse/examples/CREDITS.md`:

1. `fill_holes`: the panoramas ring around the sun, lamps and window edges (a sharp resampling filter, it seems), down
   to zero and below. Such dots take a value from among the 7x7 pixels around them.
2. `view_angles`: an ideal pinhole (rectilinear projection), aimed by yaw and pitch.
3. `sample_panorama`: cubic splines on log2 of the radiance, wrapped around in longitude, each value limited to the
   range of the 3x3 panorama pixels around it, so that lamps do not ring.
4. `expose`: radiance times 2**EV, clipped to [0, 1]. The base: at 0 EV a radiance of 1.0 in the file is just white.
5. `srgb_encode`: the curve of IEC 61966-2-1, then rounding to 8 bits.

Left out, on purpose: noise, flare, vignetting, white balance, lens blur, camera and scene motion. The file's primaries
are taken as those of sRGB. Only `read_panorama` needs OpenEXR (the `bench` extra).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One view into one panorama, and the two exposures taken of it.

    Parameters
    ----------
    name : str
        Stem of the two files, `NAME_under.jpg` and `NAME_over.jpg`.
    panorama : str
        File name of the panorama.
    yaw, pitch : float
        Where the camera looks, in degrees. Yaw 0 is the panorama's middle column and grows to the right; pitch 0 is
        the horizon and grows upward.
    field_of_view : float
        Horizontal, in degrees.
    height, width : int
        Of the rendered picture.
    under_ev, over_ev : float
        Exposures in EV; at 0 EV a radiance of 1.0 is just white.
    """

    name: str
    panorama: str
    yaw: float
    pitch: float
    field_of_view: float
    height: int
    width: int
    under_ev: float
    over_ev: float


# fmt: off
SCENES: tuple[Scene, ...] = (
    Scene(
        name="interior", panorama="interior.exr", yaw=20, pitch=-12, field_of_view=115,
        height=427, width=643, under_ev=-4.75, over_ev=1.25,
    ),
    Scene(
        name="courtyard", panorama="courtyard.exr", yaw=-30, pitch=-2, field_of_view=110,
        height=432, width=648, under_ev=-4.5, over_ev=1.75,
    ),
    Scene(
        name="forest", panorama="forest.exr", yaw=60, pitch=3, field_of_view=85,
        height=620, width=460, under_ev=-3.75, over_ev=2.75,
    ),
    Scene(
        name="sunrise", panorama="sunrise.exr", yaw=20, pitch=-4, field_of_view=110,
        height=400, width=640, under_ev=-4.25, over_ev=2.0,
    ),
    Scene(
        name="sunset", panorama="sunset.exr", yaw=30, pitch=-2, field_of_view=110,
        height=385, width=622, under_ev=-5.0, over_ev=0.5,
    ),
    Scene(
        name="city", panorama="city.exr", yaw=30, pitch=15, field_of_view=110,
        height=420, width=630, under_ev=-5.0, over_ev=1.0,
    ),
    Scene(
        name="studio", panorama="studio.exr", yaw=0, pitch=15, field_of_view=60,
        height=250, width=374, under_ev=3.25, over_ev=8.5,
    ),
)
# fmt: on

JPEG_QUALITY = 92
HOLE_RATIO = 1 / 64  # darker than this share of its surroundings is ringing; a wire against the sky is brighter
LIGHT = 1000.0  # only the sun and lamps are this bright; the brightest skies reach 20
DARKEST = 2.0**-14  # radiances are raised to this before the logarithm; white at +14 EV


def read_panorama(path: Path) -> NDArray[np.float32]:
    """Read a panorama's linear RGB.

    Parameters
    ----------
    path : Path
        An OpenEXR file with channels R, G and B.

    Returns
    -------
    ndarray (H, W, 3), float32

    Raises
    ------
    SystemExit
        OpenEXR is not installed, or the file does not exist.
    """
    try:
        import OpenEXR  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        raise SystemExit(
            "render_examples: package OpenEXR is missing, expected it installed: pip install 'npfuse[bench]'"
        ) from None
    if not path.is_file():
        raise SystemExit(f"render_examples: panorama is {path}, expected an existing file")
    with OpenEXR.File(str(path)) as file:
        return np.array(file.channels()["RGB"].pixels, dtype=np.float32)


def fill_holes(radiance: NDArray[np.float32]) -> NDArray[np.float32]:
    """Fill the dark dots that the panoramas have beside the sun, lamps and window edges.

    Parameters
    ----------
    radiance : ndarray (H, W, 3), float32
        A panorama as read.

    Returns
    -------
    ndarray (H, W, 3), float32
        Each channel is compared with the positive values of the same channel in the 7x7 pixels around.
        A hole is a value that is not positive or below `HOLE_RATIO` of the 13th smallest of them; it becomes that 13th
        smallest, but not more than the pixel's brightest channel, if that is above a quarter of it.
        Where one of the 7x7 pixels exceeds `LIGHT`, every value is at least the 25th smallest.
        Other values are unchanged.

    Notes
    -----
    A quarter of the way up the 49 values, not half: beside a window or the sky the dark side is the right one to take.
    Around the sun there is no dark side, and the dots are too many for a quarter.
    """
    closed = np.pad(radiance, ((0, 0), (3, 3), (0, 0)), mode="wrap")
    positive = np.where(closed > 0, closed, np.float32(np.inf))

    def smallest(rank: int) -> NDArray[np.float32]:
        ranked = ndimage.rank_filter(positive, rank=rank - 1, size=(7, 7, 1), mode="nearest")[:, 3:-3]
        return np.where(np.isfinite(ranked), ranked, np.float32(DARKEST))

    usual = smallest(13)
    brightest = radiance.max(axis=2, keepdims=True)
    filling = np.where(brightest > usual / 4, np.minimum(usual, brightest), usual)
    filled = np.where((radiance <= 0) | (radiance < HOLE_RATIO * usual), filling, radiance)
    near_light = (
        ndimage.maximum_filter(closed, size=(7, 7, 1), mode="nearest")[:, 3:-3].max(axis=2, keepdims=True) > LIGHT
    )
    return np.where(near_light, np.maximum(filled, smallest(25)), filled)


def view_angles(
    height: int, width: int, yaw: float, pitch: float, field_of_view: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute where each pixel of an ideal pinhole camera looks.

    Parameters
    ----------
    height, width : int
        Of the picture.
    yaw, pitch, field_of_view : float
        In degrees, as in `Scene`.

    Returns
    -------
    longitude, latitude : ndarray (H, W), float64
        In degrees; longitude in [-180, 180), latitude in [-90, 90].

    Examples
    --------
    >>> longitude, latitude = view_angles(1, 3, yaw=30, pitch=0, field_of_view=90)
    >>> print(longitude.round(2), latitude.round(2))
    [[-3.69 30.   63.69]] [[0. 0. 0.]]
    """
    focal = width / 2 / np.tan(np.radians(field_of_view) / 2)  # in pixels
    right = (np.arange(width) + 0.5 - width / 2)[None, :] / focal
    up = (height / 2 - np.arange(height) - 0.5)[:, None] / focal
    tilt = np.radians(pitch)
    forward = np.cos(tilt) - up * np.sin(tilt)  # (H, 1), after tilting the camera upward
    up = up * np.cos(tilt) + np.sin(tilt)
    longitude = (np.degrees(np.arctan2(right, forward)) + yaw + 180) % 360 - 180
    latitude = np.degrees(np.arctan2(up, np.hypot(right, forward)))
    return longitude, latitude


def panorama_coordinates(
    longitude: NDArray[np.float64], latitude: NDArray[np.float64], height: int, width: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Turn directions into fractional indices of an equirectangular panorama.

    Parameters
    ----------
    longitude, latitude : ndarray, float64
        In degrees.
    height, width : int
        Of the panorama. Pixel [i, j] has its centre at latitude 90 - 180 * (i + 0.5) / height and
        longitude 360 * (j + 0.5) / width - 180.

    Returns
    -------
    row, column : ndarray, float64
        Indices; column may lie half a pixel outside [0, width - 1], where the panorama closes.

    Examples
    --------
    >>> row, column = panorama_coordinates(np.array([0.0, -180.0]), np.array([0.0, 90.0]), 512, 1024)
    >>> row.tolist(), column.tolist()
    ([255.5, -0.5], [511.5, -0.5])
    """
    return (90 - latitude) / 180 * height - 0.5, (longitude + 180) / 360 * width - 0.5


def sample_panorama(
    radiance: NDArray[np.float32], longitude: NDArray[np.float64], latitude: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Look up a panorama in given directions, between its pixels by cubic splines on log2 of the radiance.

    Parameters
    ----------
    radiance : ndarray (PH, PW, 3), float32
        A panorama without holes.
    longitude, latitude : ndarray (H, W), float64
        In degrees.

    Returns
    -------
    ndarray (H, W, 3), float64
        At least `DARKEST`; each value within the range of the 3x3 panorama pixels around its direction.
    """
    height, width, channels = radiance.shape
    row, column = panorama_coordinates(longitude, latitude, height, width)
    margin = min(16, width)  # the spline's memory falls by 0.27 a pixel: 1e-9 of it is left
    at = np.stack([row, column + margin])
    sampled = np.empty((*longitude.shape, channels))
    for channel in range(channels):
        plane = np.log2(np.maximum(radiance[..., channel].astype(np.float64), DARKEST))
        plane = np.pad(plane, ((0, 0), (margin, margin)), mode="wrap")
        smooth = ndimage.map_coordinates(plane, at, order=3, mode="nearest")
        low = ndimage.map_coordinates(ndimage.minimum_filter(plane, 3, mode="nearest"), at, order=0, mode="nearest")
        high = ndimage.map_coordinates(ndimage.maximum_filter(plane, 3, mode="nearest"), at, order=0, mode="nearest")
        sampled[..., channel] = np.clip(smooth, low, high)
    return np.exp2(sampled)


def expose(radiance: NDArray[np.float64], ev: float) -> NDArray[np.float64]:
    """Expose linear light: times 2**ev, clipped to [0, 1].

    Examples
    --------
    >>> print(expose(np.array([0.25, 0.4, 3.0]), 1))
    [0.5 0.8 1. ]
    """
    exposed: NDArray[np.float64] = np.clip(radiance * 2.0**ev, 0, 1)
    return exposed


def srgb_encode(linear: NDArray[np.float64]) -> NDArray[np.float64]:
    """Encode linear light in [0, 1] with the sRGB curve (IEC 61966-2-1:1999, section 5.2).

    Examples
    --------
    >>> print(srgb_encode(np.array([0.0, 0.001, 0.18, 1.0])).round(4))
    [0.     0.0129 0.4614 1.    ]
    """
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 0.0031308) ** (1 / 2.4) - 0.055)


def quantise(encoded: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Round values in [0, 1] to the nearest of 256 levels."""
    return np.rint(encoded * 255).astype(np.uint8)


def render(scene: Scene, radiance: NDArray[np.float32]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Photograph one scene twice.

    Parameters
    ----------
    scene : Scene
        Where to look, and the two exposures.
    radiance : ndarray (PH, PW, 3), float32
        The scene's panorama as read.

    Returns
    -------
    under, over : ndarray (scene.height, scene.width, 3), uint8
    """
    angles = view_angles(scene.height, scene.width, scene.yaw, scene.pitch, scene.field_of_view)
    light = sample_panorama(fill_holes(radiance), *angles)
    under, over = (quantise(srgb_encode(expose(light, ev))) for ev in (scene.under_ev, scene.over_ev))
    return under, over


def scene_table(scenes: Sequence[Scene]) -> str:
    """Write the scenes' parameters as the Markdown table that `npfuse/examples/CREDITS.md` shows."""
    lines = [
        "| name | panorama | yaw | pitch | horizontal field of view | width x height | under | over |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {s.name} | {s.panorama} | {s.yaw:g}° | {s.pitch:g}° | {s.field_of_view:g}° | {s.width} x {s.height} "
        f"| {s.under_ev:+g} EV | {s.over_ev:+g} EV |"
        for s in scenes
    ]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Render the scenes named on the command line, or all of them."""
    parser = argparse.ArgumentParser(description="Render the example pictures from HDR panoramas.")
    parser.add_argument("hdri_dir", type=Path, metavar="HDRI_DIR", help="folder with the .exr panoramas")
    parser.add_argument("out_dir", type=Path, metavar="OUT_DIR", help="folder for NAME_under.jpg and NAME_over.jpg")
    parser.add_argument(
        "--scene", action="append", choices=[scene.name for scene in SCENES], help="only this one; may be repeated"
    )
    options = parser.parse_args(arguments)
    options.out_dir.mkdir(parents=True, exist_ok=True)
    for scene in SCENES:
        if options.scene and scene.name not in options.scene:
            continue
        pair = render(scene, read_panorama(options.hdri_dir / scene.panorama))
        for exposure, picture in zip(("under", "over"), pair, strict=True):
            path = options.out_dir / f"{scene.name}_{exposure}.jpg"
            Image.fromarray(picture).save(path, quality=JPEG_QUALITY, subsampling="4:4:4", optimize=True)
            print(f"{path.name}: mean {picture.mean() / 255:.3f}, {path.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
