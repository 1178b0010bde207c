"""Fuses random pairs through `npfuse.fuse`; a crash, a wrong shape or dtype, or a NaN ends it with an error.

    python bench/fuzz/random_pairs.py --pairs 10000 --seed 0

Sizes from 1x1 to some 150x150 and some long strips, grey and RGB, single and stacked, all four dtypes, views that are
not contiguous or read-only, contents from constant to noise, all bundled weights of a pair and random ones, threads 1
to 4. Of every tenth pair, the definition has to give the same within the rounding to the dtype.
"""

import argparse
import sys
import time
from collections import Counter

import numpy as np
from numpy.typing import NDArray

import npfuse
from npfuse.strips import WHITE

NAMES = ("tonefuse", "lightfuse", "t_cnn")
DTYPES = (np.uint8, np.uint16, np.float32, np.float64)
# Two ways of summing a few hundred float32 products, on outputs in [0, 1]; a level more for what is then rounded.
TOLERANCE = 2e-5


def random_shape(rng: np.random.Generator) -> tuple[int, ...]:
    """Draw (H, W), (H, W, 3) or (N, H, W, 3)."""
    if rng.random() < 0.1:
        height, width = int(rng.integers(1, 4)), int(rng.integers(1, 5000))
    else:
        height, width = (int(n) for n in np.exp(rng.uniform(0, np.log(150), 2)))
    if rng.random() < 0.5:
        height, width = width, height
    shape = (height, width) if rng.random() < 0.25 else (height, width, 3)
    return (int(rng.integers(1, 4)), *shape) if len(shape) == 3 and rng.random() < 0.1 else shape


def random_picture(rng: np.random.Generator, shape: tuple[int, ...], dtype: type) -> NDArray[np.generic]:
    """Draw a picture: constant, smooth, of few levels, or noise; of any layout in memory."""
    level, spread = rng.random(), rng.random()
    kind = rng.integers(4)
    if kind == 0:
        values = np.full(shape, rng.choice([0.0, 1.0, level]))
    elif kind == 1:
        values = np.clip(level + spread * np.linspace(-1, 1, int(np.prod(shape))).reshape(shape), 0, 1)
    elif kind == 2:
        values = rng.choice([0.0, level, 1.0], shape)
    else:
        values = rng.random(shape)
    white = WHITE[np.dtype(dtype)]
    picture = (np.rint(values * white) if np.dtype(dtype).kind == "u" else values).astype(dtype)
    layout = rng.integers(5)
    if layout == 1:
        picture = np.asfortranarray(picture)
    elif layout == 2:
        picture = np.repeat(picture, 2, axis=-2)[..., ::2, :] if picture.ndim > 2 else np.repeat(picture, 2, 1)[:, ::2]
    elif layout == 3:
        picture = picture[::-1]
    elif layout == 4:
        picture.flags.writeable = False
    return picture


def check(i: int, seed: int) -> str:
    """Fuse pair number i; return what it was."""
    rng = np.random.default_rng([seed, i])
    shape, dtype, name = random_shape(rng), DTYPES[rng.integers(4)], NAMES[rng.integers(3)]
    a, b = random_picture(rng, shape, dtype), random_picture(rng, shape, dtype)
    before = a.tobytes(), b.tobytes()
    options = {"order": str(rng.choice(["auto", "given"])), "threads": int(rng.integers(1, 5))}
    fused = npfuse.fuse(a, b, name, **options)
    what = f"pair {i} of seed {seed}: {shape} {np.dtype(dtype)}, {name}, {options}"
    assert (fused.shape, fused.dtype) == (a.shape, a.dtype), what
    assert (a.tobytes(), b.tobytes()) == before, f"{what}: an input was changed"
    white = WHITE[np.dtype(dtype)]
    assert np.isfinite(fused).all(), what
    assert fused.min() >= 0, what
    assert fused.max() <= white, what
    if i % 10 == 0 and fused.size < 20_000:
        slow = npfuse.fuse(a, b, name, **options, engine="definition")
        most = np.abs(fused.astype(np.float64) - slow).max()
        assert most <= TOLERANCE * white + (np.dtype(dtype).kind == "u"), f"{what}: {most} off the definition"
        return f"{np.dtype(dtype)} compared with the definition"
    return str(np.dtype(dtype))


def main() -> int:
    """Fuse the number of pairs that is asked for."""
    parser = argparse.ArgumentParser(description="Fuse random pairs through the API.")
    parser.add_argument("--pairs", type=int, default=10_000, metavar="N", help="(10000)")
    parser.add_argument("--seed", type=int, default=0, help="(0)")
    options = parser.parse_args()
    start = time.perf_counter()
    kinds = Counter(check(i, options.seed) for i in range(options.pairs))
    print(f"{options.pairs} pairs in {time.perf_counter() - start:.0f} s, none wrong")
    print(", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
