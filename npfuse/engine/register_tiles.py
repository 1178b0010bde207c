"""Register tiles: sums of a few pixels and channels, held in vector registers while a loop goes over a window's terms.

A tile is `pixels` times `vectors` vectors of VECTOR_NUMBERS numbers; a sum of many terms is a loop in plain Python:

    tile = load_tile(4, 2, bias, 0, 0)                              # 4 pixels, 2 vectors of channels each
    for t in range(terms):
        tile = add_scaled(tile, x, at + t, x_step, kernel, t * 2 * VECTOR_NUMBERS)
    store_tile(tile, out, out_at, out_step)

The functions are for compiled code only. They emit the vector instructions (`npfuse.engine.tile_emission`), so the
sums stay in registers, whatever the compiler would make of a loop. All arrays are one-dimensional and in C order.
Positions count numbers. Nothing is checked: a position outside of an array crashes the process. Each lane is a sum of
its own, so results do not depend on the tile's shape.
"""

from typing import Any


class _TileFunction:
    """A function of `npfuse.engine.tile_emission`; that module is imported when a function is compiled."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, *arguments: Any) -> Any:
        """Raise TypeError: Python cannot call it."""
        raise TypeError(f"{self.name}: called from Python, expected a call in a compiled function")

    def for_numba(self) -> Any:
        """Return what Numba calls."""
        from npfuse.engine import tile_emission

        return getattr(tile_emission, self.name)


add_scaled = _TileFunction("add_scaled")
add_scaled_lanes = _TileFunction("add_scaled_lanes")
load_tile = _TileFunction("load_tile")
store_lane_sums = _TileFunction("store_lane_sums")
store_tile = _TileFunction("store_tile")
