"""Reads the network in an ONNX file as a graph: no runtime, no weights but sizes and scales, no code.

Sizes that are left open follow from the caller's, through the operators that work out shapes too. Parameters are the
initializers of more than one number that learned operators or arithmetic read; each is counted once. Exporters keep
arrays of equal numbers once, so that an untrained network may show fewer parameters than its author knows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

from costmodel.networks.description import Description, Network, Obstacle
from costmodel.networks.onnx_operators import read_step
from costmodel.networks.onnx_step import Step
from costmodel.networks.onnx_values import MOST_NUMBERS, Constant, Tensor, worked_out
from costmodel.networks.operators import OwnLayer
from costmodel.networks.own_layers import LAYER_RULES
from npfuse.graph_memory import FLOAT32_BYTES

EXPECTED = "an ONNX model of floats"
MOST_BYTES = 2**31  # Protocol Buffers' own limit
OWN_DOMAINS = ("", "ai.onnx")


def read_onnx_model(path: Path, height: int, width: int, sizes: Mapping[str, tuple[int, int]] | None = None) -> Network:
    """Return the network in an `.onnx` file.

    Parameters
    ----------
    path : of the file; arrays that it keeps in other files are not looked for
    height, width : of inputs whose sizes the file leaves open
    sizes : (height, width) of some of them by name, where they differ

    Returns
    -------
    Network, whose weight keys are the names of kernels

    Raises
    ------
    ValueError : no ONNX model, or operators or attributes that are not supported, all named; or onnx is missing
    OSError : the file cannot be read
    """
    try:
        import onnx
    except ImportError:
        raise ValueError(f'{path}: .onnx files are read with onnx; pip install "npfuse[onnx]"') from None
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"{path}: file has {path.stat().st_size} bytes, expected at most {MOST_BYTES}")
    content = path.read_bytes()
    model = onnx.ModelProto()
    try:
        model.ParseFromString(content)
    except Exception as error:  # of Protocol Buffers, whose class has no public place
        raise ValueError(f"{path}: {' '.join(str(error).split())}; expected {EXPECTED}") from None
    del content
    if not model.graph.node or not model.graph.output:
        raise ValueError(f"{path}: number of nodes is {len(model.graph.node)}, expected {EXPECTED}")
    reader = _Reader(
        onnx=onnx,
        model=model,
        description=Description(name=path.stem, where=str(path)),
        height=height,
        width=width,
        sizes=dict(sizes or {}),
    )
    try:
        return reader.network()
    except (KeyError, TypeError, IndexError, AttributeError, ZeroDivisionError, OverflowError) as error:
        raise ValueError(f"{path}: the model is malformed ({error}), expected {EXPECTED}") from None


@dataclass
class _Reader:
    """Walks through a model's nodes.

    Parameters
    ----------
    onnx : the package
    model : ModelProto
    description : network under construction
    height, width, sizes : of inputs that leave them open
    found : values and constants by ONNX's names
    doubtful : names of values whose shapes are a guess, after an obstacle
    """

    onnx: Any
    model: Any
    description: Description
    height: int
    width: int
    sizes: dict[str, tuple[int, int]]
    found: dict[str, Tensor | Constant | None] = field(default_factory=dict)
    doubtful: set[str] = field(default_factory=set)

    def network(self) -> Network:
        """Read the whole model."""
        graph = self.model.graph
        for array in graph.initializer:
            self.found[array.name] = self._constant(array, array.name)
        if graph.sparse_initializer:
            raise ValueError(f"{self.description.where}: arrays are sparse, expected dense ones")
        open_inputs = [value for value in graph.input if value.name not in self.found]
        for value in open_inputs:
            self.found[value.name] = self._input(value)
        for name in self.sizes.keys() - {value.name for value in open_inputs}:
            known = ", ".join(value.name for value in open_inputs)
            raise ValueError(f"{self.description.where}: input is {name!r}, expected one of {known}")
        newest = self.onnx.defs.onnx_opset_version()
        if self.opset > newest:
            raise ValueError(
                f"{self.description.where}: version of its operators is {self.opset}, expected at most {newest}, the "
                "newest that the installed onnx knows"
            )
        told = {value.name: _told_shape(value) for value in (*graph.value_info, *graph.output)}
        labels: set[str] = set()
        for node in graph.node:
            self._node(node, told, labels)
        outputs = [self.found.get(value.name) for value in graph.output]
        if not all(isinstance(value, Tensor) for value in outputs):
            self.description.obstacles.append("an output is a constant or missing, expected a value")
        names = [value.name for value in outputs if isinstance(value, Tensor)]
        return self.description.network(names, self._format())

    def _format(self) -> str:
        version = next((f" {each.version}" for each in self.model.opset_import if each.domain in OWN_DOMAINS), "")
        producer = " ".join(filter(None, (self.model.producer_name, self.model.producer_version)))[:40]
        return f"ONNX, operators{version}" + (f", of {producer}" if producer else "")

    @property
    def opset(self) -> int:
        """The version of ONNX's own operators."""
        return next((int(each.version) for each in self.model.opset_import if each.domain in OWN_DOMAINS), 1)

    def _constant(self, array: Any, name: str) -> Constant:
        """Return an array; its numbers where they may be sizes."""
        shape = tuple(int(n) for n in array.dims)
        if min(shape, default=0) < 0:
            raise ValueError(f"{self.description.where}: shape of {name or 'a constant'} is {shape}, expected lengths")
        external = array.data_location == self.onnx.TensorProto.EXTERNAL
        numbers = None
        if prod(shape) <= MOST_NUMBERS and not external:
            try:
                numbers = self.onnx.numpy_helper.to_array(array)
            except Exception as error:  # bytes that are no array raise almost anything
                reason = " ".join(str(error).split())
                raise ValueError(
                    f"{self.description.where}: array {name} is malformed ({reason}), expected numbers"
                ) from None
        size = self._bytes_of(array.data_type)
        return Constant(name=name, shape=shape, bytes=size, numbers=numbers)

    def _bytes_of(self, kind: int) -> int:
        """Return the bytes of a number of ONNX's type."""
        try:
            return int(self.onnx.helper.tensor_dtype_to_np_dtype(kind).itemsize)
        except (KeyError, ValueError, TypeError):
            return FLOAT32_BYTES

    def _input(self, value: Any) -> Tensor:
        """Declare an input: (N, C, H, W), (N, H, W, C) or (N, C); open lengths are the caller's."""
        lengths = _told_shape(value)
        where, name = self.description.where, value.name
        if lengths is None or len(lengths) not in (2, 4):
            shown = "unknown" if lengths is None else lengths
            raise ValueError(
                f"{where}: shape of input {name} is {shown}, expected (N, C, H, W), (N, H, W, C) or (N, C)"
            )
        if lengths[0] not in (None, 1):
            raise ValueError(f"{where}: batch of input {name} is {lengths[0]}, expected 1 or an open one")
        shape, last = [1, *lengths[1:]], False
        size = self.sizes.get(name)
        if len(lengths) == 4:
            last = lengths[3] is not None and (lengths[1] is None or lengths[1] > lengths[3])
            places = (1, 2) if last else (2, 3)
            for place, asked in zip(places, size or (self.height, self.width), strict=True):
                if shape[place] is None:
                    shape[place] = asked
                elif size and shape[place] != asked:
                    raise ValueError(
                        f"{where}: size of input {name} is {size[0]}x{size[1]} as asked for, expected "
                        f"{shape[places[0]]}x{shape[places[1]]}, which the file fixes"
                    )
        if any(n is None or n < 1 for n in shape):
            raise ValueError(f"{where}: shape of input {name} is {lengths}, expected its channels, and at least 1 each")
        whole = tuple(int(n) for n in shape if n is not None)
        tensor = Tensor(name, whole, last)
        self.description.input(name, tensor.picture, self._bytes_of(value.type.tensor_type.elem_type))
        return tensor

    def _node(self, node: Any, told: Mapping[str, tuple[int | None, ...] | None], labels: set[str]) -> None:
        """Add a node of the model; its values, or a guess of them after an obstacle."""
        outputs = [name for name in node.output if name]
        label = (
            node.name
            if node.name and node.name not in labels and node.name not in self.found
            else (outputs or ["?"])[0]
        )
        labels.add(label)
        inputs = [self.found[name] if name else None for name in node.input] if self._known(node) else []
        guessed = any(isinstance(each, Tensor) and each.name in self.doubtful for each in inputs)
        try:
            if not self._known(node):
                missing = next(name for name in node.input if name and name not in self.found)
                raise Obstacle(f"input {missing} of node {label} ({node.op_type}) is missing, expected a value")
            made = self._made(node, label, inputs)
            if not guessed:
                _check_told(label, outputs, made, told)
        except Obstacle as obstacle:
            if not guessed or "shape" not in str(obstacle):
                self.description.obstacles.append(str(obstacle))
            made = list(self._guessed(label, inputs, len(outputs)))
        if guessed:
            self.doubtful |= {value.name for value in made if isinstance(value, Tensor)}
        self.found |= dict(zip(outputs, made, strict=False))

    def _guessed(self, label: str, inputs: list[Tensor | Constant | None], count: int) -> list[Tensor]:
        """Return values of the first input's shape, to find other obstacles with; nothing is counted in the end."""
        first = next((each for each in inputs if isinstance(each, Tensor)), Tensor(label, (1, 1, 1, 1)))
        made = [Tensor(f"{label} {i}", first.shape, first.last) for i in range(count)]
        for value in made:
            self.description.shapes[value.name] = value.picture
            self.doubtful.add(value.name)
        return made

    def _known(self, node: Any) -> bool:
        return all(name in self.found for name in node.input if name)

    def _made(self, node: Any, label: str, inputs: list[Tensor | Constant | None]) -> list[Tensor | Constant | None]:
        """Return what a node makes: constants of constants, or values."""
        attributes = {each.name: self._attribute(each) for each in node.attribute}
        if node.op_type == "Constant":
            return [self._constant_node(label, attributes)]
        if node.op_type == "Shape" and isinstance(inputs[0], Tensor):
            return [_sizes(inputs[0].shape, attributes)]
        tensors = [each for each in inputs if isinstance(each, Tensor)]
        if not tensors:
            return [self._of_constants(node, label, attributes, inputs)]
        step = Step(
            description=self.description,
            kind=node.op_type,
            attributes={**attributes, "results": len(node.output)},
            inputs=inputs,
            name=label,
            number_bytes=self._number_bytes(node, attributes, tensors),
            opset=self.opset,
        )
        rule = f"{node.domain}::{node.op_type}" if node.domain not in OWN_DOMAINS else node.op_type
        if rule in LAYER_RULES:
            return [_own_step(step, rule, tensors)]
        if node.domain not in OWN_DOMAINS:
            raise Obstacle(f"node {label} is a {rule}, expected one that is counted, or one with a rule")
        return list(read_step(step))

    def _number_bytes(self, node: Any, attributes: Mapping[str, Any], tensors: list[Tensor]) -> int:
        if node.op_type == "Cast":
            return self._bytes_of(int(attributes["to"]))
        return self.description.value_bytes.get(tensors[0].name, FLOAT32_BYTES)

    def _constant_node(self, label: str, attributes: Mapping[str, Any]) -> Constant:
        import numpy as np

        for name in ("value", "value_float", "value_int", "value_floats", "value_ints"):
            if name in attributes:
                found = attributes[name]
                if isinstance(found, Constant):
                    # Named, so that one of many numbers counts as stored.
                    return Constant(name=label, shape=found.shape, bytes=found.bytes, numbers=found.numbers)
                numbers = np.asarray(found)
                return Constant(name=label, shape=numbers.shape, bytes=FLOAT32_BYTES, numbers=numbers)
        raise Obstacle(f"value of node {label} (Constant) is none, expected numbers")

    def _of_constants(
        self, node: Any, label: str, attributes: Mapping[str, Any], inputs: list[Tensor | Constant | None]
    ) -> Constant:
        """Return what a node makes of constants alone: sizes, or a transposed matrix."""
        constants = [each for each in inputs if not isinstance(each, Tensor)]
        first = constants[0] if constants else None
        if first and first.numbers is None and node.op_type in ("Identity", "Transpose", "Cast"):
            order = attributes.get("perm") or list(range(len(first.shape)))[::-1]
            shape = tuple(first.shape[axis] for axis in order) if node.op_type == "Transpose" else first.shape
            size = self._bytes_of(int(attributes["to"])) if node.op_type == "Cast" else first.bytes
            return Constant(name=first.name, shape=shape, bytes=size, numbers=None)
        if first and first.name and node.op_type in ("Identity", "Transpose", "Cast", "Unsqueeze", "Squeeze"):
            worked = _transposed(first, attributes) if node.op_type == "Transpose" else None
            worked = worked or worked_out(node.op_type, attributes, constants)
            if worked:
                return Constant(name=first.name, shape=worked.shape, bytes=first.bytes, numbers=worked.numbers)
        found = worked_out(node.op_type, attributes, constants)
        if found is None:
            raise Obstacle(f"node {label} is a {node.op_type} of constants, expected a value of the network")
        return found

    def _attribute(self, attribute: Any) -> Any:
        """Return an attribute's value; a tensor as `Constant`."""
        kinds = self.onnx.AttributeProto
        if attribute.type in (kinds.GRAPH, kinds.GRAPHS):
            raise Obstacle(f"attribute {attribute.name} is a graph, expected none: what runs is not known beforehand")
        if attribute.type == kinds.TENSOR:
            return self._constant(attribute.t, "")
        try:
            return self.onnx.helper.get_attribute_value(attribute)
        except ValueError:
            raise Obstacle(f"attribute {attribute.name} is of another type, expected numbers or text") from None


