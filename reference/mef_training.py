"""Training of MEF-Net on scenes in the SICE layout, without labels: it maximises MEF-SSIM, at low resolution.

Ma et al. 2020 train on pictures of full size; here guide, weight maps and result all have a short side of 128, which
takes minutes on one core. What a result should look like follows from the exposures alone (`npfuse.metrics`): in each
patch, the structure of the strongest contrast, and, as they add for training, a mean that favours the well-exposed.
"""

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from npfuse.color import luma_of
from npfuse.fast import FAST
from npfuse.fusion import fuse
from npfuse.methods.mefnet import EPSILON, LEAST_WEIGHT, RADIUS, low_resolution
from npfuse.metrics import MEF_C, luma_mixture, mef_ssim, patch_mixture
from npfuse.ops import Resize
from npfuse.weights import Weights, save_weights
from reference.errors import InputError
from reference.sice import read_scenes

DILATIONS = (1, 2, 4, 8, 16, 1)
FEATURES = 24
C1 = 0.01**2


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How long and how fast is trained.

    Attributes
    ----------
    steps : each of one stack of exposures
    crop : height and width of what is cut out of the small copies; 0 for all of them
    pairs : share of the stacks that are a scene's darkest and brightest exposure; the others are 2 to 4 drawn ones
    learning_rate, final_rate : of Adam, falling along a cosine
    average : momentum of the moving average of the weights that is kept as the result
    """

    steps: int = 500
    crop: int = 96
    pairs: float = 0.5
    learning_rate: float = 2e-3
    final_rate: float = 1e-5
    average: float = 0.995


class AdaptiveNorm(layers.Layer):
    """w0 * x + w1 * InstanceNorm(x), beginning as the identity."""

    def build(self, shape):
        """Make the weights: w0, w1 (1,), gamma, beta (C,)."""
        channels = (shape[-1],)
        self.w0 = self.add_weight(shape=(1,), initializer="ones", name="w0")
        self.w1 = self.add_weight(shape=(1,), initializer="zeros", name="w1")
        self.gamma = self.add_weight(shape=channels, initializer="ones", name="gamma")
        self.beta = self.add_weight(shape=channels, initializer="zeros", name="beta")

    def call(self, x):
        """Mix a picture with its normalisation over rows and columns."""
        mean, variance = tf.nn.moments(x, axes=(1, 2), keepdims=True)
        return self.w0 * x + self.w1 * ((x - mean) * tf.math.rsqrt(variance + 1e-5) * self.gamma + self.beta)


def mefnet():
    """Build the network of weight maps: luma (N, H, W, 1) to weight map (N, H, W, 1), any size.

    Returns
    -------
    keras.Model

    Examples
    --------
    >>> mefnet().count_params()
    26461
    """
    x = inputs = keras.Input((None, None, 1))
    for i, dilation in enumerate(DILATIONS, 1):
        x = layers.Conv2D(FEATURES, 3, padding="same", dilation_rate=dilation, use_bias=False, name=f"conv{i}")(x)
        x = AdaptiveNorm(name=f"conv{i}_norm")(x)
        x = layers.LeakyReLU(negative_slope=0.2)(x)
    # A bias of 1 begins with the plain average of the exposures; with 0, the brightest would outweigh the others.
    x = layers.Conv2D(1, 1, bias_initializer="ones", name="weight_map")(x)
    return keras.Model(inputs, x, name="mefnet")


def export_arrays(model):
    """Take the weights out of the model, under npfuse's names.

    Parameters
    ----------
    model : keras.Model

    Returns
    -------
    dict of str to ndarray, float32
    """
    arrays = {}
    for layer in model.layers:
        for variable in layer.weights:
            values = np.asarray(variable.value, np.float32)
            pointwise = layer.name == "weight_map" and variable.name == "kernel"
            arrays[f"{layer.name}/{variable.name}"] = values[0, 0] if pointwise else values
    return arrays


def fused_luma(model, lumas):
    """Fuse small lumas as the method does, guided filter included.

    Parameters
    ----------
    model : keras.Model
    lumas : tensor (K, H, W, 1)

    Returns
    -------
    tensor (1, H, W, 1)
    """
    weight_maps = model(lumas)
    side = 2 * RADIUS + 1

    def mean(x):
        return tf.nn.avg_pool2d(x, side, 1, "SAME")  # padded positions do not count

    mean_x, mean_y = mean(lumas), mean(weight_maps)
    slope = (mean(lumas * weight_maps) - mean_x * mean_y) / (mean(lumas * lumas) - mean_x**2 + EPSILON)
    shares = tf.abs(slope * lumas + mean_y - slope * mean_x) + LEAST_WEIGHT
    return tf.reduce_sum(lumas * shares, axis=0, keepdims=True) / tf.reduce_sum(shares, axis=0, keepdims=True)


def quality(lumas, mixture, brightness, fused):
    """MEF-SSIM of one scale, times its luminance term; 1 is the most.

    Parameters
    ----------
    lumas : tensor (K, H, W, 1)
    mixture : tensor (K, H - 10, W - 10, 1)
        How much of each exposure's patch the wanted patch has (`npfuse.metrics.patch_mixture`).
    brightness : the same for the patches' means (`npfuse.metrics.luma_mixture`)
    fused : tensor (1, H, W, 1)

    Returns
    -------
    tensor ()
    """

    def blur(x):
        taps = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
        taps = tf.constant(taps / taps.sum(), tf.float32)
        x = tf.nn.conv2d(x, tf.reshape(taps, (11, 1, 1, 1)), 1, "VALID")
        return tf.nn.conv2d(x, tf.reshape(taps, (1, 11, 1, 1)), 1, "VALID")

    means, mean = blur(lumas), blur(fused)
    # The wanted patch is a sum of the exposures' patches, so its covariances are sums of theirs.
    wanted_variance = 0.0
    for i in range(lumas.shape[0]):
        products = blur(lumas * lumas[i : i + 1]) - means * means[i : i + 1]
        wanted_variance += tf.reduce_sum(mixture * products, axis=0, keepdims=True) * mixture[i : i + 1]
    covariance = tf.reduce_sum(mixture * (blur(lumas * fused) - means * mean), axis=0, keepdims=True)
    variance = blur(fused * fused) - mean * mean
    structure = (2 * covariance + MEF_C) / (wanted_variance + variance + MEF_C)
    wanted = tf.reduce_sum(brightness * means, axis=0, keepdims=True)
    luminance = (2 * mean * wanted + C1) / (mean * mean + wanted * wanted + C1)
    return tf.reduce_mean(structure * luminance)


def draw_stack(rng, stacks, pairs, crop=0):
    """Draw a scene's stack of exposures, cropped and flipped at random.

    Parameters
    ----------
    rng : Generator
    stacks : list of ndarray (K, H, W), darkest first
    pairs : share of the stacks that are the extremes
    crop : height and width of the part that is taken; 0 for all

    Returns
    -------
    ndarray (2 to 4, H', W'), float64
    """
    stack = stacks[rng.integers(len(stacks))]
    if rng.random() < pairs:
        stack = stack[[0, -1]]
    else:
        count = int(rng.integers(2, min(4, len(stack)) + 1))
        stack = stack[np.sort(rng.choice(len(stack), count, replace=False))]
    if crop:
        top, left = (int(rng.integers(max(n - crop, 0) + 1)) for n in stack.shape[1:])
        stack = stack[:, top : top + crop, left : left + crop]
    if rng.random() < 0.5:
        stack = stack[:, ::-1]
    return stack[:, :, ::-1] if rng.random() < 0.5 else stack


def small_stack(scene):
    """Return the lumas of a scene's exposures at low resolution, (K, H, W)."""
    height, width, _ = scene.label.shape
    small = dict(zip(("height", "width"), low_resolution(height, width), strict=True))
    lumas = np.stack([luma_of(exposure / 255.0) for exposure in scene.exposures])
    return FAST[Resize](lumas[..., np.newaxis], **small, method="antialiased")[..., 0]


