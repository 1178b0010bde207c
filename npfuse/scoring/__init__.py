"""Scores of methods on scenes, and pictures that show methods side by side."""
