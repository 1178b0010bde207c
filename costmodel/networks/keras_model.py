"""Reads the network in a Keras file as a graph, from its description alone: no Keras, no weights, no code.

Functional and Sequential models are understood, nested ones and layers that are called several times too, as Keras 3
and Keras 2 write them. Where the file tells the shape of a value, what is counted is held to it.
"""

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from costmodel.networks.description import Description, Network, Obstacle, Value
from costmodel.networks.keras_call import Call, Config
from costmodel.networks.keras_files import keras_config
from costmodel.networks.keras_functions import Arguments, call_function
from costmodel.networks.keras_layers import LAYERS
from costmodel.networks.operators import OwnLayer
from costmodel.networks.own_layers import LAYER_RULES
from npfuse.graph_memory import FLOAT32_BYTES

MODELS = ("Functional", "Model", "Sequential")
BYTES = {"float16": 2, "bfloat16": 2, "float32": 4, "float64": 8, "int32": 4, "int64": 8, "uint8": 1, "int8": 1}

Key = tuple[str, int, int]  # layer, index of its call, index of its result


@dataclass(frozen=True)
class Reference:
    """A value that a call reads, and its shape as the file has it, if it does."""

    key: Key
    shape: tuple[int | None, ...] | None = None


@dataclass(frozen=True)
class LayerCall:
    """One call of a layer: its arguments, with a `Reference` for each value of the network."""

    layer: Config
    index: int
    arguments: list[Any]
    keywords: Mapping[str, Any]

    def references(self) -> list[Reference]:
        """Return the values that it reads, in order."""
        return list(_references([self.arguments, self.keywords]))


def read_keras_model(
    path: Path, height: int, width: int, sizes: Mapping[str, tuple[int, int]] | None = None
) -> Network:
    """Return the network in a `.keras` or `.h5` file.

    Parameters
    ----------
    path : of the file
    height, width : of inputs whose sizes the file leaves open
    sizes : (height, width) of some of them by name, where they differ

    Returns
    -------
    Network, whose weight keys are the layers' names

    Raises
    ------
    ValueError : no Keras model, or layers or settings that are not supported; the message names them all
    OSError : the file cannot be read
    """
    model, format_name, stored = keras_config(path)
    description = Description(name=path.stem, where=str(path))
    reader = _Reader(description=description, height=height, width=width, sizes=dict(sizes or {}))
    try:
        if model["class_name"] not in MODELS or reader.is_own(model):
            raise ValueError(
                f"{path}: class of the model is {model['class_name']!r}, expected Functional or Sequential"
            )
        outputs = reader.model(model, None, "", "")
    except KeyError as error:
        raise ValueError(f"{path}: number of entries is 0 for {error} in its description, expected 1") from None
    except (TypeError, AttributeError, IndexError, RecursionError, OverflowError) as error:
        raise ValueError(f"{path}: its description is malformed ({error}), expected it as Keras writes it") from None
    reader.check_sizes()
    network = description.network([value.name for value in outputs], format_name)
    if stored not in (None, network.graph.parameter_count):
        found = network.graph.parameter_count
        raise ValueError(
            f"{path}: number of parameters that its layers make is {found:,}, expected {stored:,}, which it stores: "
            "a layer is another than its name says"
        )
    return network


