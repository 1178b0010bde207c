"""Many callers at once: threads, and threads in several processes, all get the right answer every time."""

from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest

import npfuse
from tests.networks import random_pair, random_weights

THREADS, PROCESSES, ROUNDS = 8, 4, 3
MODELS = ("lightfuse", "tonefuse", "t_cnn")


def case(i):
    """Pair and weights number i: sizes, dtypes and models vary."""
    shape = (40 + 3 * i, 33 + 5 * i) if i % 4 == 3 else (40 + 3 * i, 33 + 5 * i, 3)
    dtype = (np.uint8, np.uint16, np.float32)[i % 3]
    return *random_pair(shape, dtype, seed=i), random_weights(MODELS[i % 3], seed=i)


def fused(i):
    """Fuse number i, with a number of threads of its own."""
    return npfuse.fuse(*case(i), threads=1 + i % 3).tobytes()


def fused_by_threads(rounds):
    """Fuse all numbers at once, several times."""
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(fused, [i for _ in range(rounds) for i in range(THREADS)]))


@pytest.fixture(scope="module")
def expected():
    return [npfuse.fuse(*case(i), threads=1).tobytes() for i in range(THREADS)]


def test_eight_threads_get_the_right_answer_every_time(expected):
    assert fused_by_threads(ROUNDS) == expected * ROUNDS


def test_eight_threads_in_each_of_four_processes_get_the_right_answer(expected):
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        for answers in pool.map(fused_by_threads, [1] * PROCESSES):
            assert answers == expected
