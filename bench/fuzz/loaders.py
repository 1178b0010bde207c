"""Fuzzes the readers of picture and weights files. Only a picture, weights or a one-line error is no crash.

    pip install atheris
    python -m bench.fuzz.loaders pictures CORPUS -max_total_time=300 -rss_limit_mb=2048 -malloc_limit_mb=1500

The first argument is `pictures`, `pages` (of a TIFF, and of files read part by part), `descriptions`, `fusions` (the
whole command, which must leave either a result or nothing), `weights` or `keras`. CORPUS is a folder, which is filled
with a small file of every kind where it is empty, and grows. The rest are libFuzzer's options; it prints how many
inputs it tried.
"""

import contextlib
import io
import os
import struct
import sys
import tempfile
import zlib
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["npfuse", "PIL", "tifffile", "zipfile", "numpy.lib"]):
    import h5py
    import numpy as np
    from PIL import Image

    from npfuse.cli import main as npfuse_command
    from npfuse.pictures.metadata.exif import TIFF_START, directory_bytes
    from npfuse.pictures.metadata.iptc import iptc_of_resources, jpeg_segment
    from npfuse.pictures.pages import pages_of
    from npfuse.pictures.reading import Picture, PictureError, read_picture, write_picture
    from npfuse.pictures.stored import opened
    from npfuse.weights.loading import load_weights
    from npfuse.weights.npz_files import save_weights
    from npfuse.weights.weights import Weights, WeightsError
    from tests.picture_files import RGB_PROFILE, matrix_profile, png_bytes
    from tests.pictures.examples import all_examples

FOLDER = Path(tempfile.mkdtemp(dir="/dev/shm" if os.path.isdir("/dev/shm") else None))


def try_picture(data: bytes) -> None:
    """Read bytes as a picture file."""
    file = FOLDER / "input"
    file.write_bytes(data)
    try:
        picture = read_picture(file)
    except PictureError as error:
        check_message(str(error))
    else:
        assert isinstance(picture, Picture)


def try_pages(data: bytes) -> None:
    """Read bytes as a file of pages: each page, those beyond the last, and parts of the first."""
    file = FOLDER / "pages.tif"
    file.write_bytes(data)
    for page in (*pages_of(file)[:3], Path(f"{file}[1]"), Path(f"{file}[999999]")):
        try:
            read_picture(page)
        except PictureError as error:
            check_message(str(error))
    try:
        with opened(file) as stored:
            if stored is not None:
                height, width = stored.pixels.shape[:2]
                for rows, columns in ((slice(0, 3), slice(0, 5)), (slice(height - 1, height), slice(0, width))):
                    assert stored.pixels[rows, columns].size
    except PictureError as error:
        check_message(str(error))


def try_fusion(data: bytes) -> None:
    """Fuse bytes as a picture file with a whole picture of its size: there is a result, or nothing is left."""
    folder = FOLDER / "fusion"
    folder.mkdir(exist_ok=True)
    file, other, output = folder / "a", folder / "b.png", folder / "fused.png"
    file.write_bytes(data)
    try:
        picture = read_picture(file)
        write_picture(other, Picture(pixels=~picture.pixels if picture.pixels.dtype.kind == "u" else picture.pixels))
    except PictureError:  # `other` is that of a former run: of another size, most often
        pass
    told = io.StringIO()
    arguments = ["fuse", str(file), str(other), "-o", str(output), "--method", "mertens", "--quiet", "--threads", "1"]
    with contextlib.redirect_stderr(told), contextlib.redirect_stdout(told):
        status = npfuse_command(arguments)
    assert status in (0, 2), (status, told.getvalue())
    assert "Traceback" not in told.getvalue(), told.getvalue()
    assert output.exists() == (status == 0), (status, told.getvalue())
    output.unlink(missing_ok=True)
    assert {path.name for path in folder.iterdir()} <= {"a", "b.png"}, list(folder.iterdir())


