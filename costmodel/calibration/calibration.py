"""Rates of this machine: measured once, kept in the user's cache directory, and used to predict networks.

What is kept holds for one processor, one version of NumPy, of Numba and of npfuse's code; `costmodel calibrate` takes
it anew. Nothing in it is of a method's shape: the methods are predicted, not remembered.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from math import isfinite
from pathlib import Path

from costmodel.calibration.amounts import CHAIN, FRESH, FUSE, fresh_amounts, step_amounts, step_kind
from costmodel.calibration.rates import Amounts, Rates, Sample, fitted
from costmodel.this_machine import cache_file, machine_identity
from npfuse.graph import Graph
from npfuse.ops import PointwiseConv2D
from npfuse.pictures.atomic import written_in_place
from npfuse.run import plan
from npfuse.strip_form import form_or_none

NAME = "costmodel-rates.json"


@dataclass(frozen=True, kw_only=True)
class Predicted:
    """A predicted time.

    Parameters
    ----------
    seconds : on one thread
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
    pace_s : time of a fixed step then, `costmodel.calibration.benchmarks.pace_s`
    """

    rates: Mapping[str, Rates]
    identity: Mapping[str, str]
    pace_s: float

    def step_s(self, graph: Graph, chain: Amounts | None = None) -> list[tuple[str, str, float, float]]:
        """Return (last node, kind, seconds, relative error) of every step of a graph, run by `npfuse.run`.

        Parameters
        ----------
        graph : Graph
        chain : what its merged chain does, as for a picture that was counted; None takes every multiply-add
        """
        found = []
        for step in plan(graph, merge=True):
            kind, amounts = step_kind(step), step_amounts(graph, step)
            if kind == CHAIN:
                static = sum(
                    graph.shapes[node.name][0]
                    * graph.shapes[node.name][1]
                    * node.op.features
                    * graph.input_shapes(node)[0][2]
                    for node in step
                    if isinstance(node.op, PointwiseConv2D)
                )
                amounts = chain or {**amounts, "evaluation": float(static)}
            rates = self.rates.get(kind)
            seconds = rates.predicted_s(amounts) if rates else float("nan")
            if FRESH in self.rates:
                seconds += self.rates[FRESH].predicted_s(fresh_amounts(graph, step))
            found.append((step[-1].name, kind, seconds, rates.spread if rates else 0.0))
        return found

    def graph_s(self, graph: Graph, chain: Amounts | None = None) -> Predicted:
        """Return the predicted time of a graph, run by `npfuse.run`."""
        return _sum([(kind, seconds, error) for _, kind, seconds, error in self.step_s(graph, chain)])

    def fuse_s(self, graph: Graph, amounts: Amounts) -> Predicted:
        """Return the predicted time of `npfuse.fuse` by a network of LightFuse's form.

        Parameters
        ----------
        graph : of the pictures' size
        amounts : what is done for the pair, `costmodel.calibration.benchmarks.fuse_amounts`
        """
        rates = self.rates[FUSE]
        coarse, own = self.coarse_s(graph), rates.predicted_s(amounts)
        return Predicted(seconds=coarse + own, error=rates.spread)

    def coarse_s(self, graph: Graph) -> float:
        """Return the predicted time of the coarse and thumbnail branches of a network of LightFuse's form."""
        form = form_or_none(graph)
        if form is None:
            return 0.0
        parts = [part for part in (form.coarse_branch, form.thumbnail_branch) if part is not None]
        return sum(self.graph_s(part).seconds for part in parts)


def _sum(steps: list[tuple[str, float, float]]) -> Predicted:
    """Return the sum of steps."""
    known = [(seconds, error) for _, seconds, error in steps if isfinite(seconds)]
    total = sum(seconds for seconds, _ in known)
    error = sum(seconds * error for seconds, error in known) / total if total else 0.0
    missing = tuple(dict.fromkeys(kind for kind, seconds, _ in steps if not isfinite(seconds)))
    return Predicted(seconds=total, error=error, missing=missing)


def calibrate(progress: Callable[[str], None] = lambda text: None) -> Calibration:
    """Measure this machine, some 20 s of processor time after everything is compiled.

    Parameters
    ----------
    progress : called with what is measured next
    """
    from costmodel.calibration import benchmarks

    samples: list[Sample] = []
    progress("operators")
    for op, shapes in benchmarks.operators():
        samples.append(benchmarks.graph_sample(benchmarks.operator_graph(op, shapes)))
        if isinstance(op, PointwiseConv2D):
            samples.append(benchmarks.graph_sample(benchmarks.operator_graph(op, shapes, rectified=True)))
    samples += benchmarks.fresh_samples()
    progress("chains")
    samples += benchmarks.chain_samples()
    kinds = dict.fromkeys(sample.kind for sample in samples)
    pace = benchmarks.pace_s()
    first = Calibration(rates={kind: fitted(kind, samples) for kind in kinds}, identity=_identity(), pace_s=pace)
    progress("fusion")
    samples += benchmarks.fuse_samples(first.coarse_s)
    rates = {**first.rates, FUSE: fitted(FUSE, samples)}
    return Calibration(rates=rates, identity=first.identity, pace_s=(pace + benchmarks.pace_s()) / 2)


def kept(path: Path | None = None) -> Calibration | None:
    """Return the rates that are kept for this machine and code, or None."""
    path = path or cache_file().with_name(NAME)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        rates = {
            kind: Rates(seconds=dict(each["seconds"]), spread=float(each["spread"]))
            for kind, each in found["rates"].items()
        }
        told, pace = dict(found["identity"]), float(found["pace_s"])
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    numbers = [number for each in rates.values() for number in (*each.seconds.values(), each.spread, pace)]
    sane = all(isinstance(number, int | float) and isfinite(number) and number >= 0 for number in numbers)
    return Calibration(rates=rates, identity=told, pace_s=pace) if sane and told == _identity() else None


def keep(calibration: Calibration, path: Path | None = None) -> Path:
    """Write rates into the cache; return the file."""
    path = path or cache_file().with_name(NAME)
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {
        "identity": dict(calibration.identity),
        "pace_s": calibration.pace_s,
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
