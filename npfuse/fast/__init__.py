"""The operators compiled with Numba, one per file: same file names, arguments and results as in `npfuse.ops`.

`FAST` maps every operator to its function.
"""

from collections.abc import Mapping
from importlib import import_module

from npfuse.ops import DEFINITIONS, Function, Operator


def _compiled_function(definition: Function) -> Function:
    """Return the compiled function that has a definition's name, from the file of that name in this folder."""
    name = definition.__name__
    function: Function = getattr(import_module(f"npfuse.fast.{name}"), name)
    return function


FAST: Mapping[type[Operator], Function] = {op: _compiled_function(each) for op, each in DEFINITIONS.items()}

__all__ = ["FAST"]
