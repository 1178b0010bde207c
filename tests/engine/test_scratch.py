"""Scratches that threads share: one that is in use is not handed out, and one that an error left is dropped."""

import pytest

from npfuse.engine.scratch import Spare


def test_a_scratch_in_use_is_not_handed_out_and_comes_back_afterwards():
    spare = Spare()
    with spare.one() as first, spare.one() as second:
        assert first is not second
    with spare.one() as third, spare.one() as fourth:
        assert {third, fourth} == {first, second}


def test_a_scratch_is_not_used_again_after_an_error():
    spare, left = Spare(), []

    def fail():
        with spare.one() as scratch:
            left.append(scratch)
            raise MemoryError

    with pytest.raises(MemoryError):
        fail()
    with spare.one() as another:
        assert another is not left[0]
