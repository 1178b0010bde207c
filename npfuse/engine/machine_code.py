"""Machine code of compiled functions: kept in files, and called without Numba.

Importing Numba takes half a second, and compiling what a pair needs some seconds. So machine code is kept in files, one
for each function and kinds of arguments: a line of JSON, then an object file as compilers write it, which LLVM
(`llvmlite.binding`) loads. A file is used only if nothing that it was made of has changed: the sources, the compilers,
the processor, the settings. Whoever can write such a file runs code as the user who reads it. So only a folder is read
that belongs to the user, and that nobody else can write.

A function is called by the convention of compiled Numba functions: a place for the result, one for an error, then the
arguments, with arrays and tuples taken apart. It returns 0 if all is well.
"""

import ctypes
import json
import os
import stat
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding as llvm
import numpy as np

Call = Callable[[list[Any], tuple[Any, ...]], None]
"""Runs a compiled function; takes the numbers that `read` has collected, and the arguments themselves."""

NUMBERS: dict[str, Any] = {"i8": ctypes.c_int64, "f4": ctypes.c_float, "f8": ctypes.c_double, "b1": ctypes.c_bool}
PACKAGE = Path(__file__).parents[1]
SOURCES = ("engine/*.py", "fast/*.py", "ops/*.py", "color.py", "padding.py")  # of all compiled functions
SUFFIX = ".code"


@dataclass(frozen=True, kw_only=True)
class Code:
    """Machine code of a function for some kinds of arguments.

    Parameters
    ----------
    symbol : name of the function in the object file
    needs_numba : whether it calls Numba's library, to get memory
    object : content of the object file
    """

    symbol: str
    needs_numba: bool
    object: bytes


def read(argument: Any, kinds: list[str], numbers: list[Any]) -> None:
    """Append an argument's kinds, and the numbers that stand for it in a call, to lists.

    Parameters
    ----------
    argument : array, number, or tuple of these
    kinds, numbers : lists that are appended to

    Raises
    ------
    TypeError : the argument is something else, or an array that is not aligned or not in the machine's byte order

    Examples
    --------
    >>> kinds, numbers = [], []
    >>> read((np.zeros((2, 3), np.float32), 7), kinds, numbers)
    >>> kinds
    ['tuple 2', '<f4 2C', 'i8']
    >>> numbers[2:4], numbers[5:]
    ([6, 4], [2, 3, 12, 4, 7])
    """
    if isinstance(argument, np.ndarray):
        flags, dtype = argument.flags, argument.dtype
        if not (flags.aligned and dtype.isnative and dtype.kind in "biuf"):
            raise TypeError(
                f"compiled code: array is {dtype}, aligned {flags.aligned}, expected aligned native numbers"
            )
        kinds.append(f"{dtype.str} {argument.ndim}{'C' if flags.c_contiguous else 'A'}")
        place = argument.__array_interface__["data"][0]
        numbers += (None, None, argument.size, dtype.itemsize, place, *argument.shape, *argument.strides)
    elif isinstance(argument, tuple):
        kinds.append(f"{type(argument).__name__} {len(argument)}")
        for part in argument:
            read(part, kinds, numbers)
    elif isinstance(argument, bool | np.bool_):
        kinds.append("b1")
        numbers.append(bool(argument))
    elif isinstance(argument, int | np.integer):
        kinds.append("i8")
        numbers.append(int(argument))
    elif isinstance(argument, float | np.float32):
        kinds.append("f8" if isinstance(argument, float) else "f4")
        numbers.append(float(argument))
    else:
        raise TypeError(f"compiled code: argument is {type(argument).__name__}, expected arrays, numbers and tuples")


def c_types(kinds: Sequence[str]) -> Iterator[Any]:
    """Yield the C types of the numbers of some kinds, as `read` lists them."""
    for kind in kinds:
        first, _, more = kind.partition(" ")
        if not more:
            yield NUMBERS[first]
        elif more[-1] in "CA":
            # Owner and parent (none), size, itemsize, place, shape, strides.
            yield from (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p)
            yield from (ctypes.c_int64,) * (2 * int(more[:-1]))


def call_of(code: Code, kinds: Sequence[str]) -> Call:
    """Load machine code and return a function that calls it.

    If the code needs Numba's library, that must have been loaded.

    Raises
    ------
    MemoryError : raised by the returned function if the code gets no memory; compiled code can meet no other error
    """
    # One loader per function: a shared one looks for a missing name among all it has loaded, private names included.
    loader = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _target_machine())
    loader.add_object_file(llvm.ObjectFileRef.from_data(code.object))
    loader.finalize_object()
    place = ctypes.c_void_p, ctypes.c_void_p
    # A function of this type releases the GIL.
    function = ctypes.CFUNCTYPE(ctypes.c_int32, *place, *c_types(kinds))(loader.get_function_address(code.symbol))
    result, error = ctypes.create_string_buffer(16), ctypes.create_string_buffer(16)
    places = ctypes.addressof(result), ctypes.addressof(error)

    def call(numbers: list[Any], arguments: tuple[Any, ...], kept: Any = (loader, result, error)) -> None:
        if function(*places, *numbers):
            raise MemoryError(f"{code.symbol}: no memory to work in")

    return call


