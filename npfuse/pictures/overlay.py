"""Shows a binary file with other first bytes, so that a reader sees another header; the file itself does not change."""

import io
from typing import Any, BinaryIO


class Overlay(io.RawIOBase):
    r"""A file whose first bytes are replaced.

    Parameters
    ----------
    stream : binary file that can seek
    start : bytes that are shown in place of the file's first ones

    Examples
    --------
    >>> file = io.BufferedReader(Overlay(io.BytesIO(b"IIRO rest"), b"II*\0"))
    >>> file.read()
    b'II*\x00 rest'
    """

    def __init__(self, stream: BinaryIO, start: bytes) -> None:
        self.stream, self.start = stream, start
        self.stream.seek(0)

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move within the file."""
        return self.stream.seek(offset, whence)

    def tell(self) -> int:
        """Return the place in the file."""
        return self.stream.tell()

    def readinto(self, buffer: Any) -> int:
        """Read into a buffer; return the number of bytes."""
        place = self.stream.tell()
        content = bytearray(self.stream.read(len(buffer)))
        if place < len(self.start):
            shown = self.start[place : place + len(content)]
            content[: len(shown)] = shown
        buffer[: len(content)] = content
        return len(content)
