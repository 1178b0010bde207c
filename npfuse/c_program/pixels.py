"""Writes a C function for every layer: at_NAME(row, column, y), which computes one pixel of its value."""

from npfuse.c_program.streams import PICTURE, THUMBNAIL, is_view, operator_of
from npfuse.c_program.values import Values
from npfuse.integer import Layer
from npfuse.ops import Add, Conv2DTranspose, DepthwiseConv2D, PointwiseConv2D, Resize, Tanh
from npfuse.padding import conv_pads, transposed_crop
from npfuse.vectors.array_files import c_name


def pixel_function(v: Values, layer: Layer) -> str:
    """Return the C function that computes a pixel of a layer's value."""
    op = operator_of(v.network, layer)
    own, channels = c_name(layer.name), v.channels(layer.name)
    body: list[str]
    if isinstance(op, PointwiseConv2D):
        body = _pointwise(v, layer)
    elif isinstance(op, DepthwiseConv2D):
        body = _depthwise(v, layer, op)
    elif isinstance(op, Conv2DTranspose):
        body = _transposed(v, layer, op)
    elif isinstance(op, Add):
        body = _add(v, layer)
    elif isinstance(op, Tanh):
        body = [
            *_pixel(v, layer.inputs[0], "row", "column", "x"),
            f"for (int c = 0; c < {channels}; c++) {{",
            "    int level = 0; /* how many of the 255 numbers are at most x[c] */",
            "    for (int step = 128; step > 0; step /= 2)",
            f"        if ({own}_levels[level + step - 1] <= x[c])",
            "            level += step;",
            "    y[c] = (uint8_t)level;",
            "}",
        ]
    elif isinstance(op, Resize) and op.method == "area":
        body = _mean(v, layer)
    elif is_view(op):
        factor = v.scale(layer.inputs[0]) // v.scale(layer.name)
        body = [
            *_pixel(v, layer.inputs[0], f"row / {factor}", f"column / {factor}", "x"),
            f"for (int c = 0; c < {channels}; c++)",
            "    y[c] = x[c];",
        ]
    else:
        assert isinstance(op, Resize)
        body = _bilinear(v, layer)
    body.append(_see(v, layer.name))
    lines = "\n".join(f"    {line}" for line in body)
    head = f"static void at_{own}(int row, int column, {v.kind(layer.name)} *y)"
    return f"/* {' + '.join(layer.nodes)} */\n{head}\n{{\n{lines}\n}}\n"


def _see(v: Values, name: str) -> str:
    """Return the line that shows a pixel to the checking program; a repeated one is shown for each of its copies."""
    return f"SEE({v.numbers[name]}, row, column, y);"


def _pixel(v: Values, name: str, row: str, column: str, to: str) -> list[str]:
    """Return lines that declare `to` and set it to a pixel of a value."""
    channels, kind = v.channels(name), v.kind(name)
    own = c_name(name)
    if name == PICTURE:
        return [
            f"int16_t {to}[{channels}];",
            f"for (int c = 0; c < {channels}; c++)",
            f"    {to}[c] = level(row_{own}({row})[({column}) * {channels} + c], c / 3);",
        ]
    if name == THUMBNAIL:
        return [f"const int16_t *{to} = thumbnail[{row}][{column}];"]
    if name in v.stream.stored:
        return [f"const {kind} *{to} = row_{own}({row}) + ({column}) * {channels};"]
    return [f"{kind} {to}[{channels}];", f"at_{own}({row}, {column}, {to});"]


def _requantize(v: Values, layer: Layer) -> list[str]:
    own, channels, form = c_name(layer.name), v.channels(layer.name), layer.output
    return [
        f"for (int c = 0; c < {channels}; c++)",
        f"    y[c] = ({v.kind(layer.name)})saturated("
        f"requantized(sum[c], {own}_out_mult[c], {own}_out_shift[c]), {form.low}, {form.high});",
    ]


def _start(v: Values, layer: Layer) -> list[str]:
    own, channels = c_name(layer.name), v.channels(layer.name)
    plus = f" + plus_{own}[c]" if layer.added is not None else ""
    return [
        f"int32_t sum[{channels}];",
        f"for (int c = 0; c < {channels}; c++)",
        f"    sum[c] = {own}_bias[c]{plus};",
    ]


def _pointwise(v: Values, layer: Layer) -> list[str]:
    own, channels, reads = c_name(layer.name), v.channels(layer.name), v.channels(layer.inputs[0])
    return [
        *_pixel(v, layer.inputs[0], "row", "column", "x"),
        *_start(v, layer),
        f"for (int i = 0; i < {reads}; i++)",
        f"    for (int c = 0; c < {channels}; c++)",
        f"        sum[c] += x[i] * {own}_kernel[i * {channels} + c];",
        *_requantize(v, layer),
    ]


