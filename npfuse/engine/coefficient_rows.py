"""Rows of coefficients: sums of their products, lists of units by state, and panels for the evaluation.

A layer's pre-activations are linear in a basis: the constant 1, the pixel's features, and the undecided units of the
layers before. Their coefficients are a matrix with a row for each member of the basis and a column for each unit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from npfuse.engine.dense_layer import PANEL
from npfuse.engine.vectors import counting_function, vector_function

if TYPE_CHECKING:
    from npfuse.engine.emission import Value, Vectors

ROWS_AT_ONCE = 8


@vector_function
def add_products(
    v: Vectors,
    memory: Value,
    out: Value,
    rows: Value,
    columns: Value,
    sign: Value,
    a: Value,
    a_row: Value,
    a_unit: Value,
    lists: Value,
    units: Value,
    count: Value,
    b: Value,
) -> None:
    """Add to every out[r, o] the sum of sign * a[r, j] * b[j, o] over the listed units j.

    Parameters
    ----------
    memory : array
    out : place (rows, columns); columns a multiple of the vector's width
    sign : 1.0 or -1.0
    a, a_row, a_unit : a[r, j] lies at a + r * a_row + j * a_unit
    lists, units, count : array of int64, the list's place in it, and its length
    b : place (units, columns)
    """
    out, a, b, units = memory + out, memory + a, memory + b, lists + units
    whole, rest = rows // ROWS_AT_ONCE, rows % ROWS_AT_ONCE
    for size in range(ROWS_AT_ONCE, 0, -1):
        first = v.index(0) if size == ROWS_AT_ONCE else whole * ROWS_AT_ONCE
        parts = whole if size == ROWS_AT_ONCE else v.select(rest.equals(size), v.index(1), v.index(0))
        with v.loop(parts) as part, v.loop(columns // v.width) as chunk:
            row, o = first + part * size, chunk * v.width
            places = [out + ((row + i) * columns + o) for i in range(size)]
            sums = [v.variable(v.load(place)) for place in places]
            with v.loop(count) as k:
                j = v.load_scalar(units + k)
                weight = v.load(b + (j * columns + o)) * v.broadcast(sign)
                for i in range(size):
                    sums[i].set(sums[i].now + v.broadcast(v.load_scalar(a + ((row + i) * a_row + j * a_unit))) * weight)
            for total, place in zip(sums, places, strict=True):
                v.store(total.now, place)


@vector_function
def copy(v: Vectors, memory: Value, numbers: Value, count: Value, out: Value) -> None:
    """Copy `count` numbers, a multiple of the vector's width, to another place."""
    with v.loop(count // v.width) as chunk:
        v.store(v.load(memory + (numbers + chunk * v.width)), memory + (out + chunk * v.width))


@vector_function
def clear(v: Vectors, memory: Value, count: Value, out: Value) -> None:
    """Write `count` zeros, a multiple of the vector's width."""
    with v.loop(count // v.width) as chunk:
        v.store(v.number(0), memory + (out + chunk * v.width))


@vector_function
def copy_rows(
    v: Vectors, memory: Value, rows: Value, lists: Value, units: Value, count: Value, columns: Value, out: Value
) -> None:
    """Copy the listed rows of an array (units, columns), one after another, to another place."""
    rows, units, out = memory + rows, lists + units, memory + out
    with v.loop(count) as k, v.loop(columns // v.width) as chunk:
        o = chunk * v.width
        v.store(v.load(rows + (v.load_scalar(units + k) * columns + o)), out + (k * columns + o))


@counting_function
def units_where(
    v: Vectors,
    memory: Value,
    a: Value,
    wanted: Value,
    b: Value,
    unwanted: Value,
    units: Value,
    lists: Value,
    found: Value,
) -> Value:
    """List the units whose state in a is `wanted` and whose state in b is not `unwanted`; return their number.

    Parameters
    ----------
    memory : array
    a, b : places (units,) of states
    wanted, unwanted : states
    units : number of units, a multiple of the vector's width
    lists, found : array of int64, and the place in it that is written, (units + 1,)
    """
    a, b, found = memory + a, memory + b, lists + found
    count = v.variable(v.index(0))
    with v.loop(units // v.width) as chunk:
        o = chunk * v.width
        hit = v.load(a + o).equals(v.broadcast(wanted)) & v.differs(v.load(b + o), v.broadcast(unwanted))
        with v.when(v.any(hit)):
            for lane in range(v.width):  # no branch, which would be mispredicted: units that do not fit are overwritten
                v.store_scalar(o + lane, found + count.now)
                count.set(count.now + v.as_integer(v.lane(hit, lane)))
    return count.now


@vector_function
def gather_panels(
    v: Vectors, memory: Value, coefficients: Value, columns: Value, rows: Value, lists: Value, units: Value,
    count: Value, panels: Value,
) -> None:  # fmt: skip
    """Write the coefficients of the listed units, at least one, as a layer's `packed` weights.

    Parameters
    ----------
    memory : array
    coefficients : place (rows, columns); the first row, that of the constant 1, holds the biases
    lists, units, count : array of int64, the list's place in it, and its length
    panels : place, is written
    """
    parts = (count + (PANEL - 1)) // PANEL
    fewest, wider = count // parts, count % parts
    with v.loop(parts) as part:
        is_wider = part < wider
        size = fewest + v.as_integer(is_wider)
        first = part * fewest + v.select(is_wider, part, wider)
        with v.loop(rows) as row, v.loop(size) as i:
            unit = v.load_scalar(lists + (units + first + i))
            number = v.load_scalar(memory + (coefficients + row * columns + unit))
            v.store_scalar(number, memory + (panels + first * rows + row * size + i))
