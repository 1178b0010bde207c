"""Rates of this machine: measured, kept in the user's cache directory, and used to predict networks.

What is kept holds for one processor, one version of NumPy, of Numba and of npfuse's code; `costmodel calibrate` takes
it anew. Nothing in it is of a method's shape: the methods are predicted, not remembered.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from math import isfinite
from pathlib import Path
from statistics import median

import numpy as np

from costmodel.calibration.amounts import Part
from costmodel.calibration.benchmarks import Benchmark, benchmarks, together
from costmodel.calibration.fusions import PYRAMIDS
from costmodel.calibration.rates import Rates, Sample, fitted
from costmodel.calibration.threads import PICOSECOND, THREADS, busy
from costmodel.process_memory import keep_memory
from costmodel.this_machine import cache_file, machine_identity
from npfuse.pictures.atomic import written_in_place

NAME = "costmodel-rates.json"
TURNS = 4  # of `calibrate`
COLD = 1 << 18  # values; so many are not found in a near cache as the run before left them
ELSEWHERE_BYTES = 2 << 20  # read in between
FAR_BYTES = 24 << 20  # read before work on strips, which come from memory
LEAST_SHARE = 0.1  # of a measured time, that is left when parts are taken off


@dataclass(frozen=True, kw_only=True)
class Predicted:
    """A predicted time.

    Parameters
    ----------
    seconds : processor time
    error : relative, that of the samples of each kind of step, weighted by their time
    missing : kinds of steps without rates, which are left out
    """

    seconds: float
    error: float
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Rates by kind of step.

    Parameters
    ----------
    rates : by kind
    identity : what they are valid for
    """

    rates: Mapping[str, Rates]
    identity: Mapping[str, str]

    def part_s(self, part: Part) -> float:
        """Return the predicted time of a part; NaN where its kind has no rates."""
        rates = self.rates.get(part.kind)
        return rates.predicted_s(part.amounts) if rates else float("nan")

    def predicted(self, parts: Iterable[Part], threads: int = 1) -> Predicted:
        """Return the predicted time of parts together, on one thread or on several that share them."""
        total, errors, missing = 0.0, 0.0, []
        for part in parts:
            seconds = self.part_s(part)
            if isfinite(seconds):
                total += seconds
                errors += seconds * self.rates[part.kind].spread
            else:
                missing.append(part.kind)
        error = errors / total if total else 0.0
        if threads > 1 and THREADS in self.rates:
            total = self.rates[THREADS].predicted_s(busy(total))
        return Predicted(seconds=total, error=error, missing=tuple(dict.fromkeys(missing)))

    def by_name(self, parts: Iterable[Part]) -> dict[str, Predicted]:
        """Return the predicted time of all parts of each name, in their order."""
        named: dict[str, list[Part]] = {}
        for part in parts:
            named.setdefault(part.name, []).append(part)
        return {name: self.predicted(its) for name, its in named.items()}


class Session:
    """Measurements that are taken in turns, so that others can be taken in between.

    Processor time of the thread is taken: on a machine that others use too, it is steadier than the clock on the wall.
    The process keeps its memory from then on: what fresh pages take depends on what ran before, and on a virtual
    machine on its host.
    """

    def __init__(self) -> None:
        keep_memory()
        self.benchmarks = benchmarks()
        self.seconds: list[list[float]] = [[] for _ in self.benchmarks]
        self.together = together()
        self.elsewhere = np.ones(FAR_BYTES, np.uint8)

    def turn(self) -> None:
        """Time every benchmark once."""
        for benchmark, seconds in zip(self.benchmarks, self.seconds, strict=True):
            seconds.append(self._timed_s(benchmark))
        for pair in self.together:
            pair.turn()

    def _timed_s(self, benchmark: Benchmark) -> float:
        """Return the processor time of this thread, after one run that is not timed, and with large values cold."""
        benchmark.action()
        if benchmark.values > COLD:
            self.elsewhere[: FAR_BYTES if benchmark.kind == PYRAMIDS else ELSEWHERE_BYTES].max()
        start = time.thread_time()
        benchmark.action()
        return time.thread_time() - start

    def calibration(self) -> Calibration:
        """Return the rates that fit the medians."""
        identity = _identity()
        samples = [
            Sample(kind=each.kind, amounts=each.amounts, seconds=median(seconds))
            for each, seconds in zip(self.benchmarks, self.seconds, strict=True)
        ]
        known = Calibration(rates={}, identity=identity)
        for kind in dict.fromkeys(sample.kind for sample in samples):  # what is taken off comes before
            pairs = ((s, b) for s, b in zip(samples, self.benchmarks, strict=True) if s.kind == kind)
            own = fitted(kind, [_alone(sample, benchmark, known) for sample, benchmark in pairs])
            known = replace(known, rates={**known.rates, kind: own})
        shared = fitted(THREADS, [pair.sample() for pair in self.together])
        least = max(shared.seconds["busy"], PICOSECOND)  # two threads gain nothing on one, in processor time
        shared = replace(shared, seconds={**shared.seconds, "busy": least})
        return replace(known, rates={**known.rates, THREADS: shared})


def _alone(sample: Sample, benchmark: Benchmark, known: Calibration) -> Sample:
    """Return a sample without the predicted time of what was done besides."""
    own = sample.seconds - known.predicted(benchmark.less).seconds
    return Sample(kind=sample.kind, amounts=sample.amounts, seconds=max(own, LEAST_SHARE * sample.seconds))


def calibrate(progress: Callable[[str], None] = lambda text: None) -> Calibration:
    """Measure this machine, in some 20 s of processor time after everything is compiled.

    Parameters
    ----------
    progress : called with what is measured next
    """
    progress("getting ready")
    session = Session()
    for turn in range(1, TURNS + 1):
        progress(f"turn {turn} of {TURNS}")
        session.turn()
    return session.calibration()


def kept(path: Path | None = None) -> Calibration | None:
    """Return the rates that are kept for this machine and code, or None."""
    path = path or cache_file().with_name(NAME)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        rates = {
            kind: Rates(seconds=dict(each["seconds"]), spread=float(each["spread"]))
            for kind, each in found["rates"].items()
        }
        told = dict(found["identity"])
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    numbers = [number for each in rates.values() for number in (*each.seconds.values(), each.spread)]
    sane = all(isinstance(number, int | float) and isfinite(number) and number >= 0 for number in numbers)
    return Calibration(rates=rates, identity=told) if sane and told == _identity() else None


def keep(calibration: Calibration, path: Path | None = None) -> Path:
    """Write rates into the cache; return the file."""
    path = path or cache_file().with_name(NAME)
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {
        "identity": dict(calibration.identity),
        "rates": {kind: asdict(rates) for kind, rates in calibration.rates.items()},
    }
    with written_in_place(path, overwrite=True) as file:
        file.write(json.dumps(document, indent=2).encode())
    return path


def _identity() -> dict[str, str]:
    """Return what rates are valid for: the machine, and the code that runs."""
    import costmodel.calibration
    import npfuse.engine
    import npfuse.fast

    digest = hashlib.sha256()
    for package in (npfuse.engine, npfuse.fast, costmodel.calibration):
        for file in sorted(Path(package.__path__[0]).glob("*.py")):
            digest.update(file.read_bytes())
    return {**machine_identity(), "numba": version("numba"), "code": digest.hexdigest()[:16]}
