"""Batches of training examples, drawn from (seed, epoch) alone: a resumed run does what an uninterrupted one does.

A batch is (inputs, labels, ramps): inputs as a tuple of what the network takes, exposures (N, P, P, 6) in [-1, 1] and,
for networks that look at one, the whole pictures' thumbnails (N, 16, 24, 6) in [-1, 1]; labels (N, P, P, 3) in [0, 1];
ramps are inputs in which light grows from left to right, for which there is no label, or None.

Flips and quarter turns are drawn for each example. A thumbnail sees the jitter too: it is averaged from a copy of
64x96 after the jitter, not from the picture itself, which differs only by the rounding of the copy to levels, and where
a curve bends within one 4x4 of it.
"""

import numpy as np
import tensorflow as tf

from reference.sice import check_patch_fits, cut_patches, full_range

THUMBNAIL = (16, 24)
COPY = (64, 96)  # a multiple of THUMBNAIL
LEVELS = np.arange(256, dtype=np.float32)[:, np.newaxis].repeat(3, axis=1) / np.float32(255)


def turn(picture, way):
    """Turn a picture (H, W, C) by `way` % 4 quarter turns, mirrored first if `way` is 4 or more.

    Examples
    --------
    >>> turn(np.arange(4).reshape(2, 2, 1), 4)[..., 0]
    array([[1, 0],
           [3, 2]])
    """
    return np.rot90(picture[:, ::-1] if way >= 4 else picture, way % 4)


def thumbnail(picture, size=THUMBNAIL):
    """Average a picture's areas: (H, W, C), any dtype, to (16, 24, C), float32, of the same range.

    Examples
    --------
    >>> thumbnail(np.full((32, 48, 6), 7, np.uint8)).shape
    (16, 24, 6)
    """
    return np.asarray(tf.image.resize(np.asarray(picture, np.float32), size, method="area"))


def look_up(curve, levels):
    """Put the values of a curve (256, 3) in the place of levels (..., 3), uint8.

    Examples
    --------
    >>> look_up(LEVELS, np.array([0, 255, 51], np.uint8))
    array([0. , 1. , 0.2], dtype=float32)
    """
    return np.take(curve.reshape(-1), levels.astype(np.intp) * 3 + np.arange(3))


