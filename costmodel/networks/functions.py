"""Functions of one number, by every name under which Keras and ONNX write them, and what one value of each costs.

A root, exponential, logarithm, sigmoid, hyperbolic tangent or error function counts as one function, however it is
computed; max(x, c) as one comparison; negation and the absolute value as one comparison too.
"""

from collections.abc import Mapping
from types import MappingProxyType

from costmodel.conventions import Work
from costmodel.networks.operators import Elementwise, Softmax
from npfuse.ops import LeakyReLU, Operator, ReLU, Tanh

_FUNCTION, _COMPARED, _TWICE = Work(functions=1), Work(comparisons=1), Work(comparisons=2)
_SCALED = Work(multiplications=1)
_CAPPED_LINE = Work(multiplications=1, additions=1, comparisons=2)

# Keras's names; those of ONNX stand behind.
EACH: Mapping[str, Work] = MappingProxyType(
    {
        "abs": _COMPARED,
        "ceil": _COMPARED,
        "celu": Work(comparisons=1, functions=1, additions=1, multiplications=2),
        "clip": _TWICE,
        "elu": Work(comparisons=1, functions=1, additions=1, multiplications=1),
        "erf": _FUNCTION,
        "exp": _FUNCTION,
        "floor": _COMPARED,
        "gelu": Work(functions=1, additions=1, multiplications=3),  # x * (1 + erf(x / sqrt 2)) / 2
        "gelu_tanh": Work(functions=1, additions=2, multiplications=6),
        "hard_sigmoid": _CAPPED_LINE,
        "hard_silu": _CAPPED_LINE + _SCALED,
        "hard_tanh": _TWICE,
        "log": _FUNCTION,
        "log_sigmoid": _FUNCTION,
        "mish": Work(functions=2, multiplications=1),  # x * tanh(softplus(x))
        "negative": _COMPARED,
        "power": _FUNCTION,
        "reciprocal": Work(divisions=1),
        "relu6": _TWICE,
        "round": _COMPARED,
        "selu": Work(comparisons=1, functions=1, additions=1, multiplications=2),
        "sigmoid": _FUNCTION,
        "sign": _COMPARED,
        "silu": Work(functions=1, multiplications=1),
        "softplus": _FUNCTION,
        "softsign": Work(comparisons=1, additions=1, divisions=1),
        "sqrt": _FUNCTION,
        "square": _SCALED,
        "threshold": _COMPARED,
    }
)

SPELLINGS: Mapping[str, str] = MappingProxyType(
    {
        "absolute": "abs",
        "clip_by_value": "clip",
        "exponential": "exp",
        "hard_swish": "hard_silu",
        "hardsigmoid": "hard_sigmoid",
        "hardswish": "hard_silu",
        "hardtanh": "hard_tanh",
        "leakyrelu": "leaky_relu",
        "logsigmoid": "log_sigmoid",
        "neg": "negative",
        "pow": "power",
        "swish": "silu",
        "thresholdedrelu": "threshold",
        "truediv": "divide",
    }
)

KERAS_LEAKY_SLOPE = 0.2  # of the activation named "leaky_relu"


def known(name: str) -> bool:
    """Tell whether a function of one number has such a name."""
    spelled = _spelled(name)
    return spelled in EACH or spelled in ("relu", "tanh", "leaky_relu", "softmax")


def function(name: str, label: str, *, slope: float = KERAS_LEAKY_SLOPE) -> Operator:
    """Return a function of one number as an operator; as one of `npfuse.ops` where there is one.

    Parameters
    ----------
    name : of the function, `known`
    label : as printed
    slope : of "leaky_relu" where values are negative

    Examples
    --------
    >>> function("relu", "ReLU"), function("Swish", "Activation").each
    (ReLU(), Work(convolution_macs=0, resizing_macs=0, additions=0, multiplications=1, comparisons=0, divisions=0, \
functions=1))
    """
    spelled = _spelled(name)
    if spelled == "relu":
        return ReLU()
    if spelled == "tanh":
        return Tanh()
    if spelled == "leaky_relu":
        return LeakyReLU(slope=slope)
    if spelled == "softmax":
        return Softmax(label=label)
    return Elementwise(label=label, each=EACH[spelled])


def _spelled(name: str) -> str:
    """Return Keras's name of a function."""
    low = name.lower()
    return SPELLINGS.get(low, low)


SUM = Work(additions=1)
PRODUCT = _SCALED
QUOTIENT = Work(divisions=1)
GREATER = _COMPARED

# Of two values, by Keras's and ONNX's names in small letters.
OF_TWO: Mapping[str, Work] = MappingProxyType(
    {
        "add": SUM,
        "subtract": SUM,
        "sub": SUM,
        "multiply": PRODUCT,
        "mul": PRODUCT,
        "divide": QUOTIENT,
        "truedivide": QUOTIENT,
        "truediv": QUOTIENT,
        "div": QUOTIENT,
        "maximum": GREATER,
        "max": GREATER,
        "minimum": GREATER,
        "min": GREATER,
    }
)
