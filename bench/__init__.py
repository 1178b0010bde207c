"""Measurements of npfuse (`python -m bench` compares it with other runtimes), and the renderer of its examples."""
