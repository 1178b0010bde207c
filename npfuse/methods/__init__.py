"""The fusion methods: for each, its graph and the steps around it, from pictures to a picture.

`METHODS` lists them by name. `npfuse.methods.method` describes the record of a method; `npfuse.fusion` checks pictures
and weights and runs the jobs. `tests/methods/test_every_method.py` names what a new method lacks.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from npfuse.methods.deepfuse import DEEPFUSE
from npfuse.methods.mefnet import MEFNET
from npfuse.methods.mertens import MERTENS
from npfuse.methods.method import FormulaMethod, Job, Method, NetworkMethod, Phases
from npfuse.methods.pair_network import LIGHTFUSE, T_CNN, TONEFUSE

METHODS: Mapping[str, Method] = MappingProxyType(
    {method.name: method for method in (TONEFUSE, LIGHTFUSE, T_CNN, MERTENS, DEEPFUSE, MEFNET)}
)

__all__ = ["METHODS", "FormulaMethod", "Job", "Method", "NetworkMethod", "Phases", "named", "titled"]


def named(fits: Callable[[Method], bool], joint: str = "or") -> str:
    """Return the names of the methods that fit, for messages.

    Examples
    --------
    >>> named(lambda method: method.parts)
    'tonefuse, lightfuse or t_cnn'
    """
    return _listed([method.name for method in METHODS.values() if fits(method)], joint)


def titled(fits: Callable[[Method], bool], joint: str = "and") -> str:
    """Return the titles of the methods that fit, for messages.

    Examples
    --------
    >>> titled(lambda method: not method.parts)
    'Mertens 2009, DeepFuse and MEF-Net'
    """
    return _listed([method.title for method in METHODS.values() if fits(method)], joint)


def _listed(words: list[str], joint: str) -> str:
    """Return words with commas between them, and a joint before the last."""
    return f" {joint} ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
