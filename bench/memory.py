"""Compares the memory that `npfuse fuse` takes with its prediction: real commands, each in a process of its own.

    python -m bench.memory [CASE ...] [--folder DIR]

A case names a method, the number of frames, the kind of file and the size, and perhaps options, as in
"mertens 12 jpeg 1440x2000 --align"; without any, `CASES` are measured. Linux only: the peak of a process is
read from /proc.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

CASES = (
    "tonefuse 2 jpeg 64x96",
    "tonefuse 2 jpeg 500x800",
    "tonefuse 2 jpeg 1000x1500",
    "tonefuse 2 jpeg 2000x3000",
    "tonefuse 2 jpeg 4000x6000",
    "tonefuse 3 jpeg 2000x3000",
    "tonefuse 7 jpeg 2000x3000",
    "tonefuse 12 jpeg 1440x2000",
    "lightfuse 2 jpeg 2000x3000",
    "t_cnn 2 jpeg 2000x3000",
    "mertens 2 jpeg 2000x3000",
    "mertens 2 jpeg 4000x6000",
    "mertens 7 jpeg 2000x3000",
    "mertens 12 jpeg 1440x2000",
    "mefnet 2 jpeg 2000x3000",
    "mefnet 7 jpeg 2000x3000",
    "deepfuse 2 jpeg 1000x1500",
    "tonefuse 2 grey 2000x3000",
    "mertens 2 grey 2000x3000",
    "tonefuse 2 png 2000x3000",
    "tonefuse 2 alpha 2000x3000",
    "tonefuse 2 png16 2000x3000",
    "tonefuse 2 tiff 2000x3000",
    "tonefuse 2 tiff16 2000x3000",
    "tonefuse 2 packed 2000x3000",
    "tonefuse 2 tiled 2000x3000",
    "tonefuse 2 bits12 2000x3000",
    "tonefuse 2 float 2000x3000",
    "tonefuse 2 ppm 2000x3000",
    "tonefuse 2 ppm16 2000x3000",
    "tonefuse 2 bmp 2000x3000",
    "tonefuse 2 exr 2000x3000",
    "tonefuse 2 heif 2000x3000",
    "tonefuse 2 avif 2000x3000",
    "tonefuse 2 webp 2000x3000",
    "lightfuse 2 jpeg 500x800 --align",
    "lightfuse 2 jpeg 1000x1600 --align",
    "lightfuse 2 jpeg 2000x3000 --align",
    "lightfuse 3 jpeg 4000x6000 --align",
    "mertens 3 jpeg 1000x1600 --align --deghost",
    "lightfuse 2 jpeg 2000x3000 --deghost",
    "lightfuse 3 png16 2000x3000 --deghost",
)
SUFFIXES = {
    "jpeg": ".jpg", "grey": ".jpg", "png": ".png", "alpha": ".png", "png16": ".png", "tiff": ".tif", "tiff16": ".tif",
    "packed": ".tif", "tiled": ".tif", "bits12": ".tif", "ppm": ".ppm", "ppm16": ".ppm", "bmp": ".bmp",
    "float": ".tif", "exr": ".exr", "heif": ".heic", "avif": ".avif",
    "webp": ".webp",
}  # fmt: skip
RUN = """
import re, sys
from npfuse.cli import main
from npfuse.engine.compiled import telling_of_compiling
compiled = []
with telling_of_compiling(lambda: compiled.append(1)):
    status = main(sys.argv[1:])
with open("/proc/self/status") as file:  # not ru_maxrss, which begins at the parent's
    print(status, len(compiled), re.search(r"VmHWM:\\s+(\\d+) kB", file.read())[1])
"""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A fusion to measure: the method, the number of frames, the kind of file (`SUFFIXES`), the size, and options."""

    method: str
    frames: int
    kind: str
    height: int
    width: int
    options: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Case":
        """Return the case of a text such as "mertens 12 jpeg 1440x2000"."""
        match = re.fullmatch(r"(\w+) (\d+) (\w+) (\d+)x(\d+)((?: --[\w-]+)*)", text)
        if not match or match[3] not in SUFFIXES:
            kinds = ", ".join(SUFFIXES)
            raise ValueError(f'case is {text!r}, expected one such as "mertens 12 jpeg 1440x2000", kinds: {kinds}')
        height, width, options = int(match[4]), int(match[5]), tuple(match[6].split())
        return cls(method=match[1], frames=int(match[2]), kind=match[3], height=height, width=width, options=options)

    def __str__(self) -> str:
        """Return the text that `parse` reads."""
        return " ".join([self.method, str(self.frames), self.kind, f"{self.height}x{self.width}", *self.options])


@dataclass(frozen=True, kw_only=True)
class Taken:
    """The memory of a command, predicted and measured, in bytes."""

    predicted: int
    measured: int


