"""What a network costs, and how each number is counted: parameters, operations, memory, time and energy.

`count(graph)` walks a graph of `npfuse`; `python -m costmodel report` prints the tables. Neither Numba nor Keras is
imported here.
"""

from costmodel.conventions import CONVENTIONS, Convention, Work, convention_named
from costmodel.counts import GraphCost, LayerCost, OperatorCost, count, operator_cost

__all__ = [
    "CONVENTIONS",
    "Convention",
    "GraphCost",
    "LayerCost",
    "OperatorCost",
    "Work",
    "convention_named",
    "count",
    "operator_cost",
]
