"""Many pairs: finds them in a folder, and fuses them in this process, in several, or on a cluster.

A pair is two pictures in a folder of their own, or two files whose names differ in one word (`lake_under.jpg`,
`lake_over.jpg`). An output that is there is finished, since it gets its name only when it is whole; so a run that was
cut off is taken up by running it again. A bad pair is told of and the others go on. A process that is killed leaves a
hidden `.npfuse-….part` beside the outputs, which may be deleted.
"""

import os
import re
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal

from npfuse.pairs.file_fusion import FileOptions, Teller, fuse_files
from npfuse.pictures.formats import PICTURE_SUFFIXES, WRITTEN_PICTURES, suffixes
from npfuse.pictures.picture import needs_package

# Words by which the names of a pair are told apart, behind one of these: _ - . space
WORDS = (("under", "over"), ("dark", "bright"), ("low", "high"))
WORD_PATTERNS = [(f"{{name}}[-_. ]{under}.*", f"{{name}}[-_. ]{over}.*") for under, over in WORDS]
ATTEMPTS = 3  # at a pair whose process died
TIMEOUT_S = 10  # for a scheduler to answer

Status = Literal["fused", "there already", "failed"]


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two files and the file that they become.

    Parameters
    ----------
    name : of the pair, unique in a batch
    under, over, output : paths
    fault : why it is no pair, or nothing
    """

    name: str
    under: Path = Path()
    over: Path = Path()
    output: Path = Path()
    fault: str = ""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a pair."""

    name: str
    status: Status
    message: str = ""
    warnings: tuple[str, ...] = field(default=())


def find_pairs(
    folder: Path, out: Path, *, patterns: tuple[str, str] | None = None, suffix: str | None = None
) -> list[Pair]:
    """Find the pairs in a folder.

    Parameters
    ----------
    folder : of pictures, or of folders of two pictures each
    out : where the outputs will be
    patterns : of the names of the first and of the second pictures, with {name} for what a pair has in common and *
        for anything, as "{name}_1.*" and "{name}_2.*"; None for the words under and over, dark and bright, low and
        high. Given, folders below are not looked into.
    suffix : of the outputs, as ".tif"; None for the first picture's own, or .tif where that cannot be written

    Returns
    -------
    list of Pair, by name; folders and files that make no pair have a fault

    Raises
    ------
    ValueError : the folder or a pattern is none, or nothing is found
    OSError : the folder cannot be read
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: is no folder, expected one with pairs of pictures; check the name")
    pairs = _side_by_side(folder, [patterns] if patterns else WORD_PATTERNS)
    if patterns is None:
        pairs += _by_folder(folder, out)
    if not pairs:
        raise ValueError(
            f"{folder}: holds no pairs, expected folders of two pictures, or names such as a_under.jpg and a_over.jpg;"
            " say how they are named with --pattern"
        )
    pairs = [
        pair if pair.fault else replace(pair, output=out / (pair.name + _suffix(pair.under, suffix))) for pair in pairs
    ]
    return sorted(_told_apart(pairs), key=lambda pair: pair.name)


def _side_by_side(folder: Path, patterns: Sequence[tuple[str, str]]) -> list[Pair]:
    """Return the pairs of files in a folder whose names fit one of the patterns."""
    found: dict[str, list[list[Path]]] = {}
    sides = [(i, expression) for pair in patterns for i, expression in enumerate(_expressions(pair))]
    for file in _pictures(folder):
        for i, expression in sides:
            match = expression.fullmatch(file.name)
            if match:
                found.setdefault(match["name"], [[], []])[i].append(file)
    return [_pair(name, files) for name, files in found.items()]


def _by_folder(folder: Path, out: Path) -> list[Pair]:
    """Return the pairs that have a folder of their own in a folder, without the outputs' folder."""
    pairs = []
    for below in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
        inside = [] if below.resolve() == out.resolve() else _pictures(below)
        if len(inside) == 2:
            pairs.append(Pair(name=below.name, under=inside[0], over=inside[1]))
        elif inside:
            pairs.append(Pair(name=below.name, fault=f"holds {len(inside)} pictures, expected two"))
    return pairs


def _pictures(folder: Path) -> list[Path]:
    """Return the pictures in a folder, by name."""
    return sorted(path for path in folder.iterdir() if path.is_file() and _is_picture(path))


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith(".")


def _expressions(patterns: tuple[str, str]) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Turn patterns into regular expressions; [...] stays what it is."""
    made = []
    for pattern in patterns:
        if pattern.count("{name}") != 1:
            raise ValueError(f"--pattern is {pattern!r}, expected {{name}} in it once")
        parts = re.split(r"(\{name\}|\*|\[[^]]*\])", pattern)
        known = {"{name}": "(?P<name>.+)", "*": ".*"}
        text = "".join(known.get(part, part if part.startswith("[") else re.escape(part)) for part in parts)
        try:
            made.append(re.compile(text, re.IGNORECASE))
        except re.error as error:
            raise ValueError(f"--pattern is {pattern!r}, expected {{name}}, * and [letters] in it: {error}") from None
    return made[0], made[1]


def _pair(name: str, sides: list[list[Path]]) -> Pair:
    """Make a pair of the files that have a name in common."""
    if [len(side) for side in sides] == [1, 1]:
        return Pair(name=name, under=sides[0][0], over=sides[1][0])
    files = ", ".join(file.name for side in sides for file in side)
    return Pair(name=name, fault=f"its files are {files}, expected one of each of two exposures")


def _suffix(first: Path, suffix: str | None) -> str:
    own = first.suffix.lower()
    return suffix or (own if own in suffixes(WRITTEN_PICTURES) else ".tif")


def _told_apart(pairs: list[Pair]) -> Iterator[Pair]:
    """Give pairs that would be written to the same file a fault."""
    outputs: dict[str, int] = {}
    for pair in pairs:
        key = str(pair.output).casefold()  # some file systems do not tell letters apart
        outputs[key] = outputs.get(key, 0) + 1
    for pair in pairs:
        shared = not pair.fault and outputs[str(pair.output).casefold()] > 1
        yield replace(pair, fault=f"shares the output {pair.output} with another pair") if shared else pair


class _Warnings(Teller):
    """Keeps warnings."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def warn(self, line: str) -> None:
        """Keep a warning."""
        self.lines.append(line)


