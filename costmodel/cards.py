"""How long a fusion takes on a graphics card: predicted from its data sheet, and measured where someone has measured.

Predicted is what the two kernels of `npfuse.cuda` execute, at the peak of the card's single-precision multiply-adds, or
its memory's bandwidth if that takes longer, as `costmodel.machine` does it for processors. The kernel of the pixels
executes more than the network counts: units that fill up a part of a layer, and the first layer once for each part of
the second (`npfuse.cuda.fusing_kernel`). Of the instructions of its innermost loop, MULTIPLY_ADDS are multiply-adds.
What the driver takes to start a kernel is not predicted.

Measurements are data, not code: `cards.json` holds what `python -m bench.gpu --record` has written, with the command.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from itertools import pairwise
from math import prod
from types import MappingProxyType
from typing import Any

from costmodel.counts import count
from costmodel.execution import fused_steps
from costmodel.machine import Machine, step_time
from npfuse.graph import Graph
from npfuse.ops import PointwiseConv2D
from npfuse.strip_form import form_or_none

UNITS = OUTPUTS = 32  # of the first and the second layer that are taken together: npfuse.cuda.fusing_kernel
# Counted in the machine code for sm_75 and sm_90, which nvdisasm prints: 152 of 176 instructions for a unit.
MULTIPLY_ADDS = 152 / 176
MEASUREMENTS = files("costmodel") / "cards.json"


@dataclass(frozen=True, kw_only=True)
class Card:
    """A graphics card.

    Parameters
    ----------
    machine : its peak and its memory's bandwidth; the name is what it is called here
    link_gb_s : of the way to and from the computer's memory, in one direction, in 1e9 bytes a second
    """

    machine: Machine
    link_gb_s: float


@dataclass(frozen=True, kw_only=True)
class CardTime:
    """Seconds of one fusion.

    Parameters
    ----------
    kernels_s : with the pictures on the card
    fuse_s : with the pictures' way there, and the result's way back
    """

    kernels_s: float
    fuse_s: float


@dataclass(frozen=True, kw_only=True)
class CardMeasurement:
    """What was measured on a card.

    Parameters
    ----------
    card : its name, as the driver has it
    date, commit, command : when, of what, and how
    model, height, width : what was fused
    kernels_s, fuse_s : as of `CardTime`, medians
    """

    card: str
    date: str
    commit: str
    command: str
    model: str
    height: int
    width: int
    kernels_s: float
    fuse_s: float


def _card(name: str, *, tera_flops: float, bandwidth_gb_s: float, link_gb_s: float, sources: tuple[str, ...]) -> Card:
    machine = Machine(
        name=name,
        description=f"{tera_flops} TFLOPS in float32, 2 a multiply-add; {link_gb_s} GB/s each way to the computer",
        peak_gmacs=tera_flops * 1000 / 2,
        bandwidth_gb_s=bandwidth_gb_s,
        sources=sources,
    )
    return Card(machine=machine, link_gb_s=link_gb_s)


CARDS: Mapping[str, Card] = MappingProxyType(
    {
        card.machine.name: card
        for card in (
            _card(
                "RTX 2080 Ti",
                tera_flops=13.4,
                bandwidth_gb_s=616,
                link_gb_s=15.75,
                sources=(
                    "NVIDIA Turing GPU Architecture, WP-09183-001: GeForce RTX 2080 Ti, 4,352 cores at 1,545 MHz, "
                    "13.4 TFLOPS, 616 GB/s",
                    "PCI Express 3.0 x16: 8 GT/s, 128b/130b",
                ),
            ),
            _card(
                "H100 SXM",
                tera_flops=67,
                bandwidth_gb_s=3350,
                link_gb_s=64,
                sources=(
                    "NVIDIA H100 Tensor Core GPU data sheet: H100 SXM, 67 TFLOPS, 3.35 TB/s, "
                    "PCIe Gen5 of 128 GB/s for both ways together",
                ),
            ),
        )
    }
)


def predicted_on_card(graph: Graph, card: Card) -> CardTime:
    """Predict the fusion of a pair of 8-bit pictures.

    Parameters
    ----------
    graph : of LightFuse's form, with at most two hidden layers, of the pictures' size
    card : Card

    Raises
    ------
    ValueError : a network of another form

    Examples
    --------
    >>> from npfuse.models import lightfuse
    >>> time = predicted_on_card(lightfuse(896, 1344), CARDS["H100 SXM"])
    >>> f"{1000 * time.kernels_s:.2f} ms, {1000 * time.fuse_s:.2f} ms with transfers"
    '0.84 ms, 1.01 ms with transfers'
    """
    form = form_or_none(graph)
    if form is None:
        raise ValueError(f"{graph.name}: the form is another, expected LightFuse's, which the kernels run")
    coarse, fine = fused_steps(graph, count(graph))
    widths = [graph.shapes[node.name][2] for node in form.chain if isinstance(node.op, PointwiseConv2D)]
    height, width, channels = graph.inputs[0][1]
    counted = channels * widths[0] + sum(a * b for a, b in pairwise(widths))
    executed = executed_macs(channels, widths) / MULTIPLY_ADDS
    operations = fine.operations + round((executed - counted) * height * width)
    kernels_s = (
        step_time(coarse.operations, coarse.bytes_moved, card.machine).total_s
        + step_time(operations, fine.bytes_moved, card.machine).total_s
    )
    pictures = 2 * height * width * 3 + prod(graph.shapes[graph.outputs[0]])
    return CardTime(kernels_s=kernels_s, fuse_s=kernels_s + pictures / (card.link_gb_s * 1e9))


def executed_macs(channels: int, widths: list[int]) -> int:
    """Return the multiply-adds that the kernel executes for a pixel's chain with two hidden layers.

    Examples
    --------
    >>> executed_macs(6, [256, 64, 3]), executed_macs(6, [32, 32, 3])
    (19648, 1312)
    """
    first, second = (widths[0], widths[1]) if len(widths) > 2 else (widths[0], 2 * widths[-1])
    units, parts = -(-first // UNITS) * UNITS, -(-second // OUTPUTS)
    return parts * (units * (channels + OUTPUTS) + 3 * OUTPUTS)


def measurements() -> tuple[CardMeasurement, ...]:
    """Return what was measured on cards so far."""
    found: list[dict[str, Any]] = json.loads(MEASUREMENTS.read_text(encoding="utf-8"))["measurements"]
    return tuple(CardMeasurement(**each) for each in found)