def train(scenes, schedule, seed, say=print):
    """Train on scenes.

    Parameters
    ----------
    scenes : list of Scene
    schedule : Schedule
    seed : int
    say : takes a line about every hundredth step

    Returns
    -------
    dict of str to ndarray, float32, under npfuse's names
    """
    keras.utils.set_random_seed(seed)
    rng = np.random.default_rng(seed)
    model = mefnet()
    rate = keras.optimizers.schedules.CosineDecay(
        schedule.learning_rate, schedule.steps, alpha=schedule.final_rate / schedule.learning_rate
    )
    optimizer = keras.optimizers.Adam(rate, use_ema=True, ema_momentum=schedule.average, clipnorm=1.0)
    optimizer.build(model.trainable_variables)
    stacks = [small_stack(scene) for scene in scenes]

    @tf.function
    def step(lumas, mixture, brightness):
        with tf.GradientTape() as tape:
            loss = 1 - quality(lumas, mixture, brightness, fused_luma(model, lumas))
        variables = model.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)
        return loss

    recent, first, started = [], {}, time.perf_counter()
    for done in range(1, schedule.steps + 1):
        stack = draw_stack(rng, stacks, schedule.pairs, schedule.crop)
        planes = list(stack)
        arrays = stack, patch_mixture(planes), luma_mixture(planes)
        recent.append(float(step(*(tf.constant(np.stack(a)[..., np.newaxis], tf.float32) for a in arrays))))
        if done == 1:
            first = export_arrays(model)
        if done % 100 == 0 or done == schedule.steps:
            seconds = time.perf_counter() - started
            say(f"step {done}/{schedule.steps}: loss {np.mean(recent):.4f}, {seconds:.0f} s")
            recent = []
    last = export_arrays(model)
    optimizer.finalize_variable_values(model.trainable_variables)
    # Keras begins the average with the weights after the first step, which still have this share of it.
    share = schedule.average ** (schedule.steps - 1)
    average = export_arrays(model)
    return last if share == 1 else {name: (average[name] - share * first[name]) / (1 - share) for name in last}


