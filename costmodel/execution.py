"""The steps in which `npfuse.run` executes a graph: operator by operator, or with chains of operators merged.

In a merged step, hidden values stay in the cache: memory is read for the first operator's inputs and for all weights,
and written for the last operator's output.
"""

from dataclasses import dataclass

from costmodel.conventions import Work
from costmodel.counts import GraphCost
from npfuse.graph import Graph, Node
from npfuse.run import plan


@dataclass(frozen=True, kw_only=True)
class StepCost:
    """What one step costs.

    Parameters
    ----------
    nodes : in the order of execution
    work : arithmetic of all of them
    bytes_moved : read from memory and written to it
    """

    nodes: tuple[Node, ...]
    work: Work
    bytes_moved: int

    @property
    def name(self) -> str:
        """The first and the last node's name."""
        first, last = self.nodes[0].name, self.nodes[-1].name
        return first if first == last else f"{first}…{last}"

    @property
    def operations(self) -> int:
        """Multiply-adds and all other operations, each as one."""
        return self.work.macs + self.work.other


def steps(graph: Graph, cost: GraphCost, *, merge: bool) -> tuple[StepCost, ...]:
    """Return the steps of a graph with their costs.

    Parameters
    ----------
    graph : Graph
    cost : of that graph
    merge : whether chains run in one step

    Returns
    -------
    StepCost of every step, in the order of execution

    Examples
    --------
    >>> from costmodel.counts import count
    >>> from npfuse.models import lightfuse
    >>> graph = lightfuse(8, 8)
    >>> [step.name for step in steps(graph, count(graph), merge=True)][:2]
    ['detail1…detail3_relu', 'global1']
    """
    layers = {layer.name: layer for layer in cost.layers}
    result = []
    for nodes in plan(graph, merge=merge):
        rows = [layers[node.name] for node in nodes]
        hidden = sum(row.bytes_written for row in rows[:-1])  # written and read again where nothing is merged
        result.append(
            StepCost(
                nodes=tuple(nodes),
                work=sum((row.work for row in rows), Work()),
                bytes_moved=sum(row.bytes_moved for row in rows) - 2 * hidden,
            )
        )
    return tuple(result)
