"""How far the networks in integers are from floats, over the example pairs.

`python -m bench.integer_errors --write docs/porting.md` measures the table of that page again, at full size.
"""

import argparse
from pathlib import Path

import numpy as np

from bench.wrong_guesses import pictures, psnr, replace_table
from npfuse.examples import SCENES
from npfuse.fusion import fuse
from npfuse.integer import ARITHMETICS
from npfuse.integer_pair import fuse_integer_pair, integer_network
from npfuse.weights.loading import load_weights


def table(names: list[str], step: int) -> str:
    """Measure every arithmetic of networks, as a table in Markdown."""
    lines = ["| network | arithmetic | PSNR, mean (least to most) | worst level | bytes that differ |"]
    lines.append("|---|---|---|---|---|")
    for name in names:
        weights = load_weights(name)
        pairs = [pictures(step, scene) for scene in SCENES]
        floats = [fuse(*pair, weights, order="given") for pair in pairs]
        for arithmetic in ARITHMETICS:
            network = integer_network(weights, arithmetic)
            found = [np.empty_like(under) for under, _ in pairs]
            for pair, out in zip(pairs, found, strict=True):
                for job in fuse_integer_pair(*pair, out, weights, network):
                    job()
            ratios = [psnr(a, b) for a, b in zip(found, floats, strict=True)]
            apart = np.concatenate([np.abs(a.astype(int) - b).ravel() for a, b in zip(found, floats, strict=True)])
            lines.append(
                f"| {name} | `{arithmetic}` | {np.mean(ratios):.1f} dB ({min(ratios):.1f} to {max(ratios):.1f}) "
                f"| {apart.max()} | {100 * (apart > 0).mean():.1f} % |"
            )
    return "\n".join(lines)


def main() -> None:
    """Print the table, or write it into a page."""
    parser = argparse.ArgumentParser(description="How far the networks in integers are from floats.")
    parser.add_argument("--weights", nargs="+", default=["lightfuse", "tonefuse"], metavar="NAME")
    parser.add_argument("--step", type=int, default=1, help="N: every Nth pixel of every Nth row is used (1)")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="docs/porting.md: replace the table in it")
    options = parser.parse_args()
    found = table(options.weights, options.step)
    print(found)
    if options.write:
        replace_table(options.write, "integer errors", found)


if __name__ == "__main__":
    main()
