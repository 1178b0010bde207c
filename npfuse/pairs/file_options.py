"""Options of fusing files, and the listener to its progress; shared by the modules that fuse files."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from npfuse.choices import FusionEngine, Order
from npfuse.jobs import Progress
from npfuse.tone import Tone

Extent = Literal["crop", "keep"]  # of aligned pictures: the shared area, or the first one's
CLIP_HINT = "scale them, or use --clip for those outside"  # remedy for floats beyond [0, 1]


@dataclass(frozen=True, kw_only=True)
class FileOptions:
    """Options of fusing files: plain values, so that they can be sent to another machine.

    Parameters
    ----------
    weights, method, order, engine, threads : as for `npfuse.fuse`, weights by name or path
    quality : quality of JPEG and WebP, 1 to 100
    overwrite : whether an existing output may be replaced
    convert_profiles : whether a picture of another ICC profile is converted to the first's
    align : "crop" to move the pictures onto the first and crop all to what they share, "keep" to keep the first one's
        whole area, or None to leave them as they are
    deghost : whether regions in which something moved are taken from one picture
    ghost_mask : path to which a picture of these regions is written, or None
    orientation : EXIF orientation that turns a picture: its own, that of the first picture, or none ("ignore"); None
        for its own if all agree
    crop : whether pictures whose sizes differ a little are cropped to the rows and columns that all have
    white_level : value of white of 16-bit samples; None to find it
    clip : whether float values beyond 0 and 1 are taken as 0 and 1
    check : whether the pair is searched for faults that make a bad result
    pair : whether only the darkest and the brightest of more than two exposures are fused
    brightness, contrast, saturation : as for `npfuse.fuse`
    tone_from : paths of the pair that sets the network's tone, or None
    weights_map : path of a map of which exposure each place comes from, or None
    max_memory : bytes that the process may take, or None; also the limit of a picture that is read whole
    reduction : side of the blocks of pixels of which JPEGs' means are read, see `npfuse.pictures.reading.read_picture`

    Raises
    ------
    ValueError : a quality or a white level out of its range
    """

    weights: str | None = None
    method: str | None = None
    order: Order = "auto"
    engine: FusionEngine = "fast"
    threads: int | None = None
    quality: int = 95
    overwrite: bool = False
    convert_profiles: bool = False
    align: Extent | None = None
    deghost: bool = False
    ghost_mask: Path | None = None
    orientation: Literal["own", "first", "ignore"] | None = None
    crop: bool = False
    white_level: int | None = None
    clip: bool = False
    check: bool = True
    pair: bool = False
    brightness: float = 0.0
    contrast: float = 1.0
    saturation: float = 1.0
    tone_from: tuple[str, str] | None = None
    weights_map: str | None = None
    max_memory: int | None = None
    reduction: int = 1

    def __post_init__(self) -> None:
        """Check the options that are used last."""
        if not 1 <= self.quality <= 100:
            raise ValueError(f"--quality is {self.quality}, expected 1 to 100")
        if self.white_level is not None and not 1 <= self.white_level <= 65535:
            raise ValueError(f"--white-level is {self.white_level}, expected 1 to 65535")
        try:
            _ = self.tone
        except ValueError as error:
            raise ValueError(f"--{error}") from None

    @property
    def tone(self) -> Tone:
        """Return the Tone that the options ask for."""
        return Tone(brightness=self.brightness, contrast=self.contrast, saturation=self.saturation)


class Teller:
    """Listens to a fusion: lines, warnings, times and progress. This one ignores them all."""

    def say(self, *lines: str) -> None:
        """Receive lines of detail, as `-v` prints them."""

    def warn(self, line: str) -> None:
        """Receive a warning, one line."""

    def timed(self, what: str) -> AbstractContextManager[Any]:
        """Return a context manager that times the step inside it."""
        return nullcontext()

    def progress(self) -> AbstractContextManager[Progress | None]:
        """Return a context manager around the fusion; it yields a function of (done, total), or None."""
        return nullcontext()
