"""Computes a set of vectors: the manifest, and the arrays that go with it.

Arrays are named as their files are, without the ending: `inputs/under`, `values/detail1_relu`, `sums/detail1_relu`,
`weights/detail1.kernel`. Values are (H, W, C) of the padded picture, except the inputs `under` and `over`, which are
the pictures themselves.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from npfuse.graph import Graph, Node
from npfuse.integer import Format, IntegerGraph, Layer, Rescale, run_integers
from npfuse.integer_pair import integer_inputs, picture_levels
from npfuse.ops import Conv2DTranspose, PointwiseConv2D, Window
from npfuse.run import run
from npfuse.strips import Pixels, network_inputs
from npfuse.weights.weights import Weights

SCHEMA = 1
Layout = Literal["npfuse", "cmsis"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)
HWC = ("H", "W", "C")


@dataclass(frozen=True, kw_only=True, eq=False)
class VectorSet:
    """Vectors of one network for one pair of pictures.

    Parameters
    ----------
    manifest : plain data for JSON; the formats of the files are added when they are written
    arrays : ndarray by file name, without the ending
    axes : names of the axes of each array, in order
    """

    manifest: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]]
    axes: Mapping[str, tuple[str, ...]]


class _Collector:
    """Collects arrays, and returns the manifest's entry of each."""

    def __init__(self) -> None:
        self.arrays: dict[str, NDArray[Any]] = {}
        self.axes: dict[str, tuple[str, ...]] = {}

    def add(self, stem: str, array: NDArray[Any], axes: Sequence[str], **more: Any) -> dict[str, Any]:
        """Add an array; return its entry in the manifest."""
        self.arrays[stem], self.axes[stem] = array, tuple(axes)
        return {
            "file": stem,
            "axes": list(axes),
            "shape": list(array.shape),
            "dtype": array.dtype.name,
            "sha256": sha256(array),
            **more,
        }


def sha256(array: NDArray[Any]) -> str:
    """Return the SHA-256 of an array's numbers as little-endian bytes, which is that of its `.bin` file."""
    return hashlib.sha256(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()).hexdigest()


def float_vectors(
    under: Pixels,
    over: Pixels,
    weights: Weights,
    *,
    values: Sequence[str] | None = None,
    layout: Layout = "npfuse",
    about: Mapping[str, Any] | None = None,
) -> VectorSet:
    """Compute every layer's values in float32, by the NumPy definitions.

    Parameters
    ----------
    under, over : ndarray (H, W, 3), uint8; the whole pictures: a crop is a picture of its own
    weights : Weights of LightFuse, ToneFuse or T_CNN
    values : names of the values to compute; None for all
    layout : layout of kernels: "npfuse", or "cmsis" for (Cout, kH, kW, Cin)
    about : entries of the manifest that say where the pictures come from

    Returns
    -------
    VectorSet

    Raises
    ------
    ValueError : a value or the layout is unknown

    Notes
    -----
    The last bits of float32 sums depend on the order of the terms, and so on the processor and on the library that
    multiplies matrices. So the SHA-256 of floats holds for these files alone.

    Examples
    --------
    >>> from npfuse.weights.loading import load_weights
    >>> dark, bright = np.zeros((5, 7, 3), np.uint8), np.full((5, 7, 3), 255, np.uint8)
    >>> vectors = float_vectors(dark, bright, load_weights("lightfuse"))
    >>> vectors.arrays["values/global1"].shape, vectors.manifest["layers"][7]["pads"]
    ((8, 8, 6), [0, 1, 0, 1])
    """
    graph = weights.graph(*weights.padded_size(*under.shape[:2]))
    names = _wanted(graph, list(graph.shapes), values)
    found = run(graph, network_inputs(under, over, weights), weights.arrays, engine="definition", keep=names)
    out = _Collector()
    layers = []
    for node in graph.nodes:
        entry = _layer_entry(graph, node, (node,))
        for name in node.op.weight_shapes(*graph.input_shapes(node)):
            array = weights.arrays[f"{node.weight_key}/{name}"]
            entry[name] = _add_weight(out, node, name, array, layout)
        layers.append(entry)
    entries = [out.add(f"values/{name}", found[name][0], HWC, name=name) for name in names]
    manifest = _manifest(under, over, weights, graph, about, out) | {
        "arithmetic": "float32",
        "kernel_layout": layout,
        "layers": layers,
        "values": entries,
    }
    return VectorSet(manifest=manifest, arrays=out.arrays, axes=out.axes)


