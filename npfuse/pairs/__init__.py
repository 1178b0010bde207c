"""Fusion of picture files: a pair or a bracket is read, checked, aligned, fused and written; so are folders of them."""
