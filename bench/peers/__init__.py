"""The runtimes that npfuse is compared with, a module each, all with one interface.

A peer's module says in `TITLE` what it is called, in `MODULES` what it imports, in `DISTRIBUTIONS` what is installed
for it, and has one function, `prepare(weights, height, width, threads)`: it returns a network of that size that takes
two pictures, contiguous uint8 (height, width, 3), and what else the network reads (the thumbnail, float32), and returns
the fused picture, uint8 (height, width, 3). All of that work is the peer's own, so each does it as well as it can;
single precision and the number of threads are forced.
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
    """Return the modules that a peer needs and that are not installed."""
    return [module for module in peer(name).MODULES if find_spec(module) is None]


def versions(name: str) -> dict[str, str]:
    """Return the versions of what a peer is made of."""
    found = {}
    for distribution in peer(name).DISTRIBUTIONS:
        try:
            found[distribution] = version(distribution)
        except PackageNotFoundError:
            continue
    return found
