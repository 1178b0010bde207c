"""Sizes of the parts that the engine cuts a picture into. Numba is not imported here: the cost model reads it too."""

CHANNELS = 6  # of two exposures
TAPS = 3  # of the convolutions that halve
CELL = 8  # pixels: how many times the coarse picture is enlarged
