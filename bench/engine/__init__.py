"""Times of the parts of the engine."""
