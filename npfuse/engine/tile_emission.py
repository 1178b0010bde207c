"""LLVM's instructions for register tiles (`npfuse.engine.register_tiles`). Numba is imported here."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

from npfuse.engine.emission import Value, Vectors
from npfuse.engine.processor import VECTOR_NUMBERS


class _Vector(types.Type):
    """VECTOR_NUMBERS numbers of one dtype; in float64, two registers."""

    def __init__(self, dtype: Any) -> None:
        """Name the type by its dtype."""
        self.dtype = dtype
        super().__init__(name=f"Vector({dtype})")


@register_model(_Vector)
class _VectorModel(models.PrimitiveModel):
    """The compiler's model of a vector: a vector of LLVM."""

    def __init__(self, manager: Any, fe_type: Any) -> None:
        """Look up the number's type."""
        number = manager.lookup(fe_type.dtype).get_value_type()
        super().__init__(manager, fe_type, ir.VectorType(number, VECTOR_NUMBERS))


def _compiled_only(typed: Callable[..., Any]) -> Any:
    """Turn a function that returns a signature and its emitter into one for compiled code; it is given constants."""
    return intrinsic(prefer_literal=True)(typed)


def _emitting(body: Callable[..., Any]) -> Callable[..., Any]:
    """Turn a body, which emits with `Vectors`, into a Numba emitter; arrays become pointers, tiles lists of lists."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        taken: list[Any] = []
        for kind, argument in zip(signature.args, arguments, strict=True):
            if isinstance(kind, types.Array):
                v = Vectors(builder, context.get_data_type(kind.dtype), kind.dtype.bitwidth // 8, VECTOR_NUMBERS)
                taken.append(Value(builder, context.make_array(kind)(context, builder, argument).data))
            elif isinstance(kind, types.UniTuple):
                vectors = range(kind.dtype.count)
                taken.append(
                    [
                        [Value(builder, builder.extract_value(argument, [i, j])) for j in vectors]
                        for i in range(kind.count)
                    ]
                )
            else:
                taken.append(Value(builder, argument))
        result = body(v, *taken)
        if result is None:
            return context.get_dummy_value()
        tile = cgutils.get_null_value(context.get_value_type(signature.return_type))
        for i, row in enumerate(result):
            for j, vector in enumerate(row):
                tile = builder.insert_value(tile, vector.value, [i, j])
        return tile

    return emit


@_compiled_only
def load_tile(typingctx, pixels, vectors, array, at, step):
    """Return a tile: for each pixel, the vectors that begin at `at`, `at + step`, …; both counts are constants."""
    rows, columns = range(pixels.literal_value), range(vectors.literal_value)
    tile = types.UniTuple(types.UniTuple(_Vector(array.dtype), len(columns)), len(rows))

    def body(v: Vectors, pixels: Value, vectors: Value, x: Value, at: Value, step: Value) -> list[list[Value]]:
        return [[v.load(x + _place(at, step, i, j)) for j in columns] for i in rows]

    return tile(pixels, vectors, array, types.intp, types.intp), _emitting(body)


@_compiled_only
def store_tile(typingctx, tile, array, at, step):
    """Write a tile's vectors, pixel after pixel, to `at`, `at + step`, …; where they overlap, the later one stays."""

    def body(v: Vectors, tile: list[list[Value]], x: Value, at: Value, step: Value) -> None:
        for i, row in enumerate(tile):
            for j, vector in enumerate(row):
                v.store(vector, x + _place(at, step, i, j))

    return types.none(tile, array, types.intp, types.intp), _emitting(body)


@_compiled_only
def store_lane_sums(typingctx, tile, array, at, step):
    """Write the sum of the lanes of each pixel's vector (a tile has one) to `at`, `at + step`, …"""

    def body(v: Vectors, tile: list[list[Value]], x: Value, at: Value, step: Value) -> None:
        for i, (vector,) in enumerate(tile):
            v.store_scalar(v.reduce(vector, lambda a, b: a + b), x + _place(at, step, i, 0))

    return types.none(tile, array, types.intp, types.intp), _emitting(body)


@_compiled_only
def add_scaled(typingctx, tile, x, at, step, kernel, place):
    """Return the tile plus pixel i's number x[at + i * step] times the kernel's vectors from `place` on."""

    def body(v: Vectors, tile: Any, x: Value, at: Value, step: Value, kernel: Value, place: Value) -> Any:
        numbers = [v.broadcast(v.load_scalar(x + _place(at, step, i, 0))) for i in range(len(tile))]
        return _add_products(v, tile, lambda i, j: numbers[i], kernel + place)

    return tile(tile, x, types.intp, types.intp, kernel, types.intp), _emitting(body)


@_compiled_only
def add_scaled_lanes(typingctx, tile, x, at, step, kernel, place):
    """Return the tile plus pixel i's vectors from x[at + i * step] on times the kernel's vectors from `place` on."""

    def body(v: Vectors, tile: Any, x: Value, at: Value, step: Value, kernel: Value, place: Value) -> Any:
        return _add_products(v, tile, lambda i, j: v.load(x + _place(at, step, i, j)), kernel + place)

    return tile(tile, x, types.intp, types.intp, kernel, types.intp), _emitting(body)


def _place(at: Value, step: Value, pixel: int, vector: int) -> Value:
    """Emit the position of a pixel's vector."""
    return at + step * pixel + vector * VECTOR_NUMBERS


def _add_products(
    v: Vectors, tile: Sequence[Sequence[Value]], values: Callable[[int, int], Value], kernel: Value
) -> list[list[Value]]:
    """Emit tile + values * kernel."""
    weight = cache(lambda j: v.load(kernel + j * VECTOR_NUMBERS))
    pixels, vectors = range(len(tile)), range(len(tile[0]))
    # The inner loop goes over pixels or vectors, whichever are fewer: their operands stay in registers.
    tall = [(i, j) for i in pixels for j in vectors]
    wide = [(i, j) for j in vectors for i in pixels]
    sums = [list(row) for row in tile]
    for i, j in wide if len(vectors) > len(pixels) else tall:
        sums[i][j] = tile[i][j] + values(i, j) * weight(j)
    return sums