def try_weights(data: bytes, name: str = "input.npz") -> None:
    """Read bytes as a weights file."""
    file = FOLDER / name
    file.write_bytes(data)
    try:
        assert isinstance(load_weights(file), Weights)
    except WeightsError as error:
        check_message(" ".join(str(error).split()))  # as the command line prints it


def try_keras(data: bytes) -> None:
    """Read bytes as a Keras file: HDF5 by its first bytes, a zip by its name."""
    try_weights(data, "input.keras" if data[:2] == b"PK" else "input.h5")


def try_description(data: bytes) -> None:
    """Write bytes as EXIF, XMP and IPTC of a small picture in every format that holds them, and read it again."""
    place = len(data) // 2
    for exif, xmp, iptc in (
        (data, None, None),
        (None, data, None),
        (None, None, data),
        (data[:place], data[place:], data),
    ):
        picture = Picture(pixels=np.zeros((6, 7, 3), np.uint8), exif=exif, xmp=xmp, iptc=iptc)
        for suffix in (".jpg", ".png", ".webp", ".tif"):
            file = FOLDER / f"described{suffix}"
            try:
                write_picture(file, picture, overwrite=True)
                read_picture(file)
            except PictureError as error:
                check_message(str(error))
    iptc_of_resources(data)


def description_seeds() -> dict[str, bytes]:
    """Return an EXIF block, an XMP packet, and IPTC within image resources."""
    iptc = b"\x1c\x02\x78\x00\x05Hafen"
    below = {33434: 1 / 125, 40962: 7, 40963: 6, 37500: b"maker note"}
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="6" hdrgm:Version="1.0"/><xmp:Thumbnails/></x:xmpmeta>'
    exif = TIFF_START + directory_bytes({271: "Maker", 274: 6, 256: 7, 257: 6, 34665: below, 34853: {1: "N"}})
    return {"exif": exif, "xmp": xmp, "iptc": iptc, "resources": jpeg_segment(iptc)[18:]}


def check_message(text: str) -> None:
    """Fail if a message is not a single line, or too long to be read."""
    assert "\n" not in text, text
    assert len(text) < 2000, text


