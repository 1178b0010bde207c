"""The operators, one per file: attributes, shapes, and a NumPy definition written to be read.

An operator is listed once, by its line of import here: a class, and a function of the file's name, its definition.
`DEFINITIONS` maps the classes to the definitions, and `npfuse.fast.FAST` to the compiled functions.
"""

import sys
from collections.abc import Callable, Mapping
from typing import Any

from numpy.typing import NDArray

from npfuse.ops.adaptive_norm import AdaptiveNorm as AdaptiveNorm, adaptive_norm as adaptive_norm
from npfuse.ops.add import Add as Add, add as add
from npfuse.ops.add_channels import AddChannels as AddChannels, add_channels as add_channels
from npfuse.ops.concatenate import Concatenate as Concatenate, concatenate as concatenate
from npfuse.ops.conv2d import Conv2D as Conv2D, conv2d as conv2d
from npfuse.ops.conv2d_transpose import Conv2DTranspose as Conv2DTranspose, conv2d_transpose as conv2d_transpose
from npfuse.ops.depthwise_conv2d import DepthwiseConv2D as DepthwiseConv2D, depthwise_conv2d as depthwise_conv2d
from npfuse.ops.depthwise_conv2d_transpose import (
    BOX as BOX,
    TENT as TENT,
    DepthwiseConv2DTranspose as DepthwiseConv2DTranspose,
    depthwise_conv2d_transpose as depthwise_conv2d_transpose,
)
from npfuse.ops.divide import Divide as Divide, divide as divide
from npfuse.ops.exposure_quality import ExposureQuality as ExposureQuality, exposure_quality as exposure_quality
from npfuse.ops.leaky_relu import LeakyReLU as LeakyReLU, leaky_relu as leaky_relu
from npfuse.ops.operator import Operator as Operator, Shape as Shape
from npfuse.ops.pointwise_conv2d import PointwiseConv2D as PointwiseConv2D, pointwise_conv2d as pointwise_conv2d
from npfuse.ops.relu import ReLU as ReLU, relu as relu
from npfuse.ops.resize import Resize as Resize, resize as resize
from npfuse.ops.subtract import Subtract as Subtract, subtract as subtract
from npfuse.ops.tanh import Tanh as Tanh, tanh as tanh
from npfuse.ops.weighted_sum import WeightedSum as WeightedSum, weighted_sum as weighted_sum
from npfuse.ops.window import Window as Window

Function = Callable[..., NDArray[Any]]


def _definitions() -> dict[type[Operator], Function]:
    """Return the operators imported here, each with the function that its file is named after."""
    definitions = {}
    for op in globals().values():
        if isinstance(op, type) and issubclass(op, Operator):
            function = vars(sys.modules[op.__module__]).get(op.__module__.rpartition(".")[2])
            if function is not None:  # not the bases, Operator and Window
                definitions[op] = function
    return definitions


DEFINITIONS: Mapping[type[Operator], Function] = _definitions()
