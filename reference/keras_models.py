"""LightFuse, T_CNN, ToneFuse and DeepFuse in plain Keras layers, to train and to compare with.

LightFuse and T_CNN are those of arXiv 2107.02299, Figure 2 and Table I. ToneFuse is this project's. DeepFuse is that of
Prabhakar et al. 2017 as released; it fuses luma: its two inputs and its output are (N, H, W, 1). The input of the
others is (N, H, W, 6) in [-1, 1], the under-exposed RGB and then the over-exposed RGB; their output is (N, H, W, 3) in
[-1, 1].

Weights are matched by layer name, so the names here are part of the weights' format. Sizes that are not multiples of 8
are not handled (LightFuse's Add fails on them, as the authors' own graph does).
"""

from collections.abc import Sequence

import keras
import tensorflow as tf
from keras import layers

DECODERS = ("nearest", "bilinear", "transposed")


def lightfuse(
    height: int | None = None,
    width: int | None = None,
    *,
    hidden: Sequence[int] = (256, 64),
    decoder: str = "nearest",
    dtype: str | None = None,
) -> keras.Model:
    """Build LightFuse: a per-pixel network (DetailNet) plus a coarse one (GlobalNet), added, then tanh.

    Parameters
    ----------
    height, width : int or None
        Multiples of 8, or None for any such size.
    hidden : sequence of int
        Widths of DetailNet's hidden layers; the paper's is (256, 64).
    decoder : {"nearest", "bilinear", "transposed"}
        Decoder, which enlarges GlobalNet's result to full size; only "transposed" has parameters.
    dtype : str or None
        Of every layer; None follows ``keras.config.floatx()``.

    Returns
    -------
    keras.Model

    Examples
    --------
    >>> lightfuse().count_params(), lightfuse(hidden=(32, 32)).count_params()
    (18630, 1574)
    """
    if decoder not in DECODERS:
        raise ValueError(f"lightfuse: decoder is {decoder!r}, expected one of {', '.join(DECODERS)}")
    dtype = dtype or keras.config.floatx()
    inputs = keras.Input((height, width, 6), dtype=dtype)
    x = inputs
    for n, channels in enumerate((*hidden, 3), start=1):
        x = layers.Conv2D(channels, 1, activation="relu", name=f"detail{n}", dtype=dtype)(x)
    half = {"strides": 2, "padding": "same", "dtype": dtype}
    g = layers.DepthwiseConv2D(3, **half, name="global1")(inputs)
    g = layers.DepthwiseConv2D(3, **half, name="global2")(g)
    g = layers.SeparableConv2D(3, 3, **half, name="global3")(g)
    if decoder == "bilinear":
        g = _bilinear(g, dtype or keras.config.floatx())
    for n in (1, 2, 3):
        if decoder == "nearest":
            g = layers.UpSampling2D(2, interpolation="nearest", dtype=dtype)(g)
        elif decoder == "transposed":
            g = layers.Conv2DTranspose(3, 4, **half, name=f"up{n}")(g)
    y = layers.Activation("tanh", dtype=dtype)(layers.Add(dtype=dtype)([x, g]))
    return keras.Model(inputs, y, name="lightfuse")


def _bilinear(g: tf.Tensor, dtype: str) -> tf.Tensor:
    """Enlarge 8 times, bilinearly: by Keras's layer, or, for float64, by an equal one.

    TensorFlow resizes in float32 only. Enlarging to the nearest, and then convolving with (1/2, 1, 1, 1, 1, 1, 1, 1,
    1/2) / 8 along each axis, gives the same: two boxes, convolved, make a tent.
    """
    if dtype != "float64":
        return layers.UpSampling2D(8, interpolation="bilinear", dtype=dtype)(g)
    g = layers.UpSampling2D(8, interpolation="nearest", dtype=dtype)(g)
    g = keras.ops.pad(g, [[0, 0], [4, 4], [4, 4], [0, 0]], mode="symmetric")
    g = layers.AveragePooling2D(8, strides=1, dtype=dtype)(g)
    return layers.AveragePooling2D(2, strides=1, dtype=dtype)(g)


def t_cnn(
    height: int | None = None, width: int | None = None, *, hidden: Sequence[int] = (256, 64), dtype: str | None = None
) -> keras.Model:
    """Build T_CNN of Table I: separable 3x3 convolutions at stride 1, ReLU between, tanh last.

    Parameters
    ----------
    height, width : int or None
    hidden : sequence of int
        Widths of the hidden layers; the paper's is (256, 64).
    dtype : str or None
        Of every layer; None follows ``keras.config.floatx()``.

    Returns
    -------
    keras.Model
    """
    dtype = dtype or keras.config.floatx()
    x = inputs = keras.Input((height, width, 6), dtype=dtype)
    for n, channels in enumerate((*hidden, 3), start=1):
        activation = "relu" if n <= len(hidden) else "tanh"
        x = layers.SeparableConv2D(channels, 3, padding="same", activation=activation, name=f"conv{n}", dtype=dtype)(x)
    return keras.Model(inputs, x, name="t_cnn")


