"""Pictures in files, fused: a pair or a bracket checked, aligned, read, fused and written; and folders of them."""
