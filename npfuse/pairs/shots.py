"""Reads how a picture was taken: by which camera, when, at which exposure, and in which bracket.

The file's head is read; the picture is not decoded. If a file tells nothing, only its name and size are known.
"""

import math
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.ExifTags import IFD, Base

from npfuse.pictures.decoder_noise import unheard
from npfuse.pictures.formats import RAW
from npfuse.pictures.metadata.exif import quiet
from npfuse.pictures.metadata.raw_exif import raw_tags

BRACKET = 2  # of EXIF's ExposureMode: automatic bracket
MANUAL = 1


@dataclass(frozen=True, kw_only=True)
class Shot:
    """How a file's picture was taken; None where the file does not tell.

    Parameters
    ----------
    path : path of the file
    size : longer and shorter side, pixels
    camera : maker, model and serial number
    taken_s : time at which it was begun, seconds; zero is the same for all files
    exposure_s : exposure time, seconds
    aperture : f-number
    iso : sensitivity
    bias : exposure compensation, EV
    mode : EXIF's ExposureMode: 0 automatic, 1 manual, 2 bracket
    """

    path: Path
    size: tuple[int, int] | None = None
    camera: str = ""
    taken_s: float | None = None
    exposure_s: float | None = None
    aperture: float | None = None
    iso: float | None = None
    bias: float | None = None
    mode: int | None = None

    @property
    def exposure(self) -> float | None:
        """Return the exposure in EV, 0 for one second at f/1 and ISO 100; None if the file does not tell.

        Examples
        --------
        >>> Shot(path=Path("a.jpg"), exposure_s=0.5, aperture=2.0, iso=400).exposure
        -1.0
        """
        if not self.exposure_s:
            return None
        return math.log2(self.exposure_s * ((self.iso or 100) / 100) / (self.aperture or 1.0) ** 2)

    @property
    def step(self) -> float | None:
        """Return the exposure that tells the shots of a bracket apart, in EV: the real one, else the compensation."""
        return self.exposure if self.exposure is not None else self.bias


def read_shot(path: Path) -> Shot:
    """Read how a picture was taken; what is damaged or missing is None.

    Examples
    --------
    >>> from npfuse.examples import example_pair
    >>> read_shot(example_pair("city")[0]).size
    (630, 420)
    """
    try:
        with unheard(), quiet():
            sides, told = _raw_head(path) if path.suffix.lower() in RAW.suffixes else _head(path)
    except Exception:  # whatever Pillow's readers raise on files that are damaged, or of another kind
        return Shot(path=path)
    camera = " ".join(
        str(told[tag]).strip("\0 ") for tag in (Base.Make, Base.Model, Base.BodySerialNumber) if told.get(tag)
    )
    mode = _number(told.get(Base.ExposureMode))
    return Shot(
        path=path,
        size=(sides[0], sides[1]),
        camera=camera,
        taken_s=_taken(told),
        exposure_s=_positive(told.get(Base.ExposureTime)) or _shutter(told.get(Base.ShutterSpeedValue)),
        aperture=_positive(told.get(Base.FNumber)),
        iso=_positive(told.get(Base.ISOSpeedRatings)),
        bias=_number(told.get(Base.ExposureBiasValue)),
        mode=None if mode is None else int(mode),
    )


def _head(path: Path) -> tuple[list[int], dict[int, Any]]:
    """Return the sides of a picture, the longer first, and its EXIF tags."""
    with Image.open(path) as image:
        exif = image.getexif()
        return sorted(image.size, reverse=True), {**exif, **exif.get_ifd(IFD.Exif)}


def _raw_head(path: Path) -> tuple[list[int], dict[int, Any]]:
    """Return the EXIF tags of camera raw; its sides are 0, since they are not known before it is developed."""
    with open(path, "rb") as stream:
        tags = raw_tags(stream)
    return [0, 0], {**tags, **tags.get(int(IFD.Exif), {})}


def _number(value: Any) -> float | None:
    """Return a tag's number, the first of several; None where it is none."""
    if isinstance(value, tuple | list):
        value = value[0] if value else None
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _positive(value: Any) -> float | None:
    number = _number(value)
    return number if number is not None and number > 0 else None


def _shutter(value: Any) -> float | None:
    """Return the exposure time of a speed in APEX units, 2 ** -speed seconds."""
    speed = _number(value)
    return None if speed is None or abs(speed) > 40 else 2.0**-speed


def _taken(told: dict[int, Any]) -> float | None:
    for tag, part in (
        (Base.DateTimeOriginal, Base.SubsecTimeOriginal),
        (Base.DateTimeDigitized, Base.SubsecTimeDigitized),
        (Base.DateTime, Base.SubsecTime),
    ):
        match = re.match(r"\s*(\d{4})\D(\d\d)\D(\d\d)\D(\d\d)\D(\d\d)\D(\d\d)", str(told.get(tag, "")))
        if not match:
            continue
        try:
            day = datetime(*(int(field) for field in match.groups()))  # type: ignore[arg-type]
        except ValueError:
            continue
        fraction = re.match(r"\d+", str(told.get(part, "")).strip())
        return (day - datetime(2000, 1, 1)).total_seconds() + (float(f"0.{fraction[0]}") if fraction else 0.0)
    return None
