"""What is calibrated, what is kept, and what is predicted from it."""

import json

import pytest

from costmodel.calibration import calibration
from costmodel.calibration.amounts import CHAIN, FUSE, step_amounts, step_kind
from costmodel.calibration.benchmarks import operator_graph, operators, pair_networks
from costmodel.calibration.calibration import Calibration, keep, kept
from costmodel.calibration.rates import Rates
from npfuse.methods import METHODS
from npfuse.ops import DEFINITIONS, PointwiseConv2D
from npfuse.run import plan

RATES = Rates(seconds={"call": 1.0, "read": 0.5, "evaluation": 0.25}, spread=0.2)


@pytest.fixture
def identity(monkeypatch):
    """A machine that does not change."""
    told = {"processor": "a processor"}
    monkeypatch.setattr(calibration, "_identity", lambda: told)
    return told


def test_every_operator_has_benchmarks_and_more_of_them_than_amounts():
    graphs = [operator_graph(op, shapes) for op, shapes in operators()]
    assert {type(op) for op, _ in operators()} == set(DEFINITIONS)
    found = {}
    for graph in graphs:
        (step,) = plan(graph, merge=True)
        found.setdefault(step_kind(step), []).append(step_amounts(graph, step))
    for kind, amounts in found.items():
        assert len(amounts) >= len(set().union(*amounts)), kind


def test_no_benchmark_has_the_shape_of_a_method():
    layers = set()
    for method in METHODS.values():
        graph = method.graph(*method.grid(896, 1344))
        layers |= {(node.op, graph.input_shapes(node)) for node in graph.nodes}
    assert not layers & set(operators())
    widths = {
        tuple(method.graph(64, 64).weight_shapes.items()) for method in METHODS.values() if method.name != "mefnet"
    }
    assert not widths & {tuple(weights.graph(64, 64).weight_shapes.items()) for weights in pair_networks()}


def test_steps_of_every_method_have_kinds_that_are_measured():
    kinds = {step_kind(plan(operator_graph(op, shapes), merge=True)[0]) for op, shapes in operators()}
    kinds |= {"PointwiseConv2D, ReLU", CHAIN}
    for method in METHODS.values():
        graph = method.graph(*method.grid(64, 96))
        assert {step_kind(step) for step in plan(graph, merge=True)} <= kinds, method.name


def test_features_are_filled_up_to_whole_vectors():
    graph = operator_graph(PointwiseConv2D(features=5), ((2, 3, 4),))
    assert step_amounts(graph, plan(graph, merge=True)[0])["macs"] == 2 * 3 * 4 * 16


def test_a_prediction_is_the_sum_of_its_steps_and_says_what_it_lacks():
    graph = operator_graph(PointwiseConv2D(features=5), ((2, 3, 4),))
    known = Calibration(rates={"PointwiseConv2D": RATES}, identity={}, pace_s=1.0)
    assert known.graph_s(graph).seconds == 1 + 0.5 * 24
    assert known.graph_s(graph).error == pytest.approx(0.2)
    empty = Calibration(rates={}, identity={}, pace_s=1.0).graph_s(graph)
    assert (empty.seconds, empty.missing) == (0, ("PointwiseConv2D",))


def test_rates_are_kept_for_this_machine_alone(tmp_path, identity):
    rates = Calibration(rates={FUSE: RATES}, identity=dict(identity), pace_s=0.5)
    path = keep(rates, tmp_path / "rates.json")
    assert kept(path) == rates
    identity["processor"] = "another"
    assert kept(path) is None


@pytest.mark.parametrize("content", ["", "[]", "null", "{}", '{"rates": 3, "identity": {}, "pace_s": 1}'])
def test_malformed_rates_are_not_taken(tmp_path, identity, content):
    (tmp_path / "rates.json").write_text(content)
    assert kept(tmp_path / "rates.json") is None


@pytest.mark.parametrize("number", [-1.0, float("nan"), "much"])
def test_rates_that_cannot_be_are_not_taken(tmp_path, identity, number):
    path = keep(Calibration(rates={FUSE: RATES}, identity=dict(identity), pace_s=0.5), tmp_path / "rates.json")
    document = json.loads(path.read_text())
    document["rates"][FUSE]["seconds"]["call"] = number
    path.write_text(json.dumps(document))
    assert kept(path) is None
