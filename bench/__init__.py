"""Measurements of npfuse, and the scripts that make its example pictures."""