@dataclass
class _Reader:
    """Walks through models and their layers.

    Parameters
    ----------
    description : network under construction
    height, width, sizes : of inputs that leave them open
    doubtful : values whose shapes are a guess, after an obstacle
    """

    description: Description
    height: int
    width: int
    sizes: dict[str, tuple[int, int]]
    doubtful: set[str] = field(default_factory=set)
    used_sizes: set[str] = field(default_factory=set)

    def model(self, model: Config, given: list[Value] | None, name: str, key: str) -> list[Value]:
        """Read a model that is called with values, or a file's own, whose inputs are declared.

        Parameters
        ----------
        model : its description
        given : values of a call; None for the file's own
        name, key : prefixes of its nodes' names and of their weight keys
        """
        config = model["config"]
        if model["class_name"] == "Sequential":
            return [self._sequential(config, given, name, key)]
        values: dict[Key, Value] = {}
        for layer in config["layers"]:
            if layer["class_name"] == "InputLayer" and given is None:
                values[_layer_name(layer), 0, 0] = self.input(layer["config"])
        if given is not None:
            inputs = list(_keys(config["input_layers"]))
            if len(inputs) != len(given):
                raise ValueError(f"{self.description.where}: {key} reads {len(given)} values, expected {len(inputs)}")
            values |= dict(zip(inputs, given, strict=True))
        self._run_calls(config, values, name, key)
        return [values[each] for each in _keys(config["output_layers"])]

    def _run_calls(self, config: Config, values: dict[Key, Value], name: str, key: str) -> None:
        """Make the values of all calls, each as soon as what it reads is there."""
        ready = deque(call for layer in config["layers"] for call in _calls(layer))
        # Keras numbers the calls of a nested functional model from 1: its own building was call 0.
        read = [each.key for call in ready for each in call.references()] + list(_keys(config["output_layers"]))
        first: dict[str, int] = {}
        for layer, index, _ in read:
            first[layer] = min(index, first.get(layer, index))
        waiting: dict[Key, list[LayerCall]] = defaultdict(list)
        while ready:
            call = ready.popleft()
            lacking = next((each.key for each in call.references() if each.key not in values), None)
            if lacking is not None:
                waiting[lacking].append(call)
                continue
            own = _layer_name(call.layer)
            offset = first.get(own, 0) if call.layer["class_name"] in MODELS else 0
            for i, value in enumerate(self._call(call, values, name, key)):
                made = (own, call.index + offset, i)
                values[made] = value
                ready.extendleft(reversed(waiting.pop(made, [])))
        for missing, calls in waiting.items():
            layer = _layer_name(calls[0].layer)
            self.description.obstacles.append(f"input of layer {layer} is {missing}, expected a layer's output")
        if waiting:
            self.description.network([], "")  # raises

    def _sequential(self, config: Config, given: list[Value] | None, name: str, key: str) -> Value:
        layers = list(config["layers"])
        first = layers.pop(0)["config"] if layers and layers[0]["class_name"] == "InputLayer" else None
        if given is not None:
            (value,) = given
        elif first is not None:
            value = self.input(first)
        else:  # Keras 2 and unbuilt models: the first layer tells
            inner = layers[0]["config"].get("batch_input_shape", config.get("build_input_shape")) if layers else None
            value = self.input({"name": "input", "batch_shape": inner})
        for layer in layers:
            call = LayerCall(layer, 0, [Reference(("", 0, 0))], {})
            (value,) = self._call(call, {("", 0, 0): value}, name, key)
        return value

    def input(self, config: Config) -> Value:
        """Declare an input; open lengths of a picture are the caller's."""
        name, shape = config["name"], config.get("batch_shape", config.get("batch_input_shape"))
        if not isinstance(shape, list | tuple) or len(shape) not in (2, 4) or not isinstance(shape[-1], int):
            shown = tuple(shape) if isinstance(shape, list) else shape
            raise ValueError(
                f"{self.description.where}: shape of input {name} is {shown}, "
                "expected (N, H, W, C) or (N, C) with C given"
            )
        height, width = self.sizes.get(name, (self.height, self.width))
        if name in self.sizes:
            self.used_sizes.add(name)
        opened = [n if given is None else given for n, given in zip((height, width), shape[1:3], strict=False)]
        lengths = (int(opened[0]), int(opened[1]), shape[3]) if len(shape) == 4 else (shape[1],)
        if min(lengths) < 1:
            raise ValueError(f"{self.description.where}: shape of input {name} is {lengths}, expected at least 1 each")
        if name in self.sizes and lengths[:2] != (height, width):
            size = f"{lengths[0]}x{lengths[1]}" if len(lengths) == 3 else str(lengths[0])
            raise ValueError(
                f"{self.description.where}: size of input {name} is {height}x{width} as asked for, expected {size}, "
                "which the file fixes"
            )
        return self.description.input(name, lengths, BYTES.get(str(config.get("dtype") or "float32"), FLOAT32_BYTES))

    def check_sizes(self) -> None:
        """Raise ValueError where a size is given of an input that there is not."""
        inputs = ", ".join(name for name, _ in self.description.inputs)
        for name in self.sizes.keys() - self.used_sizes:
            raise ValueError(f"{self.description.where}: input is {name!r}, expected one of {inputs}")

    def is_own(self, layer: Config) -> bool:
        """Tell whether a layer is somebody's own, even under the name of one of Keras's."""
        registered, module = layer.get("registered_name"), layer.get("module")
        named = registered in (None, layer["class_name"])
        return not named or not (module is None or str(module).split(".")[0] == "keras")

    def _call(self, call: LayerCall, values: Mapping[Key, Value], name: str, key: str) -> list[Value]:
        """Add the nodes of a call; return its values."""
        layer, suffix = call.layer, f"_call{call.index + 1}" if call.index else ""
        own, inputs = _layer_name(layer), [values[each.key] for each in call.references()]
        guessed = any(value.name in self.doubtful for value in inputs)
        try:
            if not guessed:
                _check_shapes(call, values, key + own)
            if layer["class_name"] in MODELS and not self.is_own(layer):
                return self.model(layer, inputs, f"{name}{own}{suffix}/", f"{key}{own}/")
            return [self._layer(call, inputs, values, name + own + suffix, key + own)]
        except Obstacle as obstacle:
            if not guessed or "shape" not in str(obstacle):
                self.description.obstacles.append(str(obstacle))
            # Go on with the first input's shape, to find the other obstacles too; nothing is counted in the end.
            value = Value(f"{name}{own}{suffix}", inputs[0].shape if inputs else (1,))
            self.description.shapes[value.name] = value.picture
            self.doubtful.add(value.name)
            return [value]

    def _layer(self, call: LayerCall, inputs: list[Value], values: Mapping[Key, Value], name: str, key: str) -> Value:
        layer = call.layer
        kind, config = layer["class_name"], layer["config"]
        registered = layer.get("registered_name") or kind
        numbers, weights = _bytes(config.get("dtype"), key, inputs, self.description)
        made = Call(
            description=self.description,
            kind=kind,
            config=config,
            name=name,
            key=key,
            number_bytes=numbers,
            weight_bytes=weights,
        )
        if registered in LAYER_RULES or kind in LAYER_RULES:
            return _own_layer(made, registered if registered in LAYER_RULES else kind, inputs)
        if _is_function(layer):
            result = _function(call, made, inputs)
        elif self.is_own(layer) or kind not in LAYERS:
            shown = registered if self.is_own(layer) else kind
            article = "an own" if self.is_own(layer) else "a"
            raise Obstacle(f"layer {key} is {article} {shown}, expected a layer that is counted, or one with a rule")
        else:
            if any(_has_reference(value) for value in call.keywords.values()):
                raise Obstacle(f"keywords of layer {key} ({kind}) are values, expected them as arguments")
            result = LAYERS[kind](made, inputs)
        if name in self.doubtful or any(value.name in self.doubtful for value in inputs):
            self.doubtful.add(result.name)
        return result


