"""Makes a pair of any size, fuses it within a limit of memory, and prints the time and the memory that it took.

    python -m bench.gigapixel --side 32768 --format tif --max-memory 1.5G --threads 1

A scene of waves and steps is written twice, four stops apart, band by band: as `tif` (256x256 tiles, LZW, by tifffile,
BigTIFF if it is large), `npy` or `zarr`. The command `npfuse fuse` then runs in a process of its own, whose highest
resident memory the system tells. With `--strips`, the pair is fused again with other tiles, which must give the same
bytes. Everything is deleted afterwards.
"""

import argparse
import hashlib
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.pairs.memory_plan import parse_size
from npfuse.pictures.light import encode_light
from npfuse.pictures.stored import opened

TILE, WIDTH = 256, 4096
FORMATS = ("tif", "npy", "zarr")
STOPS = (-2.0, 2.0)
OTHER_TILES = "import npfuse.strips as s; s.STRIP_ROWS, s.STRIP_COLUMNS = 64, 2368; s.TILE_BYTES //= 7; "
COMMAND = "import sys; from npfuse.cli import main; sys.exit(main(sys.argv[1:]))"


def scene(stops: float) -> NDArray[np.uint8]:
    """Return the part that the scene repeats, at an exposure, (TILE, WIDTH, 3)."""
    y = np.arange(TILE, dtype=np.float32)[:, None, None]
    x = np.arange(WIDTH, dtype=np.float32)[None, :, None]
    phase = np.array([0.0, 0.7, 1.3], np.float32)
    waves = 0.25 * np.sin(y / 97 + phase) * np.cos(x / 131 - phase)
    steps = 0.2 * ((y // 100 + x // 768) % 5)
    grain = 0.01 * (((y * 1103 + x * 12345 + phase * 10) % 251) / 251)
    light = np.float32(2.0**stops) * np.float32(2.0) ** (6 * (waves + steps + grain) - 5)
    return np.rint(encode_light(np.minimum(light, 1)) * 255).astype(np.uint8)


def bands(side: int, stops: float) -> Iterator[NDArray[np.uint8]]:
    """Yield the rows of a picture, TILE at a time, (TILE, side up to a whole tile, 3): each band is shifted anew."""
    part, rng = scene(stops), np.random.default_rng(0)
    columns = -(-side // TILE) * TILE
    for _ in range(0, side, TILE):
        shifted = np.roll(part, rng.integers(0, (WIDTH, 3)), axis=(1, 2))  # and its colours change places
        yield np.tile(shifted, (1, -(-columns // WIDTH), 1))[:, :columns]


def write(file: Path, side: int, stops: float) -> None:
    """Write the scene at an exposure."""
    shape = (side, side, 3)
    if file.suffix == ".tif":
        import tifffile

        options: dict[str, Any] = {"tile": (TILE, TILE), "compression": "lzw", "predictor": True, "photometric": "rgb"}
        with tifffile.TiffWriter(file, bigtiff=side * side * 3 > 2**31) as writer:
            parts = (strip[:, left : left + TILE] for strip in bands(side, stops) for left in range(0, side, TILE))
            writer.write(parts, shape=shape, dtype=np.uint8, metadata=None, **options)
        return
    if file.suffix == ".zarr":
        import zarr

        make: Any = zarr.create_array
        array = make(store=str(file), shape=shape, dtype="uint8", chunks=(TILE, 1024, 3))
    else:
        array = np.lib.format.open_memmap(file, "w+", np.uint8, shape)
    for row, strip in zip(range(0, side, TILE), bands(side, stops), strict=True):
        array[row : row + TILE] = strip[: side - row, :side]


def digest(file: Path) -> str:
    """Return the SHA-256 of the result's samples."""
    total = hashlib.sha256()
    with opened(file) as picture:
        assert picture is not None
        for row in range(0, picture.pixels.shape[0], TILE):
            total.update(np.ascontiguousarray(picture.pixels[row : row + TILE, :]).data)
    return total.hexdigest()


def main() -> int:
    """Make a pair, fuse it, and print its time and memory."""
    parser = argparse.ArgumentParser(prog="python -m bench.gigapixel", description="Fuse a large pair within a limit.")
    parser.add_argument("--side", type=int, default=32768, help="rows and columns (32768)")
    parser.add_argument("--format", choices=FORMATS, default="tif", help="of both inputs and the output (tif)")
    parser.add_argument("--max-memory", default="1.5G", metavar="SIZE", help="(1.5G)")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="(1)")
    parser.add_argument("--weights", default="tonefuse", metavar="W", help="(tonefuse)")
    parser.add_argument("--strips", action="store_true", help="fuse again with other tiles; the bytes must be the same")
    parser.add_argument("--folder", type=Path, help="for the files, about ten bytes per pixel (the system's own)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="npfuse-", dir=options.folder) as name:
        files = [Path(name) / f"{word}.{options.format}" for word in ("under", "over")]
        start = time.perf_counter()
        for file, stops in zip(files, STOPS, strict=True):
            write(file, options.side, stops)
        print(f"two pictures of {options.side}x{options.side}: {time.perf_counter() - start:.0f} s to make", flush=True)
        digests = []
        for code in (COMMAND, OTHER_TILES + COMMAND)[: 1 + options.strips]:
            output = Path(name) / f"fused-{len(digests)}.{options.format}"
            command = ["fuse", *map(str, files), "-o", str(output), "-v", "--weights", options.weights]
            command += ["--threads", str(options.threads), "--max-memory", options.max_memory]
            print("npfuse", *command, flush=True)
            start = time.perf_counter()
            process = subprocess.Popen([sys.executable, "-c", code, *command])
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - start
            if status:
                return 1
            peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
            busy, allowed = usage.ru_utime + usage.ru_stime, parse_size(options.max_memory) >> 20
            print(f"{seconds:.0f} s, {busy:.0f} s of processor time, peak {peak / 2**20:.0f} MiB of {allowed} allowed")
            if peak > parse_size(options.max_memory):
                print("more memory than is allowed", file=sys.stderr)
                return 1
            if options.strips:
                digests.append(digest(output))
                print(f"sha256 of the samples {digests[-1]}", flush=True)
        if len(set(digests)) > 1:
            print("other tiles gave other bytes", file=sys.stderr)
            return 1
    print(f"this process itself took {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
