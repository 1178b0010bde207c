"""Random networks through Keras and back: what is read from the file is what Keras has built."""

import json
import zipfile
from math import prod

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from costmodel import count, read_network

FUNCTIONS = ("relu", "relu6", "elu", "gelu", "silu", "hard_sigmoid", "tanh", "softplus")

ANY = st.sampled_from(
    [
        "conv",
        "depthwise",
        "separable",
        "transposed",
        "norm",
        "pool",
        "pad",
        "crop",
        "up",
        "gate",
        "act",
        "prelu",
        "join",
    ]
)
STEPS = st.lists(
    st.tuples(ANY, st.integers(1, 4), st.integers(1, 3), st.sampled_from(FUNCTIONS)), min_size=1, max_size=6
)


def appended(layers, x, kind, features, size, function):
    """Return a value after one more layer."""
    padding = ("same", "valid")[features % 2] if min(x.shape[1:3]) >= 3 else "same"
    match kind:
        case "conv":
            return layers.Conv2D(
                features, (size, 1 + size % 2), strides=1 + features % 2, activation=function, padding="same"
            )(x)
        case "depthwise":
            return layers.DepthwiseConv2D(size, padding=padding, depth_multiplier=features, use_bias=size > 1)(x)
        case "separable":
            return layers.SeparableConv2D(features, size, padding=padding, depth_multiplier=size, activation=function)(
                x
            )
        case "transposed":
            return layers.Conv2DTranspose(features, size, strides=1 + size % 2, padding=padding)(x)
        case "norm":
            return layers.BatchNormalization(scale=size > 1, center=features > 1)(x)
        case "pool":
            return (layers.MaxPooling2D, layers.AveragePooling2D)[size % 2](size, padding="same")(x)
        case "pad":
            return layers.ZeroPadding2D(((size, features), (0, size)))(x)
        case "crop":
            return layers.Cropping2D(((0, 1), (1, 0)))(x) if min(x.shape[1:3]) > 2 else x
        case "up":
            return layers.UpSampling2D((size, 1), interpolation=("nearest", "bilinear")[features % 2])(x)
        case "gate":
            return layers.Multiply()([x, layers.Dense(x.shape[-1])(layers.GlobalAveragePooling2D(keepdims=True)(x))])
        case "act":
            return layers.Activation(function)(x)
        case "prelu":
            return layers.PReLU(shared_axes=[1, 2] if size > 1 else None)(x)
        case _:
            return layers.Concatenate()([x, layers.Dropout(0.5)(x)]) + 1.0


@settings(max_examples=8, phases=[Phase.generate])
@given(steps=STEPS, height=st.integers(3, 9), width=st.integers(3, 9))
def test_a_random_network_is_counted_as_keras_builds_it(keras, tmp_path_factory, steps, height, width):
    picture = keras.Input((height, width, 3))
    x = picture
    for kind, features, size, function in steps:
        x = appended(keras.layers, x, kind, features, size, function)
    model = keras.Model(picture, keras.layers.Dense(2)(keras.layers.Flatten()(x)))
    path = tmp_path_factory.mktemp("net") / "net.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(json.loads(model.to_json())))
    network = read_network(path, 1, 1)
    cost = count(network)
    assert cost.parameters == model.count_params()
    shapes = network.graph.shapes
    for layer in model.layers:
        if layer.name in shapes and hasattr(layer.output, "shape"):
            assert prod(shapes[layer.name]) == prod(layer.output.shape[1:]), layer.name
