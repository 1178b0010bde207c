"""Names, sizes and places of the parts that the fast path cuts pictures into; other modules take them from here.

From large to small:

    strip       rows of a picture that one job fuses, a multiple of GROUP_SIDE
    group       64x64 pixels: 4x4 blocks, evaluated in order    array (BLOCKS, ROW_PAIRS, channels, PAIR_PIXELS)
    block       16x16 pixels, over which units are bounded      array (ROW_PAIRS, channels, PAIR_PIXELS)
    row pair    two rows of a block, beside each other          array (channels, PAIR_PIXELS)
    run         one row of a block: 16 pixels of one channel
    vector      VECTOR_NUMBERS (`npfuse.engine.processor`) numbers in one register or two

    a group's blocks        a block's row pairs                    a row pair's channels
    +----+----+----+----+   +-----------------------------------+  +----------+----------+
    |  0 |  1 |  2 |  3 |   | row pair 0:    row  0 |    row  1 |  | R, row 0 | R, row 1 |
    +----+----+----+----+   | row pair 1:    row  2 |    row  3 |  | G, row 0 | G, row 1 |
    |  4 |  5 |  6 |  7 |   | ...                               |  | B, row 0 | B, row 1 |
    +----+----+----+----+   | row pair 7:    row 14 |    row 15 |  | ...                 |
    |  8 |  9 | 10 | 11 |   +-----------------------------------+  +----------+----------+
    +----+----+----+----+                                           <-- PAIR_PIXELS = 32 ->
    | 12 | 13 | 14 | 15 |
    +----+----+----+----+

Numba is not imported here: the memory predictions read these sizes too. Compiled functions call the two functions.
"""

# Of LightFuse's form.
CHANNELS = 6  # of two exposures
TAPS = 3  # of the convolutions that halve, along an axis
CELL = 8  # pixels of the picture per pixel of the coarse picture, along an axis

# Of a picture; in pixels if nothing else is said.
BLOCK_SIDE = 16
RUN = BLOCK_SIDE
PAIR_ROWS = 2
PAIR_PIXELS = PAIR_ROWS * RUN
ROW_PAIRS = BLOCK_SIDE // PAIR_ROWS  # of a block
BLOCKS_PER_SIDE = 4  # of a group
BLOCKS = BLOCKS_PER_SIDE**2
GROUP_SIDE = BLOCKS_PER_SIDE * BLOCK_SIDE
STRIP_GROUPS = 4  # groups that a strip evaluates at a time: their pixels and results then take half a megabyte
CHAIN_GROUPS = 8  # groups that `npfuse.engine.pixel_mlp` evaluates at a time
PLANE_START = RUN  # numbers before each row of a plane of the coarse pass
PLANE_END = 2 * RUN  # numbers behind it, at least

# Of numbers.
WIDEST_VECTOR = 16  # numbers of the widest vector, that of AVX-512
PADDED_NUMBERS = 2**18  # numbers, roughly, of the strip that a dense convolution pads at a time


def block_place(row, column):
    """Return the place of a pixel in an array (groups, BLOCKS, ROW_PAIRS, channels, PAIR_PIXELS).

    Parameters
    ----------
    row, column : position of the pixel, counted from the first group's corner

    Returns
    -------
    (group, block in the group, row pair in the block, pixel in the row pair)

    Examples
    --------
    >>> block_place(17, 64 + 35)
    (1, 6, 0, 19)
    """
    block = row // BLOCK_SIDE * BLOCKS_PER_SIDE + column % GROUP_SIDE // BLOCK_SIDE
    pixel = row % PAIR_ROWS * RUN + column % RUN
    return column // GROUP_SIDE, block, row % BLOCK_SIDE // PAIR_ROWS, pixel


def run_place(group, row, channels):
    """Return the position of a row's first run in an array (groups, BLOCKS, ROW_PAIRS, channels, PAIR_PIXELS).

    Parameters
    ----------
    group, row : number of the group, and of the row in it
    channels : number of channels of the array

    Examples
    --------
    >>> run_place(0, 3, 6)  # the second half of row pair 1
    208
    """
    row_pair = (group * BLOCKS + row // BLOCK_SIDE * BLOCKS_PER_SIDE) * ROW_PAIRS + row % BLOCK_SIDE // PAIR_ROWS
    return row_pair * channels * PAIR_PIXELS + row % PAIR_ROWS * RUN


def plane_width(width: int) -> int:
    """Return how many numbers a row of a plane takes: whole pairs of runs, and the numbers at both ends."""
    return PLANE_START + -(-width // PAIR_PIXELS) * PAIR_PIXELS + PLANE_END
