"""The network in integers: a golden model for ports to microcontrollers and FPGAs.

`quantized` makes an `IntegerGraph` of a graph and its weights, `run_integers` runs it. Every number is the same on
every machine. Where numbers are rounded, by which rule, and to how many bits, is plain data in the layers.
"""

from npfuse.arithmetics import ARITHMETICS, Arithmetic
from npfuse.integer.format import Format
from npfuse.integer.layers import IntegerGraph, Layer, Ranges, hidden_values
from npfuse.integer.quantize import quantized
from npfuse.integer.requantize import Rescale, Rounding, requantize
from npfuse.integer.run import run_integers

__all__ = [
    "ARITHMETICS",
    "Arithmetic",
    "Format",
    "IntegerGraph",
    "Layer",
    "Ranges",
    "Rescale",
    "Rounding",
    "hidden_values",
    "quantized",
    "requantize",
    "run_integers",
]