def picture_seeds() -> dict[str, bytes]:
    """Return a small file of every format and depth, and of what Pillow converts."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (6, 7, 3), np.uint8)
    deep = rng.integers(0, 65536, (6, 7, 4), np.uint16)
    seeds = all_examples()
    for name, kind, mode, options in (
        ("palette.png", "PNG", "P", {}),
        ("profile.png", "PNG", "RGB", {"icc_profile": RGB_PROFILE}),
        ("lossless.webp", "WEBP", "RGB", {"lossless": True}),
        ("lzw.tif", "TIFF", "RGB", {"compression": "tiff_lzw"}),
        ("bits.bmp", "BMP", "1", {}),
        ("palette.bmp", "BMP", "P", {}),
        ("alpha.bmp", "BMP", "RGBA", {}),
        ("alpha.avif", "AVIF", "RGBA", {}),
        ("grey.pgm", "PPM", "L", {}),
        ("cmyk.tif", "TIFF", "CMYK", {}),
    ):
        stream = io.BytesIO()
        Image.fromarray(pixels).convert(mode).save(stream, kind, **options)
        seeds[name] = stream.getvalue()
    seeds |= {
        "gamma.png": png_bytes(2, deep[..., :3], (b"gAMA", (100_000).to_bytes(4, "big"))),
        "linear.png": png_bytes(6, deep, (b"iCCP", b"a\0\0" + zlib.compress(matrix_profile(1.0)))),
        "grey_alpha.png": png_bytes(4, deep[..., :2]),
        "text.pgm": b"P2\n# a comment\n4 2\n15\n0 1 2 3 15 14 13 12\n",
        "text.ppm": b"P3 2 1 300 0 150 300 # white\n299 1 7\n",
        "deep.ppm": b"P6\n2 1\n1023\n" + bytes(range(4)) * 3,
        "runs.bmp": RUNS_BMP,
    }
    with contextlib.suppress(ImportError):  # the extra `tiff` is missing
        import imagecodecs

        seeds["ten_bits.avif"] = imagecodecs.avif_encode(deep[..., :3] >> 6, bitspersample=10)
    return seeds


# Two rows of four pixels, packed in runs (Microsoft's BI_RLE8): the lower one of one run, the upper one spelled out.
RUNS_BMP = (
    b"BM" + struct.pack("<IHHI", 86, 0, 0, 70)
    + struct.pack("<IiiHHIIiiII", 40, 4, 2, 1, 8, 1, 16, 2835, 2835, 4, 4)
    + bytes([0, 0, 0, 0, 255, 0, 0, 0, 0, 255, 0, 0, 0, 0, 255, 0])
    + bytes([4, 1, 0, 0, 0, 4, 0, 1, 2, 3, 0, 0, 0, 1, 0, 0])
)  # fmt: skip


def page_seeds() -> dict[str, bytes]:
    """Return TIFFs of several pages, by Pillow and by tifffile: of 8 and 16 bits, packed, tiled, with EXIF below."""
    import tifffile

    rng = np.random.default_rng(0)
    pages = [Image.fromarray(rng.integers(0, 256, (6, 7, 3), np.uint8)) for _ in range(3)]
    seeds = {}
    for name, options in (("plain", {}), ("packed", {"compression": "tiff_adobe_deflate"})):
        stream = io.BytesIO()
        pages[0].save(stream, "TIFF", save_all=True, append_images=pages[1:], **options)
        seeds[name] = stream.getvalue()
    for name, options in (
        ("deep", {}),
        ("deep packed", {"compression": "zlib", "predictor": True, "rowsperstrip": 4}),
        ("tiled", {"tile": (16, 16), "compression": "zlib"}),
        ("planar", {"planarconfig": "separate"}),
    ):
        for big in (False, True):
            stream = io.BytesIO()
            with tifffile.TiffWriter(stream, bigtiff=big, byteorder=">" if big else "<") as writer:
                for _ in range(2):
                    samples = rng.integers(0, 4096, (20, 24, 3), np.uint16)
                    if options.get("planarconfig"):
                        samples = np.moveaxis(samples, 2, 0)
                    writer.write(samples, photometric="rgb", metadata=None, **options)
            seeds[f"{name}{' big' * big}"] = stream.getvalue()
    return seeds


def weights_seeds() -> dict[str, bytes]:
    """Return a small weights file."""
    file = FOLDER / "seed.npz"
    save_weights(file, load_weights("tonefuse"), overwrite=True)
    return {"npz": file.read_bytes()}


def keras_seeds() -> dict[str, bytes]:
    """Return HDF5 files with the groups that are looked for, and links."""
    seeds = {}
    for name in ("plain", "links"):
        stream = io.BytesIO()
        with h5py.File(stream, "w") as file:
            group = file.create_group("custconv2d/custconv2d")
            group["w1:0"] = np.zeros((1, 1, 6, 4), np.float32)
            group["b1:0"] = np.zeros(4, np.float32)
            file.create_group("layers/depthwise_conv2d/vars")["0"] = np.zeros((3, 3, 6, 1), np.float32)
            if name == "links":
                group["again"] = h5py.SoftLink("/custconv2d")
                group["away"] = h5py.ExternalLink("/etc/passwd", "/")
        seeds[name] = stream.getvalue()
    return seeds


TARGETS = {
    "descriptions": (try_description, description_seeds),
    "fusions": (try_fusion, picture_seeds),
    "pages": (try_pages, page_seeds),
    "pictures": (try_picture, picture_seeds),
    "weights": (try_weights, weights_seeds),
    "keras": (try_keras, keras_seeds),
}


def main() -> None:
    """Fuzz one of the targets."""
    target, seeds = TARGETS[sys.argv[1]]
    corpus = Path(sys.argv[2])
    corpus.mkdir(parents=True, exist_ok=True)
    if not any(corpus.iterdir()):
        for name, content in seeds().items():
            (corpus / name).write_bytes(content)
    atheris.Setup([sys.argv[0], *sys.argv[2:]], target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
