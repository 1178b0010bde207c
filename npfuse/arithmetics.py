"""The names of the arithmetics of integers, apart from `npfuse.integer`, which computes in them."""

from typing import Literal, get_args

Arithmetic = Literal["int16", "int16-shift", "mixed"]
ARITHMETICS: tuple[Arithmetic, ...] = get_args(Arithmetic)
