"""The cost rules, against the definitions run on numbers that count, and against counts made by hand."""

from dataclasses import MISSING, fields, replace
from itertools import combinations
from math import prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costmodel import CONVENTIONS, Work, count, operator_cost
from costmodel.receptive_field import spans
from costmodel.rules import RULES
from npfuse.graph import Graph, GraphBuilder
from npfuse.models import MODELS, deepfuse, lightfuse
from npfuse.ops import (
    BOX,
    DEFINITIONS,
    TENT,
    AdaptiveNorm,
    AddChannels,
    Conv2D,
    Conv2DTranspose,
    DepthwiseConv2D,
    DepthwiseConv2DTranspose,
    ExposureQuality,
    LeakyReLU,
    Operator,
    PointwiseConv2D,
    ReLU,
    Resize,
    Shape,
    WeightedSum,
)
from npfuse.ops.exposure_quality import MEASURES
from tests.costmodel.counting_scalar import counted_work

Case = tuple[Operator, tuple[Shape, ...]]

lengths = st.integers(1, 6)
channels = st.integers(1, 3)
shapes = st.tuples(lengths, lengths, channels)
pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))
booleans = st.booleans()


def windows(op_type: type, **attributes: st.SearchStrategy) -> st.SearchStrategy[Operator]:
    return st.builds(
        op_type,
        kernel_size=st.tuples(st.integers(1, 4), st.integers(1, 4)),
        stride=pairs,
        dilation=pairs,
        padding=st.just("same"),
        use_bias=booleans,
        **attributes,
    )


SIZE_FREE = ("nearest", "bilinear", "antialiased", "area")  # a pyramid's sizes follow from the picture's

WITHOUT_ATTRIBUTES = [op for op in DEFINITIONS if all(f.default is not MISSING for f in fields(op))]
OPERATORS: dict[type[Operator], st.SearchStrategy[Operator]] = {op: st.just(op()) for op in WITHOUT_ATTRIBUTES} | {
    Conv2D: windows(Conv2D, features=channels),
    Conv2DTranspose: windows(Conv2DTranspose, features=channels),
    DepthwiseConv2D: windows(DepthwiseConv2D),
    DepthwiseConv2DTranspose: windows(DepthwiseConv2DTranspose)
    | st.builds(
        DepthwiseConv2DTranspose, kernel_size=st.just((2, 2)), stride=pairs, use_bias=booleans, fixed=st.just(BOX)
    ),
    # With contrast always: a square root's or an exponential's result is a plain float, whose product is not counted.
    ExposureQuality: st.sampled_from(
        [ExposureQuality(measures=("contrast", *others)) for n in (0, 1, 2) for others in combinations(MEASURES[1:], n)]
    ),
    LeakyReLU: st.builds(LeakyReLU, slope=st.just(0.1)),
    PointwiseConv2D: st.builds(PointwiseConv2D, features=channels, use_bias=booleans),
    Resize: st.builds(Resize, height=lengths, width=lengths, method=st.sampled_from(SIZE_FREE)),
}


@st.composite
def cases(draw: st.DrawFn) -> Case:
    op = draw(OPERATORS[draw(st.sampled_from(sorted(OPERATORS, key=lambda op_type: op_type.__name__)))])
    shape = draw(shapes)
    if isinstance(op, AddChannels):
        return op, (shape, (1, 1, shape[2]))
    if isinstance(op, ExposureQuality):
        return op, ((*shape[:2], draw(st.sampled_from([1, 3]))),)
    if isinstance(op, WeightedSum):
        return op, (shape, (*shape[:2], 1)) * draw(st.integers(1, 3))
    if op.input_count is not None:
        return op, (shape,) * op.input_count
    return op, (shape,) * draw(st.integers(2, 4))


def test_every_operator_has_a_rule_and_a_strategy_here() -> None:
    assert set(RULES) == set(DEFINITIONS) == set(OPERATORS)


@settings(max_examples=300, deadline=None)
@given(case=cases())
def test_macs_and_multiplications_are_those_the_definition_does(case: Case) -> None:
    op, inputs = case
    work = operator_cost(op, *inputs).work
    assert work.macs + work.multiplications == counted_work(op, *inputs)["multiplications"]


@settings(max_examples=200, deadline=None)
@given(case=cases())
def test_comparisons_divisions_and_functions_are_those_the_definition_does(case: Case) -> None:
    op, inputs = case
    work, counted = operator_cost(op, *inputs).work, counted_work(op, *inputs)
    for kind in ("comparisons", "divisions", "functions"):
        assert getattr(work, kind) == counted[kind], kind


@settings(max_examples=200, deadline=None)
@given(case=cases())
def test_additions_beyond_macs_are_those_the_definition_does(case: Case) -> None:
    op, inputs = case
    additions = operator_cost(op, *inputs).work.additions
    counted = counted_work(op, *inputs)["additions"]
    if getattr(op, "use_bias", False):
        # A multiply-add's addition is in the MACs, so compare with the same operator without bias.
        op = replace(op, use_bias=False)
        expected = counted - counted_work(op, *inputs)["additions"]
        if not DEFINITIONS[type(op)].__name__.endswith("transpose"):
            assert additions == expected
        # Where no tap of a transposed convolution reaches, there is a literal 0, which costs nothing to add to.
        assert expected <= additions == prod(op.output_shape(*inputs))
    elif not operator_cost(op, *inputs).work.macs:
        assert additions == counted
    else:
        assert additions == 0


