"""Recognises pairs that are unlike all that the bundled networks of a pair were trained on, and says what to do.

The ranges are the 1st and the 99th percentile of the training pairs: of 48 scenes (SICE, Empa HDR images,
Fairchild's HDR Photographic Survey and one more), the extremes and every two frames whose means are 45 levels apart
or more, 496 pairs.
Stops are of light, between pixels that are neither black nor white in either frame; means are of encoded values.
"""

MOST_STOPS = 8.3  # between the frames; fewer than one is a finding of its own (`npfuse.pairs.diagnosis`)
MOST_DARK_MEAN = 173 / 255  # of the darker frame, as a share of white
LEAST_BRIGHT_MEAN = 69 / 255  # of the brighter frame

INSTEAD = "--method mertens learned nothing and may do better"


def unlike_training(stops: float | None, means: tuple[float, float]) -> list[str]:
    """Return a line for each way in which a pair is unlike the training pairs; none for an ordinary one.

    Parameters
    ----------
    stops : factors of two in light between the pictures, of either sign; None if no pixel is exposed in both
    means : means of both pictures as shares of white, in any order

    Examples
    --------
    >>> unlike_training(-4.0, (0.6, 0.1)), len(unlike_training(9.5, (0.1, 0.2)))
    ([], 2)
    """
    dark, bright = sorted(means)
    told = []
    if stops is None:
        told.append(f"no pixel is exposed in both pictures, unlike in training; add an exposure between, or {INSTEAD}")
    elif abs(stops) > MOST_STOPS:
        told.append(
            f"the exposures are {abs(stops):.1f} stops apart, the networks were trained on up to {MOST_STOPS}; "
            f"add an exposure between, or {INSTEAD}"
        )
    if bright < LEAST_BRIGHT_MEAN:
        told.append(
            f"both pictures are dark: the brighter one's mean is {bright:.0%} of white, in training at least "
            f"{LEAST_BRIGHT_MEAN:.0%}; take a brighter one, or {INSTEAD}, with --brightness"
        )
    if dark > MOST_DARK_MEAN:
        told.append(
            f"both pictures are bright: the darker one's mean is {dark:.0%} of white, in training at most "
            f"{MOST_DARK_MEAN:.0%}; take a darker one, or {INSTEAD}, with --brightness below 0"
        )
    return told
