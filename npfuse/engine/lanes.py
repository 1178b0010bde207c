"""Tiles of sums held in vector registers: what the loops of `npfuse.engine.window_sums` are made of.

A tile is `pixels` times `vectors` vectors of LANES numbers. The functions here are for compiled code only. They emit
the vector instructions themselves, so that the sums of a tile stay in registers whatever the compiler would make of a
loop; the loops around them are plain Python. All arrays are one-dimensional and in C order, positions count numbers,
and nothing is checked: a position outside of an array crashes the process. As everywhere, a product and a sum may be
rounded once ("contract"); each lane is a sum of its own, so results do not depend on the shape of the tile.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

from npfuse.engine.vectors import WIDTH_BYTES

LANES = WIDTH_BYTES // 4  # numbers; one register with AVX or AVX-512 in float32, two in float64, more elsewhere


def _emitted(typed: Callable[..., Any]) -> Any:
    """Make a function for compiled code of one that returns its signature and what emits it; constants are told."""
    return intrinsic(prefer_literal=True)(typed)


class _Vector(types.Type):
    """LANES numbers of one dtype."""

    def __init__(self, dtype: Any) -> None:
        """Name the type by its dtype."""
        self.dtype = dtype
        super().__init__(name=f"Vector({dtype})")


@register_model(_Vector)
class _VectorModel(models.PrimitiveModel):
    """A vector of the compiler's."""

    def __init__(self, manager: Any, fe_type: Any) -> None:
        """Look up the number's type."""
        super().__init__(manager, fe_type, ir.VectorType(manager.lookup(fe_type.dtype).get_value_type(), LANES))


class _Memory:
    """An array argument of a function that is emitted."""

    def __init__(self, context: Any, builder: Any, array_type: Any, array: Any) -> None:
        self.builder = builder
        self.data = context.make_array(array_type)(context, builder, array).data
        self.alignment = array_type.dtype.bitwidth // 8  # no more is promised

    def at(self, position: Any, *, vector: bool = True) -> Any:
        """Return a pointer to a number, or to the vector that begins with it."""
        pointer = self.builder.gep(self.data, [position], inbounds=True)
        kind = ir.VectorType(self.data.type.pointee, LANES) if vector else self.data.type.pointee
        return self.builder.bitcast(pointer, kind.as_pointer())

    def load(self, position: Any) -> Any:
        """Return the vector at a position."""
        return self.builder.load(self.at(position), align=self.alignment)

    def broadcast(self, position: Any) -> Any:
        """Return the number at a position in all lanes."""
        number = self.builder.load(self.at(position, vector=False), align=self.alignment)
        vector = ir.VectorType(number.type, LANES)
        lane = self.builder.insert_element(ir.Constant(vector, ir.Undefined), number, ir.Constant(ir.IntType(32), 0))
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        return self.builder.shuffle_vector(lane, ir.Constant(vector, ir.Undefined), zeros)


def _moved(builder: Any, at: Any, step: Any, times: int, lanes: int) -> Any:
    """Return at + times * step + lanes."""
    position = builder.add(at, builder.mul(step, ir.Constant(step.type, times)))
    return builder.add(position, ir.Constant(at.type, lanes))


@_emitted
def load_tile(typingctx: Any, pixels: Any, vectors: Any, array: Any, at: Any, step: Any) -> Any:
    """Return a tile: the vectors at `at`, at `at + step`, … of as many pixels; both counts are constants."""
    p, v = pixels.literal_value, vectors.literal_value
    tile_type = types.UniTuple(types.UniTuple(_Vector(array.dtype), v), p)

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        memory = _Memory(context, builder, array, arguments[2])
        tile = cgutils.get_null_value(context.get_value_type(tile_type))
        for i in range(p):
            for j in range(v):
                vector = memory.load(_moved(builder, arguments[3], arguments[4], i, j * LANES))
                tile = builder.insert_value(tile, vector, [i, j])
        return tile

    return tile_type(pixels, vectors, array, types.intp, types.intp), emit


@_emitted
def store_tile(typingctx: Any, tile: Any, array: Any, at: Any, step: Any) -> Any:
    """Write a tile's vectors, pixel after pixel, to `at`, `at + step`, …; where they overlap the later one stays."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        memory = _Memory(context, builder, array, arguments[1])
        for i in range(tile.count):
            for j in range(tile.dtype.count):
                place = memory.at(_moved(builder, arguments[2], arguments[3], i, j * LANES))
                builder.store(builder.extract_value(arguments[0], [i, j]), place, align=memory.alignment)
        return context.get_dummy_value()

    return types.none(tile, array, types.intp, types.intp), emit


@_emitted
def store_lane_sums(typingctx: Any, tile: Any, array: Any, at: Any, step: Any) -> Any:
    """Write the sum of the lanes of each pixel's vector (a tile has one) to `at`, `at + step`, …"""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        memory = _Memory(context, builder, array, arguments[1])
        index = ir.IntType(32)
        for i in range(tile.count):
            total = builder.extract_value(arguments[0], [i, 0])
            half = LANES // 2
            while half:
                moved = ir.Constant(ir.VectorType(index, LANES), [(lane + half) % LANES for lane in range(LANES)])
                total = builder.fadd(total, builder.shuffle_vector(total, total, moved))
                half //= 2
            number = builder.extract_element(total, ir.Constant(index, 0))
            builder.store(number, memory.at(_moved(builder, arguments[2], arguments[3], i, 0), vector=False))
        return context.get_dummy_value()

    return types.none(tile, array, types.intp, types.intp), emit


def _multiply_add(broadcast: bool) -> Callable[..., Any]:
    def typed(typingctx: Any, tile: Any, x: Any, at: Any, step: Any, kernel: Any, place: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            result, pixels, vectors = arguments[0], range(tile.count), range(tile.dtype.count)
            values = _Memory(context, builder, x, arguments[1])
            weights = _Memory(context, builder, kernel, arguments[4])
            zero = ir.Constant(arguments[3].type, 0)

            @cache
            def value(i: int, j: int) -> Any:
                if broadcast:
                    return values.broadcast(_moved(builder, arguments[2], arguments[3], i, 0))
                return values.load(_moved(builder, arguments[2], arguments[3], i, j * LANES))

            @cache
            def weight(j: int) -> Any:
                return weights.load(_moved(builder, arguments[5], zero, 0, j * LANES))

            # Of pixels and vectors the fewer are walked inside: their operands stay in registers, the others pass by.
            tall = [(i, j) for i in pixels for j in vectors]
            wide = [(i, j) for j in vectors for i in pixels]
            for i, j in wide if len(vectors) > len(pixels) else tall:
                product = builder.fmul(value(i, 0 if broadcast else j), weight(j), flags=("contract",))
                total = builder.fadd(builder.extract_value(result, [i, j]), product, flags=("contract",))
                result = builder.insert_value(result, total, [i, j])
            return result

        return tile(tile, x, types.intp, types.intp, kernel, types.intp), emit

    return typed


add_scaled = _emitted(_multiply_add(broadcast=True))
add_scaled_lanes = _emitted(_multiply_add(broadcast=False))
