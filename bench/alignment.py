"""Alignment of drawn motions, beside align_image_stack: `python bench/alignment.py BRACKETS [--megapixels 0.3 6] …`.

BRACKETS holds folders of exposures of still scenes, `exposure_01.*` the darkest. Of each scene a pair is drawn, 2 to 8
EV apart, and the brighter frame is photographed anew by a camera that was shifted (to 5 %), turned (to 3 degrees),
zoomed (to 2 %) and tilted (to 1 %): with OpenCV's Lanczos, from a larger picture, so that both frames are whole. The
error is that of the corners, at most, against the drawn motion after the pair's own: frames on a tripod are moved by a
part of a pixel, too. That own motion is what the method under test finds of the pair before it is warped.

align_image_stack (Debian's hugin-tools) searches for the lens, too (-m -i); where it sends pixels is read from pictures
of coordinates that Hugin's nona warps as its project says. Times are processor times of the search and of the warped
pictures; a process's start is part of align_image_stack's.
"""

import argparse
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from npfuse import align
from npfuse.pairs.motions import Frame, farthest

VALIDATION = (
    "merianos/", "cwz/", "empa/Cafe", "empa/MontSaintMichel", "empa/Zurich/", "hdrps_fairchild/Delicate_Arch",
    "hdrps_fairchild/Exploratorium_2", "hdrps_fairchild/UR_Chapel_2", "hdrps_fairchild/Frontier",
    "hdrps_fairchild/Yosemite_Falls",
)  # fmt: skip
KEPT = 0.86  # of each side of a scene, so that the moved frame shows it everywhere
SWAP = np.array([[0, 1, 0], [1, 0, 0], [0, 0, 1.0]])  # OpenCV counts columns first

Pixels = NDArray[np.uint8]
Found = tuple[NDArray[np.float64] | None, float]  # the motion, None where it is left alone; seconds


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A drawn pair.

    Parameters
    ----------
    scene : its name
    stops : between the frames, EV
    still, moving : (first, second) before and after the second was moved
    motion : (3, 3), that was drawn
    """

    scene: str
    stops: float
    still: tuple[Pixels, Pixels]
    moving: tuple[Pixels, Pixels]
    motion: NDArray[np.float64]


def scenes(folder: Path, *, validation: bool) -> list[Path]:
    """Return the folders of exposures, of the validation scenes or of the others."""
    found = sorted({path.parent for path in folder.glob("**/exposure_01.*")})
    return [path for path in found if any(name in f"{path}/" for name in VALIDATION) == validation]


def stops_between(a: Pixels, b: Pixels) -> float:
    """Return the median difference of exposure of the pixels that tell, EV."""
    values = [picture[..., 1].ravel()[::7] / 255 for picture in (a, b)]
    tells = np.logical_and.reduce([(v > 0.02) & (v < 0.98) for v in values])
    light = [np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)[tells] for v in values]
    return float(np.median(np.log2(light[1] / light[0]))) if tells.sum() > 20 else float("nan")


def draw_pair(exposures: Sequence[Path], megapixels: float, rng: np.random.Generator) -> Pair | None:
    """Draw a pair of a scene; None where no two frames are 2 to 8 EV apart."""
    frames = [np.asarray(Image.open(path).convert("RGB")) for path in exposures]
    steps = [stops_between(a, b) for a, b in pairwise(frames)]
    apart = {(i, j): sum(steps[i:j]) for i in range(len(frames)) for j in range(i + 1, len(frames))}
    fitting = [pair for pair, stops in apart.items() if 1.8 <= stops <= 8.3]
    if not fitting:
        return None
    i, j = fitting[rng.integers(len(fitting))]
    scale = np.sqrt(megapixels * 1e6 / frames[i][..., 0].size) / KEPT
    size = tuple(round(n * scale) for n in frames[i].shape[1::-1])
    kind = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    a, b = (cv2.resize(frame, size, interpolation=kind) for frame in (frames[i], frames[j]))
    height, width = (round(n * KEPT) for n in a.shape[:2])
    top, left = (a.shape[0] - height) // 2, (a.shape[1] - width) // 2
    frame = Frame(height=height, width=width)
    shift = rng.uniform(-0.05, 0.05, 2) * (height, width) / frame.half
    turned = frame.step(np.array([*shift, np.radians(rng.uniform(-3, 3)), rng.uniform(-0.02, 0.02)]))
    motion = turned @ frame.step(np.array([0, 0, 0, 0, 0, 0, *rng.uniform(-0.01, 0.01, 2)]))
    window = np.array([[1, 0, top], [0, 1, left], [0, 0, 1.0]])
    source = SWAP @ window @ np.linalg.inv(motion) @ SWAP
    flags = cv2.INTER_LANCZOS4 | cv2.WARP_INVERSE_MAP
    seen = cv2.warpPerspective(b, source, (width, height), flags=flags, borderMode=cv2.BORDER_REFLECT)
    here, still = (picture[top : top + height, left : left + width] for picture in (a, b))
    name = "/".join(exposures[0].parts[-3:-1])
    return Pair(scene=name, stops=apart[i, j], still=(here, still), moving=(here, seen), motion=motion)


def by_npfuse(pair: tuple[Pixels, Pixels]) -> Found:
    """Align a pair by `npfuse.align`."""
    start = time.process_time()
    found = align(pair).motions[1]
    return (found.matrix if found.sure else None), time.process_time() - start


def by_hugin(pair: tuple[Pixels, Pixels]) -> Found:
    """Align a pair by align_image_stack, and read its motion off warped pictures of coordinates."""
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
        height, width = pair[0].shape[:2]
        ramps = np.stack(np.meshgrid(np.arange(height), np.arange(width), indexing="ij"), -1)
        for file in files:  # 16 steps a pixel in 16 bits, up to 4095 pixels
            coordinates = np.concatenate([ramps * 16, np.full((height, width, 1), 65535)], -1).astype(np.uint16)
            cv2.imwrite(str(file), coordinates[..., ::-1])
        subprocess.run(["nona", "-o", "ramp", "-m", "TIFF_m", "-z", "NONE", "a.pto"], cwd=folder, capture_output=True)
        warped = [_ramp(folder / f"ramp000{i}.tif", (height, width)) for i in (0, 1)]
        there = ~np.isnan(warped[0]).any(-1) & ~np.isnan(warped[1]).any(-1)
        if there.sum() < 1000:
            return None, seconds
        picked = np.flatnonzero(there)[:: max(1, there.sum() // 4000)]
        one, other = (part.reshape(-1, 2)[picked] for part in warped)
        matrix, _ = cv2.findHomography(one, other, cv2.RANSAC, 0.5)
        return matrix, seconds


def _ramp(file: Path, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return a warped picture of coordinates, (H, W, 2), NaN where it shows nothing."""
    read: Any = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
    out = np.full((*shape, 2), np.nan)
    if read is None:
        return out
    with Image.open(file) as image:
        left, top = (round(float(image.tag_v2.get(t, 0)) * float(image.tag_v2.get(t - 4, 1))) for t in (286, 287))
    values = read[..., 2:0:-1].astype(np.float64) / 16
    if read.shape[-1] == 4:
        values[read[..., 3] < 65535] = np.nan
    part = out[top : top + len(values), left : left + values.shape[1]]
    part[:] = values[: part.shape[0], : part.shape[1]]
    return out


