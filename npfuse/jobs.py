"""Runs the jobs of methods on threads, and tells how many are done."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import zip_longest

from npfuse.methods import Job, Phases

Progress = Callable[[int, int], None]


def run_phases(phases_of_each: Sequence[Phases], threads: int, progress: Progress | None) -> None:
    """Run the first phases of all pictures of a batch, then the second ones, and so on."""
    phases = [[job for jobs in together for job in jobs] for together in zip_longest(*phases_of_each, fillvalue=[])]
    total = sum(map(len, phases))
    done = 0
    for phase in phases:
        for _ in run_all(phase, threads):
            done += 1
            if progress:
                progress(done, total)


def run_all(jobs: list[Job], threads: int) -> Iterator[None]:
    """Run jobs, yielding after each; after an error, those not yet begun are dropped."""
    if threads == 1 or len(jobs) == 1:
        yield from (job() for job in jobs)
        return
    pool = ThreadPoolExecutor(min(threads, len(jobs)))
    try:
        for future in as_completed([pool.submit(job) for job in jobs]):
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)
