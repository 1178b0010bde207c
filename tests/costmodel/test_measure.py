"""What is measured: the right network on the right input, and a table whose ratios are those of its times."""

import json

import numpy as np
import pytest

from costmodel import measure, this_machine
from costmodel.__main__ import main
from costmodel.calibration.amounts import CHAIN, REGIONS, Part
from costmodel.calibration.calibration import Calibration, Predicted
from costmodel.calibration.fusions import ARRAYS, FUSION, GRAPH, LOOKS, PYRAMIDS, SURVEY, TAPS, THUMBNAIL
from costmodel.calibration.rates import Rates
from costmodel.executed import count_executed
from costmodel.machine import Machine
from costmodel.measured_tables import time_table
from costmodel.report import model_subject
from npfuse.methods import METHODS
from npfuse.models import build
from npfuse.ops import DEFINITIONS
from npfuse.weights.loading import load_weights

WORK = (CHAIN, LOOKS, REGIONS, FUSION, GRAPH, SURVEY, THUMBNAIL, ARRAYS, PYRAMIDS, TAPS)
CALIBRATION = Calibration(
    rates={
        kind: Rates(seconds={"call": 1e-3, "moved": 1e-9, "pixels": 1e-9}, spread=0.1)
        for kind in (*(op.__name__ for op in DEFINITIONS), *WORK, "PointwiseConv2D, ReLU", "Resize, bilinear")
    },
    identity={"processor": "a processor"},
)


class NoSession:
    """A session that measures nothing."""

    def turn(self):
        pass

    def calibration(self):
        return CALIBRATION


MACHINE = Machine(name="here", description="a machine", peak_gmacs=1.0, bandwidth_gb_s=1.0, sources=())


@pytest.mark.parametrize("model", ["lightfuse", "tonefuse"])
def test_a_network_with_bundled_weights_runs_with_those(model):
    found = measure.weights_of(build(model, 8, 8))
    expected = load_weights(model).arrays
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[name], expected[name]) for name in expected)


def test_a_network_without_weights_gets_random_ones_of_its_shapes():
    graph = build("deepfuse", 8, 8)
    weights = measure.weights_of(graph)
    assert {name: array.shape for name, array in weights.items()} == dict(graph.weight_shapes)
    assert all(array.std() > 0 for array in weights.values())


def test_inputs_are_samples_of_the_pair():
    pair = np.arange(4 * 6 * 6, dtype=np.uint8).reshape(4, 6, 6)
    inputs = measure.inputs_from(build("tonefuse", 8, 16), pair)
    assert inputs["exposures"].shape == (1, 8, 16, 6)
    np.testing.assert_allclose(inputs["exposures"][0, 2:4, 0], pair[[1, 1], 0] / 127.5 - 1, atol=1e-6)
    assert inputs["thumbnail"].shape[1:] == dict(build("tonefuse", 8, 16).inputs)["thumbnail"]


def test_inputs_of_a_method_of_two_pictures_are_its_own():
    pair = np.arange(4 * 6 * 6, dtype=np.uint8).reshape(4, 6, 6)
    inputs = measure.inputs_from(build("mertens", 4, 6), pair)
    for name, part in (("exposure1", pair[:, :, :3]), ("exposure2", pair[:, :, 3:])):
        np.testing.assert_allclose(inputs[name][0], part / 255, atol=1e-6)


def test_a_case_is_timed_in_turn_with_the_calibration_and_its_runs_are_added_up(monkeypatch):
    events = []
    seconds = iter([0.9, 0.1, 0.3, 0.6, 0.3, 0.2, 0.7])  # after 0.1 and 0.3, which are short, comes another
    monkeypatch.setattr(measure, "_timed_s", lambda action: next(seconds))
    monkeypatch.setattr(NoSession, "turn", lambda self: events.append("turn"))
    case = measure.Case(
        parts=[Part(name="all", kind=CHAIN, amounts={"call": 2.0})],
        ready=lambda: lambda: events.append("run"),
        runs=2,
    )
    _, timings = measure.timed_cases({"a": case}, NoSession(), events.append)
    assert events == ["turn", "a", "run", *["turn"] * 4]  # a run that is not timed
    timing = timings["a"]
    assert (timing.seconds, timing.runs, timing.expected.seconds) == (2 * 0.6, 5, 2 * 2e-3)
    assert timing.error == pytest.approx(4e-3 / 1.2 - 1)


def test_what_takes_long_is_run_less_often(monkeypatch):
    monkeypatch.setattr(measure, "_timed_s", lambda action: 2 * measure.ENOUGH_S)
    case = measure.Case(parts=[], ready=lambda: lambda: None)
    _, timings = measure.timed_cases({"a": case}, NoSession(), lambda name: None)
    assert timings["a"].runs == 1


