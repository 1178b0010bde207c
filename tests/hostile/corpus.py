"""Files that are broken, absurd or meant to do harm, each with what is to be said of it.

`python -m tests.hostile.corpus FOLDER` writes them all, fuses or loads each by the command line, and prints a line of
JSON each: its name, the exit status, what was printed, and the peak memory of the process while it did.
"""

import io
import json
import pickle
import struct
import sys
import zipfile
import zlib
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
from PIL import Image

from costmodel.process_memory import peak_bytes, reset_peak
from npfuse.pictures.reading import READ
from tests.picture_files import RGB_PROFILE, encoded, exif_block, png_bytes
from tests.pictures.examples import dng, examples, heic

HEIGHT, WIDTH = 24, 32
DAMAGED = "damaged or unusual"


def noise(dtype=np.uint8, shape=(HEIGHT, WIDTH, 3)):
    rng = np.random.default_rng(0)
    return rng.random(shape).astype(dtype) if np.dtype(dtype).kind == "f" else rng.integers(9, 250, shape).astype(dtype)


def picture(kind, **options):
    return encoded(Image.fromarray(noise()), kind, **options)


def written(suffix, pixels):
    """Bytes of a picture as npfuse itself writes it."""
    import tempfile

    from npfuse.pictures.reading import Picture, write_picture

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"a{suffix}"
        write_picture(file, Picture(pixels=pixels))
        return file.read_bytes()