def measure(case: Case, folder: Path) -> Taken:
    """Make a case's files in a folder, fuse them there, and return the memory.

    Raises
    ------
    subprocess.CalledProcessError : the command failed
    """
    paths = [_made(case, k, folder) for k in range(case.frames)]
    output = folder / f"fused{SUFFIXES[case.kind] if case.kind in ('png16', 'exr', 'float') else '.jpg'}"
    arguments = [
        "fuse",
        *map(str, paths),
        "-o",
        str(output),
        "--force",
        "-v",
        "--method",
        case.method,
        "--max-memory",
        "1T",
        *case.options,
    ]
    for _ in range(2):  # once more if code was compiled, which takes memory the first time only
        done = subprocess.run([sys.executable, "-c", RUN, *arguments], capture_output=True, text=True, check=False)
        status, compiled, peak = (done.stdout.split() or ["", "", ""])[-3:]
        predicted = re.search(r"memory: at most ([\d,]+) MiB predicted", done.stderr)
        if status != "0" or not predicted:
            raise subprocess.CalledProcessError(done.returncode, arguments, done.stdout, done.stderr)
        if compiled == "0":
            break
    return Taken(predicted=int(predicted[1].replace(",", "")) << 20, measured=int(peak) << 10)


def frame(height: int, width: int, stops: float) -> NDArray[np.float32]:
    """Return an exposure of a made-up scene, ndarray (H, W, 3), display values."""
    rows, columns = np.mgrid[:height, :width].astype(np.float32) / 40
    scene = 0.1 + 0.2 * (np.sin(rows) * np.cos(columns * 1.3) + 1)
    scene += np.random.default_rng(0).random((height, width), dtype=np.float32) * np.float32(0.02)
    light = scene[..., np.newaxis] * np.array([1, 0.9, 0.7], np.float32) * np.float32(2.0**stops)
    shown: NDArray[np.float32] = np.clip(light, 0, 1) ** np.float32(1 / 2.2)
    return shown


def _made(case: Case, k: int, folder: Path) -> Path:
    """Return the path of a frame, made if it is not there, in another process, so that this one stays small."""
    path = folder / f"{case.kind}-{case.height}x{case.width}-{k}{SUFFIXES[case.kind]}"
    if not path.exists():
        stops = -3 + 6 * k / 11
        call = f"bench.memory.write({case.kind!r}, {case.height}, {case.width}, {stops}, {str(path)!r})"
        subprocess.run([sys.executable, "-c", f"import bench.memory; {call}"], check=True)
    return path


def write(kind: str, height: int, width: int, stops: float, path: str) -> None:
    """Write an exposure as a kind of file."""
    from npfuse.pictures.reading import Picture, write_picture

    values = frame(height, width, stops)
    if kind in ("float", "exr"):
        pixels = values
    else:
        white = {"png16": 65535, "tiff16": 65535, "ppm16": 65535, "packed": 65535, "tiled": 65535, "bits12": 4095}
        pixels = np.rint(values * white.get(kind, 255)).astype(np.uint16 if kind in white else np.uint8)
    if kind in ("tiff", "tiff16", "packed", "tiled", "bits12", "float"):
        import tifffile

        packed: dict[str, Any] = {"compression": "zlib"} if kind in ("packed", "tiled") else {}
        parts: dict[str, Any] = {"packed": {"rowsperstrip": 64}, "tiled": {"tile": (256, 256)}}.get(kind, {})
        tifffile.imwrite(path, pixels, photometric="rgb", metadata=None, **packed, **parts)
    elif kind in ("heif", "avif", "bmp"):
        from PIL import Image

        if kind == "heif":
            import pillow_heif

            pillow_heif.register_heif_opener()
        Image.fromarray(pixels).save(path)
    else:
        alpha = np.full(pixels.shape[:2], 255, np.uint8) if kind == "alpha" else None
        write_picture(path, Picture(pixels=pixels[..., 1] if kind == "grey" else pixels, alpha=alpha))


def rows(cases: list[Case], folder: Path, measured: Callable[[Case, Path], Taken] = measure) -> Iterator[str]:
    """Yield the lines of a table."""
    yield f"{'case':42} {'predicted':>10} {'measured':>10}   above"
    for case in cases:
        name = str(case)
        try:
            taken = measured(case, folder)
        except (subprocess.CalledProcessError, ImportError) as error:
            yield f"{name:42} failed: {error}"
            continue
        above = taken.predicted / taken.measured - 1
        yield f"{name:42} {taken.predicted >> 20:6,} MiB {taken.measured >> 20:6,} MiB   {above:+.0%}"


def main() -> None:
    """Measure the cases that are asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench.memory", description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", default=CASES, metavar="CASE")
    parser.add_argument(
        "--folder", type=Path, help="folder in which files are made and kept (default: a temporary one)"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for line in rows([Case.parse(text) for text in arguments.cases], folder):
            print(line, flush=True)


if __name__ == "__main__":
    main()