def _own_step(step: Step, rule: str, tensors: list[Tensor]) -> Tensor:
    """Append a node as its author's rule describes it."""
    found = LAYER_RULES[rule](step.attributes, *(tensor.picture for tensor in tensors))
    shape = tuple(found.output)
    weights = tuple(found.weights.items())
    op = OwnLayer(label=step.kind, shape=(shape[0], shape[1], shape[2]), total=found.work, stored=weights)
    step.arrays[step.name] = sum(prod(lengths) for _, lengths in weights)
    return step.add(op, tensors, (1, shape[2], shape[0], shape[1]))


def _transposed(constant: Constant, attributes: Mapping[str, Any]) -> Constant | None:
    if constant.numbers is None:
        return None
    numbers = constant.numbers.transpose(attributes.get("perm"))
    return Constant(name="", shape=numbers.shape, bytes=constant.bytes, numbers=numbers)


def _sizes(shape: tuple[int, ...], attributes: Mapping[str, Any]) -> Constant:
    """Return a shape as a constant."""
    import numpy as np

    part = shape[attributes.get("start", 0) : attributes.get("end", len(shape))]
    return Constant(name="", shape=(len(part),), bytes=8, numbers=np.array(part, np.int64))


def _told_shape(value: Any) -> tuple[int | None, ...] | None:
    """Return the shape that the file tells of a value, None for each open length; None where it tells none."""
    kind = value.type.tensor_type
    if not kind.HasField("shape"):
        return None
    return tuple(each.dim_value if each.HasField("dim_value") else None for each in kind.shape.dim)


def _check_told(
    label: str,
    outputs: list[str],
    made: list[Tensor | Constant | None],
    told: Mapping[str, tuple[int | None, ...] | None],
) -> None:
    """Raise an obstacle where a value's shape is another than the file tells."""
    for name, value in zip(outputs, made, strict=False):
        shape = told.get(name)
        if shape is None or not isinstance(value, Tensor):
            continue
        alike = all(n in (None, actual) for n, actual in zip(shape[1:], value.shape[1:], strict=False))
        if len(shape) != len(value.shape) or not alike:
            raise Obstacle(f"shape of node {label} is {value.shape}, expected {shape} as the file tells")