def tonefuse(
    height: int | None = None,
    width: int | None = None,
    *,
    hidden: Sequence[int] = (32, 16),
    coarse: int = 30,
    dilations: Sequence[int] = (1, 2, 4),
    tones: int = 12,
    surroundings: int = 0,
    dtype: str | None = None,
) -> keras.Model:
    """Build ToneFuse: LightFuse, but a thumbnail of the whole pictures adds to DetailNet's first bias.

    GlobalNet has a hidden layer, and a wider field of view at an eighth of the size.

    Parameters
    ----------
    height, width : int or None
        Multiples of 8, or None for any such size.
    hidden : sequence of int
        Widths of DetailNet's hidden layers, at least one.
    coarse : int
        Width of GlobalNet's hidden layer.
    dilations : sequence of int
        Dilations of the separable convolutions at an eighth of the size; each is added to its own input.
    tones : int
        Features of each pixel of the thumbnail.
    surroundings : int
        Pixels on each side, a multiple of 8, that GlobalNet alone sees. They are for training: GlobalNet then sees as
        much around a crop as in the whole picture.
    dtype : str or None
        Of every layer; None follows ``keras.config.floatx()``.

    Returns
    -------
    keras.Model
        A model of two inputs: exposures (N, H, W, 6), and thumbnails (N, 16, 24, 6), the area averages of the whole
        pictures. With surroundings, there is a third input, (N, H / 8, W / 8, 1): 1 for cells that lie in the picture,
        and 0 for others, which are then zero for the convolutions. The output then has no surroundings.

    Examples
    --------
    >>> tonefuse().count_params()
    5380
    """
    dtype = dtype or keras.config.floatx()
    exposures = keras.Input((height, width, 6), dtype=dtype, name="exposures")
    thumbnail = keras.Input((16, 24, 6), dtype=dtype, name="thumbnail")
    t = layers.Conv2D(tones, 1, activation="relu", name="tone1", dtype=dtype)(thumbnail)
    t = layers.GlobalAveragePooling2D(keepdims=True, dtype=dtype)(t)
    t = layers.Conv2D(hidden[0], 1, name="tone2", dtype=dtype)(t)
    inside = [keras.Input((None, None, 1), dtype=dtype, name="inside")] if surroundings else []
    without_surroundings = layers.Cropping2D(surroundings, dtype=dtype)
    x = layers.Conv2D(hidden[0], 1, name="detail1", dtype=dtype)(without_surroundings(exposures))
    x = layers.ReLU(dtype=dtype)(layers.Add(dtype=dtype)([x, t]))
    for n, channels in enumerate(hidden[1:], start=2):
        x = layers.Conv2D(channels, 1, activation="relu", name=f"detail{n}", dtype=dtype)(x)
    x = layers.Conv2D(3, 1, name=f"detail{len(hidden) + 1}", dtype=dtype)(x)
    half = {"strides": 2, "padding": "same", "dtype": dtype}
    g = layers.DepthwiseConv2D(3, **half, name="global1")(exposures)
    g = layers.DepthwiseConv2D(3, **half, name="global2")(g)
    g = layers.SeparableConv2D(coarse, 3, **half, activation="relu", name="global3")(g)
    for n, dilation in enumerate(dilations, start=1):
        around = {"dilation_rate": dilation, "padding": "same", "activation": "relu", "dtype": dtype}
        seen = layers.Multiply(dtype=dtype)([g, *inside]) if inside else g
        g = layers.Add(dtype=dtype)([g, layers.SeparableConv2D(coarse, 3, **around, name=f"around{n}")(seen)])
    g = without_surroundings(_bilinear(layers.Conv2D(3, 1, name="global4", dtype=dtype)(g), dtype))
    y = layers.Activation("tanh", dtype=dtype)(layers.Add(dtype=dtype)([x, g]))
    return keras.Model([exposures, thumbnail, *inside], y, name="tonefuse")


def deepfuse(height: int | None = None, width: int | None = None, *, dtype: str | None = None) -> keras.Model:
    """Build DeepFuse: two layers with the same weights see each luma, four more see the sum of their features.

    Parameters
    ----------
    height, width : int or None
    dtype : str or None
        Of every layer; None follows ``keras.config.floatx()``.

    Returns
    -------
    keras.Model
        A model of two inputs, under and over (N, H, W, 1), luma in studio swing.

    Examples
    --------
    >>> deepfuse().count_params()
    316976
    """
    dtype = dtype or keras.config.floatx()

    def convolution(n: int, channels: int, size: int) -> layers.Layer:
        options = {"padding": "same", "use_bias": False, "kernel_initializer": "he_normal"}
        return layers.Conv2D(channels, size, **options, name=f"conv{n}", dtype=dtype)

    def leaky(x: tf.Tensor) -> tf.Tensor:
        if dtype != "float64":
            return layers.LeakyReLU(negative_slope=0.01, dtype=dtype)(x)
        return keras.ops.maximum(x, x * 0.01)  # TensorFlow's layer rounds its slope to float32

    first, second = convolution(1, 32, 3), convolution(2, 64, 5)
    lumas = [keras.Input((height, width, 1), dtype=dtype, name=name) for name in ("under", "over")]
    x = layers.Add(dtype=dtype)([leaky(second(leaky(first(luma)))) for luma in lumas])
    for n, (channels, size) in enumerate(((64, 7), (32, 5), (16, 5), (1, 7)), start=3):
        x = leaky(convolution(n, channels, size)(x))
    return keras.Model(lumas, x, name="deepfuse")
