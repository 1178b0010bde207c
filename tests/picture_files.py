"""Pictures for the tests: samples, EXIF blocks and files laid out by hand, and how results are compared."""

import io
import struct
import zlib

import numpy as np
from PIL import ImageCms

HEIGHT, WIDTH = 11, 14
RGB_PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
GREY_PROFILE = RGB_PROFILE[:16] + b"GRAY" + RGB_PROFILE[20:]  # enough to be told apart by its colour space
CMYK_PROFILE = RGB_PROFILE[:16] + b"CMYK" + RGB_PROFILE[20:]


def random_samples(dtype, channels, seed=0):
    """(H, W) for no channels, else (H, W, channels); float in [0, 1)."""
    random = np.random.default_rng(seed)
    shape = (HEIGHT, WIDTH, channels) if channels else (HEIGHT, WIDTH)
    if dtype == "float32":
        return random.random(shape, dtype=np.float32)
    return random.integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


def smooth_rgb(height=48, width=64):
    """A picture that lossy formats change little."""
    rows, columns = np.mgrid[0:height, 0:width]
    planes = [rows * 3 + columns, 255 - rows * 2, 60 + columns * 2]
    return np.clip(np.stack(planes, axis=-1), 0, 255).astype(np.uint8)


def exif_block(orientation=1, *, thumbnail=False):
    """An EXIF block laid out by hand, big-endian: Make, Orientation, and an exposure time below the EXIF tag."""
    body = b"MM\0*\0\0\0\x08" + struct.pack(">H", 3)
    body += struct.pack(">HHI4s", 271, 2, 4, b"Mak\0")
    body += struct.pack(">HHIHH", 274, 3, 1, orientation, 0)
    body += struct.pack(">HHII", 34665, 4, 1, 50)
    body += struct.pack(">I", 76 if thumbnail else 0)
    assert len(body) == 50
    body += struct.pack(">HHHII", 1, 33434, 5, 1, 68) + struct.pack(">I", 0) + struct.pack(">II", 1, 125)
    assert len(body) == 76
    if thumbnail:
        body += struct.pack(">HHHIHH", 1, 259, 3, 1, 6, 0) + struct.pack(">I", 0)
    return body


def png_bytes(colour_type, samples, *extra_chunks):
    """A 16-bit PNG laid out by hand, every row unfiltered; samples (H, W, C)."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    header = struct.pack(">IIBBBBB", samples.shape[1], samples.shape[0], 16, colour_type, 0, 0, 0)
    before = b"".join(chunk(name, content) for name, content in extra_chunks)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + before
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def matrix_profile(gamma, swap=False):
    """Lay out a profile of sRGB's primaries and white with a power for a curve (ICC.1:2010, matrix/TRC)."""

    def s15f16(*values):
        return b"".join(struct.pack(">i", round(value * 65536)) for value in values)

    # sRGB's primaries adapted to D50, as in ICC's own sRGB profiles.
    primaries = [(0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7139)]
    if swap:  # red and green change places
        primaries[0], primaries[1] = primaries[1], primaries[0]
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    blocks = {
        name: b"XYZ \0\0\0\0" + s15f16(*xyz) for name, xyz in zip(("rXYZ", "gXYZ", "bXYZ"), primaries, strict=True)
    }
    blocks |= {"wtpt": b"XYZ \0\0\0\0" + s15f16(0.9642, 1.0, 0.8249), "rTRC": curve, "gTRC": curve, "bTRC": curve}
    blocks["desc"] = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + bytes(79)
    blocks["cprt"] = b"text\0\0\0\0none\0\0\0\0"
    table, body, offset = struct.pack(">I", len(blocks)), b"", 128 + 4 + 12 * len(blocks)
    for name, block in blocks.items():
        block += bytes(-len(block) % 4)
        table += name.encode() + struct.pack(">II", offset + len(body), len(block))
        body += block
    head = struct.pack(">I4sI4s4s4s", 128 + len(table) + len(body), b"none", 0x02100000, b"mntr", b"RGB ", b"XYZ ")
    head += struct.pack(">6H4s", 2020, 1, 1, 0, 0, 0, b"acsp") + bytes(28) + s15f16(0.9642, 1.0, 0.8249)
    return head.ljust(128, b"\0") + table + body


WHITE_LEVEL = 16383  # of `write_dng`


def write_dng(tifffile, file, sensor, extratags=()):
    """A DNG (1.4) of an RGGB sensor whose colours are those of sRGB, 14 bits, no camera curve."""
    xyz_to_srgb = [32406, 10000, -15372, 10000, -4986, 10000, -9689, 10000, 18758, 10000, 415, 10000, 557, 10000]
    xyz_to_srgb += [-2040, 10000, 10570, 10000]  # IEC 61966-2-1
    extratags = [
        (50706, 1, 4, (1, 4, 0, 0), True),  # DNGVersion
        (50708, 2, None, "Camera", True),  # UniqueCameraModel
        (33421, 3, 2, (2, 2), True),  # CFARepeatPatternDim
        (33422, 1, 4, (0, 1, 1, 2), True),  # CFAPattern
        (50717, 4, 1, WHITE_LEVEL, True),  # WhiteLevel
        (50721, 10, 9, tuple(xyz_to_srgb), True),  # ColorMatrix1
        (50728, 5, 3, (1, 1, 1, 1, 1, 1), True),  # AsShotNeutral
        (50778, 3, 1, 21, True),  # CalibrationIlluminant1: D65
        *extratags,
    ]
    tifffile.imwrite(file, sensor, photometric=32803, extratags=extratags, metadata=None, software=False)


def encoded(image, kind, **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def assert_same_samples(actual, expected):
    assert actual.dtype == expected.dtype
    assert actual.shape == expected.shape
    np.testing.assert_array_equal(actual, expected)


# EXIF 2.32, tag 274: which side of the shown picture the stored row 0 and column 0 are.
SIDES = {
    1: ("top", "left"), 2: ("top", "right"), 3: ("bottom", "right"), 4: ("bottom", "left"),
    5: ("left", "top"), 6: ("right", "top"), 7: ("right", "bottom"), 8: ("left", "bottom"),
}  # fmt: skip


def shown(stored, orientation):
    """Put every stored pixel where the two sides of the standard say."""
    row_side, column_side = SIDES[orientation]
    rows, columns = stored.shape[:2]
    upright = row_side in ("top", "bottom")
    result = np.empty(((rows, columns) if upright else (columns, rows)) + stored.shape[2:], stored.dtype)
    height, width = result.shape[:2]
    for i in range(rows):
        for j in range(columns):
            place = {}
            for side, index in ((row_side, i), (column_side, j)):
                axis = 0 if side in ("top", "bottom") else 1
                place[axis] = index if side in ("top", "left") else (height, width)[axis] - 1 - index
            result[place[0], place[1]] = stored[i, j]
    return result


def assert_one_line(error):
    text = str(error.value)
    assert "\n" not in text
    assert text.isprintable()
