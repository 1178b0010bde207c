"""Draw the figures of the documentation, from the example pictures and the weights that ship."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from costmodel.conventions import convention_named
from costmodel.executed import count_executed
from costmodel.machine import machine_named
from costmodel.plot import plot
from costmodel.report import model_subject
from npfuse import load_weights
from npfuse.examples import example_pair
from npfuse.pictures.reading import read_picture

SIDE = 16  # pixels of a block
INK, OFF, ON, OPEN = "#333333", "#8a8f98", "#184aa0", "#e09b00"


def draw_all(folder: Path) -> None:
    """Draw every figure as SVG."""
    folder.mkdir(parents=True, exist_ok=True)
    plt.rcParams.update(
        {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "svg.hashsalt": "npfuse"}
    )
    for draw in (unit_states, colour_line, undecided_units, executed_shares):
        figure = draw()
        figure.savefig(folder / f"{draw.__name__}.svg", metadata={"Date": None}, bbox_inches="tight", dpi=110)
        plt.close(figure)
    tonefuse = model_subject("tonefuse", 896, 1344)
    plot(tonefuse, convention_named("paper"), machine_named("i7-8565u"), folder / "costs.svg", fit="column")


def unit_states() -> plt.Figure:
    """The three states of a ReLU unit over a block, and the two lines between which an undecided one lies."""
    figure, axes = plt.subplots(1, 3, figsize=(7.2, 2.2), sharey=True)
    z = np.linspace(-1.6, 1.6, 200)
    for axis, title, (low, high), colour in zip(
        axes,
        ("off: left out", "on: linear, folded", "undecided: evaluated"),
        ((-1.3, -0.3), (0.3, 1.3), (-0.6, 1.0)),
        (OFF, ON, OPEN),
        strict=True,
    ):
        axis.plot(z, np.maximum(z, 0), color=INK, linewidth=1)
        inside = np.linspace(low, high, 100)
        axis.plot(inside, np.maximum(inside, 0), color=colour, linewidth=4, solid_capstyle="round")
        axis.axvspan(low, high, color=colour, alpha=0.12)
        axis.set_title(title)
        axis.set_xticks([low, 0, high], ["$l$", "0", "$h$"])
        axis.set_yticks([])
    low, high = -0.6, 1.0
    slope = high / (high - low)
    inside = np.array([low, high])
    axes[2].plot(inside, slope * inside, "--", color=INK, linewidth=1)
    axes[2].plot(inside, slope * (inside - low), "--", color=INK, linewidth=1)
    axes[2].fill_between(inside, slope * inside, slope * (inside - low), color=OPEN, alpha=0.25)
    axes[0].set_ylabel("max(z, 0)")
    return figure


def colour_line() -> plt.Figure:
    """The pixels of one block lie near a line, so that a box in slanted coordinates is small."""
    under, over = _pair("interior")
    block = np.concatenate([under, over], axis=2)[208:224, 208:224].reshape(-1, 6) / 127.5 - 1
    sums = [block[:, :3].sum(axis=1), block[:, 3:].sum(axis=1)]
    pivot, other = sorted(sums, key=np.ptp, reverse=True)
    slope, offset = np.polyfit(pivot, other, 1)
    rest = other - slope * pivot - offset
    figure, axis = plt.subplots(figsize=(4.6, 3))
    ends = np.array([pivot.min(), pivot.max()])
    axis.fill_between(ends, other.min(), other.max(), color=OFF, alpha=0.2, label="box of both features")
    axis.fill_between(
        ends,
        slope * ends + offset + rest.min(),
        slope * ends + offset + rest.max(),
        color=ON,
        alpha=0.25,
        label="box around the line",
    )
    axis.plot(ends, slope * ends + offset, color=ON, linewidth=1)
    axis.plot(pivot, other, ".", color=INK, markersize=3, label="256 pixels of a block")
    axis.set_xlabel("pivot: the feature that varies most")
    axis.set_ylabel("another feature")
    axis.legend(frameon=False, fontsize=8)
    return figure


def undecided_units() -> plt.Figure:
    """Units of LightFuse's first layer that change sign within each block of an example picture, of 256."""
    under, over = _pair("courtyard")
    weights = load_weights("lightfuse").arrays
    pixels = np.concatenate([under, over], axis=2) / np.float32(127.5) - 1
    height, width = (n // SIDE * SIDE for n in pixels.shape[:2])
    z = pixels[:height, :width] @ weights["detail1/kernel"] + weights["detail1/bias"]
    blocks = z.reshape(height // SIDE, SIDE, width // SIDE, SIDE, -1)
    mixed = ((blocks.min(axis=(1, 3)) < 0) & (blocks.max(axis=(1, 3)) > 0)).sum(axis=2)
    figure, axes = plt.subplots(1, 2, figsize=(7.2, 2.4), width_ratios=(1, 1.2))
    axes[0].imshow(over[:height, :width])
    limit = np.quantile(mixed, 0.98)
    shown = axes[1].imshow(mixed, cmap="cividis", extent=(0, width, height, 0), vmax=limit)
    for axis in axes:
        axis.axis("off")
    axes[0].set_title("over-exposed picture", fontsize=8)
    axes[1].set_title(f"units of both signs: {mixed.mean():.0f} of {z.shape[2]} in the mean", fontsize=8)
    figure.colorbar(shown, ax=axes[1])
    return figure


def executed_shares() -> plt.Figure:
    """Multiply-adds that fusing a pair executes, as a share of the layer's, for LightFuse."""
    weights = load_weights("lightfuse")
    noise = np.random.default_rng(0).integers(0, 256, (2, 256, 384, 3), np.uint8)
    pairs = {"sunset": _pair("sunset"), "forest": _pair("forest"), "random bytes": tuple(noise)}
    figure, axis = plt.subplots(figsize=(6, 2.2))
    for row, pair in enumerate(pairs.values()):
        done = count_executed(*pair, weights)
        of_all = done.pixels * sum(
            array.size for name, array in weights.arrays.items() if "detail" in name and "kernel" in name
        )
        share = done.macs / of_all
        axis.barh(row, share, color=ON, height=0.55)
        axis.text(share + 0.01, row, f"{share:.1%}", va="center")
    axis.axvline(1, color=INK, linewidth=0.8)
    axis.set_yticks(range(len(pairs)), list(pairs))
    axis.set_xlabel("multiply-adds executed, as a share of DetailNet's 18,112 a pixel")
    axis.invert_yaxis()
    return figure


def _pair(scene: str) -> tuple[np.ndarray, np.ndarray]:
    under, over = (read_picture(path).pixels for path in example_pair(scene))
    return under, over
