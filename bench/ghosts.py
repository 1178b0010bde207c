"""Measures how many moved objects are found, and false alarms: `python -m bench.ghosts --data FOLDER`.

FOLDER holds brackets of still scenes (`bench.brackets`); without it, the example pairs are measured alone. Of each a
pair is drawn, 2 to 8 EV apart, in four conditions: as it is, with noise (1 to 4 levels of 255), as JPEG (quality 50 to
90) and apart by up to a pixel.

Without an object, every region told is a false alarm. Photographed pairs are counted apart from made ones: in some
brackets water, leaves, signs and people do move, and lenses glare differently. In made pairs surely nothing moves: the
darker one is computed from the brighter one, by a drawn curve.

With an object, it is seen in both frames, at places that are a drawn gap apart, exposed as its light asks: an ellipse
of 3 to 15 % of the longer side, with a texture, 1 to 4 stops brighter or darker than what it hides. It is seen where it
changes its frame, and would change the other, by a tenth of white: a white object on a sky that is white in the other
frame contradicts nothing. Objects of which less than half is seen, at both places, are drawn again; how often is
printed. An object is found where the regions hold at least half of what is seen of it.
"""

import argparse
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from bench.brackets import Pixels, add_options, brought_to, draw_exposures, drawn_brackets, find_brackets
from npfuse.pairs.file_options import Teller
from npfuse.pairs.ghosts import Ghosts, find_ghosts
from npfuse.pairs.mending import SMALL_PIXELS, mend_pictures
from npfuse.pairs.small_copies import reduction, small_shares
from npfuse.pictures.light import decode_light, encode_light
from npfuse.pictures.picture import Picture

SEEN = 0.1  # of white: a pixel of an object is seen if it changes its frame by more
TRIES = 50

Pair = tuple[Pixels, Pixels]
Mask = NDArray[np.bool_]


def as_it_is(pair: Pair, rng: np.random.Generator) -> Pair:
    """Return the pair."""
    return pair


def with_noise(pair: Pair, rng: np.random.Generator) -> Pair:
    """Add normal noise."""
    sigma = rng.uniform(1, 4)
    a, b = (np.clip(np.rint(x + rng.normal(0, sigma, x.shape)), 0, 255).astype(np.uint8) for x in pair)
    return a, b


def as_jpeg(pair: Pair, rng: np.random.Generator) -> Pair:
    """Compress both by Pillow, with its subsampled colours."""
    quality = int(rng.integers(50, 91))

    def compressed(picture: Pixels) -> Pixels:
        stream = io.BytesIO()
        Image.fromarray(picture).save(stream, "JPEG", quality=quality)
        return np.asarray(Image.open(stream))

    return compressed(pair[0]), compressed(pair[1])


