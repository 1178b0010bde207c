"""IPTC blocks (IPTC-IIM 4.2) within Photoshop's image resources, as JPEG and TIFF files hold them.

A resource is "8BIM", a number of two bytes, a name (its length, then letters, an even number of bytes in all), a length
of four bytes, and as many bytes, padded to an even number.
"""

import struct

IPTC_RESOURCE = 0x0404
JPEG_START = b"Photoshop 3.0\0"
JPEG_BYTES = 65533 - len(JPEG_START) - 12  # of a block in one APP13 segment


def iptc_of_resources(resources: bytes) -> bytes | None:
    r"""Return the IPTC block of image resources, or None.

    Examples
    --------
    >>> iptc_of_resources(b"8BIM\x04\x04\0\0\0\0\0\x03abc\0")
    b'abc'
    """
    place = 0
    while resources[place : place + 4] == b"8BIM" and len(resources) >= place + 12:
        (number,) = struct.unpack_from(">H", resources, place + 4)
        start = place + 6 + (resources[place + 6] + 2) // 2 * 2  # behind the name
        if len(resources) < start + 4:
            return None
        (length,) = struct.unpack_from(">I", resources, start)
        content = resources[start + 4 : start + 4 + length]
        if number == IPTC_RESOURCE:
            return content if len(content) == length else None
        place = start + 4 + (length + 1) // 2 * 2
    return None


def jpeg_segment(iptc: bytes) -> bytes:
    """Lay out the APP13 segment of an IPTC block of at most `JPEG_BYTES`."""
    resource = b"8BIM" + struct.pack(">HHI", IPTC_RESOURCE, 0, len(iptc)) + iptc + bytes(len(iptc) % 2)
    body = JPEG_START + resource
    return b"\xff\xed" + struct.pack(">H", 2 + len(body)) + body