def test_report_measures_and_predicts(capsys, monkeypatch):
    monkeypatch.setattr("costmodel.report_command.this_machine", lambda: MACHINE)
    monkeypatch.setattr("costmodel.calibration.calibration.Session", NoSession)
    monkeypatch.setattr("costmodel.calibration.calibration.keep", lambda calibration: None)
    monkeypatch.setattr("costmodel.measured_tables.measured_peak", lambda *arguments: 50_000)
    assert main(["report", "--measure", "--model", "tonefuse", "--size", "16x24", "--format", "json"]) == 0
    out, err = capsys.readouterr()
    assert err == "running ToneFuse\nrunning npfuse.fuse, ToneFuse\nrunning ToneFuse\n"
    times, memory = json.loads(out)["tables"]
    (row,) = times["rows"]
    assert row["measured_ms"] > 0
    assert row["error"] == pytest.approx(row["expected_ms"] / row["measured_ms"] - 1)
    assert row["fuse_error"] == pytest.approx(row["expected_fuse_ms"] / row["fuse_ms"] - 1)
    assert [row[f"{time}_ratio"] for time in ("measured", "fuse", "published")] == [1, 1, None]
    (row,) = memory["rows"]
    assert row["predicted_bytes"] == METHODS["tonefuse"].peak(16, 24).bytes
    assert row["error"] == row["predicted_bytes"] / 50_000 - 1


def test_a_size_that_does_not_fit_is_one_line(capsys, monkeypatch):
    def no_memory(*arguments):
        raise MemoryError

    monkeypatch.setattr("costmodel.report_command.this_machine", lambda: MACHINE)
    monkeypatch.setattr("costmodel.calibration.calibration.Session", NoSession)
    monkeypatch.setattr("costmodel.calibration.calibration.keep", lambda calibration: None)
    monkeypatch.setattr("costmodel.measured_tables.timed_cases", no_memory)
    assert main(["report", "--measure", "--model", "tonefuse", "--size", "16x24"]) == 2
    assert capsys.readouterr().err == (
        "costmodel: memory is too small for this size, expected a smaller --size or another machine\n"
    )


@pytest.mark.parametrize("given", [["--machine", "pi4"], ["--layers"]])
def test_measuring_goes_with_no_other_table_or_machine(capsys, given):
    assert main(["report", "--measure", *given]) == 2
    assert f"costmodel: {given[0]} is given with --measure, expected one of them" in capsys.readouterr().err


def test_what_a_pair_executes_replaces_the_static_count():
    pair = measure.example_pixels(64, 96)
    under, over = (np.ascontiguousarray(part) for part in (pair[..., :3], pair[..., 3:]))
    subject, weights = model_subject("tonefuse", 64, 96), measure.method_weights("tonefuse")
    static = sum(step.work.macs for step in subject.fused_steps)
    executed = sum(step.work.macs for step in measure.executed_steps(subject.fused_steps, under, over, weights))
    done = count_executed(under, over, weights)
    names = {layer.name for layer in done.layers}
    chain = sum(layer.work.macs for layer in subject.cost.layers if layer.name in names)
    assert executed == static - chain + done.macs
    assert executed < static


def test_this_machine_is_measured_with_one_thread_and_kept(tmp_path, monkeypatch):
    calls = []

    def run(command, *, env, **options):
        calls.append(env)
        return type("Done", (), {"stdout": "40.0 9.5\n"})

    monkeypatch.setattr(this_machine.subprocess, "run", run)
    for _ in range(2):
        machine = this_machine.this_machine(tmp_path / "machine.json")
        assert (machine.peak_gmacs, machine.bandwidth_gb_s) == (40.0, 9.5)
    (environment,) = calls  # the second time, it was kept
    assert environment["OPENBLAS_NUM_THREADS"] == "1"


def test_published_ratios_stand_beside_those_of_lightfuse_only(monkeypatch):
    timing = measure.Timing(expected=Predicted(seconds=1.0, error=0.1), seconds=2.0, runs=5)
    monkeypatch.setattr(
        "costmodel.measured_tables.timed_cases", lambda cases, *rest: (CALIBRATION, dict.fromkeys(cases, timing))
    )
    pair = np.zeros((16, 24, 6), np.uint8)
    lightfuse, deepfuse, mefnet = (model_subject(model, 16, 24) for model in ("lightfuse", "deepfuse", "mefnet"))
    for subjects, ratios in (
        ([lightfuse, deepfuse, mefnet], [None, 1418, 4.8]),
        ([lightfuse], [None]),
        ([deepfuse, mefnet], [None, None]),
    ):
        table, _ = time_table(subjects, MACHINE, NoSession(), pair, lambda name: None)
        column = [column.key for column in table.columns].index("published_ratio")
        assert [row[column] for row in table.rows] == ratios
        assert any("authors' programs" in note for note in table.notes) == any(ratios)