@settings(max_examples=100, deadline=None)
@given(case=cases())
def test_reads_and_writes_are_the_arrays_the_definition_takes_and_makes(case: Case) -> None:
    op, inputs = case
    cost = operator_cost(op, *inputs)
    weights = sum(prod(shape) for shape in op.weight_shapes(*inputs).values())
    passes = 3 if isinstance(op, AdaptiveNorm) else 1  # mean, variance, result
    assert cost.parameters == weights
    assert cost.values_read == passes * sum(map(prod, inputs)) + weights
    assert cost.values_written == prod(op.output_shape(*inputs))


HAND_COUNTS = {
    "strided, 6x8 to 3x4 positions": (
        Conv2D(features=5, kernel_size=(3, 2), stride=(2, 2)),
        (6, 8, 4),
        3 * 4 * 5 * 6 * 4,
    ),
    "strided, odd, 7x9 to 4x3": (DepthwiseConv2D(kernel_size=(3, 3), stride=(2, 3)), (7, 9, 2), 4 * 3 * 2 * 9),
    "dilated, taps beyond the border count": (
        Conv2D(features=2, kernel_size=(3, 3), dilation=(16, 16)),
        (4, 5, 3),
        4 * 5 * 2 * 9 * 3,
    ),
    "dilated, valid, 9x11 to 5x3": (
        Conv2D(features=2, kernel_size=(3, 3), dilation=(2, 4), padding="valid"),
        (9, 11, 1),
        5 * 3 * 2 * 9,
    ),
    "depthwise, no product across channels": (DepthwiseConv2D(kernel_size=(3, 3)), (4, 5, 7), 4 * 5 * 7 * 9),
    "transposed, at input positions": (
        Conv2DTranspose(features=3, kernel_size=(4, 4), stride=(2, 2)),
        (5, 6, 2),
        5 * 6 * 2 * 16 * 3,
    ),
    "depthwise transposed, cropped products count": (
        DepthwiseConv2DTranspose(kernel_size=(4, 4), stride=(2, 2), use_bias=False, fixed=TENT),
        (5, 6, 3),
        5 * 6 * 3 * 16,
    ),
    "bilinear, rows 2x3 to 4x3, then columns 4x6": (
        Resize(height=4, width=6, method="bilinear"),
        (2, 3, 1),
        4 * 3 * 2 + 4 * 6 * 2,
    ),
    "pyramid down, rows 5x6 to 3x6 by 5 taps, then columns 3x3": (
        Resize(height=3, width=3, method="pyramid_down"),
        (5, 6, 2),
        3 * 6 * 2 * 5 + 3 * 3 * 2 * 5,
    ),
    "pyramid up, rows 3x3 to 5x3 by 3 taps, then columns 5x6": (
        Resize(height=5, width=6, method="pyramid_up"),
        (3, 3, 2),
        5 * 3 * 2 * 3 + 5 * 6 * 2 * 3,
    ),
    "area, 6x6 to 2x2": (Resize(height=2, width=2, method="area"), (6, 6, 1), 2 * 6 * 3 + 2 * 2 * 3),
}


@pytest.mark.parametrize(("op", "shape", "macs"), HAND_COUNTS.values(), ids=list(HAND_COUNTS))
def test_macs_equal_the_hand_count(op: Operator, shape: Shape, macs: int) -> None:
    assert operator_cost(op, shape).work.macs == macs
    assert counted_work(op, shape)["multiplications"] == macs


def test_exposure_quality_without_contrast_equals_the_hand_count() -> None:
    # Saturation: differences 3 +, squares 3 *, their sum 2 +, 1 /, root. Exposedness: distances 3 +, squares 3 *, their
    # sum 2 +, 1 *, exponential. Their product 1 *, the floor 1 +.
    work = operator_cost(ExposureQuality(measures=("saturation", "exposedness")), (2, 5, 3)).work
    assert work == Work(additions=110, multiplications=80, divisions=10, functions=20)


def test_fixed_kernel_is_resizing_and_learned_kernel_is_convolution() -> None:
    box = DepthwiseConv2DTranspose(kernel_size=(2, 2), stride=(2, 2), use_bias=False, fixed=BOX)
    fixed = operator_cost(box, (5, 6, 3))
    learned = operator_cost(replace(box, fixed=None), (5, 6, 3))
    assert fixed.work == Work(resizing_macs=360)
    assert learned.work == Work(convolution_macs=360)
    assert (fixed.parameters, learned.parameters) == (0, 12)


@pytest.mark.parametrize("model", sorted(MODELS))
def test_parameters_are_the_graph_s(model: str) -> None:
    graph = MODELS[model](16, 24)
    assert count(graph).parameters == graph.parameter_count


