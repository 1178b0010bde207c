"""Alignment of drawn motions, beside align_image_stack: `python -m bench.alignment --data FOLDER`.

FOLDER holds brackets of still scenes (`bench.brackets`); without it, only the example pairs are measured. From each
bracket, a pair is drawn that is 2 to 8 EV apart. The brighter frame is warped as if the camera had been shifted (by up
to 5 % of the height and of the width), turned (by up to 3 degrees), zoomed (by up to 2 %) and tilted (by up to 1 %):
with OpenCV's Lanczos, from a larger picture, so that both frames are whole. Pairs of 0.3 and 6 megapixels are made from
frames that mostly have 0.2 to 2 megapixels (`brought_to`).

The error is that of the worst corner, against the drawn motion after the pair's own motion: even frames on a tripod are
moved by a part of a pixel. The method under test measures that own motion on the pair before it is warped; the
examples, which are rendered, have none. Times are processor times of the search and of warping the pictures; those of
align_image_stack include the start of its process.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.align_image_stack import by_hugin, is_there
from bench.brackets import Bracket, Pixels, add_options, brought_to, draw_exposures, drawn_brackets, find_brackets
from npfuse import align
from npfuse.pairs.motions import Frame, farthest

KEPT = 0.86  # of each side of a scene, so that the moved frame shows it everywhere
SWAP = np.array([[0, 1, 0], [1, 0, 0], [0, 0, 1.0]])  # OpenCV counts columns first
RENDERED = "examples/"
CLOSE, FAR = 0.3, 1.0  # pixels at the corners

Found = tuple[NDArray[np.float64] | None, float]  # the motion, or None if the pair is left alone; seconds
Method = Callable[[tuple[Pixels, Pixels]], Found]


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A drawn pair.

    Parameters
    ----------
    stops : difference of the exposures, EV
    still, moving : (first, second) frame, before and after the second was moved
    motion : (3, 3), the motion that was drawn
    rendered : whether both frames were rendered from one place, so that the pair has no motion of its own
    """

    stops: float
    rendered: bool
    still: tuple[Pixels, Pixels]
    moving: tuple[Pixels, Pixels]
    motion: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Result:
    """The result of a method for a pair.

    Parameters
    ----------
    error : error of the worst corner, pixels; NaN if the pair is left alone
    own : motion that the pair has before it is moved, pixels at the corners
    seconds : processor time
    """

    error: float
    own: float
    seconds: float


