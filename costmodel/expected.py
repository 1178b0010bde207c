"""The times that this machine's rates predict, without running a method: for `report --machine here`.

How much a network of LightFuse's form executes depends on the pictures: they are a given pair, or the example pair
`costmodel.measure.SCENE` resampled to the size asked for. Its fusion is run once, to count.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from costmodel.calibration.amounts import Part, graph_parts
from costmodel.calibration.calibration import Calibration, Predicted
from costmodel.calibration.fusions import fusion_parts
from costmodel.calibration.rates import Amounts
from costmodel.measure import SCENE, counts_of, example_pixels, method_weights
from costmodel.report import Subject


@dataclass(frozen=True, eq=False)
class Expectation:
    """The times of methods for one pair.

    Parameters
    ----------
    calibration : of this machine
    pair : ndarray (H, W, 6): under- then over-exposed RGB
    given : whether the pair was given; else it is the example
    """

    calibration: Calibration
    pair: NDArray[np.uint8]
    given: bool

    @cache  # noqa: B019
    def counts(self, model: str | None) -> Amounts | None:
        """Return what the pair executes of a method's chain."""
        return counts_of(model, self.pair)

    def graph(self, subject: Subject) -> Predicted:
        """Return the time of a subject's graph in `npfuse.run`, all its runs."""
        return self.calibration.predicted(subject.runs * self._parts(subject))

    def fuse(self, subject: Subject) -> Predicted | None:
        """Return the time of `npfuse.fuse` on one thread; None for somebody else's network."""
        if subject.model is None:
            return None
        weights = method_weights(subject.model)
        counts = self.counts(subject.model)
        parts = fusion_parts(subject.model, weights, subject.height, subject.width, counts=counts)
        return self.calibration.predicted(parts)

    def layers(self, subject: Subject) -> Mapping[str, Predicted]:
        """Return the time of one run of a subject's graph, by the last node of each step."""
        return self.calibration.by_name(self._parts(subject))

    def _parts(self, subject: Subject) -> list[Part]:
        return graph_parts(subject.graph, self.counts(subject.model))

    @property
    def note(self) -> str:
        """What the times rest on."""
        pair = "the pair given" if self.given else f"the example pair {SCENE}, resampled"
        return (
            "Expected: processor time on one thread by the rates of this machine (costmodel calibrate); a chain of "
            f"pointwise layers executes what it does for {pair}. +-: relative error of the rates' samples."
        )


def example_expectation(calibration: Calibration, height: int, width: int) -> Expectation:
    """Return the expectation for the example pair at a size."""
    return Expectation(calibration, example_pixels(height, width), given=False)
