"""Writes a network in integers as a C99 program that works row by row, without malloc and without floats.

The program has a function for every layer, which computes one pixel of it; stored values (`npfuse.c_program.streams`)
lie in rings of rows. It needs 32-bit sums and 64-bit products. Compiled with NPFUSE_CHECK it shows every value it
computes, also of the margin that is cut off at the end, to a checking program (`npfuse.c_program.check`).
"""

from collections.abc import Iterator

from npfuse.c_program import texts
from npfuse.c_program.pixels import pixel_function
from npfuse.c_program.streams import PICTURE, THUMBNAIL, Stream, is_view, operator_of
from npfuse.c_program.values import Values
from npfuse.integer import Layer
from npfuse.integer.quantize import SUM_LIMIT
from npfuse.ops import Conv2DTranspose, DepthwiseConv2D, Resize
from npfuse.padding import conv_pads, transposed_crop
from npfuse.vectors.array_files import c_name
from npfuse.weights.weights import Weights


def program(stream: Stream, weights: Weights) -> str:
    """Return `network.c`."""
    v = Values(stream, weights)
    tones = [_tones(v)] if THUMBNAIL in dict(v.graph.inputs) else []
    pixels = [pixel_function(v, layer) for layer in v.network.layers]
    return "\n".join([_head(v), _storage(v), *pixels, *tones, _running(v)])


