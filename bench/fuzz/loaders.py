"""Fuzzes the readers of picture and weights files. Only a picture, weights or a one-line error is no crash.

    pip install atheris
    python -m bench.fuzz.loaders pictures CORPUS -max_total_time=300 -rss_limit_mb=2048

The first argument is `pictures`, `descriptions`, `weights` or `keras`; CORPUS is a folder, which is filled with a small
file of every kind where it is empty, and grows. The rest are libFuzzer's options; it prints how many inputs it tried.
"""

import io
import os
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["npfuse", "PIL", "tifffile", "zipfile", "numpy.lib"]):
    import h5py
    import numpy as np
    from PIL import Image

    from npfuse.pictures.metadata.exif import TIFF_START, directory_bytes
    from npfuse.pictures.metadata.iptc import iptc_of_resources, jpeg_segment
    from npfuse.pictures.reading import Picture, PictureError, read_picture, write_picture
    from npfuse.weights.loading import load_weights
    from npfuse.weights.npz_files import save_weights
    from npfuse.weights.weights import Weights, WeightsError
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
    image = Image.fromarray(rng.integers(0, 256, (6, 7, 3), np.uint8))
    seeds = all_examples()
    for name, kind, mode, options in (
        ("palette.png", "PNG", "P", {}),
        ("lossless.webp", "WEBP", "RGB", {"lossless": True}),
        ("lzw.tif", "TIFF", "RGB", {"compression": "tiff_lzw"}),
    ):
        stream = io.BytesIO()
        image.convert(mode).save(stream, kind, **options)
        seeds[name] = stream.getvalue()
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