def _function(call: LayerCall, made: Call, inputs: list[Value]) -> Value:
    """Append a function that stands in the model like a layer."""
    kind, config = made.kind, made.config
    keywords = {word: value for word, value in call.keywords.items() if not _has_reference(value)}
    if kind == "TFOpLambda":
        kind = str(config["function"]).rsplit(".", 1)[-1]
    function = Call(**{**vars(made), "kind": kind, "config": {**config, **keywords}})
    constants = [each for each in _unnested(call.arguments) if not isinstance(each, Reference)]
    constants += [keywords[word] for word in ("y", "x") if word in keywords]
    return call_function(function, Arguments(inputs, constants))


def _own_layer(call: Call, rule: str, inputs: list[Value]) -> Value:
    """Append a layer as its author's rule describes it."""
    found = LAYER_RULES[rule](call.config, *(value.shape for value in inputs))
    op = OwnLayer(
        label=call.kind,
        shape=Value("", tuple(found.output)).picture,
        total=found.work,
        stored=tuple(found.weights.items()),
    )
    return call.add(op, inputs, shape=tuple(found.output))


def _bytes(dtype: object, key: str, inputs: list[Value], description: Description) -> tuple[int, int]:
    """Return the bytes of a number that a layer makes and of one that it stores, from its dtype policy."""
    if isinstance(dtype, dict):
        if dtype.get("class_name") not in ("DTypePolicy", "Policy"):
            raise Obstacle(f"dtype of layer {key} is {dtype.get('class_name')!r}, expected a DTypePolicy")
        dtype = dtype.get("config", {}).get("name")
    if dtype is None:  # functions have none
        first = description.value_bytes.get(inputs[0].name, FLOAT32_BYTES) if inputs else FLOAT32_BYTES
        return first, FLOAT32_BYTES
    name = str(dtype)
    computed = name.removeprefix("mixed_")
    if computed not in BYTES:
        raise Obstacle(f"dtype of layer {key} is {name!r}, expected one of {', '.join(BYTES)}, or a mixed one")
    return BYTES[computed], FLOAT32_BYTES if name.startswith("mixed_") else BYTES[computed]