def _shifts_in_32_bits(layer: Layer) -> bool:
    """Tell whether a layer's rescaling needs no product, and whether a half can be added in 32 bits."""
    numbers = [*layer.rescales, *([layer.added] if layer.added else [])]
    return all(by.mult.max() == 1 and layer.sum_bound + (1 << int(by.shift.max())) // 2 < SUM_LIMIT for by in numbers)


def _head(v: Values) -> str:
    rounding = texts.DOUBLE if v.network.rounding == "double" else texts.SINGLE
    shifts = all(_shifts_in_32_bits(layer) for layer in v.network.layers)
    margin = v.weights.margin
    means = any(isinstance(node.op, Resize) and node.op.method == "area" for node in v.graph.nodes)
    bilinear = any(isinstance(node.op, Resize) and node.op.method == "bilinear" for node in v.graph.nodes)
    short = bilinear or shifts or v.network.rounding == "double"
    own = texts.FLOOR_SHIFT * short + (texts.SHIFTS if shifts else rounding) + texts.COMMON + texts.QUOTIENT * means
    return texts.HEAD.replace("@margin", str(margin)) + own


def _storage(v: Values) -> str:
    lines = ["/* Rings of rows of the stored values, and how many rows of each are made. */"]
    for name in (PICTURE, *v.stream.stored):
        own, scale = c_name(name), v.scale(name)
        count = str(v.stream.rows[name]) if name in v.stream.rows else f"(MOST_ROWS / {scale})"
        lines += [
            f"static {v.kind(name)} ring_{own}[{count}][MOST_COLUMNS / {scale} * {v.channels(name)}];",
            f"static int made_{own};",
            f"static {v.kind(name)} *row_{own}(int row)",
            "{",
            f"    return ring_{own}[row % {count}];",
            "}",
        ]
    if THUMBNAIL in dict(v.graph.inputs):
        height, width, channels = dict(v.graph.inputs)[THUMBNAIL]
        lines.append(f"static int16_t thumbnail[{height}][{width}][{channels}];")
    for name, layer in v.adders.items():
        lines.append(f"static int32_t plus_{c_name(layer.name)}[{v.channels(name)}]; /* {name}, as a bias */")
    if v.own_levels:
        lines += [texts.LEVELS]
    else:
        lines += [texts.FULL_RANGE]
    return "\n".join(lines) + "\n"


def _tones(v: Values) -> str:
    height, width, _ = dict(v.graph.inputs)[THUMBNAIL]
    lines = [texts.THUMBNAIL.replace("@height", str(height)).replace("@width", str(width))]
    lines[0] = lines[0].replace("@number", str(v.numbers[THUMBNAIL]))
    lines[0] = lines[0].replace("@low0", "lowest[c / 3]" if v.own_levels else "0")
    lines[0] = lines[0].replace("@span", "spread[c / 3]" if v.own_levels else "255")
    body = []
    for name, layer in v.adders.items():
        own, channels = c_name(layer.name), v.channels(name)
        body += [
            "    {",
            f"        {v.kind(name)} v[{channels}];",
            f"        at_{c_name(name)}(0, 0, v);",
            f"        for (int c = 0; c < {channels}; c++)",
            f"            plus_{own}[c] = requantized(v[c], {own}_added_mult[c], {own}_added_shift[c]);",
            "    }",
        ]
    # A value of 1x1 that is read once is computed where it is read.
    return "\n".join([*lines, "static void compute_tones(void)", "{", *body, "}"]) + "\n"


def _ready(v: Values, name: str, row: str, kept: set[str]) -> list[str]:
    """Return conditions under which a row of a value can be made."""
    found: dict[str, str] = {}
    for value, last in _last_rows(v, name, row, kept - {name}):
        found.setdefault(f"{last} < made_{c_name(value)}", value)
    return list(found)


def _last_rows(v: Values, name: str, row: str, kept: set[str]) -> Iterator[tuple[str, str]]:
    layer = v.layers[name]
    op = operator_of(v.network, layer)
    for i, value in enumerate(layer.inputs):
        if (i == 1 and layer.added is not None) or value not in v.of_picture:
            continue
        end = f"{v.rows(value)} - 1"
        factor = v.scale(value) // v.scale(name)
        if isinstance(op, DepthwiseConv2D):
            before = conv_pads(v.graph.shapes[value][0], *op.axis_arguments(0))[0]
            reach = (op.kernel_size[0] - 1) * op.dilation[0] - before
            last = f"least({row} * {op.stride[0]} + {reach}, {end})"
        elif isinstance(op, Conv2DTranspose):
            crop = transposed_crop(v.graph.shapes[value][0], *op.axis_arguments(0))
            last = f"least(({row} + {crop}) / {op.stride[0]}, {end})"
        elif is_view(op):
            last = f"({row}) / {factor}"
        elif isinstance(op, Resize):
            last = f"least(floor_shift(2 * ({row}) + 1 - {factor}, {factor.bit_length()}) + 1, {end})"
        else:
            last = row
        if value in kept:
            yield value, last
        else:
            yield from _last_rows(v, value, last, kept)


def _running(v: Values) -> str:
    second = [name for name in v.stream.stored if name not in v.stream.first_pass]
    passes = [("look", list(v.stream.first_pass), False)] if v.stream.passes == 2 else []
    passes.append(("fuse", second if v.stream.passes == 2 else list(v.stream.stored), True))
    lines = [_make_row(v, name) for name in v.stream.stored]
    lines.append(texts.RESULT.replace("@type", "uint8_t").replace("@result", c_name(v.result)))
    for verb, names, whole in passes:
        kept = {PICTURE, *names, *v.stream.planes}
        stages = [*names, *([v.result] if whole else [])]
        lines.append("/* Make all rows that can be made, those nearest to the result first. */")
        lines += [f"static void {verb}_on(void)", "{", "    for (;;) {"]
        for k, name in enumerate(reversed(stages)):
            made = "made_result" if name == v.result else f"made_{c_name(name)}"
            height = "rows_wanted" if name == v.result else v.rows(name)
            conditions = [f"{made} < {height}", *_ready(v, name, made, kept)]
            make = "make_result();" if name == v.result else f"make_{c_name(name)}();"
            joint = " &&\n            ".join(conditions)
            lines += [f"        {'else ' if k else ''}if ({joint})", f"            {make}"]
        lines += ["        else", "            return;", "    }", "}\n"]
    resets = "\n".join(f"    made_{c_name(name)} = 0;" for name in (PICTURE, *v.stream.stored))
    running = texts.RUNNING if v.stream.passes == 1 else texts.RUNNING_TWICE
    count = v.stream.rows[PICTURE]
    tones = THUMBNAIL in dict(v.graph.inputs)
    return "\n".join(lines) + (
        texts.BEGIN.replace("@resets", resets)
        .replace("@begin_thumbnail", "    begin_thumbnail();\n" if tones else "")
        .replace("@number", str(v.numbers[PICTURE]))
        + running.replace("@count", str(count))
        .replace("@finish", "    finish_thumbnail();\n    compute_tones();\n" if tones else "")
        .replace("@thumb", "    add_to_thumbnail(under, over);\n" if tones else "")
    )


def _make_row(v: Values, name: str) -> str:
    own, channels = c_name(name), v.channels(name)
    return (
        f"static void make_{own}(void)\n{{\n    {v.kind(name)} *to = row_{own}(made_{own});\n"
        f"    for (int column = 0; column < {v.columns(name)}; column++)\n"
        f"        at_{own}(made_{own}, column, to + column * {channels});\n    made_{own}++;\n}}\n"
    )
