"""The steps in which a graph is executed: operator by operator, with chains of operators merged, or fused.

In a merged step (`npfuse.run`), hidden values stay in the cache: memory is read for the first operator's inputs and for
all weights, and written for the last operator's output. Fused is how `npfuse.fuse` does it: a network of LightFuse's
form goes over strips of the 8-bit pictures in two steps, first for what is coarse, then for the result
(`npfuse.engine.strip_pass`), and what a strip needs in between stays in the cache too; a network of looks alone, such
as T_CNN, goes over them in one step, row by row (`npfuse.engine.coarse_pass`); other networks run in merged steps, over
tiles.
"""

from dataclasses import dataclass
from math import prod

from costmodel.conventions import Work
from costmodel.counts import GraphCost
from npfuse.graph import Graph, Node
from npfuse.ops import Shape
from npfuse.run import plan
from npfuse.strip_form import form_or_none, lone_looks


@dataclass(frozen=True, kw_only=True)
class StepCost:
    """What one step costs.

    Parameters
    ----------
    nodes : in the order of execution
    work : arithmetic of all of them
    bytes_moved : read from memory and written to it, pictures included
    picture_bytes : of these, of 8-bit pictures
    """

    nodes: tuple[Node, ...]
    work: Work
    bytes_moved: int
    picture_bytes: int = 0

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


def fused_steps(graph: Graph, cost: GraphCost) -> tuple[StepCost, ...]:
    """Return the steps in which `npfuse.fuse` executes a network on 8-bit pictures.

    Parameters
    ----------
    graph : Graph
    cost : of that graph

    Returns
    -------
    StepCost of every step, in the order of execution

    Examples
    --------
    >>> from costmodel.counts import count
    >>> from npfuse.models import lightfuse
    >>> graph = lightfuse(80, 80)
    >>> coarse, fine = fused_steps(graph, count(graph))
    >>> coarse.name, fine.name, fine.picture_bytes  # two pictures read, one written
    ('global1…global3_pointwise', 'detail1…fused', 57600)
    """
    if lone_looks(graph):  # row by row
        ((_, exposures),) = graph.inputs
        return (_pass(cost, [*graph.nodes], values=0, pictures=(exposures, graph.shapes[graph.outputs[0]])),)
    form = form_or_none(graph)
    if form is None:
        return steps(graph, cost, merge=True)
    chain = set(form.chain)
    branches = [part.nodes if part else () for part in (form.thumbnail_branch, form.coarse_branch)]
    coarse = [*branches[0], *form.halvings, *branches[1]]
    fine = [node for node in graph.nodes if node in chain or node not in coarse]
    (_, exposures), *others = graph.inputs
    between = form.coarse_branch.outputs[0] if form.coarse_branch else form.halvings[-1].name
    values = prod(graph.shapes[between])
    small = sum(prod(shape) for _, shape in others)
    return (
        _pass(cost, coarse, values=values + small, pictures=(exposures,)),
        _pass(cost, fine, values=values, pictures=(exposures, graph.shapes[graph.outputs[0]])),
    )


def _pass(cost: GraphCost, nodes: list[Node], *, values: int, pictures: tuple[Shape, ...]) -> StepCost:
    """Return a step over all pixels, which moves its weights, some values, and pictures of one byte per number."""
    layers = {layer.name: layer for layer in cost.layers}
    rows = [layers[node.name] for node in nodes]
    picture_bytes = sum(map(prod, pictures))
    return StepCost(
        nodes=tuple(nodes),
        work=sum((row.work for row in rows), Work()),
        bytes_moved=picture_bytes + (values + sum(row.parameters for row in rows)) * cost.element_bytes,
        picture_bytes=picture_bytes,
    )