def main(argv):
    """Read the options of ``train-mefnet``, train, score the pairs and write the weights file."""
    parser = argparse.ArgumentParser(
        prog="python -m reference train-mefnet",
        description="Train MEF-Net by MEF-SSIM and write npfuse's weights file.",
    )
    add = parser.add_argument
    add("--data", type=Path, required=True, metavar="DIR", help="scenes: DIR/<scene>/exposure_NN.jpg and label.jpg")
    add("--out", type=Path, required=True, metavar="FILE.npz")
    add("--steps", type=int, default=Schedule.steps, metavar="N")
    add("--seed", type=int, default=1, metavar="N")
    add("--hold-out", default="", metavar="NAME,NAME", help="scenes never trained on, only scored")
    add("--force", action="store_true", help="overwrite --out")
    options = parser.parse_args(argv)
    if options.out.exists() and not options.force:
        raise InputError(f"{options.out}: the file is there already, --force overwrites it")
    if options.steps < 1:
        raise InputError(f"--steps is {options.steps}, expected at least 1")
    scenes = read_scenes(options.data)
    held = tuple(filter(None, options.hold_out.split(",")))
    if unknown := sorted(set(held) - {scene.name for scene in scenes}):
        raise InputError(f"--hold-out: no scene named {', '.join(unknown)} in {options.data}")
    schedule = Schedule(steps=options.steps)
    trained_on = [scene for scene in scenes if scene.name not in held]
    if not trained_on:
        raise InputError("--hold-out: no scene is left to train on")
    arrays = train(trained_on, schedule, options.seed, say=lambda line: print(line, file=sys.stderr, flush=True))
    weights = as_weights(arrays, "in training")
    scores = {
        scene.name: mef_ssim((scene.under, scene.over), fuse(scene.under, scene.over, weights)) for scene in scenes
    }
    rates = f"{schedule.learning_rate:g} to {schedule.final_rate:g}"
    source = (
        f"Data: {len(trained_on)} scenes of the folder {options.data.resolve().name}, all exposures; "
        f"held out: {', '.join(held) or 'none'}.\n"
        f"Recipe: {schedule.steps} steps of one stack at a short side of 128, crops of {schedule.crop}, "
        f"{schedule.pairs:.0%} the extremes "
        f"of a scene, Adam {rates}, moving average {schedule.average:g}, "
        f"loss 1 - MEF-SSIM with its luminance term, seed {options.seed}; Keras {keras.__version__}, "
        f"TensorFlow {tf.__version__}.\n"
        f"MEF-SSIM of the extremes: {', '.join(f'{name} {score:.4f}' for name, score in scores.items())}."
    )
    save_weights(options.out, as_weights(arrays, source, options.out.stem), overwrite=options.force)
    print(source)
    return 0


def as_weights(arrays, source, name=""):
    """Return arrays as npfuse's weights."""
    return Weights(model="mefnet", build={}, arrays=arrays, normalization="full_range", source=source, name=name)
