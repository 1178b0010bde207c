"""Runs Hugin's align_image_stack (Debian's hugin-tools), and reads the motion that it found.

It searches for the lens, too (-m -i). The motion is read from pictures of coordinates: Hugin's nona warps them by the
project file that align_image_stack wrote.
"""

import resource
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.brackets import Pixels

STEPS = 16  # levels of 16 bits per pixel, which allows pictures of up to 4095 pixels
PLACES = 4000  # at which the motion is read


def is_there() -> bool:
    """Tell whether the commands are installed."""
    return all(shutil.which(command) for command in ("align_image_stack", "nona"))


def by_hugin(pair: tuple[Pixels, Pixels]) -> tuple[NDArray[np.float64] | None, float]:
    """Align a pair.

    Parameters
    ----------
    pair : (H, W, 3) each

    Returns
    -------
    matrix : (3, 3), from (row, column, 1) of the first picture to the second; None if it gives up
    seconds : processor time
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = [folder / f"{i}.tif" for i in (0, 1)]
        for file, picture in zip(files, pair, strict=True):
            Image.fromarray(picture).save(file)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = ["align_image_stack", "-m", "-i", "--use-given-order", "-p", "a.pto", "-a", "out", *map(str, files)]
        failed = subprocess.run(command, cwd=folder, capture_output=True).returncode
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        if failed or not (folder / "a.pto").exists():
            return None, seconds
        return _motion_of(folder, files, pair[0].shape[:2]), seconds


def _motion_of(folder: Path, files: list[Path], shape: tuple[int, int]) -> NDArray[np.float64] | None:
    """Return the motion that a project undoes."""
    height, width = shape
    ramps = np.stack(np.meshgrid(np.arange(height), np.arange(width), indexing="ij"), -1)
    for file in files:
        coordinates = np.concatenate([ramps * STEPS, np.full((height, width, 1), 65535)], -1).astype(np.uint16)
        cv2.imwrite(str(file), coordinates[..., ::-1])
    subprocess.run(["nona", "-o", "ramp", "-m", "TIFF_m", "-z", "NONE", "a.pto"], cwd=folder, capture_output=True)
    one, other = (_ramp(folder / f"ramp000{i}.tif", shape) for i in (0, 1))
    there = ~np.isnan(one).any(-1) & ~np.isnan(other).any(-1)
    if there.sum() < PLACES // 4:
        return None
    picked = np.flatnonzero(there)[:: max(1, int(there.sum()) // PLACES)]
    matrix: Any = cv2.findHomography(one.reshape(-1, 2)[picked], other.reshape(-1, 2)[picked], cv2.RANSAC, 0.5)[0]
    return None if matrix is None else np.asarray(matrix, np.float64)


def _ramp(file: Path, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return a warped picture of coordinates, (H, W, 2), NaN where it shows nothing."""
    read: Any = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
    out = np.full((*shape, 2), np.nan)
    if read is None:
        return out
    with Image.open(file) as image:
        left, top = (round(float(image.tag_v2.get(t, 0)) * float(image.tag_v2.get(t - 4, 1))) for t in (286, 287))
    values = read[..., 2:0:-1].astype(np.float64) / STEPS
    if read.shape[-1] == 4:
        values[read[..., 3] < 65535] = np.nan
    part = out[top : top + len(values), left : left + values.shape[1]]
    part[:] = values[: part.shape[0], : part.shape[1]]
    return out
