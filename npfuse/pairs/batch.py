"""Fuses many sets of frames: in this process, in several, or on a cluster.

An output gets its name only when it is whole, so an output that exists is finished. A batch that was stopped therefore
goes on when it is run again. A set that cannot be fused is reported, and the others go on. A process that is killed
leaves a hidden file `.npfuse-….part` beside the outputs, which may be deleted.
"""

import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from typing import Any, Literal

from npfuse.pairs.file_fusion import FileOptions, Teller, fuse_files
from npfuse.pairs.sets import FrameSet
from npfuse.pictures.picture import needs_package

ATTEMPTS = 3  # at a set whose process died
TIMEOUT_S = 10  # for a scheduler to answer

Status = Literal["fused", "there already", "failed"]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The result of fusing a set: whether it was written, and what to tell of it."""

    name: str
    status: Status
    message: str = ""
    warnings: tuple[str, ...] = field(default=())


class _Warnings(Teller):
    """Keeps warnings."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def warn(self, line: str) -> None:
        """Keep a warning."""
        self.lines.append(line)


def fuse_one(frames: FrameSet, options: FileOptions) -> Outcome:
    """Fuse a set; return errors that a user can cause as an outcome."""
    if frames.fault:
        return Outcome(name=frames.name, status="failed", message=frames.fault)
    if os.path.lexists(frames.output) and not options.overwrite:
        return Outcome(name=frames.name, status="there already")
    told = _Warnings()
    try:
        first, second, *more = frames.files
        fuse_files(first, second, frames.output, options, told, more=more)
    except MemoryError:
        return Outcome(name=frames.name, status="failed", message="not enough memory for pictures of this size")
    except (ValueError, TypeError, OSError) as error:
        if os.path.lexists(frames.output) and not options.overwrite:  # another worker was faster
            return Outcome(name=frames.name, status="there already")
        return Outcome(name=frames.name, status="failed", message=" ".join(str(error).split()))
    return Outcome(name=frames.name, status="fused", warnings=tuple(told.lines))


def run_here(sets: Sequence[FrameSet], options: FileOptions) -> Iterator[Outcome]:
    """Fuse sets one after the other."""
    for frames in sets:
        yield fuse_one(frames, options)


def run_in_processes(sets: Sequence[FrameSet], options: FileOptions, jobs: int) -> Iterator[Outcome]:
    """Fuse sets in several processes, and yield outcomes as they come.

    If a process dies (memory may have run out), the other processes lose their work, too. Their sets are begun again,
    each at most `ATTEMPTS` times.
    """
    left, attempt = list(sets), 0
    while left:
        attempt += 1
        pool = ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_ignore_interrupts)
        try:
            futures: dict[Future[Outcome], FrameSet] = {
                pool.submit(fuse_one, frames, options): frames for frames in left
            }
            left = []
            for future in as_completed(futures):
                try:
                    yield future.result()
                except BrokenProcessPool:
                    left.append(futures[future])
        finally:
            pool.shutdown(cancel_futures=True)
        if attempt == ATTEMPTS:
            message = f"its process died {ATTEMPTS} times, perhaps for want of memory; try fewer --jobs"
            yield from (Outcome(name=frames.name, status="failed", message=message) for frames in left)
            return


def _ignore_interrupts() -> None:
    """Leave Ctrl-C to the process that the user sees; sets that are being fused are finished."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def run_on_cluster(sets: Sequence[FrameSet], options: FileOptions, address: str) -> Iterator[Outcome]:
    """Fuse sets on the workers of a dask.distributed cluster, and yield outcomes as they come.

    Workers must see the same files under the same paths, and have npfuse installed. If a worker dies, another one
    begins its sets again.

    Raises
    ------
    ValueError : dask.distributed is missing, or nothing answers at the address
    """
    try:
        import distributed
    except ImportError as error:
        raise ValueError(f"--scheduler {needs_package(error.name, 'dask')}") from None
    absolute = [
        replace(frames, files=tuple(file.resolve() for file in frames.files), output=frames.output.absolute())
        for frames in sets
    ]
    try:
        make_client: Any = distributed.Client
        client = make_client(address, timeout=TIMEOUT_S, set_as_default=False)
    except Exception as error:  # whatever the transport raises
        raise ValueError(
            f"--scheduler {address}: does not answer ({type(error).__name__}); check the address"
        ) from None
    with client:
        futures = {
            client.submit(fuse_one, frames, options, pure=False, retries=ATTEMPTS - 1): frames for frames in absolute
        }
        as_finished: Any = distributed.as_completed
        for future in as_finished(list(futures), loop=client.loop):
            try:
                outcome: Outcome = future.result()
            except Exception as error:
                message = f"the cluster gave up on it ({type(error).__name__})"
                outcome = Outcome(name=futures[future].name, status="failed", message=message)
            yield outcome


def run_batch(
    sets: Sequence[FrameSet],
    options: FileOptions,
    *,
    jobs: int = 1,
    scheduler: str | None = None,
    tell: Callable[[int, int, Outcome], None],
) -> list[Outcome]:
    """Fuse all sets.

    Parameters
    ----------
    sets : sequence of FrameSet, as `find_sets` returns them
    options : FileOptions
    jobs : number of processes on this machine
    scheduler : address of a dask.distributed scheduler, whose workers then do the work
    tell : function that is called with the number of sets that are done, the number of all, and the last outcome

    Returns
    -------
    list of Outcome, in the order in which they came
    """
    if scheduler is not None:
        outcomes: Iterable[Outcome] = run_on_cluster(sets, options, scheduler)
    elif jobs > 1 and len(sets) > 1:
        outcomes = run_in_processes(sets, options, min(jobs, len(sets)))
    else:
        outcomes = run_here(sets, options)
    kept = []
    for done, outcome in enumerate(outcomes, 1):
        kept.append(outcome)
        tell(done, len(sets), outcome)
    return kept