def error_of(method: Callable[[tuple[Pixels, Pixels]], Found], pair: Pair) -> tuple[float, float, float]:
    """Return a method's error at the corners, NaN where it leaves the pair alone; the still pair's motion; seconds."""
    height, width = pair.still[0].shape[:2]
    found, seconds = method(pair.moving)
    own, _ = method(pair.still)
    if found is None or own is None:
        return float("nan"), float("nan"), seconds
    return (
        farthest(found, pair.motion @ own, height, width),
        farthest(own, np.eye(3), height, width),
        seconds,
    )


def main() -> None:
    """Print a line a pair and the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("brackets", type=Path)
    parser.add_argument("--megapixels", type=float, nargs="+", default=[0.3, 6.0])
    parser.add_argument("--training", action="store_true", help="the scenes that the gates were chosen on")
    parser.add_argument("--scenes", type=int, help="(all)")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    methods = {"npfuse": by_npfuse, "align_image_stack": by_hugin}
    rows: dict[tuple[str, float], list[tuple[float, float, float]]] = {}
    for megapixels in arguments.megapixels:
        rng = np.random.default_rng(arguments.seed)
        found = scenes(arguments.brackets, validation=not arguments.training)
        for folder in [found[i] for i in rng.permutation(len(found))][: arguments.scenes]:
            pair = draw_pair(sorted(folder.glob("exposure_*")), megapixels, rng)
            if pair is None:
                continue
            line = f"{megapixels:g} MP  {pair.scene:40s} {pair.stops:4.1f} EV"
            for name, method in methods.items():
                error, own, seconds = error_of(method, pair)
                rows.setdefault((name, megapixels), []).append((error, own, seconds))
                line += f"  {name} {error:6.2f} px (own {own:.2f}) {seconds:5.2f} s"
            print(line, flush=True)
    print("method, megapixels: pairs, aligned, within 0.3 pixels, aligned with more than 1 pixel, median seconds")
    for (name, megapixels), results in rows.items():
        errors, _, seconds = np.array(results).T
        sure = ~np.isnan(errors)
        print(
            f"{name:18s} {megapixels:4g}: {len(errors):3d} {sure.mean():6.1%} {(errors < 0.3).mean():6.1%} "
            f"{int((errors > 1).sum()):3d} {np.median(seconds):6.2f}"
        )


if __name__ == "__main__":
    main()
