"""Measures how many moved objects are found, and false alarms: `python -m bench.ghosts --data FOLDER`.

FOLDER holds brackets of still scenes (`bench.brackets`); without it, only the example pairs are measured. From each, a
pair is drawn that is 2 to 8 EV apart, in four conditions: as it is, with noise (1 to 4 levels of 255), as JPEG (quality
50 to 90), and up to a pixel apart. Without an object, every region that is told is a false alarm, although some of
these brackets do have clouds, leaves and people that moved.

An object is an ellipse of 3 to 15 % of the longer side, with a texture, 1 to 4 stops brighter or darker than what it
hides. It is drawn into both frames, exposed like the scene, at places that are a drawn gap apart. A pixel of it is seen
if it changes its frame, and would change the other, by a tenth of white: a white object on a sky that is white in the
other frame contradicts nothing. If less than half of an object is seen, at both places, another one is drawn. An object
is found if the regions hold at least half of its seen pixels.
"""

import argparse
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
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
    """

    pair: Pair
    changed: Mask


def with_object(pair: Pair, stops: float, rng: np.random.Generator) -> Moved | None:
    """Draw an object at two places; return None if no drawn object is seen."""
    height, width = pair[0].shape[:2]
    for _ in range(TRIES):
        sides = rng.uniform(0.03, 0.15, 2) * max(height, width)
        first = rng.uniform(sides / 2, np.array([height, width]) - sides / 2)
        angle, gap = rng.uniform(0, 2 * np.pi), rng.uniform(0.5, 3) * sides.mean()
        second = first + gap * np.array([np.sin(angle), np.cos(angle)])
        if not ((second > sides / 2) & (second < np.array([height, width]) - sides / 2)).all():
            continue
        hidden = [_light(frame, place, sides) for frame, place in zip(pair, (first, second), strict=True)]
        darker = hidden[0] * 2.0 ** (rng.choice([-1, 1]) * rng.uniform(1, 4))  # the object's light in the first
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
            return Moved(pair=(frames[0], frames[1]), changed=changed)
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
    return find_ghosts([small_shares(picture, k)[..., 1] for picture in pair], None, k), k


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


def main() -> None:
    """Print objects that are missed, false alarms, and the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    add_options(parser)
    parser.add_argument("--megapixels", type=float, default=0.3, help="(0.3)")
    parser.add_argument("--cases", type=int, default=60, help="pairs in each condition (60)")
    parser.add_argument("--save", type=Path, metavar="FOLDER", help="for pictures of what is missed and told in vain")
    options = parser.parse_args()
    found: dict[str, list[bool]] = {name: [] for name in CONDITIONS}
    false: dict[str, list[bool]] = {name: [] for name in CONDITIONS}
    if options.save:
        options.save.mkdir(parents=True, exist_ok=True)

    def keep(what: str, name: str, condition: str, pair: Pair, ghosts: Ghosts, k: int) -> None:
        print(f"{what}: {name}, {condition}", *ghosts.regions[:2], sep="; ", flush=True)
        if options.save:
            file = f"{what}-{name}-{condition}-{len(found[condition])}".replace("/", "-").replace(" ", "-")
            Image.fromarray(sheet(pair, ghosts, k)).save(options.save / f"{file}.png")

    try:
        for bracket, rng in drawn_brackets(find_brackets(options.data, options.scenes), options.cases, options.seed):
            drawn = draw_exposures(bracket.frames, rng)
            if drawn is None:
                continue
            still = brought_to(drawn[0], options.megapixels * 1e6), brought_to(drawn[1], options.megapixels * 1e6)
            for name, condition in CONDITIONS.items():
                pair = condition(still, rng)
                ghosts, k = ghosts_of(pair)
                false[name].append(bool(ghosts))
                if ghosts:
                    keep("in vain", bracket.name, name, pair, ghosts, k)
                moved = with_object(still, drawn[2], rng)
                if moved is not None:
                    pair = condition(moved.pair, rng)
                    ghosts, k = ghosts_of(pair)
                    found[name].append(is_found(ghosts, k, moved.changed))
                    if not found[name][-1]:
                        keep("missed", bracket.name, name, pair, ghosts, k)
    except KeyboardInterrupt:
        print("broken off: the table is of the pairs so far")
    print_table(false, found)


def print_table(false: dict[str, list[bool]], found: dict[str, list[bool]]) -> None:
    """Print the false alarms, and the objects that were found, by condition."""

    def share(of: Sequence[bool]) -> str:
        return f"{np.mean(of):.1%}" if of else "-"

    print("\n| condition | still pairs | told in vain | with an object | found |\n|---|---|---|---|---|")
    rows = [(name, false[name], found[name]) for name in CONDITIONS]
    rows.append(("all", list(chain(*false.values())), list(chain(*found.values()))))
    for name, still, moved in rows:
        print(f"| {name} | {len(still)} | {share(still)} | {len(moved)} | {share(moved)} |")


if __name__ == "__main__":
    main()
