"""The losses that training minimises: in pixel space, or, as in the paper, in VGG19's feature space.

All take pictures in [0, 1], (N, H, W, 3), the target first. The paper's loss (arXiv 2107.02299, section III) is L1 plus
MSE between VGG19 features; Keras downloads VGG19's weights, 77 MiB. ``plain_loss`` needs only the pictures:
L1 + MSE + (1 - SSIM). ``tone_loss`` adds a term for colour, and may count errors in decibels. SSIM is that of Wang 2004
with an 11-tap Gaussian of sigma 1.5, without padding.
"""

import os
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from npfuse.color import LUMA
from reference.arrays import Array
from reference.errors import InputError

VGG_LAYERS = ("block1_conv1", "block2_conv1", "block3_conv1", "block4_conv1", "block5_conv1")
SHOWN, NEAR = 35 / 255, 0.04  # shown: brightest channel above SHOWN, darkest below 1 - SHOWN
WHITE = 0.02  # farther from white than this is grey
VGG_FILE = "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5"


def plain_loss(target: tf.Tensor, output: tf.Tensor, shares: tf.Tensor | None = None) -> tf.Tensor:
    """Return L1 + MSE + (1 - SSIM), each a mean over all values.

    Parameters
    ----------
    target, output : tensor (N, H, W, 3) in [0, 1]
    shares : tensor (N,), optional
        Not used: recipes with this loss have given labels only.

    Returns
    -------
    tensor ()
    """
    difference = target - output
    return tf.reduce_mean(tf.abs(difference)) + tf.reduce_mean(difference**2) + 1 - ssim(target, output)


def tone_loss(
    target: tf.Tensor,
    output: tf.Tensor,
    shares: tf.Tensor | None = None,
    log_mse: float = 0.0,
    liveliness: float = 0.0,
    hues: float = 0.0,
) -> tf.Tensor:
    """Return error of pixels + (1 - SSIM) + 0.5 (1 - cosine of colours of 8x8 means) + difference in liveliness.

    Parameters
    ----------
    target, output : tensor (N, H, W, 3) in [0, 1]
    shares : tensor (N,), optional
        Weight of each picture's error of pixels; None for 1.
    log_mse : float
        If 0, the error of pixels is L1 + 2 MSE. Otherwise it is this number times the mean of ln(MSE + 0.001) over the
        pictures: an error then counts by its decibels, so that a picture that cannot be matched does not outweigh the
        others.
    liveliness : float
        Weight of the difference in contrast and colour of the 8x8 means. If the label cannot be known, the other terms
        favour the mean of all that it may be, which is flat and pale; this term works against that.
    hues : float
        Weight of `hue_difference`.

    Returns
    -------
    tensor ()
    """
    difference = target - output
    squares = tf.reduce_mean(difference**2, axis=(1, 2, 3))
    if log_mse:
        errors = log_mse * tf.math.log(squares + 1e-3)
    else:
        errors = tf.reduce_mean(tf.abs(difference), axis=(1, 2, 3)) + 2 * squares
    pixels = tf.reduce_mean(errors if shares is None else errors * shares)
    a, b = (tf.nn.avg_pool2d(x, 8, 8, "VALID") + 1e-3 for x in (target, output))  # black has a colour, too: grey
    norms = tf.sqrt(tf.reduce_sum(a * a, -1) * tf.reduce_sum(b * b, -1))
    cosine = tf.reduce_mean(tf.reduce_sum(a * b, -1) / norms)
    total = pixels + 1 - ssim(target, output) + 0.5 * (1 - cosine)
    if liveliness:
        (contrast_a, colour_a), (contrast_b, colour_b) = lively(a), lively(b)
        total += liveliness * tf.reduce_mean(tf.abs(contrast_a - contrast_b) + tf.abs(colour_a - colour_b))
    if hues:
        total += hues * hue_difference(target, output)
    return total


def hue_difference(target: tf.Tensor, output: tf.Tensor) -> tf.Tensor:
    """Return how far hues of 4x4 means differ, in the mean: as CIELAB's difference of hue, in units of saturation.

    Parameters
    ----------
    target, output : tensor (N, H, W, 3) in [0, 1]

    Returns
    -------
    tensor ()
        Of each mean, how far apart the colours' distances from grey, over luma + 0.1, would lie if they were as long
        as their geometric mean.

    Examples
    --------
    >>> red = np.array([1, 0, 0], np.float32).reshape(1, 1, 1, 3).repeat(4, 1).repeat(4, 2)
    >>> others = 0.5 * red, np.roll(red, 1, axis=-1)
    >>> [round(float(hue_difference(tf.constant(red), tf.constant(other))), 2) for other in others]
    [0.01, 2.86]
    """
    (a, length_a), (b, length_b) = map(_from_grey, (target, output))
    squares = 2 * (length_a * length_b - tf.reduce_sum(a * b, axis=-1))
    return tf.reduce_mean(tf.sqrt(tf.nn.relu(squares) + 1e-6))


