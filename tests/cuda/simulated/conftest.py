"""These tests need a process in which Numba simulates a card: tests/cuda/test_in_simulator.py starts one."""

import os
import sys
import threading

import pytest

collect_ignore_glob = [] if os.environ.get("NUMBA_ENABLE_CUDASIM") == "1" else ["test_*.py"]


@pytest.fixture(autouse=True, scope="session")
def _quick_switches():
    """Let the simulator's threads, which wait for each other all the time, take turns more often."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


class _MadeOnce(dict):
    """Arrays by the line that asks for them: who finds none makes it before another thread may look."""

    def __init__(self):
        super().__init__()
        self.making = threading.Lock()

    def get(self, line):
        self.making.acquire()
        found = super().get(line)
        if found is not None:
            self.making.release()
        return found

    def __setitem__(self, line, made):
        super().__setitem__(line, made)
        self.making.release()


@pytest.fixture(autouse=True, scope="session")
def _one_shared_array_for_all_threads():
    """The simulator looks for a shared array and makes it in two steps; threads between them made one each."""
    if os.environ.get("NUMBA_ENABLE_CUDASIM") != "1":
        yield
        return
    from numba.cuda.simulator.kernelapi import FakeCUDAShared

    begin = FakeCUDAShared.__init__

    def begin_with_lock(shared, *arguments):
        begin(shared, *arguments)
        shared._allocations = _MadeOnce()

    FakeCUDAShared.__init__ = begin_with_lock
    yield
    FakeCUDAShared.__init__ = begin
