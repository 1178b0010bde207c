"""Keeps XMP packets (ISO 16684-1) as they are, except for properties of the old file that the result does not have.

These are the orientation, which has been applied, sizes, thumbnails, and properties that point into the old file:
extended XMP, the second pictures of gain maps and motion photos. Properties are found by their usual prefixes; packets
in UTF-16 are left alone.
"""

import re

SIZES = (
    (b"tiff:ImageWidth", b"tiff:ImageLength"),
    (b"exif:PixelXDimension", b"exif:PixelYDimension"),
)  # width, height
STALE_ELEMENTS = (b"xmp:Thumbnails", b"Container:Directory")
STALE_PROPERTIES = re.compile(
    rb"""\s(?:xmpNote:HasExtendedXMP|hdrgm:\w{1,40}|(?:G?Camera):(?:MicroVideo|MotionPhoto)\w{0,40})\s?=\s?"""
    rb"""(?:"[^"<]{0,200}"|'[^'<]{0,200}')"""
)


def upright_xmp(xmp: bytes) -> bytes:
    """Reset the orientation, and leave out thumbnails and properties that point into the old file.

    Examples
    --------
    >>> upright_xmp(b'<rdf:Description tiff:Orientation="6" xmp:Rating="4"/>')
    b'<rdf:Description tiff:Orientation="1" xmp:Rating="4"/>'
    """
    for name in STALE_ELEMENTS:
        xmp = _without(xmp, b"<" + name + b">", b"</" + name + b">")
    return _with_value(STALE_PROPERTIES.sub(b"", xmp), b"tiff:Orientation", 1)


def resized_xmp(xmp: bytes, height: int, width: int) -> bytes:
    """Set the sizes of the picture in a packet that names them.

    Examples
    --------
    >>> resized_xmp(b"<exif:PixelXDimension>640</exif:PixelXDimension>", 200, 300)
    b'<exif:PixelXDimension>300</exif:PixelXDimension>'
    """
    for wide, high in SIZES:
        xmp = _with_value(_with_value(xmp, wide, width), high, height)
    return xmp


def _with_value(xmp: bytes, name: bytes, value: int) -> bytes:
    """Set a property that is an attribute or an element of digits."""
    return re.sub(rb"(%s(?:\s?=\s?[\"']|>))[0-9]{1,10}" % re.escape(name), rb"\g<1>%d" % value, xmp)


def _without(xmp: bytes, start: bytes, end: bytes) -> bytes:
    """Cut everything from a start to its end."""
    parts = []
    while (first := xmp.find(start)) >= 0 and (last := xmp.find(end, first)) >= 0:
        parts.append(xmp[:first])
        xmp = xmp[last + len(end) :]
    return b"".join([*parts, xmp])