def integer_vectors(
    under: Pixels,
    over: Pixels,
    weights: Weights,
    network: IntegerGraph,
    *,
    values: Sequence[str] | None = None,
    layout: Layout = "npfuse",
    sums: bool = False,
    about: Mapping[str, Any] | None = None,
) -> VectorSet:
    """Compute every layer's values in integers.

    Parameters
    ----------
    under, over : ndarray (H, W, 3), uint8; the whole pictures: a crop is a picture of its own
    weights : Weights
    network : IntegerGraph of these weights, for any size (`npfuse.integer_pair.integer_network`)
    values : names of the values to compute; None for all
    layout : layout of kernels: "npfuse", or "cmsis" for (Cout, kH, kW, Cin) and TensorFlow Lite's shifts, which are 31
        minus npfuse's
    sums : whether the sums before requantisation are added; they show an error that rounding may hide
    about : entries of the manifest that say where the pictures, and measured ranges, come from

    Returns
    -------
    VectorSet : the same on every machine

    Raises
    ------
    ValueError : a value or the layout is unknown
    TypeError : the pictures are not uint8

    Examples
    --------
    >>> from npfuse.integer_pair import integer_network
    >>> from npfuse.weights.loading import load_weights
    >>> dark, bright = np.zeros((5, 7, 3), np.uint8), np.full((5, 7, 3), 255, np.uint8)
    >>> tonefuse = load_weights("tonefuse")
    >>> vectors = integer_vectors(dark, bright, tonefuse, integer_network(tonefuse))
    >>> vectors.arrays["values/detail1_relu"].dtype, vectors.arrays["weights/detail1.kernel"].dtype
    (dtype('int16'), dtype('int8'))
    """
    graph = weights.graph(*weights.padded_size(*under.shape[:2]))
    sized = network.at(graph)
    names = _wanted(graph, list(sized.formats), values)
    totals: dict[str, NDArray[Any]] | None = {} if sums else None
    found = run_integers(sized, integer_inputs(under, over, weights), keep=names, sums=totals)
    out = _Collector()
    layers = [_integer_layer_entry(sized, layer, out, layout) for layer in sized.layers]
    entries = [
        out.add(f"values/{name}", found[name][0], HWC, name=name, **_format_entry(sized.formats[name]))
        for name in names
    ]
    sum_entries = [
        out.add(f"sums/{name}", total[0], HWC, name=name, scale=_numbers(sized.layer(name).sum_scale))
        for name, total in (totals or {}).items()
        if name in names
    ]
    manifest = _manifest(under, over, weights, graph, about, out) | {
        "arithmetic": sized.arithmetic,
        "rounding": sized.rounding,
        "ranges": dict(sized.ranges),
        "levels": [list(levels) for levels in picture_levels(under, over, weights)],
        "kernel_layout": layout,
        "layers": layers,
        "values": entries,
        "sums": sum_entries,
    }
    return VectorSet(manifest=manifest, arrays=out.arrays, axes=out.axes)


def zeros_read(graph: Graph, height: int, width: int) -> list[str]:
    """Return the nodes that read zeros of their padding for the part [0, height) x [0, width) of the result.

    Examples
    --------
    >>> from npfuse.models import lightfuse
    >>> zeros_read(lightfuse(24, 24), 16, 16), zeros_read(lightfuse(16, 16), 16, 16)
    ([], ['global1', 'global2', 'global3_depthwise'])
    """
    read = set()
    for axis, length in ((0, height), (1, width)):
        spans = graph.input_spans(axis, 0, length)
        for node in graph.nodes:
            if not isinstance(node.op, Window) or node.op.transposed or node.name not in spans:
                continue
            n = graph.shapes[node.inputs[0]][axis]
            first, last = node.op.input_span(axis, *spans[node.name], n)
            if first < 0 or last > n:
                read.add(node.name)
    return [node.name for node in graph.nodes if node.name in read]


def _wanted(graph: Graph, known: list[str], values: Sequence[str] | None) -> list[str]:
    for name in values or ():
        if name not in known:
            raise ValueError(f"{graph.name}: value is {name!r}, expected some of {', '.join(known)}")
    return known if values is None else [name for name in known if name in values]


def _manifest(
    under: Pixels, over: Pixels, weights: Weights, graph: Graph, about: Mapping[str, Any] | None, out: _Collector
) -> dict[str, Any]:
    height, width = under.shape[:2]
    padded_height, padded_width, _ = graph.inputs[0][1]
    digest = hashlib.sha256()
    for name, array in sorted(weights.arrays.items()):
        digest.update(name.encode() + b"\0" + array.astype("<f4").tobytes())
    return {
        "schema": SCHEMA,
        "npfuse": version("npfuse"),
        "weights": {
            "name": weights.label,
            "model": weights.model,
            "build": dict(weights.build),
            "normalization": weights.normalization,
            "margin": weights.margin,
            "sha256": digest.hexdigest(),
        },
        "about": dict(about or {}),
        "size": {"height": height, "width": width, "padded_height": padded_height, "padded_width": padded_width},
        "zeros_read": zeros_read(graph, height, width),
        "pictures": [out.add("inputs/under", under, HWC), out.add("inputs/over", over, HWC)],
    }


