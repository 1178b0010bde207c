"""Rules for layers that only their author knows: what such a layer makes, stores and computes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from costmodel.conventions import Work

LayerShape = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class LayerCount:
    """What one use of an own layer costs, for one picture.

    Parameters
    ----------
    output : shape of the result, without the batch, channels last
    weights : shapes of its stored numbers by name
    work : arithmetic
    """

    output: LayerShape
    weights: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    work: Work = field(default_factory=Work)


LayerRule = Callable[..., LayerCount]  # (config, *input shapes)
LAYER_RULES: dict[str, LayerRule] = {}


def layer_rule(name: str) -> Callable[[LayerRule], LayerRule]:
    """Make the decorated function the rule of an own layer.

    Parameters
    ----------
    name : the layer's registered name in Keras, such as "Mine>Swirl", or "domain::Operator" in ONNX

    Returns
    -------
    decorator of a function that takes the layer's config (or attributes) and the shapes of its inputs, without the
    batch and channels last, and returns a `LayerCount`

    Examples
    --------
    >>> @layer_rule("Mine>Gain")
    ... def gain(config, shape):
    ...     values = shape[0] * shape[1] * shape[2]
    ...     return LayerCount(output=shape, weights={"gain": shape[-1:]}, work=Work(multiplications=values))
    >>> LAYER_RULES.pop("Mine>Gain") is gain
    True
    """

    def registered(function: LayerRule) -> LayerRule:
        LAYER_RULES[name] = function
        return function

    return registered
