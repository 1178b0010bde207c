"""Steps of execution: what merging saves."""

import pytest

from costmodel import Work, count
from costmodel.execution import fused_steps, steps
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


@pytest.mark.parametrize("model", sorted(MODELS))
def test_fused_steps_do_all_the_work_of_the_graph(model):
    graph = MODELS[model](16, 24)
    cost = count(graph)
    walk = fused_steps(graph, cost)
    assert sum((step.work for step in walk), Work()) == cost.work
    assert sorted(node.name for step in walk for node in step.nodes) == sorted(node.name for node in graph.nodes)


def test_lightfuse_fused_reads_the_pictures_twice_and_writes_one():
    graph = MODELS["lightfuse"](16, 24)
    coarse, fine = fused_steps(graph, count(graph))
    pixels = 16 * 24
    assert (coarse.picture_bytes, fine.picture_bytes) == (6 * pixels, 9 * pixels)
    # The coarse picture is an eighth as high and as wide, of 3 channels.
    assert coarse.bytes_moved == 6 * pixels + 4 * (2 * 3 * 3 + (60 + 60 + 54 + 21))
    assert fine.bytes_moved == 9 * pixels + 4 * (2 * 3 * 3 + (6 * 256 + 256 + 256 * 64 + 64 + 64 * 3 + 3))


def test_t_cnn_fused_reads_the_pictures_once():
    graph = MODELS["t_cnn"](16, 24)
    (only,) = fused_steps(graph, count(graph))
    assert only.bytes_moved == 9 * 16 * 24 + 4 * 21_369  # 21,369 parameters, as in Table I


@pytest.mark.parametrize("model", ["deepfuse", "mefnet", "mertens"])
def test_other_networks_fused_run_in_merged_steps(model):
    graph = MODELS[model](16, 24)
    cost = count(graph)
    assert fused_steps(graph, cost) == steps(graph, cost, merge=True)
