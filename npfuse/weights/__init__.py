"""Weights: what they hold, and the files that they are read from."""
