"""Training recipes as plain data: network, examples, loss and optimizer. Nothing runs here.

``python -m reference train --recipe NAME`` looks one up in `RECIPES`; options of the command line change single values
of it. "paper" is the recipe of arXiv 2107.02299, section III. The others were chosen by scores on scenes of the
training data that were set aside; the model card of each bundled weights file has them.

`VALIDATION` names the scenes that weights are compared on. No training uses them: `reference.train.split_scenes` and
`reference.mef_training` leave them out, wherever the folder lies, and refuse to take them by name.
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
    """Variations of pictures before crops are cut. Every number is a standard deviation; factors are exp(normal).

    Attributes
    ----------
    white_balance : that of a factor per channel, the same for both exposures and the label
    gain : that of a factor, for the under- and for the over-exposed picture
    gamma : that of an exponent, for the under- and for the over-exposed picture
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
    log_mse : weight of the log of each example's MSE in the loss "tone", in place of L1 + 2 MSE; 0 keeps the latter
    liveliness : weight, in the loss "tone", of the difference in contrast and colour from the label
    hues : weight, in the loss "tone", of the difference in hue from the label
    ended : weight of how near to black or white pixels come that an exposure shows
    greyed : weight of how far from white pixels stay that are white in both exposures
    structure : weight of 1 - MEF-SSIM of the exposures and the output, averaged over two scales: the share of the
        exposures' local structure that is lost, whatever the label has of it
    examples : "patches" for every patch of the extreme exposures once per epoch, or "crops" for random places
    patch : height and width of an example, which the loss sees
    context : pixels below an example and to its right that only the network sees, as it sees the margin of a picture
    surroundings : pixels on each side of a crop, a multiple of 8, that ToneFuse's GlobalNet sees of the picture; 0, or
        at least `context`. Without them, GlobalNet's wide convolutions would see much of their padding in every crop,
        but hardly any of it in a whole picture
    given : share of the crops from scenes whose label the data set gives, if there are others, whose labels are made
    made_label : weight of the error of pixels from a label that is made, relative to a given one
    extremes : share of the crops whose pair is the darkest and the brightest exposure; the others are any two whose
        means differ by 25 levels or more
    around_middle : greatest distance of such a pair's mean from the middle, in levels; a network that does not see how
        bright the whole pictures are cannot tell a dark pair of a bright scene from the shadows of an extreme pair
    epochs, batch : an epoch is every patch once, or `steps` batches of crops
    steps : number of batches per epoch of crops
    jitter : Jitter
    noise : electrons at white, the least and the most, of the noise that is drawn into crops; None for none. The label
        has none: the noise of a dark exposure should not get into places that the other exposure shows well
    colour_cycle : whether the weights treat red, green and blue alike, see `reference.colour_cycle`
    mirrored_colours : share of the crops whose red and blue are exchanged, in the label, too. Weights that treat
        colours alike may still turn all hues one way (reds to orange, blues to violet) or the other; with half of the
        crops mirrored, neither way is better
    ramps : weight of how far the output falls along ramps of light, where it should only rise, and changes across them
    last_bias : first value of DetailNet's last biases; if it is not well above 0, LightFuse's last ReLU can be off
        everywhere from the start, and then stays so
    saturation : factor of the colours of LightFuse's results after training, see `reference.saturation`
    undecided : weight of `reference.losses.undecided`: how far LightFuse's hidden units change sign within blocks of
        16x16 pixels. The compiled fusion has to evaluate such units pixel by pixel
    learning_rate, final_rate, warm_up : the rate rises in `warm_up` steps and falls along a cosine to `final_rate`;
        constant where `final_rate` is None
    weight_decay : decoupled weight decay; 0 for plain Adam. In ToneFuse, only the layers that read the thumbnail decay:
        there are only as many thumbnails as scenes, and little should be learned from so few
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
    hues: float = 0.0
    ended: float = 0.0
    greyed: float = 0.0
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
    saturation: float = 1.0
    undecided: float = 0.0
    learning_rate: float = 0.001
    final_rate: float | None = None
    warm_up: int = 0
    weight_decay: float = 0.0
    clip: float | None = None
    average: float | None = None

    @property
    def margin(self) -> int:
        """Return the margin of the weights: crops with pixels behind them never show the padding of halving."""
        return self.context

    @property
    def build(self) -> dict[str, Any]:
        """Return the arguments that build this network, here and in npfuse."""
        tonefuse: dict[str, Any] = {"coarse": self.coarse, "dilations": list(self.dilations), "tones": self.tones}
        own: dict[str, dict[str, Any]] = {"lightfuse": {"decoder": self.decoder}, "tonefuse": tonefuse}
        return {"hidden": list(self.hidden)} | own.get(self.model, {})


PAPER = Recipe()

# Shared by the three: crops of any pair of any scene, a loss for tone, colour and structure, a falling rate.
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
    extremes=0.45,
    liveliness=0.35,
    hues=4.0,
    ended=100.0,
    greyed=8.0,
    structure=2.5,
    epochs=32,
    colour_cycle=True,
    mirrored_colours=0.5,
    ramps=2.0,
    weight_decay=0.5,
)

T_CNN = replace(CROPS, model="t_cnn", patch=48, context=0, around_middle=40, epochs=8, colour_cycle=True, average=0.99)

LIGHTFUSE = replace(
    CROPS,
    ended=20.0,
    greyed=2.0,
    structure=5.0,
    patch=48,
    context=8,
    extremes=0.5,
    around_middle=40,
    batch=12,
    epochs=28,
    colour_cycle=True,
    last_bias=0.5,
    undecided=0.3,
    saturation=1.18,
)

RECIPES = {"paper": PAPER, "lightfuse": LIGHTFUSE, "tonefuse": TONEFUSE, "t_cnn": T_CNN}