def _depthwise(v: Values, layer: Layer, op: DepthwiseConv2D) -> list[str]:
    own, channels, name = c_name(layer.name), v.channels(layer.name), layer.inputs[0]
    before = [conv_pads(v.graph.shapes[name][axis], *op.axis_arguments(axis))[0] for axis in (0, 1)]
    number = "level(x[c], c / 3)" if name == PICTURE else "x[c]"
    return [
        *_start(v, layer),
        f"for (int i = 0; i < {op.kernel_size[0]}; i++) {{",
        f"    int h = row * {op.stride[0]} + i * {op.dilation[0]} - {before[0]};",
        f"    if (h < 0 || h >= {v.rows(name)})",
        "        continue; /* zeros */",
        f"    for (int j = 0; j < {op.kernel_size[1]}; j++) {{",
        f"        int w = column * {op.stride[1]} + j * {op.dilation[1]} - {before[1]};",
        f"        if (w < 0 || w >= {v.columns(name)})",
        "            continue;",
        f"        const {v.kind(name)} *x = row_{c_name(name)}(h) + w * {channels};",
        f"        for (int c = 0; c < {channels}; c++)",
        f"            sum[c] += {number} * {own}_kernel[(i * {op.kernel_size[1]} + j) * {channels} + c];",
        "    }",
        "}",
        *_requantize(v, layer),
    ]


def _transposed(v: Values, layer: Layer, op: Conv2DTranspose) -> list[str]:
    own, channels, name = c_name(layer.name), v.channels(layer.name), layer.inputs[0]
    reads, kernel_width = v.channels(name), op.kernel_size[1]
    crop = [transposed_crop(v.graph.shapes[name][axis], *op.axis_arguments(axis)) for axis in (0, 1)]
    return [
        *_start(v, layer),
        f"for (int i = 0; i < {op.kernel_size[0]}; i++) {{",
        f"    int h = row + {crop[0]} - i * {op.dilation[0]};",
        f"    if (h < 0 || h % {op.stride[0]} || h / {op.stride[0]} >= {v.rows(name)})",
        "        continue;",
        f"    for (int j = 0; j < {op.kernel_size[1]}; j++) {{",
        f"        int w = column + {crop[1]} - j * {op.dilation[1]};",
        f"        if (w < 0 || w % {op.stride[1]} || w / {op.stride[1]} >= {v.columns(name)})",
        "            continue;",
        f"        const {v.kind(name)} *x = row_{c_name(name)}(h / {op.stride[0]})",
        f"            + w / {op.stride[1]} * {reads};",
        f"        for (int c = 0; c < {channels}; c++)",
        f"            for (int k = 0; k < {reads}; k++)",
        f"                sum[c] += x[k] * {own}_kernel[((i * {kernel_width} + j) * {channels} + c) * {reads} + k];",
        "    }",
        "}",
        *_requantize(v, layer),
    ]


def _add(v: Values, layer: Layer) -> list[str]:
    own, channels, form = c_name(layer.name), v.channels(layer.name), layer.output
    lines: list[str] = []
    terms = []
    for i, name in enumerate(layer.inputs):
        lines += _pixel(v, name, "row", "column", f"x{i}")
        terms.append(f"requantized(x{i}[c], {own}_in{i}_mult[0], {own}_in{i}_shift[0])")
    return [
        *lines,
        f"for (int c = 0; c < {channels}; c++)",
        f"    y[c] = ({v.kind(layer.name)})saturated({' + '.join(terms)}, {form.low}, {form.high});",
    ]


def _mean(v: Values, layer: Layer) -> list[str]:
    name, channels = layer.inputs[0], v.channels(layer.name)
    height, width, _ = v.graph.shapes[name]
    return [
        f"int32_t sum[{channels}] = {{0}};",
        f"for (int h = 0; h < {height}; h++)",
        f"    for (int w = 0; w < {width}; w++) {{",
        *(f"        {line}" for line in _pixel(v, name, "h", "w", "x")),
        f"        for (int c = 0; c < {channels}; c++)",
        "            sum[c] += x[c];",
        "    }",
        f"for (int c = 0; c < {channels}; c++)",
        f"    y[c] = ({v.kind(layer.name)})floor_quotient(2 * (int64_t)sum[c] + {height * width}, "
        f"{2 * height * width});",
    ]


def _bilinear(v: Values, layer: Layer) -> list[str]:
    name, channels = layer.inputs[0], v.channels(layer.name)
    factor = v.scale(name) // v.scale(layer.name)
    bits = 2 * factor.bit_length()
    lines = []
    for axis, at, n in (("h", "row", v.rows(name)), ("w", "column", v.columns(name))):
        lines += [
            f"int {axis}0 = floor_shift(2 * {at} + 1 - {factor}, {factor.bit_length()});",
            f"int {axis}_above = 2 * {at} + 1 - {factor} - {2 * factor} * {axis}0, "
            f"{axis}_below = {2 * factor} - {axis}_above;",
            f"int {axis}1 = {axis}0 + 1 < {n} ? {axis}0 + 1 : {n} - 1;",
            f"{axis}0 = {axis}0 < 0 ? 0 : {axis}0;",
        ]
    return [
        *lines,
        *(
            f"const {v.kind(name)} *x{i}{j} = row_{c_name(name)}(h{i}) + w{j} * {channels};"
            for i in (0, 1)
            for j in (0, 1)
        ),
        f"for (int c = 0; c < {channels}; c++) {{",
        "    int32_t left = x00[c] * h_below + x10[c] * h_above, right = x01[c] * h_below + x11[c] * h_above;",
        f"    int32_t all = left * w_below + right * w_above + {1 << (bits - 1)};",
        f"    y[c] = ({v.kind(layer.name)})floor_shift(all, {bits});",
        "}",
    ]
