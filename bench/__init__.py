"""Measurements of npfuse (`python -m bench` compares it with other runtimes), and what makes its example pictures."""
