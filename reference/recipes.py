"""Training recipes as plain data: which network, which examples, which loss, which optimizer. Nothing runs here.

``python -m reference train --recipe NAME`` looks one up in `RECIPES`; the options of the command line change single
values of it. "paper" is that of arXiv 2107.02299, section III; the others were found by leave-scenes-out on eleven
scenes of SICE (the model card of each bundled weights file has the scores).
"""

from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Jitter:
    """How pictures are varied before they are cut. Every number is a standard deviation; factors are exp(normal).

    Attributes
    ----------
    white_balance : of a factor for each channel, the same for both exposures and the label
    gain : of a factor for the under- and the over-exposed picture
    gamma : of an exponent for the under- and the over-exposed picture
    """

    white_balance: float = 0.0
    gain: tuple[float, float] = (0.0, 0.0)
    gamma: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a network is trained.

    Attributes
    ----------
    model, hidden, decoder, coarse, tones : the network; decoder is LightFuse's, coarse and tones are ToneFuse's
    loss : "plain", "vgg" or "tone", see `reference.losses`
    ssim : weight of 1 - SSIM in the loss "tone"
    log_mse : weight of the log of each example's MSE in the loss "tone", in place of L1 + 2 MSE; 0 leaves those
    structure : weight of 1 - MEF-SSIM of the exposures and the output, its mean over two scales: of how much local
        structure of the exposures is lost, whatever the label has of it
    examples : "patches", every patch of the extreme exposures once an epoch, or "crops" at random places
    patch : height and width of an example, which the loss sees
    context : pixels around it that only the network sees
    epochs, batch : an epoch is every patch once, or `steps` batches of crops
    steps : of an epoch of crops
    inner_pairs : share of the crops whose pair is not the extremes but one of the darkest third of a scene's exposures
        and one of its brightest half
    jitter : Jitter
    colour_cycle : whether the weights treat red, green and blue alike, see `reference.colour_cycle`
    ramps : weight of how far the output falls along ramps of light, where it should only rise
    last_bias : what DetailNet's last biases start from; LightFuse's last ReLU can be off everywhere from the start, and
        then stays so, unless they are well above 0
    undecided : weight of `reference.losses.undecided`: of how far LightFuse's hidden units change sign within blocks
        of 16x16 pixels; such units are what a compiled fusion has to evaluate pixel by pixel
    learning_rate, final_rate, warm_up : the rate rises in `warm_up` steps and falls along a cosine to `final_rate`;
        constant where `final_rate` is None
    weight_decay : decoupled; 0 for plain Adam. Of ToneFuse, only the layers that read the thumbnail decay: there are as
        many different thumbnails as scenes, and what is learned of a few should be little
    clip : largest norm of the gradient, or None
    average : momentum of the moving average of the weights that is kept as the result, or None
    """

    model: Literal["lightfuse", "t_cnn", "tonefuse"] = "lightfuse"
    hidden: tuple[int, ...] = (256, 64)
    decoder: str = "nearest"
    coarse: int = 27
    tones: int = 12
    loss: Literal["plain", "vgg", "tone"] = "plain"
    ssim: float = 1.0
    log_mse: float = 0.0
    structure: float = 0.0
    examples: Literal["patches", "crops"] = "patches"
    patch: int = 256
    context: int = 0
    epochs: int = 60
    batch: int = 20
    steps: int = 100
    inner_pairs: float = 0.0
    jitter: Jitter = Jitter()
    colour_cycle: bool = False
    ramps: float = 0.0
    last_bias: float = 0.0
    undecided: float = 0.0
    learning_rate: float = 0.001
    final_rate: float | None = None
    warm_up: int = 0
    weight_decay: float = 0.0
    clip: float | None = None
    average: float | None = None

    @property
    def margin(self):
        """Margin of the weights: crops with pixels around them never show GlobalNet's padding to what is trained."""
        return 16 if self.context and self.model != "t_cnn" else 0

    @property
    def build(self):
        """Arguments that build this network, here and in npfuse."""
        own = {"lightfuse": {"decoder": self.decoder}, "tonefuse": {"coarse": self.coarse, "tones": self.tones}}
        return {"hidden": list(self.hidden)} | own.get(self.model, {})


PAPER = Recipe()

# What the three have in common: crops, a loss for tone and colour, and a rate that falls.
CROPS = Recipe(
    loss="tone",
    examples="crops",
    patch=32,
    context=8,
    batch=12,
    jitter=Jitter(white_balance=0.06, gain=(0.12, 0.03), gamma=(0.10, 0.12)),
    learning_rate=3e-3,
    final_rate=1e-5,
    warm_up=50,
    weight_decay=1e-4,
    clip=1.0,
)

TONEFUSE = replace(
    CROPS,
    model="tonefuse",
    hidden=(32, 32),
    decoder="bilinear",
    log_mse=0.1,
    structure=1.0,
    epochs=20,
    batch=24,
    colour_cycle=True,
    ramps=1.0,
    final_rate=1e-3,  # with an average over some 200 steps: what the last step is by chance does not matter
    weight_decay=0.5,
    average=0.995,
)

T_CNN = replace(CROPS, model="t_cnn", ssim=0.4, patch=48, context=4, epochs=8, batch=4)

LIGHTFUSE = replace(CROPS, epochs=10, colour_cycle=True, last_bias=0.5, undecided=1.0, average=0.99)

RECIPES = {"paper": PAPER, "lightfuse": LIGHTFUSE, "tonefuse": TONEFUSE, "t_cnn": T_CNN}
