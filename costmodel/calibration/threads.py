"""What two threads take together beside one alone: starting them, and waiting for the memory that they share.

Pairs of jobs, of the kinds of work that methods split among threads, run on one thread and on two. The processor time
of both threads together is fitted to a call and to the time on one thread; so few caches and busy neighbours count in.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from statistics import median

import numpy as np
from numpy.typing import NDArray

from costmodel.calibration.fusions import ARRAYS, PYRAMIDS
from costmodel.calibration.rates import Amounts, Sample
from costmodel.calibration.work_benchmarks import array_work, pyramid_work
from npfuse import Weights
from npfuse.jobs import run_all
from npfuse.strips import fuse_pair

THREADS = "two threads"
PICOSECOND = 1e-12

Job = Callable[[], object]
Pictures = tuple[NDArray[np.uint8], NDArray[np.uint8]]


def jobs_of_two(
    pool: NDArray[np.float32], weights: Sequence[Weights], pairs: Sequence[Pictures]
) -> list[tuple[Job, Job]]:
    """Return pairs of jobs that write to places of their own.

    Parameters
    ----------
    pool : ndarray of random numbers, of which each job reads a half
    weights : of networks of LightFuse's form
    pairs : pictures, each of one strip
    """
    found: list[tuple[Job, Job]] = []
    halves = pool[: len(pool) // 2], pool[len(pool) // 2 :]
    for kind, work in ((ARRAYS, array_work), (PYRAMIDS, pyramid_work)):
        both = ([item for item in work(half) if item[0] == kind] for half in halves)
        found += [(a[-1], b[-1]) for a, b in zip(*both, strict=True)]
    for network in weights:
        for under, over in pairs:
            (a,), (b,) = (
                fuse_pair(under, over, np.empty_like(under), network, engine="fast", threads=1) for _ in range(2)
            )
            found.append((a, b))
    return found


class Together:
    """The times of a pair of jobs, one after the other and together.

    Parameters
    ----------
    jobs : two
    """

    def __init__(self, jobs: tuple[Job, Job]) -> None:
        self.jobs = jobs
        self.seconds: dict[int, list[float]] = {1: [], 2: []}

    def turn(self) -> None:
        """Time the jobs once on one thread and once on two."""
        for threads, seconds in self.seconds.items():
            start = time.process_time()
            for _ in run_all([partial(_run, job) for job in self.jobs], threads):
                pass
            seconds.append(time.process_time() - start)

    def sample(self) -> Sample:
        """Return the time on two threads, whose amount is that on one."""
        one, two = (median(seconds) for seconds in self.seconds.values())
        return Sample(kind=THREADS, amounts=busy(one), seconds=two)


def busy(seconds: float) -> Amounts:
    """Return work of so many seconds on one thread as amounts."""
    return {"call": 1.0, "busy": seconds / PICOSECOND}


def _run(job: Job) -> None:
    job()
