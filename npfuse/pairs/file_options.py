"""How files are fused, and who is told of it; what the modules that fuse files have in common."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from npfuse.fusion import Order
from npfuse.run import Engine

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class FileOptions:
    """How files are fused; plain values, so that they can be sent to another machine.

    Parameters
    ----------
    weights, method, order, engine, threads : as of `npfuse.fuse`, weights by name or path
    quality : of JPEG and WebP, 1 to 100
    overwrite : whether an existing output may be replaced
    convert_profiles : whether a picture of another ICC profile is converted to the first's
    align : whether a second picture that is surely shifted is moved by whole pixels; both lose what only one shows
    clip : whether float values beyond 0 and 1 are taken as 0 and 1
    check : whether the pair is looked at for what makes a bad result
    max_memory : bytes that the process may take, or None; also what a picture may take that is read whole

    Raises
    ------
    ValueError : a quality out of its range
    """

    weights: str | None = None
    method: str | None = None
    order: Order = "auto"
    engine: Engine = "fast"
    threads: int | None = None
    quality: int = 95
    overwrite: bool = False
    convert_profiles: bool = False
    align: bool = False
    clip: bool = False
    check: bool = True
    max_memory: int | None = None

    def __post_init__(self) -> None:
        """Check what nothing further on checks in time."""
        if not 1 <= self.quality <= 100:
            raise ValueError(f"--quality is {self.quality}, expected 1 to 100")


class Teller:
    """Is told what is read, decided and done; this one tells nobody."""

    def say(self, *lines: str) -> None:
        """Take lines for who wants to know everything."""

    def warn(self, line: str) -> None:
        """Take a line for everybody."""

    def timed(self, what: str) -> AbstractContextManager[Any]:
        """Surround what takes its time."""
        return nullcontext()

    def progress(self) -> AbstractContextManager[Progress | None]:
        """Surround the fusion, yielding what to call with (done, total)."""
        return nullcontext()
