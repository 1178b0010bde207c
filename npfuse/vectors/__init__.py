"""Vectors for ports: every layer's values, weights and requantisation for one pair of pictures, with a manifest.

`float_vectors` and `integer_vectors` compute them, `write_vectors` writes them. docs/porting.md says how to read them.
"""

from npfuse.vectors.array_files import FORMATS
from npfuse.vectors.vector_set import LAYOUTS, VectorSet, float_vectors, integer_vectors
from npfuse.vectors.writing import write_vectors

__all__ = ["FORMATS", "LAYOUTS", "VectorSet", "float_vectors", "integer_vectors", "write_vectors"]