def _from_grey(pictures: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    means = tf.nn.avg_pool2d(pictures, 4, 4, "VALID")
    luma = tf.tensordot(means, tf.constant(LUMA, means.dtype), 1)[..., tf.newaxis]
    colours = (means - luma) / (luma + 0.1)
    return colours, tf.sqrt(tf.reduce_sum(colours**2, axis=-1) + 1e-4)


def lively(pictures: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Measure the liveliness of pictures: the logarithms of their contrast and of their colour.

    Parameters
    ----------
    pictures : tensor (N, H, W, 3) in [0, 1]

    Returns
    -------
    contrast, colour : tensors (N,)
        Logarithms of the standard deviation of luma, and of the mean distance of colours from grey; 0.02 is added to
        each before.

    Examples
    --------
    >>> grey = np.array([0.1, 0.3], np.float32).repeat(6).reshape(1, 2, 2, 3)
    >>> contrast, colour = lively(tf.constant(grey))
    >>> round(float(np.exp(contrast[0])), 3), round(float(np.exp(colour[0])), 3)
    (0.12, 0.02)
    """
    luma = tf.tensordot(pictures, tf.constant(LUMA, pictures.dtype), 1)[..., tf.newaxis]
    contrast = tf.sqrt(tf.math.reduce_variance(luma, axis=(1, 2, 3)) + 1e-8)
    colour = tf.reduce_mean(tf.sqrt(tf.reduce_sum((pictures - luma) ** 2, axis=-1) + 1e-8), axis=(1, 2))
    return tf.math.log(contrast + 0.02), tf.math.log(colour + 0.02)


def ended(output: tf.Tensor, exposures: tf.Tensor) -> tf.Tensor:
    """Return the mean of how near pixels that an exposure shows come to black or white.

    Parameters
    ----------
    output : tensor (N, H, W, 3) in [0, 1]
    exposures : tensor (N, H, W, 6) in [0, 1]

    Returns
    -------
    tensor ()
        Mean, over pixels, of how far the brightest channel is below `NEAR`, or the darkest one above 1 - `NEAR`.

    Examples
    --------
    >>> black, grey = np.zeros((1, 1, 1, 3), np.float32), np.full((1, 1, 1, 6), 0.4, np.float32)
    >>> round(float(ended(tf.constant(black), tf.constant(grey))), 3), float(ended(tf.constant(black), 0 * grey))
    (0.04, 0.0)
    """
    pictures = tf.reshape(exposures, (*exposures.shape[:3], 2, 3))
    shows = (tf.reduce_max(pictures, -1) > SHOWN) & (tf.reduce_min(pictures, -1) < 1 - SHOWN)
    shown = tf.cast(tf.reduce_any(shows, axis=-1), output.dtype)
    black, white = NEAR - tf.reduce_max(output, -1), tf.reduce_min(output, -1) - (1 - NEAR)
    return tf.reduce_mean(shown * (tf.nn.relu(black) + tf.nn.relu(white)))


def greyed(output: tf.Tensor, exposures: tf.Tensor) -> tf.Tensor:
    """Return the mean of how far from white pixels stay that are white in both exposures.

    Parameters
    ----------
    output : tensor (N, H, W, 3) in [0, 1]
    exposures : tensor (N, H, W, 6) in [0, 1]

    Returns
    -------
    tensor ()
        Mean, over pixels, of how far the darkest channel of the output is below 1 - `WHITE`, where none of an exposure
        is below 1 - `NEAR`.

    Examples
    --------
    >>> grey, white = np.full((1, 1, 1, 3), 0.9, np.float32), np.ones((1, 1, 1, 6), np.float32)
    >>> round(float(greyed(tf.constant(grey), tf.constant(white))), 3), float(greyed(tf.constant(grey), 0.5 * white))
    (0.08, 0.0)
    """
    white = tf.cast(tf.reduce_min(exposures, -1) >= 1 - NEAR, output.dtype)
    return tf.reduce_mean(white * tf.nn.relu(1 - WHITE - tf.reduce_min(output, -1)))


def ssim(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """Return the structural similarity of pictures in [0, 1], the mean over pictures, pixels and channels.

    Parameters
    ----------
    a, b : tensor (N, H, W, C), H and W at least 11 and known

    Returns
    -------
    tensor ()

    Notes
    -----
    The value is ``tf.image.ssim``'s. That one blurs with an 11x11 depthwise convolution and took half of a training
    step; here the blur is two products with banded matrices, measured 0.6 s against 5.1 s (with the gradient, for
    20 patches of 256x256 on two cores).
    """
    a, b = (tf.transpose(x, (0, 3, 1, 2)) for x in (a, b))  # (N, C, H, W)
    rows = tf.constant(_blur_matrix(a.shape[2]), a.dtype)
    columns = tf.constant(_blur_matrix(a.shape[3]), a.dtype)

    def blur(x: tf.Tensor) -> tf.Tensor:
        return tf.matmul(tf.matmul(rows, x), columns, transpose_b=True)

    c1, c2 = 0.01**2, 0.03**2
    mean_a, mean_b = blur(a), blur(b)
    covariance = blur(a * b) - mean_a * mean_b
    variances = blur(a * a + b * b) - mean_a * mean_a - mean_b * mean_b
    luminance = (2 * mean_a * mean_b + c1) / (mean_a * mean_a + mean_b * mean_b + c1)
    return tf.reduce_mean(luminance * (2 * covariance + c2) / (variances + c2))


def _blur_matrix(length: int) -> Array:
    """Return the 11-tap Gaussian as a matrix (length - 10, length): row r weighs the pixels r … r + 10."""
    taps = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    matrix = np.zeros((length - 10, length))
    for row in range(length - 10):
        matrix[row, row : row + 11] = taps / taps.sum()
    return matrix


def vgg_loss(weights_path: str | Path | None = None) -> Callable[..., tf.Tensor]:
    """Make the paper's loss: L1 + MSE between VGG19 features of target and output.

    Parameters
    ----------
    weights_path : path or None
        A local copy of Keras's VGG19 weights without the top; None lets Keras look in its cache or download them.

    Returns
    -------
    callable (target, output, shares) -> tensor ()
        Shares are not used, as in `plain_loss`.

    Raises
    ------
    InputError : the weights cannot be downloaded, or the file does not hold them

    Notes
    -----
    The features are those after the ReLU of the first convolution of each block; the losses of the five blocks are
    added up. The paper does not say how it scales VGG's input. Here it is Keras's own preprocessing, for which the
    weights were made.
    """
    vgg = _vgg19(weights_path)
    features = keras.Model(vgg.input, [vgg.get_layer(name).output for name in VGG_LAYERS])
    features.trainable = False

    def loss(target: tf.Tensor, output: tf.Tensor, shares: tf.Tensor | None = None) -> tf.Tensor:
        total = 0.0
        pairs = zip(features(_vgg_input(target)), features(_vgg_input(output)), strict=True)
        for wanted, got in pairs:
            total += tf.reduce_mean(tf.abs(wanted - got)) + tf.reduce_mean((wanted - got) ** 2)
        return total

    return loss


def _vgg_input(rgb: tf.Tensor) -> tf.Tensor:
    return keras.applications.vgg19.preprocess_input(rgb * 255)


def _vgg19(weights_path: str | Path | None) -> keras.Model:
    if weights_path is None:
        try:
            return keras.applications.VGG19(include_top=False, weights="imagenet")
        except Exception as error:  # Keras raises a bare Exception when the download fails
            cache = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser()
            raise InputError(
                f"VGG19's ImageNet weights cannot be had ({' '.join(str(error).split())}): Keras looks for "
                f"{cache / 'models' / VGG_FILE}; give a local copy with --vgg-weights FILE, "
                "or train without them with --loss plain"
            ) from error
    if not Path(weights_path).is_file():
        raise InputError(f"{weights_path}: no such file, expected VGG19 weights without the top ({VGG_FILE})")
    vgg = keras.applications.VGG19(include_top=False, weights=None)
    try:
        vgg.load_weights(weights_path)
    except Exception as error:  # h5py and Keras raise many kinds
        reason = " ".join(str(error).split())
        raise InputError(f"{weights_path}: not VGG19 weights without the top ({reason})") from error
    return vgg


def undecided(sums: tf.Tensor, block: int = 16) -> tf.Tensor:
    """Measure how far hidden units change sign within blocks of pixels; 0 if each is on, or off, in whole blocks.

    For each unit and block, this is the smaller of how far its sum rises above 0 and how far it falls below; the mean
    over all is returned. It is measured in units of the sum's own standard deviation, which is taken as a constant, so
    that small weights gain nothing.

    Parameters
    ----------
    sums : tensor (N, H, W, C)
        Sums of units before their ReLU; pixels beside whole blocks are left out.
    block : int
        Side of a block, in pixels.

    Returns
    -------
    tensor ()

    Examples
    --------
    >>> sums = np.full((1, 16, 16, 2), 3, np.float32)
    >>> sums[0, 0, 0] = 2, -1
    >>> float(undecided(tf.constant(sums))) > 0, float(undecided(tf.constant(sums[..., :1])))
    (True, 0.0)
    """
    _, height, width, channels = sums.shape
    rows, columns = height // block, width // block
    blocks = sums[:, : rows * block, : columns * block]
    blocks = tf.reshape(blocks, (-1, rows, block, columns, block, channels))
    both = tf.minimum(tf.reduce_max(blocks, axis=(2, 4)), -tf.reduce_min(blocks, axis=(2, 4)))
    scale = tf.stop_gradient(tf.math.reduce_std(sums, axis=(0, 1, 2))) + 1e-6
    return tf.reduce_mean(tf.nn.relu(both) / scale)
