"""The roofline, the named machines, and the measured one with its cache."""

import json
import math
from dataclasses import replace

import pytest

from costmodel import count, this_machine
from costmodel.execution import steps
from costmodel.machine import MACHINES, Machine, machine_named, predicted_s, step_time
from npfuse.models import lightfuse

TOY = Machine(name="toy", description="", peak_gmacs=2.0, bandwidth_gb_s=0.5, sources=())

# Cores x GHz x multiply-adds a cycle, and bytes a second, by hand from the data sheets.
BY_HAND = {
    "i7-8565u": (4 * 1.8 * 16, 38.4),
    "pi4": (4 * 1.5 * 4, 12.8),
    "cortex-m7": (0.48, 1.92),
    "ryzen-7840u": (8 * 3.3 * 16, 89.6),
    "epyc-9654": (96 * 2.4 * 16, 460.8),
}


def test_named_machines_have_the_peaks_of_their_data_sheets():
    actual = {name: (machine.peak_gmacs, machine.bandwidth_gb_s) for name, machine in MACHINES.items()}
    assert actual.keys() == BY_HAND.keys()
    for name, expected in BY_HAND.items():
        assert actual[name] == pytest.approx(expected), name
        assert len(MACHINES[name].sources) >= 2, name


@pytest.mark.parametrize(
    ("operations", "moved", "seconds", "bound"),
    [(4 * 10**9, 10**8, 2.0, "compute"), (4 * 10**9, 2 * 10**9, 4.0, "memory"), (0, 10**9, 2.0, "memory")],
)
def test_step_time_is_the_longer_of_arithmetic_and_traffic(operations, moved, seconds, bound):
    time = step_time(operations, moved, TOY)
    assert (time.total_s, time.bound) == (seconds, bound)


def test_step_at_the_machine_s_balance_takes_both_limits_alike():
    time = step_time(int(TOY.balance * 10**9), 10**9, TOY)
    assert time.compute_s == time.memory_s


def test_predicted_time_is_the_sum_over_steps():
    graph = lightfuse(16, 24)
    walk = steps(graph, count(graph), merge=False)
    seconds = sum(max(s.operations / 2e9, s.bytes_moved / 0.5e9) for s in walk)
    assert predicted_s(walk, TOY) == pytest.approx(seconds)


def test_machine_named_rejects_an_unknown_name():
    with pytest.raises(ValueError, match=r"^machine is 'pi9', expected one of here, i7-8565u, pi4, cortex-m7, "):
        machine_named("pi9")


@pytest.fixture
def measurements(monkeypatch):
    """Count measurements instead of taking them."""
    taken = []

    def measure():
        taken.append(None)
        return 10.0 + len(taken), 5.0

    monkeypatch.setattr(this_machine, "measured_alone", measure)
    return taken


def test_this_machine_is_measured_once(tmp_path, measurements):
    cache = tmp_path / "new" / "machine.json"
    first, second = (this_machine.this_machine(cache) for _ in range(2))
    assert len(measurements) == 1
    assert first == second
    assert (first.name, first.peak_gmacs, first.bandwidth_gb_s) == ("here", 11.0, 5.0)
    assert [path.name for path in cache.parent.iterdir()] == ["machine.json"]


def test_this_machine_is_measured_anew_when_its_threads_change(tmp_path, measurements, monkeypatch):
    cache = tmp_path / "machine.json"
    this_machine.this_machine(cache)
    monkeypatch.setenv("OMP_NUM_THREADS", "17")
    assert this_machine.this_machine(cache).peak_gmacs == 12.0


@pytest.mark.parametrize("kept", ["", "[]", "{", '{"identity": 3}', "null", "\x00\xff"])
def test_this_machine_measures_anew_where_the_cache_is_malformed(tmp_path, measurements, kept):
    cache = tmp_path / "machine.json"
    cache.write_text(kept, encoding="latin-1")
    assert this_machine.this_machine(cache).peak_gmacs == 11.0
    assert json.loads(cache.read_text())["peak_gmacs"] == 11.0


@pytest.mark.parametrize("peak", ["NaN", "Infinity", "0", "-1", '"x"', "null"])
def test_this_machine_measures_anew_where_a_kept_number_is_none(tmp_path, measurements, peak):
    cache = tmp_path / "machine.json"
    this_machine.this_machine(cache)
    cache.write_text(cache.read_text().replace("11.0", peak))
    assert this_machine.this_machine(cache).peak_gmacs == 12.0


def test_this_machine_works_where_nothing_can_be_kept(tmp_path, measurements):
    file = tmp_path / "file"
    file.write_text("in the way")
    assert this_machine.this_machine(file / "machine.json").peak_gmacs == 11.0
    assert file.read_text() == "in the way"


def test_cache_file_is_in_the_users_cache_directory(tmp_path, monkeypatch):
    monkeypatch.setattr(this_machine.sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert this_machine.cache_file() == tmp_path / "npfuse" / "costmodel-machine.json"


def test_measured_numbers_are_positive(monkeypatch):
    monkeypatch.setattr(this_machine, "SIDES", (8, 16, 32))
    monkeypatch.setattr(this_machine, "COPIED_BYTES", 2**16)
    assert all(math.isfinite(number) and number > 0 for number in this_machine.measure())


def test_bytes_that_may_lie_in_a_cache_are_not_taken_to_come_from_memory():
    near = replace(TOY, cache_bytes=10**9)
    assert step_time(2, 10**9, near).memory_s == 0
    assert step_time(2, 3 * 10**9, near).memory_s == 4.0


def test_the_largest_cache_is_read_as_linux_tells_it(tmp_path):
    for name, size in (("index0", "32K\n"), ("index3", "16M\n"), ("index9", "?")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "size").write_text(size)
    assert this_machine.cache_bytes(tmp_path) == 16 * 2**20
    assert this_machine.cache_bytes(tmp_path / "none") == 32 * 2**20
