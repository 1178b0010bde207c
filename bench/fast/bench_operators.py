"""Every compiled operator beside PyTorch's CPU operator, on the shapes of the networks, on one thread.

    python bench/fast/bench_operators.py [--only WORD] [--runs N] [--json FILE]

The cases are the distinct operators of DeepFuse at 256x384, MEF-Net at 128x192 and LightFuse's GlobalNet at 896x1344
(1.2 megapixels), with weights drawn at random, and a few that these networks do not use. PyTorch gets its picture both
ways, NCHW in C order and channels_last, and the faster one counts. Where "same" pads unevenly, the picture is padded
beforehand, untimed. Results are compared first, with each other or, if PyTorch is missing (extra `bench`), with the
NumPy definition, which is then timed in its place. Runs alternate. Times are the thread's own processor time, so that
other processes matter little. Printed are medians, the quartiles of the ratio (the peer's time / npfuse's, above 1 if
npfuse is faster), and, for operators that multiply, 1e9 MACs per second.
"""

# ruff: noqa: E402 (the number of threads must be set before NumPy is imported)
import os

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np

from costmodel.rules import operator_cost
from npfuse import padding
from npfuse.engine.compiled import aligned_empty
from npfuse.fast import FAST
from npfuse.models import deepfuse, lightfuse, mefnet
from npfuse.ops import (
    DEFINITIONS,
    AdaptiveNorm,
    Add,
    AddChannels,
    Concatenate,
    Conv2D,
    Conv2DTranspose,
    DepthwiseConv2D,
    DepthwiseConv2DTranspose,
    LeakyReLU,
    Operator,
    PointwiseConv2D,
    ReLU,
    Resize,
    Shape,
    Tanh,
    Window,
)

try:
    import torch
    from torch.nn import functional
except ImportError:
    torch = None

SLOW = 0.1  # seconds; a slower case runs a third as often


@dataclass(frozen=True, kw_only=True)
class Case:
    """One operator on one set of shapes (H, W, C)."""

    network: str
    op: Operator
    inputs: tuple[Shape, ...]

    @property
    def label(self) -> str:
        """Return what distinguishes the case, as printed."""
        height, width, channels = self.inputs[0]
        parts = [self.op.kind]
        if isinstance(self.op, Window):
            parts.append("x".join(map(str, self.op.kernel_size)))
            parts += [f"{name} {getattr(self.op, name)[0]}" for name in ("stride", "dilation")
                      if getattr(self.op, name) != (1, 1)]  # fmt: skip
        if isinstance(self.op, Resize):
            parts.append(self.op.method)
        features = self.op.output_shape(*self.inputs)[2]
        parts.append(str(channels) if features == channels else f"{channels}->{features}")
        return f"{' '.join(parts)}, {height}x{width}"


def cases() -> list[Case]:
    """Return the distinct operators of the networks and some more."""
    found: dict[Case, None] = {}
    graphs = {"DeepFuse": deepfuse(256, 384), "MEF-Net": mefnet(128, 192)}
    for decoder in ("nearest", "transposed", "bilinear"):
        graphs[f"LightFuse {decoder}"] = lightfuse(896, 1344, decoder=decoder)
    for name, graph in graphs.items():
        for node in graph.nodes:
            # DetailNet is evaluated as one chain; bench_pixel_mlp.py measures that.
            if not node.name.startswith("detail"):
                found[Case(network=name.split()[0], op=node.op, inputs=tuple(graph.input_shapes(node)))] = None
    picture = (896, 1344, 3)
    found[Case(network="-", op=ReLU(), inputs=((256, 384, 64),))] = None
    found[Case(network="-", op=Concatenate(), inputs=(picture, picture))] = None
    found[Case(network="-", op=AddChannels(), inputs=((256, 384, 32), (1, 1, 32)))] = None
    found[Case(network="-", op=Conv2D(features=16, kernel_size=(3, 3), stride=(2, 2)), inputs=((256, 384, 3),))] = None
    found[Case(network="-", op=DepthwiseConv2D(kernel_size=(3, 3)), inputs=((256, 384, 32),))] = None
    found[Case(network="-", op=Resize(height=128, width=192, method="area"), inputs=(picture,))] = None
    found[Case(network="-", op=Resize(height=896, width=1344, method="nearest"), inputs=((112, 168, 3),))] = None
    return list(found)