def png_of(height, width, rows=b"", *before):
    """A PNG that declares a size, with other rows than that."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), *before, (b"IDAT", rows), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )


def whole_png_with(name, content):
    """A black PNG with another chunk."""
    return png_of(HEIGHT, WIDTH, zlib.compress(bytes(HEIGHT * (1 + 3 * WIDTH))), (name, content))


def zeros(size):
    """So many zeros, deflated: a thousandth of them."""
    packer = zlib.compressobj(9)
    parts = [packer.compress(bytes(1 << 20)) for _ in range(size >> 20)]
    return b"".join([*parts, packer.flush()])


def tiff_of(height, width, strip):
    """A TIFF of one deflated strip that declares a size."""
    tags = [(256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 8), (262, 3, 1), (273, 4, 122), (277, 3, 1),
            (278, 4, height), (279, 4, len(strip))]  # fmt: skip
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", t, k, 1, v) for t, k, v in tags)
    return b"II*\0\x08\0\0\0" + directory + struct.pack("<I", 0) + strip


def tiff_that_loops():
    """A TIFF whose directory says that the next one is itself."""
    content = bytearray(written(".tif", noise()))
    (directory,) = struct.unpack_from("<I", content, 4)
    (count,) = struct.unpack_from("<H", content, directory)
    struct.pack_into("<I", content, directory + 2 + 12 * count, directory)
    return bytes(content)


def tiff_of_tiny_tiles():
    """A TIFF that declares 10^10 tiles of a pixel."""
    tags = [(256, 4, 100_000), (257, 4, 100_000), (258, 3, 8), (259, 3, 1), (262, 3, 1), (277, 3, 1), (322, 4, 1),
            (323, 4, 1), (324, 4, 8), (325, 4, 1)]  # fmt: skip
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", t, k, 1, v) for t, k, v in tags)
    return b"II*\0\x08\0\0\0" + directory + bytes(4)


def heic_of_a_huge_size():
    content = bytearray(heic())
    at = content.index(b"ispe") + 8
    struct.pack_into(">II", content, at, 60_000, 60_000)
    return bytes(content)


class Command:
    """A pickle that would run a command."""

    def __reduce__(self):
        return exec, ("import pathlib; pathlib.Path('executed').touch()",)


def webp_of_the_largest_size():
    content = bytearray(encoded(Image.fromarray(noise()), "WEBP", lossless=True))
    at = content.index(b"VP8L") + 9
    content[at : at + 4] = b"\xff\xff\xff" + bytes([content[at + 3] | 0x0F])  # 16384 x 16384
    return bytes(content)


def exr_of_a_huge_window():
    content = bytearray(written(".exr", noise(np.float32)))
    for name in (b"dataWindow\0box2i\0", b"displayWindow\0box2i\0"):
        at = content.index(name) + len(name) + 4
        struct.pack_into("<4i", content, at, 0, 0, 99_999, 99_999)
    return bytes(content)


def weights_file(change: Callable[[dict], None]) -> bytes:
    """A weights file whose members were changed: name to bytes."""
    from npfuse.weights.loading import BUNDLED

    with zipfile.ZipFile(BUNDLED / "tonefuse.npz") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def npy(array=None, shape=None):
    """An array file, or the header of one that declares a shape."""
    stream = io.BytesIO()
    if shape is None:
        np.lib.format.write_array(stream, array, allow_pickle=True)
    else:
        np.lib.format.write_array_header_1_0(stream, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return stream.getvalue()


def put(name, content):
    return lambda members: members.__setitem__(name, content)


def h5_with(kind):
    import h5py

    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        group = file.create_group("a")
        if kind == "loop":
            group["b"] = group
            file["c"] = h5py.SoftLink("/c")
        elif kind == "external":
            group["passwords"] = h5py.ExternalLink("/etc/passwd", "/")
        else:
            file.create_dataset("huge", (10**6, 10**6), "f4", chunks=(1000, 1000), compression="gzip")
    return stream.getvalue()


def cut(format):
    """A file of a format that ends in its middle."""

    def make():
        content = next(iter(examples(format).values()))
        return content[: len(content) // 2]

    return make


def jpeg_of_the_largest_size():
    content = bytearray(picture("JPEG"))
    struct.pack_into(">HH", content, content.index(b"\xff\xc0") + 5, 65_500, 65_500)
    return bytes(content)


def bmp_of_a_huge_size():
    content = bytearray(picture("BMP"))
    struct.pack_into("<ii", content, 18, 100_000, 100_000)
    return bytes(content)


def avif_of_a_huge_size():
    content = bytearray(picture("AVIF"))
    struct.pack_into(">II", content, content.index(b"ispe") + 8, 60_000, 60_000)
    return bytes(content)


def dng_of_a_huge_size():
    content = bytearray(dng())
    for tag in (256, 257):
        struct.pack_into("<I", content, content.index(struct.pack("<HH", tag, 4)) + 8, 60_000)
    return bytes(content)


PICTURES: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty.jpg": (lambda: b"", "is empty, expected"),
    "text.png": (lambda: b"not a picture at all, just words", "is not a picture known here"),
    "page.jpg": (lambda: b"<!DOCTYPE html><html>404</html>", "is not a picture known here"),
    **{f"cut{format.suffixes[0]}": (cut(format), DAMAGED + "|begins with a thumbnail") for format in READ},
    "cut16.png": (lambda: png_bytes(2, noise(np.uint16))[:400], DAMAGED),
    "cut16.tif": (lambda: written(".tif", noise(np.uint16))[:600], DAMAGED),
    "cut lzw.tif": (lambda: picture("TIFF", compression="tiff_lzw")[:400], DAMAGED),
    "empty.tif": (lambda: b"II*\0", DAMAGED),
    "bomb.png": (lambda: png_of(100_000, 100_000, zeros(1 << 26)), "declares more pixels than the limit"),
    "inflating.png": (lambda: png_of(HEIGHT, WIDTH, zeros(1 << 30)), "size (height, width)|" + DAMAGED + "|^$"),
    "bomb.jpg": (jpeg_of_the_largest_size, "declares more pixels than the limit"),
    "bomb.dng": (dng_of_a_huge_size, "declares more pixels than the limit"),
    "bomb.tif": (lambda: tiff_of(100_000, 100_000, zeros(1 << 26)), "declares more pixels than the limit"),
    "inflating.tif": (lambda: tiff_of(HEIGHT, WIDTH, zeros(1 << 30)), "kind is|" + DAMAGED),
    "bomb.webp": (webp_of_the_largest_size, "declares more pixels than the limit|" + DAMAGED),
    "bomb.exr": (exr_of_a_huge_window, "declares more pixels than the limit"),
    "bomb.heic": (heic_of_a_huge_size, "declares more pixels than the limit|" + DAMAGED),
    "tiny tiles.tif": (tiff_of_tiny_tiles, "declares more pixels than the limit"),
    "profile bomb.png": (lambda: whole_png_with(b"iCCP", b"a\0\0" + zeros(1 << 30)), DAMAGED),
    "text bomb.png": (lambda: whole_png_with(b"zTXt", b"a\0\0" + zeros(1 << 30)), DAMAGED),
    "profile that ends.png": (lambda: picture("PNG", icc_profile=RGB_PROFILE[:200]), "means other colours than"),
    "bomb.npy": (lambda: npy(shape=(10**6, 10**6)), "declares 4000000000000 bytes of samples and holds 0"),
    "pickle.npy": (lambda: npy(np.array([{"a": 1}], object)), "holds object, expected"),
    "shape.npy": (lambda: npy(np.zeros((3, 4, 5, 6), np.uint8)), r"shape is \(3, 4, 5, 6\), expected"),
    "nan.tif": (lambda: written(".tif", np.full((HEIGHT, WIDTH, 3), np.nan, np.float32)), "are NaN or outside"),
    "nan.exr": (lambda: written(".exr", np.full((HEIGHT, WIDTH, 3), np.nan, np.float32)), "are NaN or outside"),
    "zero.png": (lambda: png_of(0, 0), DAMAGED),
    "negative.bmp": (lambda: b"BM" + bytes(60), DAMAGED),
    "bomb.ppm": (lambda: b"P6 100000 100000 255 " + bytes(99), "declares more pixels than the limit"),
    "many digits.ppm": (lambda: b"P6 " + b"9" * 9999 + b" 1 255 ", DAMAGED),
    "short.ppm": (lambda: b"P5 9 9 65535\n" + bytes(99), DAMAGED),
    "bomb.bmp": (bmp_of_a_huge_size, "declares more pixels than the limit"),
    "bomb.avif": (avif_of_a_huge_size, "declares more pixels than the limit|" + DAMAGED),
}
# These are fused: strange, and no fault.
ABSURD: dict[str, Callable[[], bytes]] = {
    "jpeg named.png": lambda: picture("JPEG", quality=100),
    "directory loop.tif": tiff_that_loops,
    "profile of nonsense.jpg": lambda: picture("JPEG", icc_profile=b"no profile" * 99),
    "exif of nonsense.jpg": lambda: picture("JPEG", exif=b"Exif\0\0" + bytes(range(256)) * 200),
    "exif that ends.jpg": lambda: picture("JPEG", exif=b"Exif\0\0" + exif_block()[:30]),
    "exif of 65535 entries.jpg": lambda: picture("JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + bytes(50_000)),
    "exif orientation 99.jpg": lambda: picture("JPEG", exif=b"Exif\0\0" + exif_block(99)),
    "exif loop.jpg": lambda: picture(
        "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\1\x87\x69\0\4\0\0\0\1\0\0\0\x08\0\0\0\x08"
    ),
    "ünïcödé 夜景.png": lambda: picture("PNG"),
    "new\nline.png": lambda: picture("PNG"),
    " spaces .png": lambda: picture("PNG"),
    "quote'\"$(x);.png": lambda: picture("PNG"),
}
WEIGHTS: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty.npz": (lambda: b"", "expected an npfuse weights file"),
    "text.npz": (lambda: b"weights", "expected an npfuse weights file"),
    "cut.npz": (lambda: weights_file(lambda members: None)[:3000], "expected an npfuse weights file"),
    "pickle.npz": (lambda: weights_file(put("tone1/bias.npy", npy(np.array([{}], object)))), "Python objects"),
    "code.npz": (lambda: weights_file(put("tone1/bias.npy", b"cos\nsystem\n(S'true'\ntR.")), "is damaged"),
    "shape.npz": (lambda: weights_file(put("tone1/bias.npy", npy(np.zeros(3, np.float32)))), "has shape"),
    "huge.npz": (lambda: weights_file(put("tone1/bias.npy", npy(shape=(10**6, 10**6)))), "more than the file"),
    "inflating.npz": (
        lambda: weights_file(put("tone1/bias.npy", npy(shape=(1 << 26,)) + bytes(1 << 28))), "more than the file",
    ),
    "nan.npz": (lambda: weights_file(put("tone1/bias.npy", npy(np.full(16, np.nan, np.float32)))), "no finite float32"),
    "code.pkl.npz": (lambda: pickle.dumps(Command()), "expected an npfuse weights file|checkpoint|state|tensors"),
    "objects.npz": (lambda: weights_file(put("arr_0.npy", npy(np.array([Command()], object)))), "arr_0 to arr_5"),
    "loop.h5": (lambda: h5_with("loop"), "loop.h5"),
    "external.h5": (lambda: h5_with("external"), "external.h5"),
    "huge.h5": (lambda: h5_with("huge"), "huge.h5"),
    "cut.h5": (lambda: h5_with("loop")[:700], "cut.h5"),
}  # fmt: skip


def run(arguments):
    """Run the command line; return its exit status and what it printed on stderr."""
    from npfuse.cli import main

    told = io.StringIO()
    with redirect_stderr(told), redirect_stdout(io.StringIO()):
        status = main(arguments)
    return status, told.getvalue()


def run_all(folder: Path) -> None:
    from npfuse.pictures.reading import PictureError

    folder.mkdir(parents=True, exist_ok=True)
    good, out = folder / "good.png", folder / "out"
    good.write_bytes(encoded(Image.fromarray(255 - noise() // 3), "PNG"))
    out.mkdir(exist_ok=True)
    run(["fuse", str(good), str(good), "-o", str(out / "first.png"), "--no-check"])
    (out / "first.png").unlink()
    cases = [("fused", name, make) for name, make in ABSURD.items()]
    cases += [(message, name, make) for name, (make, message) in (PICTURES | WEIGHTS).items()]
    for expected, name, make in cases:
        file = folder / name
        try:
            file.write_bytes(make())
        except (ImportError, PictureError):  # an extra that this corpus needs is not there
            continue
        weights = file.suffix in (".npz", ".h5")
        reset_peak()
        pair = [str(file), str(file if name.startswith("nan.") else good)]
        if weights:
            pair = [str(good), str(good), "--weights", str(file)]
        status, told = run(["fuse", *pair, "-o", str(out / "fused.png"), "--no-check"])
        left = sorted(path.name for path in out.iterdir())
        for path in out.iterdir():
            path.unlink()
        line = {"name": name, "status": status, "told": told, "left": left, "peak": peak_bytes(), "expected": expected}
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    run_all(Path(sys.argv[1]))