# What torch 2's FlopCounterMode counts for these networks, per pixel.
FLOP_COUNTER_MODE = {"lightfuse": 36_260, "deepfuse": 736_928, "mefnet": 52_320}


@pytest.mark.parametrize(("height", "width"), [(8, 8), (40, 24), (128, 192)])
@pytest.mark.parametrize("model", sorted(FLOP_COUNTER_MODE))
def test_flops_per_pixel_are_those_of_torch_flop_counter_mode(model: str, height: int, width: int) -> None:
    assert count(MODELS[model](height, width)).per_pixel(CONVENTIONS["paper"]) == FLOP_COUNTER_MODE[model]


def test_shared_weights_count_once_and_their_macs_twice() -> None:
    shared, apart = (count(deepfuse(8, 8, shared=value)) for value in (True, False))
    assert apart.parameters - shared.parameters == 3 * 3 * 32 + 5 * 5 * 32 * 64
    assert apart.work == shared.work
    assert [layer.shares for layer in shared.layers if layer.shares] == ["conv1", "conv2"]


def test_sums_over_layers_are_the_totals() -> None:
    cost = count(lightfuse(16, 24))
    for name, convention in CONVENTIONS.items():
        assert sum(convention.amount(layer.work) for layer in cost.layers) == cost.amount(convention), name
    assert cost.bytes_read == sum(layer.bytes_read for layer in cost.layers)
    assert cost.bytes_written == sum(layer.bytes_written for layer in cost.layers)


def test_bytes_scale_with_the_size_of_a_number() -> None:
    graph = lightfuse(16, 24)
    single, half = count(graph), count(graph, element_bytes=2)
    assert single.bytes_read == 2 * half.bytes_read
    assert single.work == half.work
    # detail1 reads 16*24*6 inputs and 6*256+256 weights, and writes 16*24*256.
    assert single.layers[0].bytes_read == 4 * (16 * 24 * 6 + 6 * 256 + 256)
    assert single.layers[0].bytes_written == 4 * 16 * 24 * 256


def test_receptive_fields_equal_the_hand_count() -> None:
    fields = {layer.name: layer.receptive_field for layer in count(deepfuse(64, 80)).layers}
    assert fields["under_conv1"] == {"under": (3, 3)}
    assert fields["over_conv2"] == {"over": (7, 7)}
    assert fields["fused"] == {"under": (27, 27), "over": (27, 27)}  # 1 + 2 + 4 + 6 + 4 + 4 + 6
    fields = {layer.name: layer.receptive_field for layer in count(MODELS["mefnet"](64, 80, normalise=False)).layers}
    assert fields["conv4"] == {"luma": (31, 31)}  # 1 + 2 * (1 + 2 + 4 + 8)
    assert fields["conv5"] == {"luma": (63, 63)}
    assert fields["weight_map"] == {"luma": (64, 65)}  # 65 where the picture has as many


def test_receptive_field_of_a_normalised_layer_is_the_whole_picture() -> None:
    layers = count(MODELS["mefnet"](33, 47)).layers[1:]
    assert all(layer.receptive_field == {"luma": (33, 47)} for layer in layers)


@pytest.mark.parametrize("size", [(64, 64), (640, 400)])
def test_the_receptive_field_is_told_input_by_input_whatever_the_size(size) -> None:
    """By hand: three halvings see 15 rows, bilinear enlarging by 8 mixes the neighbour's 8 more in."""
    fields = {layer.name: layer.receptive_field for layer in count(MODELS["tonefuse"](*size)).layers}
    assert fields["detail1_tone"] == {"exposures": (1, 1), "thumbnail": (16, 24)}
    assert fields["fused"]["thumbnail"] == (16, 24)
    assert fields["global3_depthwise"] == {"exposures": (15, 15)}


class Unheard(ReLU):
    """An operator without a rule."""


def test_count_rejects_an_operator_without_a_rule() -> None:
    b = GraphBuilder("odd")
    graph = b.build(b.add("act", Unheard(), b.input("picture", (4, 5, 3))))
    with pytest.raises(ValueError, match="Unheard: number of cost rules is 0, expected one in costmodel"):
        count(graph)


def test_count_rejects_empty_graphs_and_sizeless_numbers() -> None:
    with pytest.raises(ValueError, match="empty: number of nodes is 0, expected at least 1"):
        count(Graph(name="empty", inputs=(("x", (1, 1, 1)),), nodes=(), outputs=("x",)))
    with pytest.raises(ValueError, match="lightfuse: element_bytes is 0, expected at least 1"):
        count(lightfuse(8, 8), element_bytes=0)


@pytest.mark.parametrize("method", ["nearest", "bilinear", "pyramid_down", "pyramid_up"])
@pytest.mark.parametrize("n", [7, 12])
def test_what_resizing_reads_is_the_same_all_at_once_and_one_by_one(method, n):
    length = {"pyramid_down": (n + 1) // 2, "pyramid_up": 2 * n}.get(method, n + 5)
    op = Resize(height=length, width=length, method=method)
    first, stop = spans(op, 0, length, n)
    assert [*zip(first, stop, strict=True)] == [op.input_span(0, i, i + 1, n) for i in range(length)]
