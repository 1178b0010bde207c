"""The networks of keras.applications, without weights: parameters and every layer's multiply-adds, as Keras has them.

Multiply-adds are counted here from the variables' and the results' shapes of the built layers, apart from the reader.
"""

import json
import zipfile
from math import prod

import pytest

from costmodel import count, read_network

# (name, arguments); 96 pixels are enough for each of them, and quick. DenseNet121, InceptionV3 and NASNetMobile take
# Keras as long to build as all of these: `python -m bench.networks_read` has them too.
APPLICATIONS = [
    ("VGG16", {"include_top": False}),
    ("ResNet50", {}),
    ("MobileNetV2", {}),
    ("MobileNetV3Small", {}),
    ("EfficientNetB0", {}),
    ("Xception", {}),
]


def built_macs(layer):
    """Return the multiply-adds of a built layer by the shapes of its variables and its result."""
    kind = type(layer).__name__
    if kind == "Conv2D":
        return prod(layer.output.shape[1:3]) * prod(layer.kernel.shape)
    if kind == "DepthwiseConv2D":
        return prod(layer.output.shape[1:3]) * prod(layer.kernel.shape)
    if kind == "SeparableConv2D":
        return prod(layer.output.shape[1:3]) * sum(
            prod(k.shape) for k in (layer.depthwise_kernel, layer.pointwise_kernel)
        )
    return prod(layer.kernel.shape) if kind == "Dense" else 0


@pytest.mark.parametrize(("name", "arguments"), APPLICATIONS, ids=[name for name, _ in APPLICATIONS])
def test_an_application_is_counted_as_keras_builds_it(tmp_path, keras, name, arguments):
    model = getattr(keras.applications, name)(weights=None, input_shape=(96, 96, 3), **arguments)
    path = tmp_path / f"{name}.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(json.loads(model.to_json())))
    network = read_network(path, 1, 1)
    cost = count(network)
    assert cost.parameters == model.count_params()
    counted = {}
    for row in cost.layers:
        layer = row.name.removesuffix("_depthwise").removesuffix("_pointwise")
        layer = layer if layer in {each.name for each in model.layers} else row.name
        counted[layer] = counted.get(layer, 0) + row.work.convolution_macs
    expected = {layer.name: built_macs(layer) for layer in model.layers if built_macs(layer)}
    assert {layer: macs for layer, macs in counted.items() if macs} == expected
    height, width, channels = network.graph.shapes[network.graph.outputs[0]]
    assert height * width * channels == prod(model.output.shape[1:])
