"""The cross-check: the same weights and pictures through npfuse's engines and through the Keras model.

Two descriptions of each network, made independently, are compared: the graph (run by definition and by the compiled
functions) and the Keras layers. Pictures may have any size. For a network that takes RGB, they are padded by edge
replication to its grid of 8, as `npfuse.fuse` does it, so that the comparison covers the whole path of such a size.
"""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from npfuse.graph import Graph
from npfuse.padding import GRID
from npfuse.run import run
from npfuse.weights.loading import bundled_names, load_weights
from npfuse.weights.weights import Weights, WeightsError
from reference import keras_models
from reference.arrays import Array
from reference.export import import_arrays

SIZES = ((256, 256), (8, 8), (251, 333), (100, 60), (1, 1), (37, 520))
RGB_PAIR = ("lightfuse", "t_cnn", "tonefuse")  # take six channels, at multiples of 8
FLOAT32_LIMIT, FLOAT64_LIMIT = 5e-6, 1e-12
DECODERS = ("nearest", "bilinear", "transposed")


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The largest difference of one engine from Keras; if the largest output is above 1, as a share of it."""

    height: int
    width: int
    dtype: str
    engine: str
    largest: float

    @property
    def limit(self) -> float:
        """Return the limit that the difference must not exceed."""
        return FLOAT32_LIMIT if self.dtype == "float32" else FLOAT64_LIMIT


def bundled_networks() -> list[str]:
    """Return the names of the bundled weights whose models are in `reference.keras_models`: all but MEF-Net's.

    Examples
    --------
    >>> {"lightfuse", "tonefuse"} <= set(bundled_networks())
    True
    """
    return [name for name in bundled_names() if hasattr(keras_models, load_weights(name).model)]


def random_weights(model: str = "lightfuse", seed: int = 0, **build: Any) -> Weights:
    """Draw weights for a model, scaled so that hidden values and outputs stay around 1.

    Parameters
    ----------
    model : {"lightfuse", "t_cnn", "tonefuse", "deepfuse"}
    seed : int
    **build : arguments of the model, e.g. ``hidden=[256, 64], decoder="bilinear"``

    Returns
    -------
    npfuse.Weights
    """
    from npfuse.models import MODELS

    rng = np.random.default_rng(seed)
    arrays = {}
    for name, shape in MODELS[model](8, 8, **build).weight_shapes.items():
        fan_in = 10 if name.endswith("bias") else _fan_in(name, shape)
        arrays[name] = (rng.normal(size=shape) / np.sqrt(fan_in)).astype(np.float32)
    label = " ".join(["random", *(str(value) for value in build.values())])
    return Weights(model=model, build=build, arrays=arrays, normalization="full_range", source="random", name=label)


def _fan_in(name: str, shape: tuple[int, ...]) -> int:
    """Return how many products are summed for one output value; transposed kernels end in (Cout, Cin)."""
    if name.startswith("up"):
        return shape[0] * shape[1] * shape[3] // 4
    return int(np.prod(shape[:2] if len(shape) == 3 else shape[:-1]))


def compare(
    weights: Weights,
    sizes: Iterable[tuple[int, int]] = SIZES,
    dtypes: Iterable[str] = ("float32", "float64"),
    seed: int = 0,
) -> Iterator[Difference]:
    """Compare both engines with Keras on random pictures.

    Parameters
    ----------
    weights : npfuse.Weights
    sizes : iterable of (height, width)
    dtypes : iterable of {"float32", "float64"}
    seed : int
        Seed of the pictures.

    Yields
    ------
    Difference : one for each size, dtype and engine
    """
    build = {key: tuple(value) if isinstance(value, list) else value for key, value in weights.build.items()}
    for dtype in dtypes:
        model = getattr(keras_models, weights.model)(**build, dtype=dtype)
        import_arrays(model, weights.arrays)
        arrays = {name: array.astype(dtype) for name, array in weights.arrays.items()}
        for height, width in sizes:
            # All inputs are random; beyond the picture, RGB repeats its edge.
            padded = weights.model in RGB_PAIR
            graph = weights.graph(*((n + -n % GRID if padded else n) for n in (height, width)))
            inputs = _inputs(graph, dtype, seed)
            if padded:
                picture = inputs["exposures"][:, :height, :width]
                padding = [(0, 0), (0, -height % GRID), (0, -width % GRID), (0, 0)]
                inputs["exposures"] = np.pad(picture, padding, mode="edge")
            arguments = list(inputs.values()) if len(inputs) > 1 else next(iter(inputs.values()))
            expected = np.asarray(model(arguments))[:, :height, :width]
            for engine in ("definition", "fast"):
                actual = run(graph, inputs, arrays, engine=engine)["fused"][:, :height, :width]
                largest = float(np.abs(actual - expected).max() / max(1, np.abs(expected).max()))
                yield Difference(height=height, width=width, dtype=dtype, engine=engine, largest=largest)


def _inputs(graph: Graph, dtype: str, seed: int) -> dict[str, Array]:
    """Draw a network's inputs, in [-1, 1], each from a generator of its own."""
    return {
        name: np.random.default_rng(seed + n).uniform(-1, 1, (1, *shape)).astype(dtype)
        for n, (name, shape) in enumerate(graph.inputs)
    }


def main(argv: Sequence[str]) -> int:
    """Print the largest difference for each size; return 1 where one exceeds its limit."""
    parser = argparse.ArgumentParser(
        prog="python -m reference crosscheck", description="Compare npfuse with Keras on the same weights and pictures."
    )
    parser.add_argument(
        "weights",
        nargs="*",
        help="bundled names or weights files (default: every bundled one, and random weights for every decoder)",
    )
    arguments = parser.parse_args(argv)
    checked = [load_weights(name) for name in arguments.weights or bundled_networks()]
    if not arguments.weights:
        checked += [random_weights(hidden=[256, 64], decoder=decoder) for decoder in DECODERS]
        checked += [
            random_weights("t_cnn", hidden=[256, 64]),
            random_weights("tonefuse", hidden=[32, 32], coarse=30, tones=12),
        ]
    for weights in checked:
        if not hasattr(keras_models, weights.model):
            raise WeightsError(
                f"{weights.label}: model is {weights.model}, expected one that reference/ describes in Keras"
            )
    failed = 0
    print(f"largest difference from Keras, outputs in [-1, 1]; limits {FLOAT32_LIMIT:g} and {FLOAT64_LIMIT:g}\n")
    print(f"{'weights':<26} {'height x width':>14}  {'dtype':<8} {'definition':>12} {'fast':>12}")
    for weights in checked:
        pairs = compare(weights)
        for definition, fast in zip(pairs, pairs, strict=True):
            ok = all(found.largest <= found.limit for found in (definition, fast))
            failed += not ok
            size = f"{definition.height}x{definition.width}"
            print(
                f"{weights.model + ' ' + weights.label:<26} {size:>14}  {definition.dtype:<8} "
                f"{definition.largest:>12.2e} {fast.largest:>12.2e}{'' if ok else '  exceeds its limit'}"
            )
    print(f"\n{'all within their limits' if not failed else f'{failed} exceed their limits'}")
    return 1 if failed else 0
