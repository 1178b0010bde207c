"""How good the methods' pictures are with their authors' own weights, measured elsewhere."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class PublishedQuality:
    """How good a method's pictures are with its authors' own weights.

    Parameters
    ----------
    model : key of `npfuse.models.MODELS`
    psnr : in dB
    ssim : at most 1
    where : on what, and who measured
    """

    model: str
    psnr: float
    ssim: float
    where: str


# Not printed in the paper: measured with the authors' published weights, and with OpenCV's Mertens 2009.
FIVE_SCENES = (
    "measured with the authors' published weights of LightFuse and with OpenCV, on five other scenes of 896x1344 "
    "pixels; SSIM with an 11-tap Gaussian"
)
QUALITY: tuple[PublishedQuality, ...] = (
    PublishedQuality(model="lightfuse", psnr=23.55, ssim=0.898, where=FIVE_SCENES),
    PublishedQuality(model="mertens", psnr=19.35, ssim=0.857, where=FIVE_SCENES),
)
