"""Changes the tone of a result: brightness, contrast and saturation of display-referred values, without clipping.

All three keep black, white and hue, and undo each other but for rounding: brightness b by -b, factors by their inverse.
With light l in [0, 1] (sRGB's curve undone) and encoded values v in [0, 1]:

- brightness, in stops b: l' = 1 - (1 - l) ** (2 ** b). Dark tones are multiplied by 2 ** b, bright ones roll off
  towards white instead of clipping.
- contrast, a factor c: v' = (2 v) ** c / 2 up to the middle, v <= 1/2, and likewise from white above it; the slope at
  the middle is c.
- saturation, a factor s: each channel's distance from luma (BT.601) is multiplied by s, or by as much as keeps all
  three in [0, 1].

Brightness and contrast are a curve, applied to the largest and the smallest channel; the middle one keeps its place
between them, and so the hue stays.
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.color import luma_of
from npfuse.pictures.light import decode_light, encode_light
from npfuse.strips import WHITE, float_dtype

MOST_STOPS = 4.0
MOST_CONTRAST = 4.0  # and its inverse
MOST_SATURATION = 4.0


@dataclass(frozen=True, kw_only=True)
class Tone:
    """The tone asked for; neutral unless given.

    Parameters
    ----------
    brightness : stops, -4 to 4; 0 is neutral
    contrast : factor, 0.25 to 4; 1 is neutral
    saturation : factor, 0 to 4; 1 is neutral, 0 makes grey

    Raises
    ------
    ValueError : a value out of its range
    """

    brightness: float = 0.0
    contrast: float = 1.0
    saturation: float = 1.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name, least, most in (
            ("brightness", -MOST_STOPS, MOST_STOPS),
            ("contrast", 1 / MOST_CONTRAST, MOST_CONTRAST),
            ("saturation", 0.0, MOST_SATURATION),
        ):
            value = getattr(self, name)
            if not least <= value <= most:
                raise ValueError(f"{name} is {value}, expected {least:g} to {most:g}")

    @property
    def neutral(self) -> bool:
        """Return whether nothing changes."""
        return all(getattr(self, field.name) == field.default for field in fields(self))


NEUTRAL = Tone()


def toned(picture: NDArray[Any], tone: Tone) -> NDArray[Any]:
    """Return a picture with another tone.

    Parameters
    ----------
    picture : ndarray (…, 3) or (H, W), uint8, uint16, or float32 or float64 in [0, 1], encoded as displays expect it
    tone : Tone

    Returns
    -------
    ndarray, shape and dtype of picture; itself if the tone is neutral

    Examples
    --------
    >>> toned(np.array([[[10, 20, 30], [255, 0, 0]]], np.uint8), Tone(brightness=1)).tolist()
    [[[18, 31, 45], [255, 0, 0]]]
    >>> toned(np.array([[[10, 20, 30]]], np.uint8), Tone(saturation=0)).tolist()
    [[[18, 18, 18]]]
    """
    if tone.neutral:
        return picture
    number, white = float_dtype(picture.dtype).type, WHITE[picture.dtype]
    values: NDArray[Any] = picture.astype(number) / number(white)
    if tone.brightness or tone.contrast != 1:
        values = _curved(values, tone)
    if values.ndim > 2 and tone.saturation != 1:
        values = _saturated(values, number(tone.saturation))
    return np.rint(values * number(white)).astype(picture.dtype) if picture.dtype.kind == "u" else values


def _curve(values: NDArray[Any], tone: Tone) -> NDArray[Any]:
    """Return brightness and contrast of values."""
    number = values.dtype.type
    if tone.brightness:
        dark = np.maximum(number(1) - decode_light(values), number(0))
        values = encode_light(number(1) - dark ** number(2.0**tone.brightness)).astype(values.dtype)
    if tone.contrast != 1:
        far = np.minimum(values, number(1) - values) * number(2)
        bent = np.maximum(far, number(0)) ** number(tone.contrast) / number(2)
        values = np.where(values <= 0.5, bent, number(1) - bent)
    bounded: NDArray[Any] = np.clip(values, number(0), number(1))
    return bounded


def _curved(values: NDArray[Any], tone: Tone) -> NDArray[Any]:
    """Apply the curve to the largest and the smallest channel; the others keep their place between them."""
    if values.ndim == 2:
        return _curve(values, tone)
    low, high = values.min(axis=-1, keepdims=True), values.max(axis=-1, keepdims=True)
    new_low, new_high = _curve(low, tone), _curve(high, tone)
    spread = high - low
    stretch = np.divide(new_high - new_low, spread, out=np.zeros_like(spread), where=spread > 0)
    bent: NDArray[Any] = np.clip(new_low + (values - low) * stretch, new_low, new_high)
    return bent


def _saturated(values: NDArray[Any], factor: Any) -> NDArray[Any]:
    """Multiply the distances from luma by a factor, or by as much as keeps them in [0, 1]."""
    luma = luma_of(values)[..., np.newaxis]
    away = values - luma
    reach = np.minimum(
        _room(1 - luma, away.max(axis=-1, keepdims=True)), _room(luma, -away.min(axis=-1, keepdims=True))
    )
    result: NDArray[Any] = np.clip(luma + away * np.minimum(factor, np.maximum(reach, 1)), 0, 1)
    return result


def _room(room: NDArray[Any], away: NDArray[Any]) -> NDArray[Any]:
    """Return the factor by which a distance fits into the room; infinity for none."""
    factor: NDArray[Any] = np.divide(room, away, out=np.full_like(away, np.inf), where=away > 0)
    return factor


class TonedOutput:
    """An output whose parts get another tone as they are written; `out[place] = values`.

    Parameters
    ----------
    out : ndarray, or object that takes `out[rows, columns] = values`
    tone : Tone
    """

    def __init__(self, out: Any, tone: Tone) -> None:
        self.out, self.tone = out, tone
        self.shape, self.dtype, self.ndim = out.shape, out.dtype, len(out.shape)

    def __setitem__(self, place: Any, values: NDArray[Any]) -> None:
        """Write a part."""
        self.out[place] = toned(values, self.tone)
