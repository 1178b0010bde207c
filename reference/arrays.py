"""The type of arrays in the signatures of this package; their docstrings say shape and dtype."""

from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]