def apart(pair: Pair, rng: np.random.Generator) -> Pair:
    """Move the second by up to a pixel in any direction."""
    angle, by = rng.uniform(0, 2 * np.pi), rng.uniform(0, 1)
    shift = np.array([[1, 0, by * np.cos(angle)], [0, 1, by * np.sin(angle)]])
    height, width = pair[1].shape[:2]
    moved: Any = cv2.warpAffine(pair[1], shift, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    return pair[0], np.asarray(moved, np.uint8)


CONDITIONS: dict[str, Callable[[Pair, np.random.Generator], Pair]] = {
    "as it is": as_it_is,
    "noisy": with_noise,
    "JPEG": as_jpeg,
    "up to a pixel apart": apart,
}


@dataclass(frozen=True, kw_only=True)
class Moved:
    """A pair with an object that moved.

    Parameters
    ----------
    pair : frames with the object
    changed : (H, W), True where the object is seen
    size : mean side of the object, as a share of the picture's longer side
    contrast : of the object to what it hides in the first frame, stops
    gap : distance between its two places, in its mean side
    again : number of objects drawn before that are not seen
    """

    pair: Pair
    changed: Mask
    size: float
    contrast: float
    gap: float
    again: int


def with_object(pair: Pair, stops: float, rng: np.random.Generator) -> Moved | None:
    """Draw an object at two places; return None if no drawn object is seen."""
    height, width = pair[0].shape[:2]
    again = 0
    for _ in range(TRIES):
        sides = rng.uniform(0.03, 0.15, 2) * max(height, width)
        first = rng.uniform(sides / 2, np.array([height, width]) - sides / 2)
        angle, gap = rng.uniform(0, 2 * np.pi), rng.uniform(0.5, 3) * sides.mean()
        second = first + gap * np.array([np.sin(angle), np.cos(angle)])
        if not ((second > sides / 2) & (second < np.array([height, width]) - sides / 2)).all():
            continue
        hidden = [_light(frame, place, sides) for frame, place in zip(pair, (first, second), strict=True)]
        contrast = float(rng.uniform(1, 4))
        darker = hidden[0] * 2.0 ** (rng.choice([-1, 1]) * contrast)  # the object's light in the first
        colour = darker * rng.uniform(0.6, 1.4, 3)
        texture = np.exp(0.25 * _texture(height, width, rng))
        exposed = [
            255 * encode_light(np.clip(colour * 2.0**by * texture[..., None], 0, 1).astype(np.float32))
            for by in (0.0, stops)
        ]
        frames, changed, visible = [], np.zeros((height, width), bool), False
        for i, place in enumerate((first, second)):
            cover = _ellipse(height, width, place, sides)
            frames.append(np.rint(pair[i] + cover[..., None] * (exposed[i] - pair[i])).astype(np.uint8))
            change = [np.abs(shown - frame).max(axis=2) for shown, frame in zip(exposed, pair, strict=True)]
            seen = (cover > 0.5) & (np.minimum(*change) > SEEN * 255)
            changed |= seen
            visible |= bool(seen.sum() >= 0.5 * (cover > 0.5).sum())
        if visible:
            size = float(sides.mean() / max(height, width))
            return Moved(
                pair=(frames[0], frames[1]),
                changed=changed,
                size=size,
                contrast=contrast,
                gap=float(gap / sides.mean()),
                again=again,
            )
        again += 1
    return None


def _light(frame: Pixels, place: NDArray[np.float64], sides: NDArray[np.float64]) -> float:
    """Return the median light of what an object hides; at least that of level 4."""
    (top, left), (down, right) = (np.maximum(place - sides / 2, 0).astype(int), (place + sides / 2).astype(int))
    return float(np.median(decode_light(np.maximum(frame[top:down, left:right], 4).astype(np.float32) / 255)))


def _ellipse(height: int, width: int, place: NDArray[np.float64], sides: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return how much of each pixel an ellipse covers, with an edge of some two pixels."""
    rows, columns = np.ogrid[:height, :width]
    radius = np.hypot((rows - place[0]) / (sides[0] / 2), (columns - place[1]) / (sides[1] / 2))
    cover: NDArray[np.float32] = np.clip((1 - radius) * sides.min() / 4 + 0.5, 0, 1).astype(np.float32)
    return cover


def _texture(height: int, width: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return smooth noise of variance 1."""
    noise = ndimage.gaussian_filter(rng.standard_normal((height, width), np.float32), rng.uniform(1, 6))
    return np.asarray(noise / noise.std(), np.float32)


def ghosts_of(pair: Pair) -> tuple[Ghosts, int]:
    """Find what moved as `--deghost` does, and the side of the blocks it was looked for on."""
    k = reduction(*pair[0].shape[:2], SMALL_PIXELS)
    return find_ghosts([small_shares(picture, k) for picture in pair], None, k), k


def is_found(ghosts: Ghosts, k: int, changed: Mask) -> bool:
    """Tell whether the regions hold at least half of what was changed."""
    inside = np.kron(ghosts.inside, np.ones((k, k), bool))
    cut = changed[: inside.shape[0], : inside.shape[1]]
    return bool((inside & cut).sum() >= 0.5 * cut.sum())


def sheet(pair: Pair, ghosts: Ghosts, k: int) -> Pixels:
    """Return a pair, what comes of it, and the regions, side by side: to look at."""
    pictures = [Picture(pixels=picture) for picture in pair]
    mended = [one.pixels for one in mend_pictures(pictures, None, False, Teller())]
    height, width = pair[0].shape[:2]
    inside = np.kron(ghosts.inside, np.ones((k, k), bool))
    told = np.zeros((height, width, 3), np.uint8)
    told[: inside.shape[0], : inside.shape[1]][inside[:height, :width]] = 255
    return np.concatenate([*pair, *mended, told], axis=1)


@dataclass(frozen=True, kw_only=True)
class Result:
    """What was told of a pair.

    Parameters
    ----------
    condition : name of it
    right : whether an object was found, or nothing told where nothing moved
    made : whether the darker frame is computed from the brighter one
    moved : Moved; None without an object
    """

    condition: str
    right: bool
    made: bool = False
    moved: Moved | None = None


def made_pair(bright: Pixels, stops: float, rng: np.random.Generator) -> Pair:
    """Return a pair in which nothing moves: an exposure, and a darker one computed from it by a drawn curve."""
    light = decode_light(bright.astype(np.float32) / 255) * np.float32(2.0**-stops)
    dark = encode_light(light) ** np.float32(rng.uniform(0.9, 1.1))
    return np.rint(255 * dark).astype(np.uint8), bright


def main() -> None:
    """Print what is missed and told in vain, and the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    add_options(parser)
    parser.add_argument("--megapixels", type=float, default=0.3, help="(0.3)")
    parser.add_argument("--cases", type=int, default=60, help="pairs in each condition (60)")
    parser.add_argument("--save", type=Path, metavar="FOLDER", help="for pictures of what is missed and told in vain")
    options = parser.parse_args()
    results: list[Result] = []
    if options.save:
        options.save.mkdir(parents=True, exist_ok=True)

    def keep(what: str, name: str, condition: str, pair: Pair, ghosts: Ghosts, k: int) -> None:
        print(f"{what}: {name}, {condition}", *ghosts.regions[:2], sep="; ", flush=True)
        if options.save:
            file = f"{what}-{name}-{condition}-{len(results)}".replace("/", "-").replace(" ", "-")
            Image.fromarray(sheet(pair, ghosts, k)).save(options.save / f"{file}.png")

    def look(name: str, condition: str, still: Pair, stops: float, rng: np.random.Generator) -> None:
        for made in (False, True):
            shown = made_pair(still[1], stops, rng) if made else still
            pair = CONDITIONS[condition](shown, rng)
            ghosts, k = ghosts_of(pair)
            if ghosts:
                keep("in vain, made" if made else "in vain", name, condition, pair, ghosts, k)
            results.append(Result(condition=condition, right=not ghosts, made=made))
        moved = with_object(still, stops, rng)
        if moved is not None:
            pair = CONDITIONS[condition](moved.pair, rng)
            ghosts, k = ghosts_of(pair)
            right = is_found(ghosts, k, moved.changed)
            if not right:
                keep("missed", name, condition, pair, ghosts, k)
            results.append(Result(condition=condition, right=right, moved=moved))

    try:
        for bracket, rng in drawn_brackets(find_brackets(options.data, options.scenes), options.cases, options.seed):
            drawn = draw_exposures(bracket.frames, rng)
            if drawn is None:
                continue
            still = brought_to(drawn[0], options.megapixels * 1e6), brought_to(drawn[1], options.megapixels * 1e6)
            for condition in CONDITIONS:
                look(bracket.name, condition, still, drawn[2], rng)
    except KeyboardInterrupt:
        print("broken off: the tables are of the pairs so far")
    print_tables(results)


def print_tables(results: Sequence[Result]) -> None:
    """Print how many still pairs were told in vain, and how many objects were found, by what was drawn."""
    print("\n| condition | photographed, told in vain | made, told in vain | objects found |\n|---|---|---|---|")
    for name in [*CONDITIONS, "all"]:
        these = [one for one in results if name in ("all", one.condition)]
        still = [one for one in these if one.moved is None]
        photographed, made = [one for one in still if not one.made], [one for one in still if one.made]
        moved = [one for one in these if one.moved is not None]
        print(f"| {name} | {_count(photographed, False)} | {_count(made, False)} | {_count(moved, True)} |")
    objects = [(one, one.moved) for one in results if one.moved is not None]
    print("\n| object | found |\n|---|---|")
    for what, unit, scale, edges in (
        ("size", " % of the longer side", 100, (3, 6, 9, 12, 15)),
        ("contrast", " stops", 1, (1, 2, 3, 4)),
        ("gap", " of its side", 1, (0.5, 1, 2, 3)),
    ):
        for low, high in pairwise(edges):
            these = [one for one, moved in objects if low <= scale * getattr(moved, what) < high]
            print(f"| {what} {low} to {high}{unit} | {_count(these, True)} |")
    again = sum(moved.again for _, moved in objects)
    print(f"\n{again} objects were drawn again, because less than half of them is seen: {len(objects)} were kept")


def _count(results: Sequence[Result], right: bool) -> str:
    """Return how many of some results are right, or wrong, and their share."""
    count = sum(one.right == right for one in results)
    return f"{count} of {len(results)} ({count / len(results):.1%})" if results else "-"


if __name__ == "__main__":
    main()
