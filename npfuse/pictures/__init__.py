"""Reading and writing one picture file: formats, and the metadata that goes with the pixels."""
