"""The operators compiled with Numba, one a file: same file names, arguments and results as in `npfuse.ops`.

`FAST` maps every operator to its function; `pixel_mlp` runs a chain of pointwise convolutions in one go.
"""

from collections.abc import Mapping

from npfuse.fast.adaptive_norm import adaptive_norm
from npfuse.fast.add import add
from npfuse.fast.add_channels import add_channels
from npfuse.fast.concatenate import concatenate
from npfuse.fast.conv2d import conv2d
from npfuse.fast.conv2d_transpose import conv2d_transpose
from npfuse.fast.depthwise_conv2d import depthwise_conv2d
from npfuse.fast.depthwise_conv2d_transpose import depthwise_conv2d_transpose
from npfuse.fast.divide import divide
from npfuse.fast.exposure_quality import exposure_quality
from npfuse.fast.leaky_relu import leaky_relu
from npfuse.fast.pixel_mlp import pixel_mlp
from npfuse.fast.pointwise_conv2d import pointwise_conv2d
from npfuse.fast.relu import relu
from npfuse.fast.resize import resize
from npfuse.fast.subtract import subtract
from npfuse.fast.tanh import tanh
from npfuse.fast.weighted_sum import weighted_sum
from npfuse.ops import (
    AdaptiveNorm,
    Add,
    AddChannels,
    Concatenate,
    Conv2D,
    Conv2DTranspose,
    DepthwiseConv2D,
    DepthwiseConv2DTranspose,
    Divide,
    ExposureQuality,
    Function,
    LeakyReLU,
    Operator,
    PointwiseConv2D,
    ReLU,
    Resize,
    Subtract,
    Tanh,
    WeightedSum,
)

FAST: Mapping[type[Operator], Function] = {
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

__all__ = ["FAST", "pixel_mlp"]
