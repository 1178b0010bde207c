"""Networks evaluated exactly, block by block, by compiled code; and the inner loops of the compiled operators."""