def mirrored_to(picture: Pixels, pixels: float) -> Pixels:
    """Continue a picture beyond its borders by mirror images, to about `pixels` pixels."""
    scale = float(np.sqrt(pixels / picture[..., 0].size))
    more = [max(0, round(n * (scale - 1))) for n in picture.shape[:2]]
    return np.pad(picture, [*((n // 2, n - n // 2) for n in more), (0, 0)], mode="symmetric")


def draw_pair(bracket: Bracket, megapixels: float, rng: np.random.Generator, *, mirrored: bool = False) -> Pair | None:
    """Draw a pair of a bracket; return None if no two frames are 2 to 8 EV apart."""
    drawn = draw_exposures(bracket.frames, rng)
    if drawn is None:
        return None
    *exposures, stops = drawn
    made = mirrored_to if mirrored else brought_to
    a, b = (made(frame, megapixels * 1e6 / KEPT**2) for frame in exposures)
    height, width = (round(n * KEPT) for n in a.shape[:2])
    top, left = (a.shape[0] - height) // 2, (a.shape[1] - width) // 2
    frame = Frame(height=height, width=width)
    shift = rng.uniform(-0.05, 0.05, 2) * (height, width) / frame.half
    turned = frame.step(np.array([*shift, np.radians(rng.uniform(-3, 3)), rng.uniform(-0.02, 0.02)]))
    motion = turned @ frame.step(np.array([0, 0, 0, 0, 0, 0, *rng.uniform(-0.01, 0.01, 2)]))
    window = np.array([[1, 0, top], [0, 1, left], [0, 0, 1.0]])
    source = SWAP @ window @ np.linalg.inv(motion) @ SWAP
    flags = cv2.INTER_LANCZOS4 | cv2.WARP_INVERSE_MAP
    seen = cv2.warpPerspective(b, source, (width, height), flags=flags, borderMode=cv2.BORDER_REFLECT)
    here, still = (picture[top : top + height, left : left + width] for picture in (a, b))
    return Pair(
        stops=stops,
        rendered=bracket.name.startswith(RENDERED),
        still=(here, still),
        moving=(here, np.asarray(seen, np.uint8)),
        motion=motion,
    )


def by_npfuse(pair: tuple[Pixels, Pixels]) -> Found:
    """Align a pair by `npfuse.align`."""
    start = time.process_time()
    found = align(pair).motions[1]
    return (found.matrix if found.sure else None), time.process_time() - start


def measured(method: Method, pair: Pair) -> Result:
    """Align a pair by a method, moved and still."""
    height, width = pair.still[0].shape[:2]
    found, seconds = method(pair.moving)
    own = np.eye(3) if pair.rendered else method(pair.still)[0]
    if found is None or own is None:
        return Result(error=float("nan"), own=float("nan"), seconds=seconds)
    return Result(
        error=farthest(found, pair.motion @ own, height, width),
        own=farthest(own, np.eye(3), height, width),
        seconds=seconds,
    )


def table(results: dict[tuple[str, float], list[Result]]) -> str:
    """Return a table in Markdown, with one row per method and size."""
    lines = [
        f"| method | megapixels | pairs | within {CLOSE:g} pixels | within {FAR:g} | aligned, but further off | "
        "left alone | median error, pixels | median seconds |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for (name, megapixels), found in results.items():
        errors, seconds = np.array([one.error for one in found]), [one.seconds for one in found]
        middle = np.nanmedian(errors) if not np.isnan(errors).all() else np.nan
        lines.append(
            f"| {name} | {megapixels:g} | {len(found)} | {(errors <= CLOSE).mean():.1%} | {(errors <= FAR).mean():.1%} "
            f"| {int((errors > FAR).sum())} | {int(np.isnan(errors).sum())} | {middle:.2f} "
            f"| {np.median(seconds):.2f} |"
        )
    return "\n".join(lines)


def save(pair: Pair, folder: Path, name: str) -> None:
    """Write the moved pair into a folder, to look at it."""
    folder.mkdir(parents=True, exist_ok=True)
    for which, picture in zip("ab", pair.moving, strict=True):
        Image.fromarray(picture).save(folder / f"{name.replace('/', '-')}-{which}.png")


def main() -> None:
    """Print a line per pair, and the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    add_options(parser)
    parser.add_argument("--megapixels", type=float, nargs="+", default=[0.3, 6.0], help="(0.3 6)")
    parser.add_argument("--cases", type=int, nargs="+", default=[60, 20], help="pairs of each size (60 20)")
    parser.add_argument("--alone", action="store_true", help="without align_image_stack")
    parser.add_argument(
        "--mirrored",
        action="store_true",
        help="continue pictures by mirror images rather than enlarge them: larger ones are as detailed as small ones. "
        "Without --data, as a photographed pair's own motion is mirrored, too, and then disagrees",
    )
    parser.add_argument("--save", type=Path, metavar="FOLDER", help="for the pairs that npfuse misses")
    options = parser.parse_args()
    if options.mirrored and options.data is not None:
        parser.error("--mirrored: expected without --data")
    if len(options.cases) != len(options.megapixels):
        parser.error(f"--cases: {len(options.cases)} numbers, expected {len(options.megapixels)} as of --megapixels")
    methods: dict[str, Method] = {"npfuse": by_npfuse}
    if not options.alone and is_there():
        methods["align_image_stack"] = by_hugin
    brackets = find_brackets(options.data, options.scenes)
    results: dict[tuple[str, float], list[Result]] = {}
    for megapixels, cases in zip(options.megapixels, options.cases, strict=True):
        for bracket, rng in drawn_brackets(brackets, cases, options.seed):
            pair = draw_pair(bracket, megapixels, rng, mirrored=options.mirrored)
            if pair is not None:
                measure(pair, bracket.name, megapixels, methods, results, options.save)
    print(f"\n{table(results)}")


def measure(
    pair: Pair,
    name: str,
    megapixels: float,
    methods: dict[str, Method],
    results: dict[tuple[str, float], list[Result]],
    folder: Path | None,
) -> None:
    """Measure one pair by each method, print it, and keep the results."""
    line = f"{megapixels:g} MP  {name:34s} {pair.stops:4.1f} EV"
    for title, method in methods.items():
        found = measured(method, pair)
        results.setdefault((title, megapixels), []).append(found)
        line += f"  {title} {found.error:5.2f} px (own {found.own:.2f}) {found.seconds:5.2f} s"
        if title == "npfuse" and folder is not None and not found.error <= CLOSE:
            save(pair, folder, f"{megapixels:g}-{name}-{len(results[title, megapixels])}")
    print(line, flush=True)


if __name__ == "__main__":
    main()
