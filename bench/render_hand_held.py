"""Renders the hand-held bracket of the documentation: three frames of a CC0 HDR panorama, and fused pictures of them.

`python -m bench.render_hand_held HDRI_DIR docs/how-to/hand-held` photographs a view of a panorama (Greg Zaal, HDRI
Haven), as if a camera with automatic bracketing were held by hand while somebody walks through the picture. The camera
is that of `bench.render_examples`, with these differences:

1. It is turned a little between the frames (yaw, pitch and roll), about its own pinhole. So any two frames differ by a
   perspective motion that is known exactly: `known_motion`.
2. Each pixel counts electrons: `FULL_WELL` of them are white at ISO 100, and a part of them at a higher ISO. Their
   number is Poisson's; reading them adds `READ_NOISE`. Each colour of a pixel has a sensor of its own, so there is no
   mosaic.
3. A walker (`covered`) stands at another place in each frame: a drawn figure in linear light, before the exposure.
4. Frames are stored as JPEG with halved colours (4:2:0), as cameras write it.

Flare, vignetting, distortion by the lens, blur of motion and of focus, and parallax of the hand are left out.
`python -m bench.render_hand_held --results docs/how-to/hand-held` renders nothing, and fuses the frames that are there.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.render_examples import expose, fill_holes, quantise, read_panorama, sample_panorama, srgb_encode
from npfuse.cli import main as npfuse

Floats = NDArray[np.float64]

PANORAMA = "courtyard.exr"
HEIGHT, WIDTH, FIELD_OF_VIEW = 480, 720, 88.0  # pixels; degrees, horizontal
FULL_WELL, READ_NOISE = 50_000.0, 4.0  # electrons: white at ISO 100; standard deviation
QUALITY = 88  # of the JPEGs
EYE, DISTANCE = 1.6, 4.4  # metres: the camera above the ground, and the walker away from it
LIT = 3.0  # radiance of a white surface where the walker is
RESULTS: dict[str, list[str]] = {  # options of `npfuse fuse`
    "as-taken": [],
    "aligned": ["--align"],
    "still": ["--align", "--deghost"],
}
SHOWN, GAP = (slice(70, 390), slice(10, 410)), 8  # of the results, what the picture beside the page shows; pixels


@dataclass(frozen=True, kw_only=True)
class Shot:
    """A frame of the bracket.

    Parameters
    ----------
    ev : exposure; at 0 EV a radiance of 1.0 is just white
    iso : sensitivity
    yaw, pitch, roll : degrees, where the camera looks, as in `bench.render_examples`; a positive roll turns its top to
        the right
    walker, stride : direction of the walker, degrees; and distance between the feet, metres
    """

    ev: float
    iso: float
    yaw: float
    pitch: float
    roll: float
    walker: float
    stride: float


SHOTS = (
    Shot(ev=-2.0, iso=200, yaw=12.0, pitch=-3.0, roll=0.3, walker=-17.0, stride=0.7),
    Shot(ev=-4.0, iso=200, yaw=12.55, pitch=-2.55, roll=1.15, walker=-9.5, stride=0.25),
    Shot(ev=0.0, iso=400, yaw=11.1, pitch=-3.4, roll=-0.35, walker=-2.0, stride=0.75),
)


def camera(shot: Shot) -> tuple[Floats, Floats]:
    """Return the matrices of a camera.

    Returns
    -------
    rays : (3, 3), from (row, column, 1) to a direction as (right, up, forward) of the camera
    turn : (3, 3), from the camera's directions to those of the world
    """
    focal = WIDTH / 2 / np.tan(np.radians(FIELD_OF_VIEW) / 2)  # pixels
    sight = np.array([[0, 1, 0.5 - WIDTH / 2], [-1, 0, HEIGHT / 2 - 0.5], [0, 0, focal]])
    yaw, pitch, roll = np.radians([shot.yaw, shot.pitch, shot.roll])
    about_up = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    about_right = np.array([[1, 0, 0], [0, np.cos(pitch), np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]])
    about_forward = np.array([[np.cos(roll), np.sin(roll), 0], [-np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    return sight, about_up @ about_right @ about_forward


def known_motion(first: Shot, second: Shot) -> Floats:
    """Return the motion from (row, column, 1) of one frame to the place of another that shows the same, (3, 3)."""
    (sight, turn), (other_sight, other_turn) = camera(first), camera(second)
    motion = np.linalg.inv(other_sight) @ other_turn.T @ turn @ sight
    return np.asarray(motion / motion[2, 2])


def directions(shot: Shot) -> tuple[Floats, Floats]:
    """Return the longitude and latitude that each pixel looks at, degrees, (H, W) each."""
    rows, columns = np.indices((HEIGHT, WIDTH)).reshape(2, -1)
    sight, turn = camera(shot)
    right, up, forward = turn @ sight @ np.stack([rows, columns, np.ones_like(rows)])
    longitude, latitude = np.degrees(np.arctan2(right, forward)), np.degrees(np.arctan2(up, np.hypot(right, forward)))
    return longitude.reshape(HEIGHT, WIDTH), latitude.reshape(HEIGHT, WIDTH)


def covered(across: Floats, up: Floats, stride: float) -> list[tuple[Floats, Floats, tuple[float, float, float]]]:
    """Draw the walker: parts of rounded sticks, the farthest first.

    Parameters
    ----------
    across, up : metres, of each pixel in the walker's upright plane, from between the feet
    stride : metres between the feet

    Returns
    -------
    a list of (metres inside the part, negative outside; light falling on it, 0 to 1; its colour, linear RGB)
    """
    skin, coat, sleeve, trousers = (0.5, 0.3, 0.2), (0.03, 0.1, 0.35), (0.025, 0.08, 0.29), (0.05, 0.05, 0.06)
    hip, half = 0.9, stride / 2
    sticks = [  # (ends as (across, up), half of the width, colour)
        ((0.0, hip), (-half, 0.06), 0.085, trousers),
        ((0.0, 1.35), (half * 0.7 + 0.05, 0.85), 0.06, sleeve),
        ((0.0, hip), (half, 0.06), 0.085, trousers),
        ((0.0, 1.3), (0.0, 0.95), 0.17, coat),
        ((0.0, 1.45), (0.0, 1.55), 0.06, skin),
        ((0.02, 1.64), (0.02, 1.68), 0.11, skin),
        ((-0.02, 1.69), (0.0, 1.72), 0.115, (0.03, 0.02, 0.015)),
        ((0.0, 1.35), (-half * 0.7 - 0.05, 0.85), 0.06, sleeve),
    ]
    parts = []
    for (from_x, from_y), (to_x, to_y), half_width, colour in sticks:
        along = np.array([to_x - from_x, to_y - from_y])
        share = ((across - from_x) * along[0] + (up - from_y) * along[1]) / (along @ along)
        share = share.clip(0, 1)
        off_x, off_y = across - from_x - share * along[0], up - from_y - share * along[1]
        light = 0.75 + 0.25 * (off_x / half_width).clip(-1, 1)  # from the right, where the yard is open
        parts.append((half_width - np.hypot(off_x, off_y), light, colour))
    return parts


def with_walker(light: Floats, shot: Shot) -> Floats:
    """Draw the walker, and a shadow on the ground, into linear light.

    Parameters
    ----------
    light : (H, W, 3)
    shot : Shot
    """
    longitude, latitude = directions(shot)
    aside = np.radians((longitude - shot.walker + 180) % 360 - 180)
    near = np.abs(aside) < 1.0
    aside = np.where(near, aside, 1.0)
    across = DISTANCE * np.tan(aside)
    up = DISTANCE * np.tan(np.radians(latitude)) / np.cos(aside) + EYE
    pixel = DISTANCE * np.degrees(2 * np.tan(np.radians(FIELD_OF_VIEW / 2)) / WIDTH) * np.pi / 180  # metres
    # The ground, where a line of sight meets it
    below = np.tan(np.radians(np.minimum(latitude, -1.0)))
    ground = -EYE / below  # metres away
    ground_x, ground_y = ground * np.sin(aside), ground * np.cos(aside) - DISTANCE
    shade = np.exp(-((ground_x / (0.25 + shot.stride / 2)) ** 2) - (ground_y / 0.22) ** 2) * near
    out = light * (1 - 0.55 * shade[..., None])
    for inside, falling, colour in covered(across, up, shot.stride):
        cover = ((inside / pixel + 0.5).clip(0, 1) * near)[..., None]
        out = out * (1 - cover) + cover * falling[..., None] * np.array(colour) * LIT
    return out


def photograph(radiance: NDArray[np.float32], shot: Shot, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Take a frame of a panorama without holes."""
    light = sample_panorama(radiance, *directions(shot))
    light = with_walker(light, shot)
    white = FULL_WELL * 100 / shot.iso  # electrons
    electrons = rng.poisson(expose(light, shot.ev) * white) + rng.normal(0, READ_NOISE, light.shape)
    return quantise(srgb_encode(np.clip(electrons / white, 0, 1)))


