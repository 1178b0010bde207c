"""What a network costs, and how each number is counted: parameters, operations, memory, time and energy.

`count(graph)` walks a graph of `npfuse`, or a network that `read_network` has read from a Keras or ONNX file;
`python -m costmodel report` prints the tables. Neither Numba nor Keras is imported here.
"""

from costmodel.conventions import CONVENTIONS, Convention, Work, convention_named
from costmodel.counts import GraphCost, LayerCost, count
from costmodel.networks.description import Network
from costmodel.networks.own_layers import LayerCount
from costmodel.networks.reading import read_network
from costmodel.rules import OperatorCost, operator_cost, rule

__all__ = [
    "CONVENTIONS",
    "Convention",
    "GraphCost",
    "LayerCost",
    "LayerCount",
    "Network",
    "OperatorCost",
    "Work",
    "convention_named",
    "count",
    "operator_cost",
    "read_network",
    "rule",
]