def draw(case: Case) -> tuple[list[np.ndarray], dict[str, np.ndarray]]:
    """Return pictures and weights for a case, float32."""
    rng = np.random.default_rng(0)
    xs = [aligned_empty((1, *shape), np.float32) for shape in case.inputs]  # as results of operators are
    for x in xs:
        x[...] = rng.normal(size=x.shape)
    weights = {name: rng.normal(size=shape).astype(np.float32)
               for name, shape in case.op.weight_shapes(*case.inputs).items()}  # fmt: skip
    constants = case.op.constants(*case.inputs)
    return xs, {name: np.ascontiguousarray(a, np.float32) for name, a in constants.items()} | weights


TORCH_RESIZE: dict[str, dict[str, object]] = {
    "area": {"mode": "area"},
    "nearest": {"mode": "nearest-exact"},
    "bilinear": {"mode": "bilinear", "align_corners": False},
}


def torch_function(
    case: Case, xs: list[np.ndarray], weights: dict[str, np.ndarray], layout: str
) -> Callable[[], object]:
    """Return a function without arguments that runs PyTorch's operator; arrays are laid out here, untimed."""
    memory = torch.channels_last if layout == "channels_last" else torch.contiguous_format
    ts = [torch.from_numpy(x).permute(0, 3, 1, 2).contiguous(memory_format=memory) for x in xs]
    match case.op:
        case Window():
            return torch_convolution(case, ts[0], weights, memory)
        case PointwiseConv2D():
            kernel = torch.from_numpy(weights["kernel"].T[..., None, None].copy())
            return partial(functional.conv2d, ts[0], kernel, torch_bias(weights))
        case AdaptiveNorm(epsilon=epsilon):
            w0, w1, gamma, beta = (torch.from_numpy(weights[name]) for name in ("w0", "w1", "gamma", "beta"))

            def norm() -> "torch.Tensor":
                return w0 * ts[0] + w1 * functional.instance_norm(ts[0], weight=gamma, bias=beta, eps=epsilon)

            return norm
        case LeakyReLU(slope=slope):
            return partial(functional.leaky_relu, ts[0], slope)
        case ReLU():
            return partial(torch.relu, ts[0])
        case Tanh():
            return partial(torch.tanh, ts[0])
        case Add() | AddChannels():
            return partial(torch.add, *ts)
        case Concatenate():
            return partial(torch.cat, ts, dim=1)
        case Resize(height=height, width=width, method=method):
            return partial(functional.interpolate, ts[0], (height, width), **TORCH_RESIZE[method])
    raise SystemExit(f"{case.op.kind} has no counterpart in bench/fast/bench_operators.py, expected one")


def torch_convolution(
    case: Case, x: "torch.Tensor", weights: dict[str, np.ndarray], memory: "torch.memory_format"
) -> Callable[[], object]:
    """Return a function without arguments that runs PyTorch's counterpart of an operator with a sliding kernel."""
    op = case.op
    assert isinstance(op, Window)
    depthwise = isinstance(op, DepthwiseConv2D | DepthwiseConv2DTranspose)
    # (kH, kW, C) becomes (C, 1, kH, kW); the others' last two axes come first, in turn.
    kernel = weights["kernel"]
    kernel = kernel[..., np.newaxis].transpose(2, 3, 0, 1) if depthwise else kernel.transpose(3, 2, 0, 1)
    kernel = torch.from_numpy(kernel.copy()).contiguous(memory_format=memory)
    if isinstance(op, Conv2DTranspose | DepthwiseConv2DTranspose):
        function = functional.conv_transpose2d
        pads = tuple(padding.transposed_crop(case.inputs[0][axis], *op.axis_arguments(axis)) for axis in (0, 1))
    else:
        function = functional.conv2d
        (top, bottom), (left, right) = (
            padding.conv_pads(case.inputs[0][axis], *op.axis_arguments(axis)) for axis in (0, 1)
        )
        pads = (top, left)
        if (top, left) != (bottom, right):
            pads = (0, 0)
            x = functional.pad(x, (left, right, top, bottom)).contiguous(memory_format=memory)
    groups = case.inputs[0][2] if depthwise else 1
    return partial(
        function, x, kernel, torch_bias(weights), stride=op.stride, dilation=op.dilation, padding=pads, groups=groups
    )


def torch_bias(weights: dict[str, np.ndarray]) -> "torch.Tensor | None":
    """Return the bias as PyTorch's, or None where there is none."""
    return torch.from_numpy(weights["bias"]) if "bias" in weights else None