def _target_machine() -> Any:
    """Return LLVM's description of this processor."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_triple(llvm.get_process_triple()).create_target_machine(jit=True)


def kept(name: str, kinds: Sequence[str]) -> Code | None:
    """Return the machine code that was kept for a function and kinds of arguments; None if there is none."""
    try:
        header, _, binary = _path(name, kinds).read_bytes().partition(b"\n")
        told = json.loads(header)
        if told["made_of"] == made_of() and told["digest"] == _digest(binary):
            return Code(symbol=told["symbol"], needs_numba=told["needs_numba"], object=binary)
    except (OSError, ValueError, KeyError, TypeError):  # there is no file, or one that `keep` did not write
        pass
    return None


def anything_kept() -> bool:
    """Tell whether any machine code was kept that is still valid; if not, everything has to be compiled first."""
    for path in folder().glob(f"*{SUFFIX}"):
        with suppress(OSError, ValueError, KeyError, TypeError), path.open("rb") as file:
            if json.loads(file.readline())["made_of"] == made_of():
                return True
    return False


def keep(name: str, kinds: Sequence[str], code: Code) -> None:
    """Keep machine code in a file; if the disk is full, the next process compiles it again."""
    told = {
        "made_of": made_of(),
        "digest": _digest(code.object),
        "symbol": code.symbol,
        "needs_numba": code.needs_numba,
    }
    path = _path(name, kinds)
    with suppress(OSError):
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
        try:
            with open(descriptor, "wb") as file:
                file.write(json.dumps(told).encode() + b"\n" + code.object)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise


@cache
def made_of() -> str:
    """Return a digest of everything that machine code depends on."""
    digest = blake2b(digest_size=16)
    numba = find_spec("numba")  # is not imported
    settings = sorted(f"{name}={value}" for name, value in os.environ.items() if name.startswith("NUMBA_"))
    for text in (
        sys.version, llvmlite.__version__, llvm.get_process_triple(), llvm.get_host_cpu_name(),
        llvm.get_host_cpu_features().flatten(), *settings,
    ):  # fmt: skip
        digest.update(text.encode() + b"\0")
    files = [path for pattern in SOURCES for path in sorted(PACKAGE.glob(pattern))]
    if numba is not None and numba.origin:
        files.append(Path(numba.origin).with_name("_version.py"))
    for path in files:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _digest(binary: bytes) -> str:
    return blake2b(binary, digest_size=16).hexdigest()


def _path(name: str, kinds: Sequence[str]) -> Path:
    return folder() / f"{name}-{_digest(' '.join(kinds).encode())[:16]}-{sys.implementation.cache_tag}{SUFFIX}"


@cache
def folder() -> Path:
    """Return the folder that machine code is kept in.

    It is the first of these that belongs to the user and can be written: the folder that NUMBA_CACHE_DIR names, the
    package's `__pycache__`, the folder `npfuse` in the user's folder of caches, a temporary folder.
    """
    named = os.environ.get("NUMBA_CACHE_DIR")
    for candidate in ([Path(named)] if named else []) + [PACKAGE / "__pycache__", _caches() / "npfuse"]:
        with suppress(OSError):
            candidate.mkdir(mode=0o700, parents=True, exist_ok=True)
            if is_own(candidate) and os.access(candidate, os.W_OK | os.X_OK):
                return candidate
    return temporary_folder()


def _caches() -> Path:
    """Return the user's folder of caches, as the operating system has it."""
    if os.name == "nt":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def is_own(path: Path) -> bool:
    """Tell whether a path is a folder (not a link) that belongs to this user and that nobody else can write."""
    if os.name == "nt":
        return path.is_dir()
    found = path.lstat()
    return (
        stat.S_ISDIR(found.st_mode)
        and found.st_uid == os.getuid()
        and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    )


def temporary_folder() -> Path:
    """Return a temporary folder for machine code that only this user can write; warn if it is new."""
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
    place = Path(tempfile.gettempdir(), f"npfuse-compiled-{user}")
    try:
        place.mkdir(mode=0o700)
    except FileExistsError:
        if is_own(place):
            return place
        place = Path(tempfile.mkdtemp(prefix="npfuse-compiled-"))
    warnings.warn(
        "no folder for compiled code can be written beside npfuse or in the home directory; the code is kept in "
        f"{place}, and compiled again when that is gone; set NUMBA_CACHE_DIR to a folder of yours to keep it",
        stacklevel=2,
    )
    return place
