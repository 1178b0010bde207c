"""A recipe of tiny crops without chance in them but their places."""

from dataclasses import replace

from reference.recipes import RECIPES, Jitter

PLAIN_CROPS = replace(
    RECIPES["tonefuse"],
    patch=8,
    context=8,
    surroundings=0,
    mirrored_colours=0.0,
    steps=3,
    batch=4,
    jitter=Jitter(),
    noise=None,
)
