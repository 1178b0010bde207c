"""Files that appear whole or not at all: written under a temporary name in the same folder, then moved into place."""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

NO_LINKS = (errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EOPNOTSUPP, errno.EMLINK, errno.EINVAL, errno.EXDEV)
TAKEN = "exists already; choose another name, or allow overwriting (--force)"  # end of the message, everywhere


@contextmanager
def written_in_place(path: str | os.PathLike[str], *, overwrite: bool) -> Iterator[BinaryIO]:
    """Open a file for writing that gets its name only when the block ends without an error.

    Parameters
    ----------
    path : path of the file; a symbolic link that is overwritten stays one, and the file it leads to is replaced
    overwrite : whether an existing file may be replaced; if not, one that appears in the meantime is kept, too

    Yields
    ------
    binary file : in the folder of `path`, under a hidden temporary name; removed on every error, Ctrl-C included

    Raises
    ------
    FileExistsError : the file exists and may not be replaced
    OSError : the file cannot be written

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "note.txt"
    >>> with written_in_place(path, overwrite=False) as file:
    ...     _ = file.write(b"whole")
    >>> path.read_bytes()
    b'whole'
    """
    target = Path(os.path.realpath(path)) if overwrite else Path(path)
    if not overwrite and os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, "exists already", str(target))
    temporary = target.parent / f".npfuse-{secrets.token_hex(8)}.part"
    try:
        with open(temporary, "xb") as stream:  # "x" makes the file with the permissions that the umask leaves
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        if overwrite:
            os.replace(temporary, target)
        else:
            _move_without_replacing(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | os.PathLike[str], text: str, *, overwrite: bool) -> None:
    """Write a text file in UTF-8, whole or not at all; the errors are those of `written_in_place`."""
    with written_in_place(path, overwrite=overwrite) as file:
        file.write(text.encode())


def _move_without_replacing(temporary: Path, target: Path) -> None:
    """Give a finished file its name; raise FileExistsError if that is taken."""
    try:
        os.link(temporary, target)
    except OSError as error:
        if isinstance(error, FileExistsError) or error.errno not in NO_LINKS:
            raise
        # No hard links here (FAT, some network folders): take the name with an empty file, then replace that one.
        with open(target, "xb"):
            pass
        try:
            os.replace(temporary, target)
        except BaseException:
            target.unlink(missing_ok=True)
            raise
