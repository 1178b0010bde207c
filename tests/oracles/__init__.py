"""Other ways to compute the same results, written apart from the package: index formulas, SciPy, TensorFlow."""
