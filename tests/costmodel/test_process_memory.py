"""The high-water mark of memory."""

import sys

import numpy as np
import pytest

from costmodel import process_memory

MIB = 2**20


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere the mark cannot be set back")
def test_the_peak_counts_what_was_given_back_and_can_be_set_back():
    if not process_memory.reset_peak():
        pytest.skip("the mark cannot be set back here")
    before = process_memory.resident_bytes()
    block = np.ones(64 * MIB, np.uint8)
    del block
    assert 60 * MIB < process_memory.peak_bytes() - before < 90 * MIB
    process_memory.reset_peak()
    assert process_memory.peak_bytes() - process_memory.resident_bytes() < 30 * MIB
