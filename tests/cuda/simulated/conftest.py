"""These tests need a process in which Numba simulates a card: tests/cuda/test_in_simulator.py starts one."""

import os
import sys

import pytest

collect_ignore_glob = [] if os.environ.get("NUMBA_ENABLE_CUDASIM") == "1" else ["test_*.py"]


@pytest.fixture(autouse=True, scope="session")
def _quick_switches():
    """Let the simulator's threads, which wait for each other all the time, take turns more often."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)
