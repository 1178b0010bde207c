"""What is measured: the right network on the right input, and a table whose ratios are those of its times."""

import json

import numpy as np
import pytest

from costmodel import measure, this_machine
from costmodel.__main__ import main
from costmodel.machine import Machine
from costmodel.report import model_subject
from npfuse.models import build
from npfuse.weights import load_weights

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


def test_timing_ends_after_enough_seconds_but_not_before_one_run(monkeypatch):
    clock = iter(range(0, 1000, 7))  # every run takes 7 seconds
    monkeypatch.setattr(measure.time, "perf_counter", lambda: next(clock))
    calls = []
    assert measure.timed(lambda: calls.append(1), runs=5, enough_s=10) == [7, 7]
    assert len(calls) == 3  # the first is not timed
    assert measure.timed(lambda: None, runs=3, enough_s=1000) == [7, 7, 7]
    assert measure.timed(lambda: None, runs=3, enough_s=1) == [7]


def test_times_of_a_method_that_runs_twice_are_those_of_both_runs(monkeypatch):
    monkeypatch.setattr(measure, "timed", lambda action: [2.0, 3.0, 10.0])
    subject = model_subject("mefnet", 32, 48)
    small = measure.Subject(name="MEF-Net", graph=build("mefnet", 8, 8), runs=2, pixels=1, notes=subject.notes)
    assert measure.measure(small, np.zeros((8, 8, 6), np.uint8), MACHINE).measured_s == 6.0


def test_report_measures_and_predicts(capsys, monkeypatch):
    monkeypatch.setattr("costmodel.__main__.one_core", lambda: MACHINE)
    assert main(["report", "--measure", "--model", "tonefuse", "--size", "24x16", "--format", "json"]) == 0
    out, err = capsys.readouterr()
    assert err == "running ToneFuse\n"
    (table,) = json.loads(out)["tables"]
    (row,) = table["rows"]
    assert row["measured_s"] > 0
    assert row["error"] == row["measured_s"] / row["predicted_s"]
    assert row["fuse_s"] > 0
    ratios = [row[f"{time}_ratio"] for time in ("predicted", "measured", "fuse", "published")]
    assert ratios == [1, 1, 1, None]


def test_one_core_is_measured_with_one_thread_and_kept(tmp_path, monkeypatch):
    calls = []

    def run(command, *, env, **options):
        calls.append(env)
        return type("Done", (), {"stdout": "40.0 9.5\n"})

    monkeypatch.setattr(this_machine.subprocess, "run", run)
    for _ in range(2):
        machine = this_machine.one_core(tmp_path / "machine.json")
        assert (machine.peak_gmacs, machine.bandwidth_gb_s) == (40.0, 9.5)
    (environment,) = calls  # the second time, it was kept
    assert environment["OPENBLAS_NUM_THREADS"] == "1"
