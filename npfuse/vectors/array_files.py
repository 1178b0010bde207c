"""Writes an array as a file: NumPy's, raw bytes, a C header, or text for Verilog's $readmemh.

In all of them, the last axis is the fastest, so that pictures are (H, W, C). Bytes are little-endian.
"""

import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

NUMBERS_A_LINE = 16
C_TYPES = {"float32": "float", **{f"{u}int{bits}": f"{u}int{bits}_t" for u in ("", "u") for bits in (8, 16, 32)}}


def npy_bytes(array: NDArray[Any], name: str, axes: Sequence[str]) -> bytes:
    """Return a `.npy` file of version 1.0."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, _little_endian(array), version=(1, 0), allow_pickle=False)
    return buffer.getvalue()


def raw_bytes(array: NDArray[Any], name: str, axes: Sequence[str]) -> bytes:
    """Return the numbers alone."""
    return _little_endian(array).tobytes()


def header_bytes(array: NDArray[Any], name: str, axes: Sequence[str]) -> bytes:
    """Return a C99 header with one `static const` array and its lengths.

    Examples
    --------
    >>> print(header_bytes(np.array([[1, -2]], np.int8), "detail1.kernel", ["Cin", "Cout"]).decode())
    #ifndef NPFUSE_DETAIL1_KERNEL_H
    #define NPFUSE_DETAIL1_KERNEL_H
    #include <stdint.h>
    /* (Cin, Cout) = (1, 2) */
    #define DETAIL1_KERNEL_CIN 1
    #define DETAIL1_KERNEL_COUT 2
    static const int8_t detail1_kernel[2] = {
        1, -2
    };
    #endif
    <BLANKLINE>
    """
    own = c_name(name)
    lines = [
        f"#ifndef NPFUSE_{own.upper()}_H",
        f"#define NPFUSE_{own.upper()}_H",
        "#include <stdint.h>",
        f"/* ({', '.join(axes)}) = ({', '.join(map(str, array.shape))}) */",
        *(f"#define {own.upper()}_{axis.upper()} {n}" for axis, n in zip(axes, array.shape, strict=True)),
        c_array(array, own),
        "#endif\n",
    ]
    return "\n".join(lines).encode()


def c_array(array: NDArray[Any], name: str) -> str:
    """Return the definition of a `static const` array in C."""
    numbers = [_c_number(number) for number in array.ravel().tolist()]
    lines = [", ".join(numbers[i : i + NUMBERS_A_LINE]) for i in range(0, len(numbers), NUMBERS_A_LINE)]
    body = ",\n    ".join(lines)
    return f"static const {C_TYPES[array.dtype.name]} {name}[{array.size}] = {{\n    {body}\n}};"


def c_name(name: str) -> str:
    """Return a name in the letters that C and its preprocessor allow.

    Examples
    --------
    >>> c_name("detail1.kernel")
    'detail1_kernel'
    """
    return re.sub(r"\W", "_", name)


def hex_bytes(array: NDArray[Any], name: str, axes: Sequence[str]) -> bytes:
    """Return text for $readmemh: one number per line, its bits as hexadecimal digits, two's complement.

    Examples
    --------
    >>> hex_bytes(np.array([1, -2], np.int8), "", []).decode().split()
    ['01', 'fe']
    """
    bits = _little_endian(array).view(np.dtype(f"<u{array.dtype.itemsize}")).ravel().tolist()
    digits = 2 * array.dtype.itemsize
    return "".join(f"{number:0{digits}x}\n" for number in bits).encode()


def _c_number(number: float) -> str:
    if isinstance(number, int):
        return "(-2147483647 - 1)" if number == -(2**31) else str(number)
    text = f"{number:.9g}"  # as many digits as tell all float32 apart
    return f"{text}f" if "." in text or "e" in text else f"{text}.0f"


def _little_endian(array: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<"))


FORMATS: Mapping[str, Callable[[NDArray[Any], str, Sequence[str]], bytes]] = {
    "npy": npy_bytes,
    "bin": raw_bytes,
    "h": header_bytes,
    "hex": hex_bytes,
}
