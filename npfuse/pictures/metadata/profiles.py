"""Compares ICC profiles of two pictures, and converts one picture to the other's profile.

A picture without a profile is taken as sRGB (grey: with sRGB's curve), as browsers do. Two profiles are alike if
converting from one to the other changes values by at most two levels of 255, whatever their bytes: the same profile is
shipped with many dates and names. Pillow (LittleCMS) converts 8 bits; 16 bits and floats need imagecodecs, which calls
the same library.
"""

import io
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from npfuse.pictures.picture import Picture, PictureError, StoredPicture, needs_package

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
ALIKE = 2  # levels of 255: bytes are coarse near black, where curves are steep


def same_colours(a: Picture | StoredPicture, b: Picture | StoredPicture) -> bool:
    """Tell whether the profiles of two pictures, both grey or both RGB, mean the same colours.

    Examples
    --------
    >>> plain = Picture(pixels=np.zeros((2, 2, 3), np.uint8))
    >>> same_colours(plain, replace(plain, icc_profile=SRGB))
    True
    """
    if a.icc_profile == b.icc_profile:
        return True
    levels = np.linspace(0, 255, 16).round().astype(np.uint8)
    if a.pixels.ndim == 2:
        chart = np.arange(256, dtype=np.uint8)[np.newaxis]
    else:
        chart = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(64, 64, 3)
    try:
        converted = _converted(chart, b.icc_profile, a.icc_profile)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return False
    return bool(np.abs(converted.astype(int) - chart).max() <= ALIKE)


def with_profile_of(picture: Picture, other: Picture, name: str) -> Picture:
    """Convert a picture to another's profile.

    Parameters
    ----------
    picture, other : Picture, both grey or both RGB
    name : name of the picture, for messages

    Returns
    -------
    Picture : with converted pixels and the profile of `other`

    Raises
    ------
    PictureError : one of the profiles is damaged or of a kind that cannot be converted to or from, or there are more
        than 8 bits and imagecodecs is missing
    """
    try:
        pixels = _converted(picture.pixels, picture.icc_profile, other.icc_profile)
    except ImportError as error:
        raise PictureError(
            f"{name}: converting the profile of {picture.pixels.dtype} samples {needs_package(error.name, 'tiff')}"
        ) from error
    except Exception as error:  # the libraries raise almost anything on damaged profiles
        raise PictureError(
            f"{name}: its ICC profile or the other picture's cannot be converted ({type(error).__name__}); convert both"
            " pictures to sRGB elsewhere"
        ) from error
    pixels.flags.writeable = False
    return replace(picture, pixels=pixels, icc_profile=other.icc_profile)


def _converted(pixels: NDArray[Any], source: bytes | None, target: bytes | None) -> NDArray[Any]:
    """Return pixels converted from one profile to another, None being sRGB."""
    if pixels.ndim == 2 and (source is None or target is None):
        raise ValueError("a grey picture has a profile and the other has none")
    if pixels.dtype != np.uint8:
        import imagecodecs

        kind = "gray" if pixels.ndim == 2 else "rgb"
        intent = imagecodecs.CMS.INTENT.RELATIVE_COLORIMETRIC
        converted = imagecodecs.cms_transform(
            pixels, source or SRGB, target or SRGB, colorspace=kind, outcolorspace=kind, intent=intent
        )
        return np.ascontiguousarray(converted, pixels.dtype)
    mode = "L" if pixels.ndim == 2 else "RGB"
    transform = ImageCms.buildTransform(
        io.BytesIO(source or SRGB),
        io.BytesIO(target or SRGB),
        mode,
        mode,
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    image = ImageCms.applyTransform(Image.fromarray(pixels), transform)
    assert image is not None
    return np.array(image)
