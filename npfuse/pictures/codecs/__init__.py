"""Readers and writers of the kinds of files, one module per kind (TIFF has three)."""
