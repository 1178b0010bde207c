"""Steps of execution: what merging saves."""

import pytest

from costmodel import Work, count
from costmodel.execution import steps
from npfuse.models import MODELS


@pytest.mark.parametrize("model", sorted(MODELS))
@pytest.mark.parametrize("merge", [False, True])
def test_steps_do_all_the_work_of_the_graph(model, merge):
    graph = MODELS[model](16, 24)
    cost = count(graph)
    walk = steps(graph, cost, merge=merge)
    assert sum((step.work for step in walk), Work()) == cost.work
    assert [node.name for step in walk for node in step.nodes] == [node.name for node in graph.nodes]


@pytest.mark.parametrize("model", sorted(MODELS))
def test_unmerged_steps_move_the_bytes_of_the_layers(model):
    graph = MODELS[model](16, 24)
    cost = count(graph)
    moved = [step.bytes_moved for step in steps(graph, cost, merge=False)]
    assert moved == [layer.bytes_moved for layer in cost.layers]


def test_a_merged_chain_moves_its_input_its_output_and_its_weights():
    graph = MODELS["lightfuse"](16, 24)
    chain = steps(graph, count(graph), merge=True)[0]
    assert chain.name == "detail1…detail3_relu"
    weights = 6 * 256 + 256 + 256 * 64 + 64 + 64 * 3 + 3
    assert chain.bytes_moved == 4 * (16 * 24 * 6 + weights + 16 * 24 * 3)