def fuse_one(pair: Pair, options: FileOptions) -> Outcome:
    """Fuse a pair; what a user can cause is an outcome, not an error."""
    if pair.fault:
        return Outcome(name=pair.name, status="failed", message=pair.fault)
    if os.path.lexists(pair.output) and not options.overwrite:
        return Outcome(name=pair.name, status="there already")
    told = _Warnings()
    try:
        fuse_files(pair.under, pair.over, pair.output, options, told)
    except MemoryError:
        return Outcome(name=pair.name, status="failed", message="not enough memory for pictures of this size")
    except (ValueError, TypeError, OSError) as error:
        if os.path.lexists(pair.output) and not options.overwrite:  # another worker was faster
            return Outcome(name=pair.name, status="there already")
        return Outcome(name=pair.name, status="failed", message=" ".join(str(error).split()))
    return Outcome(name=pair.name, status="fused", warnings=tuple(told.lines))


def run_here(pairs: Sequence[Pair], options: FileOptions) -> Iterator[Outcome]:
    """Fuse pairs one after the other."""
    for pair in pairs:
        yield fuse_one(pair, options)


def run_in_processes(pairs: Sequence[Pair], options: FileOptions, jobs: int) -> Iterator[Outcome]:
    """Fuse pairs in several processes, yielding outcomes as they come.

    A process that dies, for want of memory perhaps, takes its neighbours' work with it; that is begun again, each pair
    at most `ATTEMPTS` times.
    """
    left, attempt = list(pairs), 0
    while left:
        attempt += 1
        pool = ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_ignore_interrupts)
        try:
            futures: dict[Future[Outcome], Pair] = {pool.submit(fuse_one, pair, options): pair for pair in left}
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
            yield from (Outcome(name=pair.name, status="failed", message=message) for pair in left)
            return


def _ignore_interrupts() -> None:
    """Leave Ctrl-C to the process that the user sees; what is being fused is finished."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def run_on_cluster(pairs: Sequence[Pair], options: FileOptions, address: str) -> Iterator[Outcome]:
    """Fuse pairs on the workers of a dask.distributed cluster, yielding outcomes as they come.

    The workers see the same files under the same paths, and have npfuse installed. Pairs of a worker that dies are
    begun again on another.

    Raises
    ------
    ValueError : dask.distributed is missing, or nothing answers at the address
    """
    try:
        import distributed
    except ImportError as error:
        raise ValueError(f"--scheduler {needs_package(error.name, 'dask')}") from None
    absolute = [
        replace(pair, under=pair.under.resolve(), over=pair.over.resolve(), output=pair.output.absolute())
        for pair in pairs
    ]
    try:
        make_client: Any = distributed.Client
        client = make_client(address, timeout=TIMEOUT_S, set_as_default=False)
    except Exception as error:  # whatever the transport raises
        raise ValueError(
            f"--scheduler {address}: does not answer ({type(error).__name__}); check the address"
        ) from None
    with client:
        futures = {client.submit(fuse_one, pair, options, pure=False, retries=ATTEMPTS - 1): pair for pair in absolute}
        as_finished: Any = distributed.as_completed
        for future in as_finished(list(futures), loop=client.loop):
            try:
                outcome: Outcome = future.result()
            except Exception as error:
                message = f"the cluster gave up on it ({type(error).__name__})"
                outcome = Outcome(name=futures[future].name, status="failed", message=message)
            yield outcome


def run_batch(
    pairs: Sequence[Pair],
    options: FileOptions,
    *,
    jobs: int = 1,
    scheduler: str | None = None,
    tell: Callable[[int, int, Outcome], None],
) -> list[Outcome]:
    """Fuse all pairs.

    Parameters
    ----------
    pairs : of `find_pairs`
    options : FileOptions
    jobs : processes on this machine
    scheduler : address of a dask.distributed scheduler, instead of them
    tell : called with how many are done, how many there are, and the last outcome

    Returns
    -------
    list of Outcome, in the order in which they came
    """
    if scheduler is not None:
        outcomes: Iterable[Outcome] = run_on_cluster(pairs, options, scheduler)
    elif jobs > 1 and len(pairs) > 1:
        outcomes = run_in_processes(pairs, options, min(jobs, len(pairs)))
    else:
        outcomes = run_here(pairs, options)
    kept = []
    for done, outcome in enumerate(outcomes, 1):
        kept.append(outcome)
        tell(done, len(pairs), outcome)
    return kept