def _layer_entry(graph: Graph, node: Node, nodes: Sequence[Node]) -> dict[str, Any]:
    """Return the manifest's entry of a layer that holds in any arithmetic: where it reads, and how."""
    op = node.op
    entry: dict[str, Any] = {
        "name": nodes[-1].name,
        "nodes": [n.name for n in nodes],
        "operators": [n.op.kind for n in nodes],
        "inputs": list(dict.fromkeys(name for n in nodes for name in n.inputs if name not in {m.name for m in nodes})),
        "output_shape": list(graph.shapes[nodes[-1].name]),
    }
    if isinstance(op, Window):
        entry |= {
            "kernel_size": list(op.kernel_size),
            "stride": list(op.stride),
            "dilation": list(op.dilation),
            "pads": list(op.pads(graph.input_shapes(node)[0])),
        }
    elif not isinstance(op, PointwiseConv2D):
        entry |= {"attributes": {key: value for key, value in asdict(op).items() if value is not None}}
    return entry


def _integer_layer_entry(network: IntegerGraph, layer: Layer, out: _Collector, layout: Layout) -> dict[str, Any]:
    by_name = {node.name: node for node in network.graph.nodes}
    nodes = [by_name[name] for name in layer.nodes]
    entry = _layer_entry(network.graph, nodes[0], nodes) | {"format": _format_entry(layer.output)}
    if layer.kernel is not None:
        entry["kernel"] = _add_weight(out, nodes[0], "kernel", layer.kernel, layout)
    if layer.bias is not None:
        entry["bias"] = _add_weight(out, nodes[0], "bias", layer.bias, layout)
    if layer.rescales:
        entry["sum"] = {"scale": _numbers(layer.sum_scale), "bound": layer.sum_bound, "bits": round(layer.sum_bits, 2)}
        entry["saturates"] = layer.saturates
        names = ["rescale"] if layer.kernel is not None else [f"rescale{i}" for i in range(len(layer.rescales))]
        entry["rescales"] = [
            _add_rescale(out, f"{layer.name}.{name}", by, layout)
            for name, by in zip(names, layer.rescales, strict=True)
        ]
    if layer.added is not None:
        entry["added"] = _add_rescale(out, f"{layer.name}.added", layer.added, layout)
    if layer.levels is not None:
        entry["levels"] = out.add(f"weights/{layer.name}.levels", layer.levels, ("level",))
    return entry


def _add_weight(out: _Collector, node: Node, name: str, array: NDArray[Any], layout: str) -> dict[str, Any]:
    """Add a weight, with its axes in the order of a layout; return its entry."""
    axes: tuple[str, ...] = node.op.kernel_axes if name == "kernel" else ("Cout",)
    if array.ndim != len(axes):
        axes = tuple(f"axis{i}" for i in range(array.ndim))
    if layout not in LAYOUTS:
        raise ValueError(f"vectors: layout is {layout!r}, expected one of {', '.join(LAYOUTS)}")
    if layout == "cmsis" and name == "kernel":
        if isinstance(node.op, PointwiseConv2D):
            array, axes = array.T, ("Cout", "Cin")
        elif isinstance(node.op, Conv2DTranspose):
            array, axes = array.transpose(2, 0, 1, 3), ("Cout", "kH", "kW", "Cin")
    return out.add(f"weights/{node.weight_key}.{name}", np.ascontiguousarray(array), axes)


def _add_rescale(out: _Collector, name: str, by: Rescale, layout: Layout) -> dict[str, Any]:
    """Add multipliers and shifts; return their entry."""
    mult, shift = by.mult, by.shift
    if layout == "cmsis":  # real = mult / 2**31 * 2**shift, mult at least 2**30
        up = np.array([31 - int(m).bit_length() if m else 0 for m in mult])
        mult, shift = mult << up, 31 - (shift + up)
    return {
        "mult": out.add(f"weights/{name}.mult", mult.astype(np.int32), ("Cout",)),
        "shift": out.add(f"weights/{name}.shift", shift.astype(np.int8), ("Cout",)),
    }


def _format_entry(form: Format) -> dict[str, Any]:
    return {**asdict(form), "dtype": form.dtype.name}


def _numbers(array: NDArray[np.float64] | None) -> list[float]:
    return [] if array is None else array.tolist()
