"""DetailNet by blocks (`npfuse.engine.pixel_mlp`) beside the same products as NumPy matrix products, on one thread.

    python bench/engine/bench_pixel_mlp.py [UNDER OVER] [--weights W] [--runs N] [--json FILE]

takes a pair of photographs, by default example pictures, clean and with added noise (standard deviations in levels of
255, and random bytes). Results are compared first; then the two are timed in turn, N times, and the median and the
quartiles of the ratio are printed. NumPy works on 448 pixels at a time, so that its hidden values stay in the cache.
"""

# ruff: noqa: E402 (the number of threads must be set before NumPy is imported)
import os

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import json
import platform
import subprocess
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

from npfuse import load_weights
from npfuse.engine.pixel_mlp import pixel_mlp
from npfuse.examples import example_pair
from npfuse.pictures.reading import read_picture

SIGMAS = (0, 2, 5, 10, 20)
CHUNK = 448  # pixels


def numpy_mlp(x, layers):
    """Evaluate the chain by matrix products on chunks of pixels."""
    pixels = x.reshape(-1, x.shape[-1])
    out = np.empty((len(pixels), layers[-1][0].shape[1]), x.dtype)
    for start in range(0, len(pixels), CHUNK):
        value = pixels[start : start + CHUNK]
        for kernel, bias, rectified in layers:
            value = value @ kernel
            value += bias
            if rectified:
                np.maximum(value, 0, out=value)
        out[start : start + CHUNK] = value
    return out.reshape(*x.shape[:-1], -1)


def detail_layers(weights):
    """Return DetailNet's layers as pixel_mlp takes them."""
    count = sum(name.startswith("detail") and name.endswith("/kernel") for name in weights.arrays)
    arrays = weights.arrays
    return [(arrays[f"detail{i}/kernel"], arrays[f"detail{i}/bias"], True) for i in range(1, count + 1)]


def measure(x, layers, runs):
    """Compare both, then return the seconds of each run."""
    expected, actual = numpy_mlp(x, layers), pixel_mlp(x, layers)
    difference = float(np.abs(actual - expected).max())
    if difference > 1e-4 * max(1.0, float(np.abs(expected).max())):
        raise SystemExit(f"results differ by {difference:g}; nothing was timed")
    seconds = {"numpy": [], "blocks": []}
    for _ in range(runs):
        for name, function in (("numpy", numpy_mlp), ("blocks", pixel_mlp)):
            start = time.perf_counter()
            function(x, layers)
            seconds[name].append(time.perf_counter() - start)
    return difference, seconds


def noisy(pixels, sigma, rng):
    """Add noise in levels of 255; None gives random bytes."""
    if sigma is None:
        return rng.integers(0, 256, pixels.shape).astype(np.float32)
    return np.clip(np.rint(pixels + rng.normal(0, sigma, pixels.shape)), 0, 255).astype(np.float32)


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("pictures", nargs="*", type=Path, help="UNDER OVER (default: the example picture interior)")
    parser.add_argument("--weights", default="lightfuse")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    pictures = arguments.pictures or example_pair("interior")
    pair = np.concatenate([read_picture(path).pixels for path in pictures], axis=2)[np.newaxis]
    layers = detail_layers(load_weights(arguments.weights))
    height, width = pair.shape[1:3]
    rng = np.random.default_rng(0)
    print(f"{arguments.weights}, {height}x{width}, 1 thread, {arguments.runs} runs; ns per pixel, and NumPy / blocks")
    print(f"{'noise':<13} {'NumPy':>8} {'blocks':>8} {'ratio':>7} {'quartiles':>14} {'difference':>11}")
    rows = []
    for sigma in (*SIGMAS, None):
        x = noisy(pair, sigma, rng) / np.float32(127.5) - 1
        difference, seconds = measure(x, layers, arguments.runs)
        ratios = np.array(seconds["numpy"]) / np.array(seconds["blocks"])
        low, ratio, high = np.percentile(ratios, [25, 50, 75])
        times = {name: 1e9 * float(np.median(values)) / (height * width) for name, values in seconds.items()}
        label = "random bytes" if sigma is None else f"sigma {sigma}"
        spread = f"{low:.2f} to {high:.2f}"
        print(
            f"{label:<13} {times['numpy']:>8.0f} {times['blocks']:>8.0f} {ratio:>7.2f} {spread:>14} {difference:>11.1e}"
        )
        rows.append({"noise": label, "ns_per_pixel": times, "ratio": [low, ratio, high], "difference": difference})
    if arguments.json:
        head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
        about = {
            "weights": arguments.weights,
            "height": height,
            "width": width,
            "threads": 1,
            "runs": arguments.runs,
            "processor": platform.processor() or platform.machine(),
            "python": platform.python_version(),
            "numpy": np.__version__,
            "numba": version("numba"),
            "commit": head.stdout.strip(),
        }
        arguments.json.write_text(json.dumps({**about, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