class Patches:
    """All patches of the scenes' extreme exposures, each once an epoch, shuffled and turned.

    Parameters
    ----------
    scenes : list of Scene
    recipe : Recipe
    seed : int
    """

    def __init__(self, scenes, recipe, seed):
        self.inputs, self.labels = cut_patches(scenes, recipe.patch)
        self.recipe, self.seed = recipe, seed

    def __len__(self):
        """How many batches an epoch has."""
        return -(-len(self.inputs) // self.recipe.batch)

    def __str__(self):
        """What there is to train on."""
        return f"{len(self.inputs)} patches"

    def epoch(self, epoch):
        """Yield the batches of an epoch."""
        rng = np.random.default_rng([self.seed, epoch])
        order = rng.permutation(len(self.inputs))
        turns = rng.integers(0, 8, len(self.inputs))
        for start in range(0, len(order), self.recipe.batch):
            chosen = order[start : start + self.recipe.batch]
            inputs, labels = (np.stack([turn(a[i], turns[i]) for i in chosen]) for a in (self.inputs, self.labels))
            yield (full_range(inputs),), labels.astype(np.float32) / np.float32(255), None


class Crops:
    """Crops at random places of random pairs of exposures, jittered.

    Parameters
    ----------
    scenes : list of Scene
    recipe : Recipe
    seed : int
    """

    def __init__(self, scenes, recipe, seed):
        self.side = recipe.patch + 2 * recipe.context
        check_patch_fits(scenes, self.side)
        self.scenes, self.recipe, self.seed = scenes, recipe, seed
        self.copies = [
            [np.rint(thumbnail(exposure, COPY)).astype(np.uint8) for exposure in scene.exposures] for scene in scenes
        ]

    def __len__(self):
        """How many batches an epoch has."""
        return self.recipe.steps

    def __str__(self):
        """What there is to train on."""
        return f"crops of {self.side}x{self.side}"

    def epoch(self, epoch):
        """Yield the batches of an epoch."""
        rng = np.random.default_rng([self.seed, epoch])
        for _ in range(self.recipe.steps):
            examples = [self.example(rng) for _ in range(self.recipe.batch)]
            exposures, thumbnails, labels = (np.stack(arrays) for arrays in zip(*examples, strict=True))
            count = 2 if self.recipe.model == "tonefuse" else 1
            ramps = draw_ramps(rng, self.recipe.context)[:count] if self.recipe.ramps else None
            yield (exposures, thumbnails)[:count], labels, ramps

    def example(self, rng):
        """Draw one example: exposures, thumbnail and label."""
        which = rng.integers(len(self.scenes))
        scene, copies = self.scenes[which], self.copies[which]
        pair = draw_pair(rng, len(copies), self.recipe.inner_pairs)
        jitter = draw_jitter(rng, self.recipe.jitter)
        height, width, _ = scene.label.shape
        top, left = (int(rng.integers(length - self.side + 1)) for length in (height, width))
        window = slice(top, top + self.side), slice(left, left + self.side)
        way = rng.integers(8)
        crops, wholes = [], []
        for i, exposure in enumerate(pair):
            curve = jitter(LEVELS, i)  # a table of 256 levels is faster than a power for each pixel
            crops.append(look_up(curve, scene.exposures[exposure][window]))
            wholes.append(look_up(curve, copies[exposure]))
        edge = self.recipe.context
        inner = slice(edge, self.side - edge)
        label = look_up(jitter(LEVELS, None), scene.label[window][inner, inner])
        exposures, whole = np.concatenate(crops, axis=-1), np.concatenate(wholes, axis=-1)
        small = whole.reshape(THUMBNAIL[0], -1, whole.shape[1], 6).mean(axis=1)
        small = small.reshape(*THUMBNAIL, -1, 6).mean(axis=2)
        return turn(exposures * 2 - 1, way), small * 2 - 1, turn(label, way)


def draw_ramps(rng, context, count=2):
    """Draw pairs of exposures of a grey ramp of ten stops, sRGB-encoded in levels, 2 to 9 EV apart.

    Parameters
    ----------
    rng : Generator
    context : pixels around what the loss sees
    count : N

    Returns
    -------
    exposures : ndarray (N, 8 + 2 * context, 128 + 2 * context, 6) in [-1, 1]
    thumbnails : ndarray (N, 16, 24, 6) in [-1, 1]
    """
    width = 128 + 2 * context
    light = np.exp2(np.linspace(-10, 0, width))
    under = rng.uniform(-5, 2, (count, 1))
    linear = np.stack([np.minimum(light * np.exp2(ev), 1) for ev in (under, under + rng.uniform(2, 9, (count, 1)))], -1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    values = np.repeat(np.rint(encoded * 255) / 127.5 - 1, 3, axis=-1).astype(np.float32)  # (N, width, 6)
    rows = np.repeat(values[:, np.newaxis], 8 + 2 * context, axis=1)
    return rows, np.stack([thumbnail(picture) for picture in rows])


def draw_pair(rng, count, inner_pairs):
    """Draw which two of a scene's exposures, darkest first, are fused.

    Parameters
    ----------
    rng : Generator
    count : of the exposures
    inner_pairs : share of the pairs that are not the extremes

    Returns
    -------
    (under, over) : int, different
    """
    if rng.random() >= inner_pairs:
        return 0, count - 1
    under = int(rng.integers(-(-count // 3)))
    over = int(rng.integers(max(count // 2, under + 1), count))
    return under, over


class draw_jitter:  # noqa: N801  called like a function, and its result like one
    """Draw a variation of one example: call it with values in [0, 1] and the exposure's index, None for the label."""

    def __init__(self, rng, jitter):
        self.white_balance = np.exp(rng.normal(0, 1, 3) * jitter.white_balance).astype(np.float32)
        self.gain, self.gamma = (
            np.exp(rng.normal(0, 1, 2) * deviations).astype(np.float32) for deviations in (jitter.gain, jitter.gamma)
        )

    def __call__(self, values, exposure):
        """Vary values (…, 3)."""
        values = values * self.white_balance
        if exposure is not None:
            values = self.gain[exposure] * values ** self.gamma[exposure]
        return np.minimum(values, np.float32(1))
