"""Light and display values: sRGB's curve (IEC 61966-2-1), and pictures that are stored as light.

The networks were trained on display values. Some files hold linear light, said by an ICC profile whose curves are
straight, or samples of another power of light, said by PNG's gAMA. They are encoded with sRGB's curve on reading; the
profile's curves are replaced and its primaries stay. Profiles with tables of colours (A2B) are left out.
"""

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.pictures.row_runs import by_runs

CURVES = (b"rTRC", b"gTRC", b"bTRC", b"kTRC")  # tags of an ICC profile
TABLES = (b"A2B0", b"A2B1", b"A2B2", b"D2B0", b"D2B1")
# sRGB's curve as a parametric curve of kind 3 (ICC.1:2010, 10.15), with 16 bits behind the point.
SRGB_CURVE = b"para\0\0\0\0\0\3\0\0" + struct.pack(
    ">5i", *(round(65536 * number) for number in (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045))
)
LIGHT_ENCODED = "linear light encoded with sRGB's curve"  # note of a picture
STRAIGHT = 1 / 256  # a curve that stays within this of y = x is straight
DISPLAY_POWERS = (0.4, 0.5)  # of PNG's gAMA; 0.45455 is that of sRGB


def encode_light(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """Encode linear light with sRGB's curve, continued beyond 1 and, mirrored, below 0; float32, any shape.

    Examples
    --------
    >>> encode_light(np.array([-0.001, 0, 0.0031308, 1], np.float32)).round(5).tolist()
    [-0.012919999659061432, 0.0, 0.040449999272823334, 1.0]
    """
    size = np.abs(light)
    with np.errstate(invalid="ignore", over="ignore"):
        curved = np.float32(1.055) * size ** np.float32(1 / 2.4) - np.float32(0.055)
        return np.copysign(np.where(size <= 0.0031308, np.float32(12.92) * size, curved), light)


def decode_light(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Undo `encode_light`.

    Examples
    --------
    >>> light = np.array([-0.5, 0.001, 0.18, 7], np.float32)
    >>> bool(np.allclose(decode_light(encode_light(light)), light, rtol=1e-5))
    True
    """
    size = np.abs(values)
    with np.errstate(invalid="ignore", over="ignore"):
        curved = ((size + np.float32(0.055)) / np.float32(1.055)) ** np.float32(2.4)
        return np.copysign(np.where(size <= 0.04045, size / np.float32(12.92), curved), values)


def encode_samples(samples: NDArray[Any], power: float = 1.0) -> NDArray[Any]:
    """Encode samples that are a power of light as display values of the same dtype.

    Parameters
    ----------
    samples : ndarray of any shape, uint8, uint16 or float32
    power : power of light that the samples are; 1 for light itself

    Examples
    --------
    >>> encode_samples(np.array([0, 46, 255], np.uint8)).tolist()
    [0, 118, 255]
    """
    if samples.dtype.kind == "f":
        return by_runs(
            lambda run: encode_light(_light(run.astype(np.float32, copy=False), power)), samples, samples.dtype
        )
    white = np.iinfo(samples.dtype).max
    levels = (np.arange(white + 1, dtype=np.float64) / white) ** (1 / power)
    table = np.rint(encode_light(levels.astype(np.float32)) * np.float32(white)).astype(samples.dtype)
    encoded: NDArray[Any] = table[samples]
    return encoded


def _light(values: NDArray[np.float32], power: float) -> NDArray[np.float32]:
    """Return light, given values that are a power of it."""
    with np.errstate(invalid="ignore", over="ignore"):
        return values if power == 1 else np.copysign(np.abs(values) ** np.float32(1 / power), values)


def display_profile(icc_profile: bytes) -> bytes | None:
    """Return a profile of linear light with sRGB's curve in place of its own; None for every other profile."""
    try:
        tags = _tags(icc_profile)
        curves = {name: place for name, place in tags.items() if name in CURVES}
        if not curves or any(name in tags for name in TABLES):
            return None
        if not all(_is_straight(icc_profile[start : start + size]) for start, size in curves.values()):
            return None
        padded = icc_profile + bytes(-len(icc_profile) % 4)
        changed = bytearray(padded + SRGB_CURVE)
        for index in range(len(tags)):
            entry = 132 + 12 * index
            if bytes(changed[entry : entry + 4]) in CURVES:
                struct.pack_into(">II", changed, entry + 4, len(padded), len(SRGB_CURVE))
        struct.pack_into(">I", changed, 0, len(changed))
        changed[84:100] = bytes(16)  # the checksum of the old profile
        return bytes(changed)
    except (struct.error, ValueError, OverflowError):  # damaged
        return None


def is_display_power(power: float) -> bool:
    """Return whether samples of a power of light (PNG's gAMA) need no encoding: display values, or no valid power."""
    return not 0.05 <= power <= 5 or DISPLAY_POWERS[0] <= power <= DISPLAY_POWERS[1]


def _tags(icc_profile: bytes) -> dict[bytes, tuple[int, int]]:
    """Return start and size of a profile's tags; raise struct.error or ValueError if the profile is damaged."""
    (count,) = struct.unpack_from(">I", icc_profile, 128)
    if count > 200:
        raise ValueError(f"ICC profile: number of tags is {count}, expected at most 200")
    tags = {}
    for index in range(count):
        name, start, size = struct.unpack_from(">4sII", icc_profile, 132 + 12 * index)
        tags[name] = start, size
    if len(tags) != count:
        raise ValueError("ICC profile: a tag is there twice")
    return tags


def _is_straight(curve: bytes) -> bool:
    """Return whether a curve of an ICC profile is that of linear light."""
    x = np.linspace(0, 1, 17)
    kind = curve[:4]
    if kind == b"curv":
        (count,) = struct.unpack_from(">I", curve, 8)
        if count == 0:
            return True
        if count == 1:
            y = x ** (struct.unpack_from(">H", curve, 12)[0] / 256)
        else:
            table = np.frombuffer(curve, ">u2", count, 12) / 65535
            y = np.interp(x, np.linspace(0, 1, count), table)
    elif kind == b"para":
        (function,) = struct.unpack_from(">H", curve, 8)
        numbers = [number / 65536 for number in struct.unpack_from(f">{(1, 3, 4, 5, 7)[function]}i", curve, 12)]
        power, a, b, c, d, e, f = numbers + [1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0][len(numbers) :]
        if function in (1, 2):  # constant, c or 0, up to -b / a
            d, e, f, c = -b / a if a else 0.0, c, c, 0.0
        y = np.where(x >= d, np.maximum(a * x + b, 0) ** power + e, c * x + f)
    else:
        return False
    return bool(np.abs(y - x).max() <= STRAIGHT)
