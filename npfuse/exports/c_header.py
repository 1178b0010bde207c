"""Writes a network's weights as one C99 header: one array per weight, and macros (`#define`) for lengths and margin."""

import re
from collections.abc import Mapping

import numpy as np

from npfuse.vectors.array_files import c_array, c_name
from npfuse.weights.weights import Weights

AXES: Mapping[str, Mapping[str, tuple[str, ...]]] = {  # of weights by operator and name
    "PointwiseConv2D": {"kernel": ("CIN", "COUT"), "bias": ("COUT",)},
    "DepthwiseConv2D": {"kernel": ("KH", "KW", "C"), "bias": ("C",)},
    "DepthwiseConv2DTranspose": {"kernel": ("KH", "KW", "C"), "bias": ("C",)},
    "Conv2D": {"kernel": ("KH", "KW", "CIN", "COUT"), "bias": ("COUT",)},
    "Conv2DTranspose": {"kernel": ("KH", "KW", "COUT", "CIN"), "bias": ("COUT",)},
    "AdaptiveNorm": {"w0": ("N",), "w1": ("N",), "gamma": ("C",), "beta": ("C",)},
}


def c_header(weights: Weights) -> bytes:
    """Return the weights as a C99 header of `static const float` arrays, whose last axis is the fastest.

    Examples
    --------
    >>> from npfuse.weights.loading import load_weights
    >>> print(c_header(load_weights("lightfuse")).decode()[:78])
    #ifndef NPFUSE_LIGHTFUSE_WEIGHTS_H
    #define NPFUSE_LIGHTFUSE_WEIGHTS_H
    /* light
    """
    guard = f"NPFUSE_{c_name(weights.model).upper()}_WEIGHTS_H"
    axes = {
        f"{node.weight_key}/{name}": AXES[node.op.kind].get(name, ())
        for node in weights.graph(64, 64).nodes
        for name in AXES.get(node.op.kind, {})
    }
    about = [
        f"{weights.label}: {weights.model}, "
        f"{', '.join(f'{key}={value}' for key, value in weights.build.items()) or 'defaults'}",
        f"{weights.parameter_count} parameters, normalization {weights.normalization}",
        weights.source,
    ]
    lines = [
        f"#ifndef {guard}",
        f"#define {guard}",
        f"/* {_comment(about[0])}",
        *(f"   {_comment(line)}" for line in about[1:]),
        "   The last axis is the fastest. Rows and columns to repeat beyond a multiple of 8: */",
        f"#define NPFUSE_MARGIN {weights.margin}",
    ]
    for name, array in weights.arrays.items():
        own = c_name(name)
        letters = axes[name]
        lines += ["", f"/* {_comment(name)} ({', '.join(letters)}) = ({', '.join(map(str, array.shape))}) */"]
        lines += [f"#define {own.upper()}_{axis} {n}" for axis, n in zip(letters, array.shape, strict=True)]
        lines.append(c_array(array, own))
    return "\n".join([*lines, f"#endif /* {guard} */\n"]).encode()


def read_c_header(content: bytes) -> dict[str, np.ndarray]:
    """Return the arrays (n,), float32, of a header that `c_header` wrote, by their names in C."""
    found = re.findall(r"static const float (\w+)\[(\d+)\] = \{([^}]*)\};", content.decode())
    arrays = {name: np.array([n.strip().rstrip("f") for n in body.split(",")], np.float32) for name, _, body in found}
    for name, size, _ in found:
        if len(arrays[name]) != int(size):
            raise ValueError(f"{name}: number of values is {len(arrays[name])}, expected {size}")
    return arrays


def _comment(text: str) -> str:
    """Return text that cannot end a comment or leave its line, in ASCII."""
    return (
        " ".join(text.split())
        .encode("ascii", "replace")
        .decode()
        .replace("*/", "* /")
        .replace("/*", "/ *")
        .replace("\\", "/")
    )
