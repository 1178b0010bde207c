"""Draws batches of training examples from (seed, epoch) alone, so that a resumed run equals an uninterrupted one.

A batch is (inputs, labels, ramps):

- Inputs are a tuple of what the network takes: exposures (N, P, P, 6) in [-1, 1]; for networks that read one, the whole
  pictures' thumbnails (N, 16, 24, 6) in [-1, 1]; and, for crops with surroundings, (N, S / 8, S / 8, 1), which is 1 for
  cells of 8x8 pixels that lie in the picture, and 0 for others.
- Labels are a tuple of pictures (N, P, P, 3) in [0, 1], the weight of each one's error of pixels, (N,), and the
  exposures (N, P, P, 6) without noise.
- Ramps are inputs in which light grows to the right or downwards, for which there is no label; or None.

Flips and quarter turns are drawn for each example. The jitter changes thumbnails, too: a thumbnail is averaged from a
copy of 64x96 after the jitter, not from the picture itself. The two differ by the rounding of the copy to levels, and
where a curve bends within one 4x4 of it.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from reference.arrays import Array
from reference.recipes import Jitter, Recipe
from reference.scenes import Scene, check_patch_fits, cut_patches, full_range

THUMBNAIL = (16, 24)
COPY = (64, 96)  # a multiple of THUMBNAIL
HALVINGS, LEAST_SIDE = 2, 300  # sizes that crops are cut from: full size, and halves of it, no smaller than this
READ_NOISE = 4.0  # electrons
CELL = 8  # pixels: GlobalNet halves the size three times
LEAST_GAP = 25  # levels between the means of a pair
LEVELS = np.arange(256, dtype=np.float32)[:, np.newaxis].repeat(3, axis=1) / np.float32(255)


def turn(picture: Array, way: int) -> Array:
    """Turn a picture (H, W, C) by `way` % 4 quarter turns, mirrored first if `way` is 4 or more.

    Examples
    --------
    >>> turn(np.arange(4).reshape(2, 2, 1), 4)[..., 0]
    array([[1, 0],
           [3, 2]])
    """
    return np.rot90(picture[:, ::-1] if way >= 4 else picture, way % 4)


def thumbnail(picture: Array, size: tuple[int, int] = THUMBNAIL) -> Array:
    """Average a picture's areas: (H, W, C), any dtype, to (16, 24, C), float32, of the same range.

    Examples
    --------
    >>> thumbnail(np.full((32, 48, 6), 7, np.uint8)).shape
    (16, 24, 6)
    """
    return np.asarray(tf.image.resize(np.asarray(picture, np.float32), size, method="area"))


def look_up(curve: Array, levels: Array) -> Array:
    """Put the values of a curve (256, 3) in the place of levels (..., 3), uint8.

    Examples
    --------
    >>> look_up(LEVELS, np.array([0, 255, 51], np.uint8))
    array([0. , 1. , 0.2], dtype=float32)
    """
    return np.take(curve.reshape(-1), levels.astype(np.intp) * 3 + np.arange(3))


class Patches:
    """All patches of the scenes' extreme exposures, each once per epoch, shuffled and turned.

    Parameters
    ----------
    scenes : list of Scene
    recipe : Recipe
    seed : int
    """

    def __init__(self, scenes: Sequence[Scene], recipe: Recipe, seed: int) -> None:
        self.inputs, self.labels = cut_patches(scenes, recipe.patch)
        self.recipe, self.seed = recipe, seed

    def __len__(self) -> int:
        """How many batches an epoch has."""
        return -(-len(self.inputs) // self.recipe.batch)

    def __str__(self) -> str:
        """What there is to train on."""
        return f"{len(self.inputs)} patches"

    def epoch(self, epoch: int) -> Iterator[tuple[Any, Any, Any]]:
        """Yield the batches of an epoch."""
        rng = np.random.default_rng([self.seed, epoch])
        order = rng.permutation(len(self.inputs))
        turns = rng.integers(0, 8, len(self.inputs))
        for start in range(0, len(order), self.recipe.batch):
            chosen = order[start : start + self.recipe.batch]
            inputs, labels = (np.stack([turn(a[i], turns[i]) for i in chosen]) for a in (self.inputs, self.labels))
            shares = np.ones(len(chosen), np.float32)
            exposures = full_range(inputs)
            yield (exposures,), (labels.astype(np.float32) / np.float32(255), shares, exposures), None


class Crops:
    """Crops at random places of random pairs of exposures, jittered, at full size and at sizes halved from it.

    Parameters
    ----------
    scenes : list of Scene
    recipe : Recipe
    seed : int
    """

    def __init__(self, scenes: Sequence[Scene], recipe: Recipe, seed: int) -> None:
        self.side = recipe.patch + (2 * recipe.surroundings or recipe.context)
        self.within = slice(recipe.surroundings, self.side - recipe.surroundings)  # what DetailNet sees, too
        self.least = recipe.patch + recipe.context
        check_patch_fits(scenes, self.least)
        self.recipe, self.seed = recipe, seed
        self.stacks = [Stack(scene, self.least) for scene in scenes]
        self.kinds = [
            [stack for stack in self.stacks if (stack.scene.given_label is None) == made] for made in (False, True)
        ]

    def __len__(self) -> int:
        """How many batches an epoch has."""
        return self.recipe.steps

    def __str__(self) -> str:
        """What there is to train on."""
        return f"crops of {self.side}x{self.side}"

    def epoch(self, epoch: int) -> Iterator[tuple[Any, Any, Any]]:
        """Yield the batches of an epoch."""
        rng = np.random.default_rng([self.seed, epoch])
        for _ in range(self.recipe.steps):
            examples = [self.example(rng) for _ in range(self.recipe.batch)]
            exposures, thumbnails, inside, labels, shares = (np.stack(each) for each in zip(*examples, strict=True))
            within = exposures[:, self.within, self.within]
            clean = within[:, : self.recipe.patch, : self.recipe.patch].copy()
            if self.recipe.noise:  # GlobalNet alone sees the surroundings, and averages
                within[:] = with_noise(rng, within, *self.recipe.noise)
            count = (3 if self.recipe.surroundings else 2) if self.recipe.model == "tonefuse" else 1
            ramps = draw_ramps(rng, self.recipe.context, self.recipe.surroundings) if self.recipe.ramps else ()
            yield (exposures, thumbnails, inside)[:count], (labels, shares, clean), ramps[:count] or None

    def example(self, rng: np.random.Generator) -> tuple[Array, Array, Array, Array, Any]:
        """Draw one example: exposures, thumbnail, cells inside, label, and the weight of its error of pixels."""
        given, made = self.kinds
        stacks = (given if rng.random() < self.recipe.given else made) if given and made else self.stacks
        stack = stacks[rng.integers(len(stacks))]
        pair = draw_pair(rng, stack.scene.means, self.recipe.extremes, self.recipe.around_middle)
        jitter = draw_jitter(rng, self.recipe.jitter)
        mirrored = self.recipe.mirrored_colours and rng.random() < self.recipe.mirrored_colours
        colours = slice(None, None, -1 if mirrored else 1)
        size = int(rng.integers(len(stack.sizes)))
        exposures, label = stack.sizes[size], stack.label(pair, size)
        patch, before = self.recipe.patch, self.recipe.surroundings
        room = patch if before else self.side
        places = [int(rng.integers(length - room + 1)) - before + np.arange(self.side) for length in label.shape[:2]]
        window = np.ix_(*(np.clip(at, 0, length - 1) for at, length in zip(places, label.shape[:2], strict=True)))
        way = int(rng.integers(8))
        crops, wholes = [], []
        for i, exposure in enumerate(pair):
            curve = jitter(LEVELS, i)  # a table of 256 levels is faster than a power for each pixel
            crops.append(look_up(curve, exposures[exposure][window])[..., colours])
            wholes.append(look_up(curve, stack.copies[exposure])[..., colours])
        whole = np.concatenate(wholes, axis=-1)
        small = whole.reshape(THUMBNAIL[0], -1, whole.shape[1], 6).mean(axis=1)
        small = small.reshape(*THUMBNAIL, -1, 6).mean(axis=2)
        crop = turn(np.concatenate(crops, axis=-1), way)
        lengths = zip(places, label.shape[:2], strict=True)
        rows, columns = ((at >= 0) & (at < length) for at, length in lengths)
        inside = cells_inside(turn(np.outer(rows, columns)[..., np.newaxis], way), self.recipe.context)
        wanted = turn(label[window], way)[self.within, self.within][:patch, :patch]  # what is after it is context
        share = np.float32(1 if stack.scene.has_given_label(*pair) else self.recipe.made_label)
        return crop * 2 - 1, small * 2 - 1, inside, look_up(jitter(LEVELS, None), wanted)[..., colours], share


class Stack:
    """A scene's exposures, and the labels of its pairs, at every size that crops are cut from.

    Parameters
    ----------
    scene : Scene
    side : int
        Least height and width of a size.
    """

    def __init__(self, scene: Scene, side: int) -> None:
        self.scene = scene
        self.copies = [np.rint(thumbnail(exposure, COPY)).astype(np.uint8) for exposure in scene.exposures]
        self.sizes = [scene.exposures]
        for _ in range(HALVINGS):
            exposures = self.sizes[-1]
            if min(exposures[0].shape[:2]) // 2 < max(side, LEAST_SIDE):
                break
            self.sizes.append(tuple(halved(exposure) for exposure in exposures))
        self.labels: dict[tuple[int, int], list[Array]] = {}

    def label(self, pair: tuple[int, int], size: int) -> Array:
        """Return the label of a pair at one of the sizes; it is made when it is first asked for."""
        if pair not in self.labels:
            labels = [self.scene.label_of(*pair)]
            for _ in self.sizes[1:]:
                labels.append(halved(labels[-1]))
            self.labels[pair] = labels
        return self.labels[pair][size]


def halved(picture: Array) -> Array:
    """Average 2x2 pixels of (H, W, C), uint8; an odd last row or column is left out.

    Examples
    --------
    >>> halved(np.array([[0, 2, 9], [4, 6, 9]], np.uint8)[..., np.newaxis])[..., 0]
    array([[3]], dtype=uint8)
    """
    height, width, channels = picture.shape[0] // 2, picture.shape[1] // 2, picture.shape[2]
    blocks = picture[: 2 * height, : 2 * width].reshape(height, 2, width, 2, channels)
    return np.rint(blocks.mean(axis=(1, 3), dtype=np.float32)).astype(np.uint8)


def cells_inside(inside: Array, context: int) -> Array:
    """Tell which cells of 8x8 pixels hold a pixel of the picture, or of the margin behind it.

    Parameters
    ----------
    inside : ndarray (S, S, 1), bool
        The pixels of the picture: a rectangle.
    context : int
        Pixels of the margin behind it.

    Returns
    -------
    ndarray (S / 8, S / 8, 1), float32
        1 or 0; a last, incomplete cell is left out.

    Examples
    --------
    >>> inside = np.zeros((32, 32, 1), bool)
    >>> inside[:9, 8:16] = True
    >>> cells_inside(inside, 8)[..., 0]
    array([[0., 1., 1., 0.],
           [0., 1., 1., 0.],
           [0., 1., 1., 0.],
           [0., 0., 0., 0.]], dtype=float32)
    """
    count = len(inside) // CELL
    cells: Array = inside[: count * CELL, : count * CELL].reshape(count, CELL, count, CELL).max(axis=(1, 3))
    for _ in range(context // CELL):
        cells[1:] = cells[1:] | cells[:-1]
        cells[:, 1:] = cells[:, 1:] | cells[:, :-1]
    return cells[..., np.newaxis].astype(np.float32)


def draw_ramps(
    rng: np.random.Generator, context: int, surroundings: int = 0, count: int = 4
) -> tuple[Array, Array, Array]:
    """Draw pairs of exposures of a grey ramp of up to ten stops, sRGB-encoded in levels, 2 to 9 EV apart.

    Parameters
    ----------
    rng : Generator
    context : pixels behind the part that the loss sees
    surroundings : pixels on each side that lie outside of the ramp; 0, or at least `context`. The ramp is then so large
        that its borders do not reach its middle
    count : N, even; light grows to the right in the first half, downwards in the second

    Returns
    -------
    exposures : ndarray (N, S, S, 6) in [-1, 1]
        S is 64 + context, or, with surroundings, 4 times as many.
    thumbnails : ndarray (N, 16, 24, 6) in [-1, 1]
    inside : ndarray (N, S / 8, S / 8, 1), float32
        1 for cells in the ramp or its context, 0 for others.
    """
    side = (2 * surroundings or 64) + context
    light = np.exp2(np.linspace(-10 * rng.random(count), 0, side, axis=1))
    under = rng.uniform(-5, 2, (count, 1))
    linear = np.stack([np.minimum(light * np.exp2(ev), 1) for ev in (under, under + rng.uniform(2, 9, (count, 1)))], -1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    values = np.repeat(np.rint(encoded * 255) / 127.5 - 1, 3, axis=-1).astype(np.float32)  # (N, side, 6)
    ramps = np.repeat(values[:, np.newaxis], side, axis=1)
    ramps[count // 2 :] = ramps[count // 2 :].swapaxes(1, 2)
    thumbnails = np.stack([thumbnail(picture) for picture in ramps])
    before, after = surroundings, max(surroundings - context, 0)
    cells = np.ones((count, side // CELL, side // CELL, 1), np.float32)
    return _padded(ramps, before, after), thumbnails, _padded(cells, before // CELL, after // CELL)


def _padded(pictures: Array, before: int, after: int) -> Array:
    """Surround pictures (N, H, W, C) with zeros."""
    return np.pad(pictures, [(0, 0), (before, after), (before, after), (0, 0)])


def with_noise(rng: np.random.Generator, exposures: Array, least: float, most: float) -> Array:
    """Add noise like that of counted electrons; how many are white is drawn for each example.

    Parameters
    ----------
    rng : Generator
    exposures : ndarray (N, H, W, C) in [-1, 1], float32
    least, most : electrons at white; drawn evenly in their logarithm

    Returns
    -------
    ndarray of the same shape, in [-1, 1], float32
    """
    white = np.exp(rng.uniform(np.log(least), np.log(most), (len(exposures), 1, 1, 1))).astype(np.float32)
    values = (exposures + 1) / 2
    # Light is about the 2.2nd power of a value: its deviation, over the slope of that, is the value's.
    deviation = np.sqrt(values**2.2 / white + (READ_NOISE / white) ** 2) / (2.2 * np.maximum(values, 0.04) ** 1.2)
    noise = rng.standard_normal(exposures.shape, np.float32)
    return np.clip(values + deviation * noise, 0, 1) * 2 - 1


def draw_pair(
    rng: np.random.Generator, means: Sequence[float], extremes: float, around_middle: float = 255
) -> tuple[int, int]:
    """Draw the two of a scene's exposures that are fused, darkest first.

    Parameters
    ----------
    rng : Generator
    means : means of the exposures, in levels
    extremes : share of the pairs that are the darkest and the brightest; the others are any two that differ by
        `LEAST_GAP` levels or more, if there are such
    around_middle : greatest distance of a pair's mean from the middle, in levels, unless it is the extremes

    Returns
    -------
    (under, over) : int, different
    """
    count = len(means)
    pairs = [
        (i, j)
        for i in range(count)
        for j in range(i + 1, count)
        if means[j] - means[i] >= LEAST_GAP and abs(means[i] + means[j] - 255) <= 2 * around_middle
    ]
    if not pairs or rng.random() < extremes:
        return 0, count - 1
    return pairs[rng.integers(len(pairs))]


class draw_jitter:  # noqa: N801  called like a function, and its result like one
    """Draw a variation of one example: call it with values in [0, 1] and the exposure's index, None for the label."""

    def __init__(self, rng: np.random.Generator, jitter: Jitter) -> None:
        self.white_balance = np.exp(rng.normal(0, 1, 3) * jitter.white_balance).astype(np.float32)
        self.gain, self.gamma = (
            np.exp(rng.normal(0, 1, 2) * deviations).astype(np.float32) for deviations in (jitter.gain, jitter.gamma)
        )

    def __call__(self, values: Array, exposure: int | None) -> Array:
        """Vary values (…, 3)."""
        values = values * self.white_balance
        if exposure is not None:
            values = self.gain[exposure] * values ** self.gamma[exposure]
        return np.minimum(values, np.float32(1))
