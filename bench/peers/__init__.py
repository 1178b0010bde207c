"""The runtimes that npfuse is compared with, one module each, all with one interface.

A peer's module has its name in `TITLE`, the modules that it imports in `MODULES`, and the packages that are installed
for it in `DISTRIBUTIONS`. Its one function, `prepare(weights, height, width, threads)`, returns a network of that size:
a function of two pictures, contiguous uint8 (height, width, 3), and of the network's other inputs (the thumbnail,
float32), that returns the fused picture, uint8 (height, width, 3). All of that work is the peer's own, and each does it
as well as it can; single precision and the number of threads are forced.
"""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from types import ModuleType

NAMES = ("onnxruntime", "openvino", "litert", "tensorflow", "pytorch")


def peer(name: str) -> ModuleType:
    """Import a peer's module; it imports its runtime only in `prepare`."""
    return import_module(f"bench.peers.{name}")


def missing(name: str) -> list[str]:
    """Return the modules that a peer needs but that are not installed."""
    return [module for module in peer(name).MODULES if find_spec(module) is None]


def versions(name: str) -> dict[str, str]:
    """Return the versions of the packages of a peer."""
    found = {}
    for distribution in peer(name).DISTRIBUTIONS:
        try:
            found[distribution] = version(distribution)
        except PackageNotFoundError:
            continue
    return found
