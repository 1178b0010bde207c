"""Runs tests/cuda/simulated in a process where Numba simulates a card, which it decides when it is imported."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest


def test_kernels_in_the_simulator_equal_the_definition():
    if find_spec("numba.cuda") is None:
        pytest.skip("this Numba has no numba.cuda, and numba-cuda is not installed")
    folder = Path(__file__).parent / "simulated"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env=os.environ | {"NUMBA_ENABLE_CUDASIM": "1"},
        cwd=Path(__file__).parents[2],
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
