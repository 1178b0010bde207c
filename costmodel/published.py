"""What the LightFuse paper (arXiv 2107.02299) prints, and how each number was come to. The only numbers typed in.

The paper does not say what its Table III counts. Each reading here names the network, as the arguments of its graph,
and the convention with which a walk over that graph gives the printed number; the tests hold them to it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from npfuse.methods.mefnet import SHORT_SIDE

PAPER = "LightFuse, arXiv 2107.02299"


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A printed number, and the network that it counts.

    Parameters
    ----------
    value : as printed
    table : of the paper
    footnote : what was counted
    arguments : of the model's graph, where it is not the network that really runs
    """

    value: int
    table: str
    footnote: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PublishedMethod:
    """The paper's numbers of one method; None where it prints none.

    Parameters
    ----------
    name : name in the paper
    model : key of `npfuse.methods.METHODS`
    flops_per_pixel : FLOPs under the convention `paper`
    parameters : number of parameters
    difference : reason for which the network that runs differs from the one counted
    """

    name: str
    model: str
    flops_per_pixel: Reading | None
    parameters: Reading | None
    difference: str


@dataclass(frozen=True, kw_only=True)
class PublishedRatio:
    """How many times LightFuse a method costs, as printed.

    Parameters
    ----------
    method : name of the other method
    value : as printed
    where : in the paper
    """

    method: str
    value: float
    where: str


@dataclass(frozen=True, kw_only=True)
class PublishedTime:
    """A running time, as printed.

    Parameters
    ----------
    row : of the table
    seconds : as printed
    card : that it was measured on
    where : in the paper
    """

    row: str
    seconds: float
    card: str
    where: str


FLOPS_CONVENTION = "paper"

NOT_PUBLISHED = "the paper does not have it"

TABLE_3: tuple[PublishedMethod, ...] = (
    PublishedMethod(
        name="LightFuse",
        model="lightfuse",
        flops_per_pixel=Reading(
            value=36_260,
            table="Table III",
            footnote="2 FLOPs a multiply-add of the convolutions; the stages at half, a quarter and an eighth of the "
            "size weigh 1/4, 1/16 and 1/64; the decoder is not counted",
        ),
        parameters=Reading(value=18_630, table="Table III", footnote="with biases"),
        difference="the parameters are the same; `paper` leaves out the decoder, biases, ReLU, sum and tanh, which run "
        "(see --convention flops-all)",
    ),
    PublishedMethod(
        name="DeepFuse",
        model="deepfuse",
        flops_per_pixel=Reading(
            value=736_928,
            table="Table III",
            footnote="2 FLOPs a multiply-add; one input channel, and both branches",
        ),
        parameters=Reading(
            value=369_921,
            table="Table III",
            footnote="three input channels, a bias in every convolution, and the two branches counted apart",
            arguments={"channels": 3, "use_bias": True, "shared": False},
        ),
        difference="the released network sees luma only, shares its branches' weights and has no biases; the table "
        "counts the FLOPs of that one, but the parameters of one with three channels, two sets of weights and biases",
    ),
    PublishedMethod(
        name="MEF-Net",
        model="mefnet",
        flops_per_pixel=Reading(
            value=52_320,
            table="Table III",
            footnote="2 FLOPs a multiply-add; per pixel of the low-resolution copy, and for one exposure",
        ),
        parameters=Reading(
            value=26_305,
            table="Table III",
            footnote="a bias in every convolution, and no normalisation",
            arguments={"normalise": False, "use_bias": True},
        ),
        difference="the released network normalises where the table counts biases; and it runs once an exposure, on a "
        f"copy whose short side is {SHORT_SIDE}, so its FLOPs per pixel of the copy are not per pixel of the picture",
    ),
    PublishedMethod(
        name="T_CNN",
        model="t_cnn",
        flops_per_pixel=None,
        parameters=None,
        difference="Table III has no row for it; the network is built from Table I",
    ),
    PublishedMethod(
        name="Mertens09",
        model="mertens",
        flops_per_pixel=None,
        parameters=None,
        difference="Table III has no row for it; it learns nothing, so `paper` counts nothing, and its pyramids weigh "
        "by fixed kernels (see --convention flops-all)",
    ),
)

# "1.4 to 20 times FLOP and parameter reduction": the abstract gives one pair of ratios for both.
RATIOS: tuple[PublishedRatio, ...] = (
    PublishedRatio(method="DeepFuse", value=20, where="abstract"),
    PublishedRatio(method="MEF-Net", value=1.4, where="abstract"),
)

# A later version of the abstract (v5) counts the parameters of the smaller network that the authors publish.
SMALL_HIDDEN = (32, 32)
SMALL_NAME = "LightFuse 6-32-32-3"
SMALL_RATIO = PublishedRatio(method="MEF-Net", value=16.7, where="abstract, fifth version")

CPU_TIME = 0.1425  # seconds: "Ours (CPU)" of Table III, on the laptop

# Of running times, on a laptop with an Intel i7-8565U, the paper gives two ratios. Which method each belongs to is read
# off their size: of the methods compared, only DeepFuse does so much more arithmetic.
RUNTIME_RATIOS: tuple[PublishedRatio, ...] = (
    PublishedRatio(
        method="DeepFuse", value=1418, where="running time on the paper's laptop, the larger of its two ratios"
    ),
    PublishedRatio(
        method="MEF-Net", value=4.8, where="running time on the paper's laptop, the smaller of its two ratios"
    ),
)

GPU_TIME = PublishedTime(
    row="Ours (GPU)", seconds=0.0646, card="RTX 2080 Ti", where="Table III, running time on an RTX 2080 Ti"
)
