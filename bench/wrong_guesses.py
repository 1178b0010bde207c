"""Measures what a wrong guess costs a port: each fact of docs/porting.md is broken on purpose.

`python -m bench.wrong_guesses --write docs/porting.md` measures the tables of that page again. They have the range of
the PSNR to the right picture, and the worst level, over every fourth pixel of every fourth row of all example pairs.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from npfuse import padding
from npfuse.examples import NARROW_SCENE, SCENES, example_pair
from npfuse.graph import Graph
from npfuse.ops import DepthwiseConv2D, DepthwiseConv2DTranspose, Resize
from npfuse.pictures.reading import read_picture
from npfuse.run import run
from npfuse.strips import network_inputs
from npfuse.weights.loading import load_weights
from npfuse.weights.weights import Weights

Picture = NDArray[np.uint8]
Guess = Callable[[Picture, Picture, Weights], Picture]


def fused(
    under: Picture,
    over: Picture,
    weights: Weights,
    *,
    inputs: Callable[[NDArray[Any]], NDArray[Any]] = lambda x: x,
    graph: Callable[[Graph], Graph] = lambda graph: graph,
    rounding: Callable[[NDArray[Any]], NDArray[Any]] = np.rint,
) -> Picture:
    """Fuse a pair in the order given, by the definitions, with a change of the mapped inputs, the graph or rounding."""
    height, width = under.shape[:2]
    mapped = {name: inputs(x).astype(np.float32) for name, x in network_inputs(under, over, weights).items()}
    network = graph(weights.graph(*weights.padded_size(height, width)))
    (found,) = run(network, mapped, weights.arrays, engine="definition").values()
    return np.clip(rounding((found[0, :height, :width] + 1) * np.float32(127.5)), 0, 255).astype(np.uint8)


def _pytorch_pads(under: Picture, over: Picture, weights: Weights) -> Picture:
    right = padding.conv_pads

    def pads(n: int, kernel: int, stride: int, dilation: int, kind: padding.Padding) -> tuple[int, int]:
        before, after = right(n, kernel, stride, dilation, kind)
        return (before, after) if stride == 1 else (1, before + after - 1)

    with patch.object(padding, "conv_pads", pads):
        return fused(under, over, weights)


def _other_decoder(graph: Graph) -> Graph:
    """Enlarge the coarse picture the other way: bilinearly for nearest, by repeating for bilinear."""
    (_, (height, width, _)), *_ = graph.inputs
    nodes = []
    for node in graph.nodes:
        op = node.op
        if isinstance(op, DepthwiseConv2DTranspose):
            rows, columns, _ = graph.shapes[node.name]
            op = Resize(height=rows, width=columns, method="bilinear")
        elif isinstance(op, Resize) and op.method == "bilinear":
            op = Resize(height=height, width=width, method="nearest")
        nodes.append(replace(node, op=op))
    return replace(graph, nodes=tuple(nodes))


def _undilated(graph: Graph) -> Graph:
    nodes = [
        replace(node, op=replace(node.op, dilation=(1, 1))) if isinstance(node.op, DepthwiseConv2D) else node
        for node in graph.nodes
    ]
    return replace(graph, nodes=tuple(nodes))


def _without_thumbnail(x: NDArray[Any]) -> NDArray[Any]:
    return np.zeros_like(x) if x.shape[1:3] == (16, 24) else x


GUESSES: Mapping[str, Guess] = {
    "stride 2 padded (1, 1), as PyTorch does": _pytorch_pads,
    "no margin": lambda u, o, w: fused(u, o, replace(w, margin=0)),
    "margin of 8": lambda u, o, w: fused(u, o, replace(w, margin=8)),
    "over first": lambda u, o, w: fused(o, u, w),
    "channels interleaved": lambda u, o, w: fused(u, o, w, inputs=lambda x: x[..., [0, 3, 1, 4, 2, 5]]),
    "BGR": lambda u, o, w: fused(u[..., ::-1], o[..., ::-1], w)[..., ::-1],
    "mapped to [0, 1]": lambda u, o, w: fused(u, o, w, inputs=lambda x: (x + 1) / 2),
    "mapped by v / 128 - 1": lambda u, o, w: fused(u, o, w, inputs=lambda x: (x + 1) * 127.5 / 128 - 1),
    "each picture's own minimum and maximum": lambda u, o, w: fused(u, o, replace(w, normalization="min_max")),
    "result truncated": lambda u, o, w: fused(u, o, w, rounding=np.floor),
    "coarse picture enlarged the other way": lambda u, o, w: fused(u, o, w, graph=_other_decoder),
    "dilation forgotten": lambda u, o, w: fused(u, o, w, graph=_undilated),
    "thumbnail left at grey": lambda u, o, w: fused(u, o, w, inputs=_without_thumbnail),
}
ONLY_TONEFUSE = ("dilation forgotten", "thumbnail left at grey")


def guesses(weights: Weights) -> Iterator[tuple[str, Guess]]:
    """Yield the wrong guesses that concern a network."""
    for name, guess in GUESSES.items():
        if weights.model == "tonefuse" or name not in ONLY_TONEFUSE:
            yield name, guess


def pictures(step: int, scene: str) -> tuple[Picture, Picture]:
    """Return every `step`th pixel of every `step`th row of an example pair."""
    under, over = (read_picture(path).pixels[::step, ::step] for path in example_pair(scene))
    return under, over


def psnr(actual: Picture, expected: Picture) -> float:
    """Return the peak signal-to-noise ratio in dB; infinite for equal pictures."""
    error = float(np.mean((actual.astype(float) - expected) ** 2))
    return 10 * float(np.log10(255**2 / error)) if error else float("inf")


def table(weights: Weights, step: int) -> str:
    """Measure all wrong guesses of a network, as a table in Markdown."""
    pairs = [pictures(step, scene) for scene in (*SCENES, NARROW_SCENE)]
    right = [fused(*pair, weights) for pair in pairs]
    lines = ["| wrong guess | PSNR | worst level |", "|---|---|---|"]
    for name, guess in guesses(weights):
        wrong = [guess(*pair, weights) for pair in pairs]
        least, *_, most = sorted(psnr(a, b) for a, b in zip(wrong, right, strict=True))
        worst = max(int(np.abs(a.astype(int) - b).max()) for a, b in zip(wrong, right, strict=True))
        found = f"{least:.1f} to {most:.1f} dB" if np.isfinite(most) else f"{least:.1f} dB to identical"
        lines.append(f"| {name} | {found if worst else 'identical'} | {worst} |")
    return "\n".join(lines)


def main() -> None:
    """Print the tables, or write them into a page."""
    parser = argparse.ArgumentParser(description="What a wrong guess costs a port.")
    parser.add_argument("--weights", nargs="+", default=["lightfuse", "tonefuse"], metavar="NAME")
    parser.add_argument("--step", type=int, default=4, help="N: every Nth pixel of every Nth row is used (4)")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="docs/porting.md: replace the tables in it")
    options = parser.parse_args()
    for name in options.weights:
        found = table(load_weights(name), options.step)
        print(f"{name}\n\n{found}\n", flush=True)
        if options.write:
            replace_table(options.write, f"wrong guesses: {name}", found)


def replace_table(page: Path, mark: str, table: str) -> None:
    """Put a table into a page, between the comment with a mark and the next one that says "end"."""
    text = page.read_text(encoding="utf-8")
    start = f"<!-- {mark} -->\n"
    head, found_start, rest = text.partition(start)
    _, found_end, tail = rest.partition("<!-- end -->")
    if not (found_start and found_end):
        raise SystemExit(f"{page}: place for a table is missing, expected {start.strip()} … <!-- end -->")
    page.write_text(f"{head}{start}\n{table}\n\n<!-- end -->{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()
