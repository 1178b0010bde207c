"""Times of the compiled operators."""
