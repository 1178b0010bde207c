"""The networks that `costmodel` reads from Keras files, beside what Keras builds: `python -m bench.networks_read`.

For each network of keras.applications: parameters as `count_params()` has them, the multiply-adds by the shapes of the
built layers' variables and results, both beside what is counted from the file, and the processor time of reading it.
"""

import argparse
import json
import tempfile
import time
import zipfile
from math import prod
from pathlib import Path
from typing import Any

from costmodel import count, read_network

SIDES = {  # of the pictures that each network is made for
    **dict.fromkeys(("VGG16", "ResNet50", "MobileNetV2", "MobileNetV3Small", "EfficientNetB0", "DenseNet121"), 224),
    **dict.fromkeys(("InceptionV3", "Xception"), 299),
    "NASNetMobile": 224,
}


def built_macs(layer: Any) -> int:
    """Return the multiply-adds of a built layer by the shapes of its variables and its result."""
    kind = type(layer).__name__
    if kind in ("Conv2D", "DepthwiseConv2D"):
        return prod(layer.output.shape[1:3]) * prod(layer.kernel.shape)
    if kind == "SeparableConv2D":
        kernels = prod(layer.depthwise_kernel.shape) + prod(layer.pointwise_kernel.shape)
        return prod(layer.output.shape[1:3]) * kernels
    return prod(layer.kernel.shape) if kind == "Dense" else 0


def main() -> None:
    """Print one row per network."""
    parser = argparse.ArgumentParser(prog="python -m bench.networks_read", description=__doc__.split("\n")[0])
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help=f"some of {', '.join(SIDES)} (default all)")
    names = parser.parse_args().networks or list(SIDES)
    if unknown := sorted(set(names) - SIDES.keys()):
        parser.error(f"network is {unknown[0]!r}, expected some of {', '.join(SIDES)}")
    import keras

    print(f"{'network':18}{'layers':>8}{'parameters':>14}{'Keras':>14}{'MACs':>16}{'Keras':>16}{'ms':>7}")
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            side = SIDES[name]
            model = getattr(keras.applications, name)(weights=None, input_shape=(side, side, 3))
            path = Path(folder) / f"{name}.keras"
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("config.json", json.dumps(json.loads(model.to_json())))
            start = time.process_time()
            cost = count(read_network(path, side, side))
            taken = time.process_time() - start
            macs = sum(map(built_macs, model.layers))
            numbers = f"{cost.parameters:14,}{model.count_params():14,}{cost.work.convolution_macs:16,}{macs:16,}"
            print(f"{name:18}{len(model.layers):8}{numbers}{1e3 * taken:7.0f}", flush=True)


if __name__ == "__main__":
    main()
