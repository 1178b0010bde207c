"""Networks from ONNX files: counted as torch's FlopCounterMode counts them, and refused where not understood."""

import re

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402 (after the skip)

from costmodel import CONVENTIONS, LayerCount, Work, count, read_network, rule  # noqa: E402
from costmodel.networks.own_layers import LAYER_RULES  # noqa: E402
from tests.costmodel.networks.torch_networks import networks  # noqa: E402

HEIGHT, WIDTH = 32, 48


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


@pytest.mark.parametrize("name", ["U-Net", "DnCNN", "ESPCN", "FSRCNN", "EDSR", "mixed"])
@pytest.mark.parametrize("opened", [False, True], ids=["fixed", "open"])
@pytest.mark.filterwarnings("ignore")
def test_an_exported_network_is_counted_as_torch_counts_it(tmp_path, torch, name, opened):
    from torch.utils.flop_counter import FlopCounterMode

    network = networks(torch)[name]
    for parameter in network.parameters():  # the exporter keeps equal arrays once
        torch.nn.init.normal_(parameter)
    picture = torch.zeros(1, 1 if name in ("DnCNN", "ESPCN", "FSRCNN") else 3, HEIGHT, WIDTH)
    axes = {"dynamic_axes": {"x": {0: "n", 2: "h", 3: "w"}}} if opened else {}
    torch.onnx.export(network, (picture,), tmp_path / "net.onnx", input_names=["x"], dynamo=False, **axes)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        result = network(picture)
    found = read_network(tmp_path / "net.onnx", HEIGHT, WIDTH)
    cost = count(found)
    assert cost.amount(CONVENTIONS["paper"]) == counter.get_total_flops()
    parameters = sum(each.numel() for each in network.parameters())
    if name == "DnCNN":  # the exporter folds the normalisation: a bias where it had two numbers
        parameters -= sum(each.weight.numel() for each in network.modules() if isinstance(each, torch.nn.BatchNorm2d))
    assert cost.parameters == parameters
    shape = found.graph.shapes[found.graph.outputs[0]]
    assert (1, shape[2], *shape[:2]) == tuple(result.shape) or shape == (1, 1, result.shape[1])


def model(nodes, inputs, arrays=(), outputs=None, domains=("",), kind=TensorProto.FLOAT):
    """Return the bytes of a model; inputs are shapes by name."""
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, kind, None) for name in outputs or [nodes[-1].output[0]]],
        [numpy_helper.from_array(array, name) for name, array in dict(arrays).items()],
    )
    opsets = [helper.make_opsetid(domain, 20) for domain in domains]
    return helper.make_model(graph, opset_imports=opsets).SerializeToString()


def read(tmp_path, *arguments, size=(6, 8), sizes=None, **keywords):
    (tmp_path / "net.onnx").write_bytes(model(*arguments, **keywords))
    return read_network(tmp_path / "net.onnx", *size, sizes)


KERNEL = np.zeros((4, 3, 3, 3), np.float32)


def test_channels_may_come_last_outside(tmp_path):
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["t", "k"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Transpose", ["c"], ["y"], perm=[0, 2, 3, 1]),
    ]
    graph = read(tmp_path, nodes, {"x": (1, None, None, 3)}, {"k": KERNEL}).graph
    assert [graph.shapes[name] for name in ("x", "t", "c", "y")] == [(6, 8, 3), (6, 8, 3), (6, 8, 4), (6, 8, 4)]


def test_a_shared_kernel_is_counted_once_and_inputs_have_sizes_of_their_own(tmp_path):
    nodes = [helper.make_node("Conv", [name, "k"], [f"y{name}"]) for name in "ab"]
    inputs = {"a": (1, 3, None, None), "b": ("n", 3, "h", "w")}
    cost = count(read(tmp_path, nodes, inputs, {"k": KERNEL}, outputs=["ya", "yb"], sizes={"b": (9, 10)}))
    assert cost.parameters == KERNEL.size
    assert [row.output for row in cost.layers] == [(4, 6, 4), (7, 8, 4)]
    assert cost.layers[1].shares == "k"


def test_operators_newer_than_the_installed_onnx_are_refused(tmp_path):
    node = helper.make_node("Conv", ["x", "k"], ["y"])
    content = onnx.load_from_string(model([node], {"x": (1, 3, 6, 8)}, {"k": KERNEL}))
    content.opset_import[0].version = 999
    (tmp_path / "net.onnx").write_bytes(content.SerializeToString())
    with pytest.raises(ValueError, match=r"net\.onnx: version of its operators is 999, expected at most \d+"):
        read_network(tmp_path / "net.onnx", 6, 8)


def test_what_an_operator_refuses_names_the_file(tmp_path):
    with pytest.raises(ValueError, match=r"^\S+net\.onnx: Conv: stride is \(0, 0\)"):
        read(
            tmp_path, [helper.make_node("Conv", ["x", "k"], ["y"], strides=[0, 0])], {"x": (1, 3, 6, 8)}, {"k": KERNEL}
        )