def _check_shapes(call: LayerCall, values: Mapping[Key, Value], key: str) -> None:
    """Raise an obstacle where a value's shape is another than the file tells."""
    for each in call.references():
        actual = values[each.key].shape
        if each.shape is None or len(each.shape) != len(actual) + 1:
            continue
        if any(told not in (None, found) for told, found in zip(each.shape[1:], actual, strict=True)):
            raise Obstacle(f"input shape of layer {key} is {actual}, expected {each.shape[1:]} as the file tells")


def _is_function(layer: Config) -> bool:
    """Tell whether a function stands in the model like a layer; in .h5 files its module is not told."""
    module = layer.get("module")
    alone = module is None and "trainable" not in layer["config"]
    return alone or str(module).startswith(("keras.src.ops", "keras.ops")) or layer["class_name"] == "TFOpLambda"


def _layer_name(layer: Config) -> str:
    name = layer["config"].get("name", layer.get("name"))
    if not isinstance(name, str):
        raise KeyError("name")
    return name


def _calls(layer: Config) -> Iterator[LayerCall]:
    """Yield the calls of a layer, as Keras 3 or Keras 2 writes them."""
    for index, node in enumerate(layer.get("inbound_nodes") or []):
        if isinstance(node, dict):
            yield LayerCall(layer, index, [_parsed(each) for each in node["args"]], _parsed(node.get("kwargs") or {}))
            continue
        entries = [node] if node and isinstance(node[0], str) else node
        if not entries:
            continue  # an InputLayer
        arguments: list[Any] = []
        keywords: dict[str, Any] = {}
        for entry in entries:
            constant = entry[0] == "_CONSTANT_VALUE"
            arguments.append(entry[2] if constant else Reference((entry[0], entry[1], entry[2])))
            keywords |= {word: _parsed_2(value) for word, value in (entry[3] if len(entry) > 3 else {}).items()}
        yield LayerCall(layer, index, arguments, keywords)


def _parsed(value: Any) -> Any:
    """Return an argument of Keras 3 with its values as `Reference`."""
    if isinstance(value, list):
        return [_parsed(each) for each in value]
    if isinstance(value, dict):
        if value.get("class_name") == "__keras_tensor__":
            name, index, result = value["config"]["keras_history"]
            shape = value["config"].get("shape")
            return Reference((name, index, result), None if shape is None else tuple(shape))
        if "class_name" in value:
            return value
        return {word: _parsed(each) for word, each in sorted(value.items())}
    return value


def _parsed_2(value: Any) -> Any:
    """Return a keyword of Keras 2, which is a value where it is a name and two whole numbers."""
    if isinstance(value, list) and len(value) in (3, 4) and isinstance(value[0], str):
        return Reference((value[0], value[1], value[2]))
    return value


def _unnested(value: Any) -> Iterator[Any]:
    """Yield the arguments of a call; a list of references is several, another list one."""
    for each in value:
        if isinstance(each, list) and any(isinstance(item, Reference) for item in each):
            yield from each
        else:
            yield each


def _references(value: Any) -> Iterator[Reference]:
    if isinstance(value, Reference):
        yield value
    elif isinstance(value, list):
        for each in value:
            yield from _references(each)
    elif isinstance(value, dict) and "class_name" not in value:
        for _, each in sorted(value.items()):
            yield from _references(each)


def _has_reference(value: Any) -> bool:
    return next(_references(value), None) is not None


def _keys(value: Any) -> Iterator[Key]:
    """Yield the keys of inputs or outputs: one [layer, call, result], a list or a dict of them."""
    if isinstance(value, dict):
        for _, each in sorted(value.items()):
            yield from _keys(each)
    elif value and isinstance(value[0], str):
        yield value[0], value[1], value[2]
    else:
        for each in value:
            yield from _keys(each)
