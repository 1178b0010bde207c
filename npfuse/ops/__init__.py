"""The operators, one a file: attributes, shapes, and a NumPy definition written to be read.

`DEFINITIONS` maps every operator to its definition; `npfuse.fast.FAST` maps the same operators to their Numba
functions.
"""

from collections.abc import Callable, Mapping
from typing import Any

from numpy.typing import NDArray

from npfuse.ops.adaptive_norm import AdaptiveNorm, adaptive_norm
from npfuse.ops.add import Add, add
from npfuse.ops.add_channels import AddChannels, add_channels
from npfuse.ops.concatenate import Concatenate, concatenate
from npfuse.ops.conv2d import Conv2D, conv2d
from npfuse.ops.conv2d_transpose import Conv2DTranspose, conv2d_transpose
from npfuse.ops.depthwise_conv2d import DepthwiseConv2D, depthwise_conv2d
from npfuse.ops.depthwise_conv2d_transpose import BOX, TENT, DepthwiseConv2DTranspose, depthwise_conv2d_transpose
from npfuse.ops.divide import Divide, divide
from npfuse.ops.exposure_quality import ExposureQuality, exposure_quality
from npfuse.ops.leaky_relu import LeakyReLU, leaky_relu
from npfuse.ops.operator import Operator, Shape
from npfuse.ops.pointwise_conv2d import PointwiseConv2D, pointwise_conv2d
from npfuse.ops.relu import ReLU, relu
from npfuse.ops.resize import Resize, resize
from npfuse.ops.subtract import Subtract, subtract
from npfuse.ops.tanh import Tanh, tanh
from npfuse.ops.weighted_sum import WeightedSum, weighted_sum
from npfuse.ops.window import Window

Function = Callable[..., NDArray[Any]]

DEFINITIONS: Mapping[type[Operator], Function] = {
    AdaptiveNorm: adaptive_norm,
    Add: add,
    AddChannels: add_channels,
    Concatenate: concatenate,
    Conv2D: conv2d,
    Conv2DTranspose: conv2d_transpose,
    DepthwiseConv2D: depthwise_conv2d,
    DepthwiseConv2DTranspose: depthwise_conv2d_transpose,
    Divide: divide,
    ExposureQuality: exposure_quality,
    LeakyReLU: leaky_relu,
    PointwiseConv2D: pointwise_conv2d,
    ReLU: relu,
    Resize: resize,
    Subtract: subtract,
    Tanh: tanh,
    WeightedSum: weighted_sum,
}

__all__ = [
    "BOX",
    "DEFINITIONS",
    "TENT",
    "AdaptiveNorm",
    "Add",
    "AddChannels",
    "Concatenate",
    "Conv2D",
    "Conv2DTranspose",
    "DepthwiseConv2D",
    "DepthwiseConv2DTranspose",
    "Divide",
    "ExposureQuality",
    "Function",
    "LeakyReLU",
    "Operator",
    "PointwiseConv2D",
    "ReLU",
    "Resize",
    "Shape",
    "Subtract",
    "Tanh",
    "WeightedSum",
    "Window",
    "adaptive_norm",
    "add",
    "add_channels",
    "concatenate",
    "conv2d",
    "conv2d_transpose",
    "depthwise_conv2d",
    "depthwise_conv2d_transpose",
    "divide",
    "exposure_quality",
    "leaky_relu",
    "pointwise_conv2d",
    "relu",
    "resize",
    "subtract",
    "tanh",
    "weighted_sum",
]
