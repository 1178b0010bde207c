"""One picture from and to a file: formats, and what travels with the pixels."""