def peers_of(case: Case, xs: list[np.ndarray], weights: dict[str, np.ndarray]) -> dict[str, Callable[[], np.ndarray]]:
    """Return what to compare with, by name."""
    if torch is None:
        return {"definition": partial(DEFINITIONS[type(case.op)], *xs, **weights, **case.op.arguments())}
    return {layout: torch_function(case, xs, weights, layout) for layout in ("NCHW", "channels_last")}


def as_nhwc(result: object) -> np.ndarray:
    """Return a peer's result as an ndarray (N, H, W, C)."""
    return result if isinstance(result, np.ndarray) else result.permute(0, 2, 3, 1).numpy()


def seconds_of(function: Callable[[], object]) -> float:
    """Return the processor time of one call on this thread, freeing its result included."""
    start = time.thread_time()
    function()
    return time.thread_time() - start


def measure(case: Case, runs: int) -> dict[str, object]:
    """Compare, choose PyTorch's faster layout, then time both in turn."""
    xs, weights = draw(case)
    own = partial(FAST[type(case.op)], *xs, **weights, **case.op.arguments())
    first_call = seconds_of(own)
    actual, peers = own(), peers_of(case, xs, weights)
    difference = 0.0
    for name, peer in peers.items():
        expected = as_nhwc(peer())
        if actual.shape != expected.shape:
            raise SystemExit(f"{case.label}: shape is {actual.shape}, {name}'s {expected.shape}; nothing was timed")
        difference = max(difference, float(np.abs(actual - expected).max() / np.abs(expected).max()))
    if difference > 1e-5:
        raise SystemExit(f"{case.label}: results differ by {difference:g} of the largest value; nothing was timed")
    name = min(peers, key=lambda name: min(seconds_of(peers[name]) for _ in range(3)))
    if seconds_of(own) + seconds_of(peers[name]) > SLOW:
        runs = -(-runs // 3)
    own_seconds, peer_seconds = [], []
    for _ in range(runs):
        own_seconds.append(seconds_of(own))
        peer_seconds.append(seconds_of(peers[name]))
    ratios = np.array(peer_seconds) / np.array(own_seconds)
    macs = operator_cost(case.op, *case.inputs).work.macs
    return {
        "network": case.network,
        "operator": case.label,
        "macs": macs,
        "first_call_s": first_call,
        "npfuse_ms": [1e3 * v for v in np.percentile(own_seconds, [25, 50, 75])],
        "peer": name,
        "peer_ms": [1e3 * v for v in np.percentile(peer_seconds, [25, 50, 75])],
        "ratio": list(np.percentile(ratios, [25, 50, 75])),
        "gmacs_per_s": macs / float(np.median(own_seconds)) / 1e9,
        "peer_gmacs_per_s": macs / float(np.median(peer_seconds)) / 1e9,
        "difference": difference,
        "runs": runs,
    }


def processor() -> str:
    """Return the processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", default="", metavar="WORD", help="cases whose network or operator has this in it")
    parser.add_argument("--runs", type=int, default=21)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if torch is None:
        print(
            "PyTorch is not installed (extra `bench`): npfuse is compared with its NumPy definitions", file=sys.stderr
        )
        peer = "definition"
    else:
        torch.set_num_threads(1)
        peer = f"torch {torch.__version__}"
    print(f"1 thread, {processor()}; ms, 1e9 MACs/s; ratio: {peer} / npfuse")
    head = f"{'':<10}{'operator':<48}{'npfuse':>8}{'peer':>8} {'layout':<14}{'ratio':>6}"
    print(f"{head}{'quartiles':>14}{'GMAC/s':>8}{'peer':>7}")
    rows = []
    for case in cases():
        if arguments.only not in f"{case.network} {case.label}":
            continue
        row = measure(case, arguments.runs)
        low, ratio, high = row["ratio"]
        rates = f"{row['gmacs_per_s']:>8.1f}{row['peer_gmacs_per_s']:>7.1f}" if row["macs"] else ""
        print(
            f"{row['network']:<10}{row['operator']:<48}{row['npfuse_ms'][1]:>8.2f}{row['peer_ms'][1]:>8.2f} "
            f"{row['peer']:<14}{ratio:>6.2f}{f'{low:.2f} to {high:.2f}':>14}{rates}",
            flush=True,
        )
        rows.append(row)
    if arguments.json:
        revision = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
        about = {
            "threads": 1,
            "processor": processor(),
            "python": platform.python_version(),
            "numpy": np.__version__,
            "numba": version("numba"),
            "peer": peer,
            "commit": revision.stdout.strip(),
        }
        arguments.json.write_text(json.dumps({**about, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    with torch.inference_mode() if torch is not None else open(os.devnull):
        main()
