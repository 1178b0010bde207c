"""Finds white balance that differs between two frames of a bracket, as a camera set to automatic leaves it.

A change of exposure brightens all colours alike: compared as light, red and blue gain as much as green. This is
measured over pixels that are well exposed in both frames, and close to grey in one, since the tone curves of cameras
change other colours. Of 330 pairs of real brackets of one white balance, 2 are said to differ.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from npfuse.pairs.medians import median
from npfuse.pictures.light import decode_light
from npfuse.strips import WHITE

LOW, HIGH = 20 / 255, 235 / 255  # of white: beyond these, tone curves of cameras are steep or flat
LEAST_STOPS = 0.5  # between two channels, to be reported; 99 % of real pairs of one white balance stay below
NEUTRAL_STOPS = 0.4  # between the channels of a pixel that is close to grey
LEAST_PIXELS = 300
ROWS, COLUMNS = 96, 512  # that are sampled


@dataclass(frozen=True, kw_only=True)
class Balance:
    """Gain of red and of blue against that of green, between two frames, in stops."""

    red: float
    blue: float

    @property
    def differs(self) -> bool:
        """Return whether the white balances differ by enough to be reported."""
        return max(abs(self.red), abs(self.blue), abs(self.red - self.blue)) >= LEAST_STOPS

    @property
    def finding(self) -> str:
        """Return the fault and its remedy, in one line."""
        return (
            f"the white balance differs: red gains {self.red:+.1f} and blue {self.blue:+.1f} stops against green; "
            "develop both alike, with one white balance"
        )


def balance_of(a: Any, b: Any) -> Balance | None:
    """Measure how the white balance changes from a frame to another.

    Returns None for grey frames, and if too few pixels tell.

    Parameters
    ----------
    a, b : frames (H, W, 3) of one shape and dtype, as for `npfuse.pairs.diagnosis.diagnose`

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> a = rng.integers(40, 90, (60, 80, 3), np.uint8)
    >>> balance_of(a, a).differs
    False
    """
    if a.ndim == 2:
        return None
    height, width = a.shape[:2]
    step = max(1, width // COLUMNS)
    rows = np.linspace(0, height - 1, min(height, ROWS)).astype(int).tolist()
    samples = []
    for picture in (a, b):
        lines = [np.asarray(picture[row : row + 1, :])[0, ::step] for row in rows]
        samples.append(np.concatenate(lines).astype(np.float32) / np.float32(WHITE[np.dtype(picture.dtype)]))
    telling = np.all([((values > LOW) & (values < HIGH)).all(axis=1) for values in samples], axis=0)
    if np.count_nonzero(telling) < LEAST_PIXELS:
        return None
    light_a, light_b = (np.log2(decode_light(values[telling])) for values in samples)
    gains = []
    for light in (light_a, light_b):
        neutral = np.ptp(light, axis=1) < NEUTRAL_STOPS
        if np.count_nonzero(neutral) >= LEAST_PIXELS:
            gains.append([median(channel) for channel in (light_b - light_a)[neutral].T])
    if not gains:
        return None
    red, green, blue = np.mean(gains, axis=0).tolist()
    return Balance(red=red - green, blue=blue - green)
