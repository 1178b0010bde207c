"""OpenEXR files, with the package of the extra `exr` (OpenEXR, the format's own library).

A file holds linear light (OpenEXR technical introduction, "Linear scene-referred"), which is encoded with sRGB's curve
(`npfuse.pictures.light`) on reading and decoded on writing. Values beyond 1 stay beyond 1, negative ones negative.
Parts beyond the first, deep pixels, subsampled or luma/chroma channels, and the primaries of `chromaticities` are left
out.
"""

from typing import BinaryIO

import numpy as np

from npfuse.pictures.light import LIGHT_ENCODED, decode_light, encode_light
from npfuse.pictures.picture import CheckSize, Decoded, Picture, RefusedError
from npfuse.pictures.row_runs import by_runs, row_runs


def read_exr(stream: BinaryIO, check_size: CheckSize) -> Decoded:
    """Read the first part as float32 display values.

    Raises
    ------
    RefusedError : the OpenEXR file is of another kind
    ImportError : OpenEXR is missing
    """
    import OpenEXR

    check_size(*_inspected(stream))
    stream.seek(0)
    file = OpenEXR.File(stream, separate_channels=True)
    if not file.parts or not file.parts[0].channels:
        raise ValueError("its pixels cannot be decoded")
    notes = ["several parts: the first is used"] if len(file.parts) > 1 else []
    channels = {name: channel.pixels for name, channel in file.parts[0].channels.items()}
    if any(plane.dtype.kind != "f" for name, plane in channels.items() if name in "RGBYA"):
        raise RefusedError("is an OpenEXR file of whole numbers, expected half or float; export it anew")
    colours = ("R", "G", "B") if {"R", "G", "B"} <= channels.keys() else ("Y",)
    dropped = sorted(channels.keys() - {*colours, "A"})
    if dropped:
        notes.append(f"{len(dropped)} channels beyond colour and alpha dropped")
    planes = [*colours, *(["A"] if "A" in channels else [])]
    samples = np.empty((*channels[colours[0]].shape, len(planes)), np.float32)
    for i, name in enumerate(planes):
        for rows in row_runs(channels[name]):
            plane = channels[name][rows].astype(np.float32)
            samples[rows, :, i] = plane if name == "A" else encode_light(plane)
    notes.append(LIGHT_ENCODED)
    return Decoded(samples=samples if len(planes) > 1 else samples[..., 0], notes=tuple(notes))


def _inspected(stream: BinaryIO) -> tuple[int, int, int]:
    """Return height, width and bytes per pixel of the first part, reading the header only."""
    import OpenEXR

    stream.seek(0)
    part = OpenEXR.File(stream, header_only=True).parts[0]
    header = part.header
    if part.type() not in (OpenEXR.scanlineimage, OpenEXR.tiledimage):
        raise RefusedError("is an OpenEXR file of deep pixels, expected flat ones; flatten and export it anew")
    low, high = (np.asarray(corner, np.int64) for corner in header["dataWindow"])
    names = {channel.name for channel in header["channels"]}
    if not ({"R", "G", "B"} <= names or "Y" in names) or {"RY", "BY"} & names:
        raise RefusedError("is an OpenEXR file without the channels R, G and B, or Y alone; export it as RGB")
    width, height = (int(n) for n in high - low + 1)
    return height, width, 4 * len(names)


def write_exr(stream: BinaryIO, picture: Picture, quality: int, notes: list[str]) -> None:
    """Write float32 display values as float32 linear light, losslessly packed."""
    import OpenEXR

    pixels = picture.pixels
    colours = {"Y": pixels} if pixels.ndim == 2 else {name: pixels[..., i] for i, name in enumerate("RGB")}
    planes = {name: by_runs(decode_light, plane, np.float32) for name, plane in colours.items()}
    if picture.alpha is not None:
        planes["A"] = np.ascontiguousarray(picture.alpha)
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File(header, planes).write(stream)