def shots_table(shots: Sequence[Shot] = SHOTS) -> str:
    """Return the frames as the Markdown table that CREDITS.md beside them shows."""
    lines = ["| frame | exposure | ISO | yaw | pitch | roll | walker |", "|---|---|---|---|---|---|---|"]
    lines += [
        f"| {i} | {s.ev:+g} EV | {s.iso:g} | {s.yaw:g}° | {s.pitch:g}° | {s.roll:g}° | {s.walker:g}° |"
        for i, s in enumerate(shots, 1)
    ]
    return "\n".join(lines)


def write_frames(panoramas: Path, folder: Path) -> None:
    """Take the frames and write them."""
    radiance, rng = fill_holes(read_panorama(panoramas / PANORAMA)), np.random.default_rng(0)
    for i, shot in enumerate(SHOTS, 1):
        path = folder / f"frame-{i}.jpg"
        Image.fromarray(photograph(radiance, shot, rng)).save(path, quality=QUALITY, subsampling="4:2:0", optimize=True)
        print(f"{path.name}: {path.stat().st_size} bytes")


def write_results(folder: Path) -> None:
    """Fuse the frames, as they are and with what mends them, and write parts of the results side by side."""
    frames = [str(folder / f"frame-{i}.jpg") for i in range(1, len(SHOTS) + 1)]
    shown = []
    with tempfile.TemporaryDirectory() as name:
        for title, options in RESULTS.items():
            made = Path(name, f"{title}.png")
            npfuse(["fuse", *frames, "-o", str(made), "--no-check", *options])
            with Image.open(made) as image:
                shown.append(np.asarray(image)[SHOWN])
    gap = np.full((shown[0].shape[0], GAP, 3), 255, np.uint8)
    row = np.concatenate([shown[0], *(part for one in shown[1:] for part in (gap, one))], axis=1)
    Image.fromarray(row).save(folder / "before-and-after.jpg", quality=QUALITY, optimize=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Render the frames and fuse them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("hdri_dir", type=Path, nargs="?", metavar="HDRI_DIR", help=f"folder with {PANORAMA}")
    parser.add_argument("out_dir", type=Path, metavar="OUT_DIR", help="folder for the frames and the fused pictures")
    parser.add_argument("--results", action="store_true", help="fuse the frames that are in OUT_DIR, render none")
    options = parser.parse_args(arguments)
    if (options.hdri_dir is None) != options.results:
        parser.error("HDRI_DIR: expected it without --results, and not with it")
    options.out_dir.mkdir(parents=True, exist_ok=True)
    if not options.results:
        write_frames(options.hdri_dir, options.out_dir)
    write_results(options.out_dir)
    return 0


if __name__ == "__main__":
    sys.exit(main())
