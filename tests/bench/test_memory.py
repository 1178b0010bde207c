"""The high-water mark of memory."""

import sys

import numpy as np
import pytest

from bench import memory

MIB = 2**20


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere the mark cannot be set back")
def test_the_peak_counts_what_was_given_back_and_can_be_set_back():
    if not memory.reset_peak():
        pytest.skip("the mark cannot be set back here")
    before = memory.resident_bytes()
    block = np.ones(64 * MIB, np.uint8)
    del block
    assert 60 * MIB < memory.peak_bytes() - before < 90 * MIB
    memory.reset_peak()
    assert memory.peak_bytes() - memory.resident_bytes() < 30 * MIB
