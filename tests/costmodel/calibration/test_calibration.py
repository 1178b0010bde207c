"""What is calibrated, what is kept, and what is predicted from it."""

import json
from dataclasses import replace
from math import exp

import pytest

from costmodel.calibration import calibration
from costmodel.calibration.amounts import CHAIN, REGIONS, graph_parts, step_amounts, step_kind
from costmodel.calibration.benchmarks import benchmarks, pair_networks
from costmodel.calibration.calibration import Calibration, keep, kept
from costmodel.calibration.fusions import FUSION, GRAPH, LOOKS, RULES, STRIPS, fusion_parts
from costmodel.calibration.operators import operator_graph, operators
from costmodel.calibration.rates import Rates, Sample
from costmodel.calibration.regions import region_amounts
from costmodel.executed import Executed, ExecutedLayer
from npfuse.methods import METHODS
from npfuse.methods.pyramid_sizes import strip_rows
from npfuse.ops import DEFINITIONS, Conv2D, PointwiseConv2D
from npfuse.run import plan
from npfuse.weights.loading import bundled_names, load_weights

RATES = Rates(seconds={"call": 1.0, "moved": 0.5, "evaluation": 0.25}, spread=0.2)


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


@pytest.mark.parametrize(("channels", "lanes"), [(16, 1), (5, 16)])
def test_one_feature_fills_no_lanes_where_whole_vectors_of_inputs_do(channels, lanes):
    graph = operator_graph(Conv2D(features=1, kernel_size=(3, 3)), ((5, 6, channels),))
    assert step_amounts(graph, plan(graph, merge=True)[0])["macs"] == 5 * 6 * 9 * channels * lanes


def test_a_prediction_is_the_sum_of_its_steps_and_says_what_it_lacks():
    graph = operator_graph(PointwiseConv2D(features=5), ((2, 3, 4),))
    known = Calibration(rates={"PointwiseConv2D": RATES}, identity={})
    predicted = known.predicted(graph_parts(graph))
    assert predicted.seconds == 1 + 0.5 * (24 + 30)
    assert predicted.error == pytest.approx(0.2)
    empty = Calibration(rates={}, identity={}).predicted(graph_parts(graph))
    assert (empty.seconds, empty.missing) == (0, ("PointwiseConv2D",))


def test_rates_are_kept_for_this_machine_alone(tmp_path, identity):
    rates = Calibration(rates={CHAIN: RATES}, identity=dict(identity))
    path = keep(rates, tmp_path / "rates.json")
    assert kept(path) == rates
    identity["processor"] = "another"
    assert kept(path) is None


@pytest.mark.parametrize("content", ["", "[]", "null", "{}", '{"rates": 3, "identity": {}}'])
def test_malformed_rates_are_not_taken(tmp_path, identity, content):
    (tmp_path / "rates.json").write_text(content)
    assert kept(tmp_path / "rates.json") is None


@pytest.mark.parametrize("number", [-1.0, float("nan"), "much"])
def test_rates_that_cannot_be_are_not_taken(tmp_path, identity, number):
    path = keep(Calibration(rates={CHAIN: RATES}, identity=dict(identity)), tmp_path / "rates.json")
    document = json.loads(path.read_text())
    document["rates"][CHAIN]["seconds"]["call"] = number
    path.write_text(json.dumps(document))
    assert kept(path) is None


def test_every_method_s_fusion_is_of_kinds_that_are_measured():
    kinds = {benchmark.kind for benchmark in benchmarks()}
    counts = {"bounding": 1.0, "folding": 2.0, "evaluation": 3.0}
    for model, method in METHODS.items():
        weights = load_weights(model) if model in bundled_names() else None
        parts = fusion_parts(model, weights, 96, 136, threads=2, counts=counts)
        assert {part.kind for part in parts} <= kinds, model
        assert all(amount >= 0 for part in parts for amount in part.amounts.values()), model
        assert (model in RULES) == (not {STRIPS, LOOKS} & {part.name for part in parts}), method.name


def test_a_chain_executes_what_a_pair_does_or_all_of_it():
    graph = METHODS["tonefuse"].graph(64, 96)
    executed = [part.amounts for part in graph_parts(graph, {"looked": 7.0}) if part.kind == REGIONS]
    assert executed == [{"looked": 7.0}]
    (everything,) = (part.amounts for part in graph_parts(graph) if part.kind == REGIONS)
    assert everything == {"plain": 64.0 * 96 * (6 * 32 + 32 * 16 + 16 * 3)}


def test_what_is_executed_adds_up_over_layers_and_plain_blocks_are_apart():
    layers = [
        ExecutedLayer(
            name=name,
            bounding_macs=10,
            folding_macs=20,
            evaluation_macs=evaluation,
            undecided_by_bounds=undecided,
            undecided_by_values=1,
        )
        for name, evaluation, undecided in (("a", 5000, 3), ("b", 400, 0))
    ]
    amounts = region_amounts(Executed(pixels=1024, blocks=4, blocks_plain=1, layers=tuple(layers)), macs=20)
    assert amounts["open"] == pytest.approx(3 * (1 - exp(-1)))  # three units in three blocks
    sums = {"looked": 6, "bounding": 20, "folding": 40, "evaluation": 280, "plain": 5120, "undecided": 3, "kept": 2}
    assert {name: amounts[name] for name in sums} == sums


def test_a_pair_network_s_fusion_needs_counts():
    with pytest.raises(ValueError, match="tonefuse: counts of the pair are missing"):
        fusion_parts("tonefuse", load_weights("tonefuse"), 64, 96)


def test_mertens_strips_see_their_neighbours_rows_twice():
    def dealt(height, width):
        (part,) = (part for part in fusion_parts("mertens", None, height, width) if part.name == "pyramids")
        return part.amounts["dealt"]

    assert dealt(100, 200) == 2 * 2 * 3 * 100 * 200  # one strip: both passes, both pictures, three channels
    rows = strip_rows(4000, 6000, 2, 1)
    assert dealt(4000, 6000) == pytest.approx(2 * 2 * 3 * 4000 * 6000 * (1 + 12 / rows), rel=0.01)


def test_an_action_s_own_time_is_without_what_it_does_besides():
    (benchmark, *_) = (b for b in benchmarks() if b.kind == FUSION)
    known = Calibration(rates={GRAPH: Rates(seconds={"call": 2.0}, spread=0.0)}, identity={})
    calls = sum(part.amounts["call"] for part in benchmark.less if part.kind == GRAPH)
    assert calls >= 1
    sample = Sample(kind=FUSION, amounts=benchmark.amounts, seconds=50 + 2 * calls)
    assert calibration._alone(sample, benchmark, known).seconds == pytest.approx(50)
    assert calibration._alone(replace(sample, seconds=1.0), benchmark, known).seconds == 0.1