def test_half_precision_counts_its_bytes(tmp_path):
    nodes = [
        helper.make_node("Conv", ["x", "k"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Cast", ["c"], ["y"], to=TensorProto.FLOAT),
    ]
    arrays = {"k": KERNEL.astype(np.float16)}
    first, second = count(read(tmp_path, nodes, {"x": (1, 3, 6, 8)}, arrays, kind=TensorProto.FLOAT16)).layers
    assert (first.bytes_read, first.bytes_written) == (2 * (6 * 8 * 3 + KERNEL.size), 2 * 6 * 8 * 4)
    assert (second.bytes_read, second.bytes_written) == (2 * 6 * 8 * 4, 4 * 6 * 8 * 4)


def test_a_rule_counts_an_own_operator(tmp_path):
    nodes = [helper.make_node("Swirl", ["x"], ["y"], domain="mine", turns=2)]

    @rule("mine::Swirl")
    def swirl(attributes, shape):
        return LayerCount(output=(*shape[:2], attributes["turns"]), weights={"a": (5,)}, work=Work(functions=1))

    try:
        cost = count(read(tmp_path, nodes, {"x": (1, 3, 6, 8)}, domains=("", "mine")))
    finally:
        LAYER_RULES.pop("mine::Swirl")
    assert (cost.parameters, cost.work, cost.layers[0].output) == (5, Work(functions=1), (6, 8, 2))


def branch():
    """Return a graph that an If could run."""
    out = helper.make_tensor_value_info("z", TensorProto.FLOAT, None)
    return helper.make_graph([helper.make_node("Relu", ["x"], ["z"])], "branch", [], [out])


X = {"x": (1, 3, 6, 8)}
REFUSED = {
    "an unknown operator": (
        [helper.make_node("DequantizeLinear", ["x", "s"], ["y"])],
        "node y is a DequantizeLinear, expected one that is counted, or one with a rule",
    ),
    "another's domain": (
        [helper.make_node("FusedConv", ["x", "k"], ["y"], domain="com.microsoft")],
        "node y is a com.microsoft::FusedConv, expected one that is counted, or one with a rule",
    ),
    "what is only known when it runs": (
        [helper.make_node("If", ["s"], ["y"], then_branch=branch(), else_branch=branch())],
        "attribute else_branch is a graph, expected none",
    ),
    "a kernel that is worked out": (
        [helper.make_node("Relu", ["x"], ["r"]), helper.make_node("Conv", ["x", "r"], ["y"])],
        "input 2 of node y (Conv) is a value, expected a constant",
    ),
    "a kernel of other channels": (
        [helper.make_node("Conv", ["x", "k"], ["y"], group=3)],
        "kernel shape of node y (Conv) is (4, 3, 3, 3), expected one that fits 3 channels",
    ),
    "a missing value": (
        [helper.make_node("Relu", ["w"], ["y"])],
        "input w of node y (Relu) is missing, expected a value",
    ),
    "a softmax of rows": (
        [helper.make_node("Softmax", ["x"], ["y"], axis=3)],
        "axis of node y (Softmax) is 3, expected 1, the channels'",
    ),
    "a resize of channels": (
        [helper.make_node("Resize", ["x", "", "f"], ["y"])],
        "sizes of node y (Resize) is (1, 6, 6, 8), expected those of rows and columns alone",
    ),
    "two obstacles": (
        [helper.make_node("LSTM", ["x"], ["l"]), helper.make_node("GRU", ["l"], ["y"])],
        "2 obstacles: node l is a LSTM, expected one that is counted, or one with a rule; node y is a GRU",
    ),
}
ARRAYS = {"k": KERNEL, "s": np.float32(1), "f": np.array([1, 2, 1, 1], np.float32)}


@pytest.mark.parametrize(("nodes", "message"), REFUSED.values(), ids=list(REFUSED))
def test_what_is_not_understood_is_an_error_that_names_it(tmp_path, nodes, message):
    with pytest.raises(ValueError, match=re.escape(f"net.onnx: {message}")):
        read(tmp_path, nodes, X, ARRAYS, domains=("", "com.microsoft"))


def test_arrays_that_nodes_share_in_part_are_counted_once(tmp_path):
    nodes = [helper.make_node("Conv", ["x", "k", bias], [f"y{bias}"]) for bias in "ab"]
    arrays = {"k": KERNEL, "a": np.zeros(4, np.float32), "b": np.ones(4, np.float32)}
    cost = count(read(tmp_path, nodes, X, arrays, outputs=["ya", "yb"]))
    assert [row.parameters for row in cost.layers] == [KERNEL.size + 4, 4]


def test_a_bias_of_another_length_is_refused(tmp_path):
    nodes = [helper.make_node("Conv", ["x", "k", "b"], ["y"])]
    with pytest.raises(ValueError, match=r"kernel shape of node y \(Conv\) is .* 3 channels and its bias"):
        read(tmp_path, nodes, X, {"k": KERNEL, "b": np.zeros(5, np.float32)})


@pytest.mark.parametrize("shape", [None, (3, 6, 8), (1, None, 6, None), (2, 3, 6, 8), (1, 3, 0, 8)])
def test_an_input_of_another_shape_is_refused(tmp_path, shape):
    with pytest.raises(ValueError, match=r"net\.onnx: (shape|batch) of input x is .*, expected"):
        read(tmp_path, [helper.make_node("Relu", ["x"], ["y"])], {"x": shape})


@pytest.mark.parametrize("seed", range(40))
def test_damaged_bytes_are_one_line_or_read(tmp_path, seed):
    nodes = [helper.make_node("Conv", ["x", "k"], ["c"]), helper.make_node("Relu", ["c"], ["y"])]
    content = bytearray(model(nodes, X, {"k": KERNEL[:1, :, :1, :1]}))
    random = np.random.default_rng(seed)
    for place in random.integers(0, len(content), 4):
        content[place] = random.integers(0, 256)
    (tmp_path / "net.onnx").write_bytes(content[: random.integers(1, len(content) + 1)] if seed % 2 else content)
    try:
        read_network(tmp_path / "net.onnx", 6, 8)
    except ValueError as error:
        message = str(error)
    else:
        message = "expected"
    assert "expected" in message
    assert "\n" not in message
