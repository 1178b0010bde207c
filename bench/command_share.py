"""Measures how the command `npfuse fuse` spends its time: decoding two JPEGs, fusing, encoding, everything else.

The command runs as its users run it, in a process of its own. Decoding, fusing and encoding are timed by themselves, in
a process that has done each once. "Everything else" is the rest: starting Python, loading, checking, ordering.
"""

import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import npfuse
from bench.summary import Summary, ratios, summarized
from npfuse.pictures.reading import Picture, read_picture, write_picture
from npfuse.weights.weights import Weights


@dataclass(frozen=True, kw_only=True)
class Shares:
    """Seconds of each part, and of the whole command; `fuse_to_decode` is the ratio of two of them, run by run."""

    height: int
    width: int
    threads: int
    decode_s: Summary
    fuse_s: Summary
    encode_s: Summary
    command_s: Summary
    fuse_to_decode: Summary


def measure(under: Path, over: Path, weights: Weights, name: str, threads: int, rounds: int) -> Shares:
    """Time the command and its parts in turn.

    Parameters
    ----------
    under, over : JPEG files
    weights : Weights
    name : name of the same weights, as the command takes it
    threads : number of threads that may work
    rounds : number of measurements

    Returns
    -------
    Shares
    """
    parts: dict[str, list[float]] = {"decode": [], "fuse": [], "encode": [], "command": []}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "fused.jpg"
        command = [sys.executable, "-m", "npfuse", "fuse", str(under), str(over), "-o", str(out), "--force"]
        command += ["--weights", name, "--threads", str(threads)]
        for count in range(rounds + 1):
            start = time.perf_counter()
            pictures = [read_picture(path) for path in (under, over)]
            decoded = time.perf_counter()
            fused = npfuse.fuse(*(picture.pixels for picture in pictures), weights, order="given", threads=threads)
            done = time.perf_counter()
            write_picture(out, Picture(pixels=fused), overwrite=True)
            encoded = time.perf_counter()
            if not count:  # the first round only warms up
                continue
            finished = subprocess.run(command, capture_output=True, text=True, check=False)
            if finished.returncode:
                raise RuntimeError(f"{' '.join(command)} ended with status {finished.returncode}: {finished.stderr}")
            whole = time.perf_counter() - encoded
            for part, seconds in zip(parts, (decoded - start, done - decoded, encoded - done, whole), strict=True):
                parts[part].append(seconds)
    return Shares(
        height=fused.shape[0],
        width=fused.shape[1],
        threads=threads,
        decode_s=summarized(parts["decode"]),
        fuse_s=summarized(parts["fuse"]),
        encode_s=summarized(parts["encode"]),
        command_s=summarized(parts["command"]),
        fuse_to_decode=ratios(parts["decode"], parts["fuse"]),
    )
