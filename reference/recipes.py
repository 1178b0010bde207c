"""Training recipes as plain data: which network, which examples, which loss, which optimizer. Nothing runs here.

``python -m reference train --recipe NAME`` looks one up in `RECIPES`; the options of the command line change single
values of it. "paper" is that of arXiv 2107.02299, section III; the others were chosen by scenes of the training data
that were set aside (the model card of each bundled weights file has the scores).

`VALIDATION` names the scenes that weights are compared on. No training takes them: `reference.train.split_scenes` and
`reference.mef_training` leave them out wherever the folder lies, and refuse them where they are asked for.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal

VALIDATION = (
    "merianos/Flowers",
    "merianos/OldHouse",
    "merianos/Rovinia",
    "merianos/SeaRock",
    "merianos/SecretBeach",
    "cwz/building1",
    "cwz/window_chair",
    "empa/Cafe",
    "empa/MontSaintMichel",
    "empa/Zurich",
    "hdrps_fairchild/Delicate_Arch",
    "hdrps_fairchild/Exploratorium_2",
    "hdrps_fairchild/UR_Chapel_2",
    "hdrps_fairchild/Frontier",
    "hdrps_fairchild/Yosemite_Falls",
)


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
    model, hidden, decoder, coarse, dilations, tones : the network; decoder is LightFuse's, the last three ToneFuse's
    loss : "plain", "vgg" or "tone", see `reference.losses`
    log_mse : weight of the log of each example's MSE in the loss "tone", in place of L1 + 2 MSE; 0 leaves those
    liveliness : weight of how far contrast and colour differ from the label's in the loss "tone"
    ended : weight of how near to black or white pixels come that an exposure shows
    structure : weight of 1 - MEF-SSIM of the exposures and the output, its mean over two scales: of how much local
        structure of the exposures is lost, whatever the label has of it
    examples : "patches", every patch of the extreme exposures once an epoch, or "crops" at random places
    patch : height and width of an example, which the loss sees
    context : pixels below it and to its right that only the network sees, as it sees the margin of a picture
    surroundings : pixels on each side of a crop, a multiple of 8, that ToneFuse's GlobalNet sees of the picture; 0, or
        at least `context`. Without them the convolutions that look around see their padding in every crop, and hardly
        any of it in a picture
    given : share of the crops from scenes whose label the data set gives, where there are others; their labels are made
    made_label : what the error of pixels from a label that is made counts, of what it counts from a given one
    extremes : share of the crops whose pair is the darkest and the brightest exposure; the others are any two whose
        means differ by 25 levels or more
    around_middle : levels that the mean of such a pair may be from the middle; a network that does not know how bright
        the whole pictures are cannot tell a dark pair of a bright scene from the shadows of an extreme pair
    epochs, batch : an epoch is every patch once, or `steps` batches of crops
    steps : of an epoch of crops
    jitter : Jitter
    noise : electrons at white, the least and the most, of the noise that is drawn into crops; None for none. The label
        has none: what shows a place well in bright light should not be made noisier by what shows it dark
    colour_cycle : whether the weights treat red, green and blue alike, see `reference.colour_cycle`
    mirrored_colours : share of the crops whose red and blue are exchanged, in the label too: weights that treat colours
        alike may still turn all hues one way, reds to orange and blues to violet, or the other; half of the crops so
        leaves no way that is better
    ramps : weight of how far the output falls along ramps of light, where it should only rise, and changes across them
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
    coarse: int = 30
    dilations: tuple[int, ...] = (1, 2, 4)
    tones: int = 12
    loss: Literal["plain", "vgg", "tone"] = "plain"
    log_mse: float = 0.0
    liveliness: float = 0.0
    ended: float = 0.0
    structure: float = 0.0
    examples: Literal["patches", "crops"] = "patches"
    patch: int = 256
    context: int = 0
    surroundings: int = 0
    given: float = 1.0
    made_label: float = 0.5
    extremes: float = 1.0
    around_middle: float = 255
    epochs: int = 60
    batch: int = 20
    steps: int = 100
    jitter: Jitter = Jitter()
    noise: tuple[float, float] | None = None
    colour_cycle: bool = False
    mirrored_colours: float = 0.0
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
    def margin(self) -> int:
        """Margin of the weights: crops with pixels after them never show what is trained the padding of halving."""
        return self.context

    @property
    def build(self) -> dict[str, Any]:
        """Arguments that build this network, here and in npfuse."""
        tonefuse: dict[str, Any] = {"coarse": self.coarse, "dilations": list(self.dilations), "tones": self.tones}
        own: dict[str, dict[str, Any]] = {"lightfuse": {"decoder": self.decoder}, "tonefuse": tonefuse}
        return {"hidden": list(self.hidden)} | own.get(self.model, {})


PAPER = Recipe()

# What the three have in common: crops of any pair of any scene, a loss for tone, colour and structure, a falling rate.
CROPS = Recipe(
    loss="tone",
    log_mse=0.1,
    structure=1.5,
    examples="crops",
    patch=112,
    context=16,
    given=0.5,
    extremes=0.4,
    batch=8,
    epochs=24,
    jitter=Jitter(white_balance=0.06, gain=(0.12, 0.03), gamma=(0.10, 0.12)),
    noise=(3e3, 3e5),
    learning_rate=3e-3,
    final_rate=1e-4,
    warm_up=50,
    weight_decay=1e-4,
    clip=1.0,
    average=0.995,
)

TONEFUSE = replace(
    CROPS,
    model="tonefuse",
    hidden=(32, 16),
    decoder="bilinear",
    surroundings=64,
    made_label=0.7,
    liveliness=0.35,
    ended=50.0,
    structure=2.2,
    epochs=26,
    colour_cycle=True,
    mirrored_colours=0.5,
    ramps=2.0,
    weight_decay=0.5,
)

T_CNN = replace(CROPS, model="t_cnn", patch=48, context=0, around_middle=40, epochs=8, colour_cycle=True, average=0.99)

LIGHTFUSE = replace(
    CROPS,
    structure=2.5,
    patch=48,
    context=8,
    extremes=0.5,
    around_middle=40,
    batch=12,
    epochs=16,
    colour_cycle=True,
    last_bias=0.5,
    undecided=1.0,
)

RECIPES = {"paper": PAPER, "lightfuse": LIGHTFUSE, "tonefuse": TONEFUSE, "t_cnn": T_CNN}
