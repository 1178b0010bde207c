"""Every operator has all its pieces; a failure names the ones that are missing.

To add an operator: its definition in npfuse/ops/, a line of import in npfuse/ops/__init__.py, its compiled twin in
npfuse/fast/, a rule in costmodel/rules.py, and its tests; then either its counterparts in the benchmarks and
exporters, or its name in LEFT_OUT below.
"""

import importlib.util
import inspect
import pkgutil
import re
from pathlib import Path

import pytest

import npfuse.fast
import npfuse.ops
from npfuse.fast import FAST
from npfuse.ops import DEFINITIONS, Operator, Window

TESTS = Path(__file__).parent
ROOT = TESTS.parents[1]

# Files with an entry an operator, and the operators that have none there, on purpose: the exports and benchmarks have
# the operators of the pair networks, DeepFuse and MEF-Net, and PyTorch's peer those of the pair networks.
EXPORT, BENCHMARK, PEER = "npfuse/exports/onnx_model.py", "bench/fast/bench_operators.py", "bench/peers/pytorch.py"
LEFT_OUT = {
    "AdaptiveNorm": {PEER},
    "Concatenate": {PEER},
    "Conv2D": {PEER},
    "Conv2DTranspose": {PEER},
    "Divide": {EXPORT, BENCHMARK, PEER},
    "ExposureQuality": {EXPORT, BENCHMARK, PEER},
    "LeakyReLU": {PEER},
    "Subtract": {EXPORT, BENCHMARK, PEER},
    "WeightedSum": {EXPORT, BENCHMARK, PEER},
}


def operators():
    """Yield (module name, class) for every operator that a module of npfuse.ops defines."""
    for found in pkgutil.iter_modules(npfuse.ops.__path__):
        module = importlib.import_module(f"npfuse.ops.{found.name}")
        for _, value in inspect.getmembers(module, inspect.isclass):
            own = value.__module__ == module.__name__ and issubclass(value, Operator)
            if own and value not in (Operator, Window):
                yield found.name, value


OPERATORS = dict(operators())


def is_there(module):
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def missing_pieces(name, op):
    """Return what an operator defined in npfuse/ops/<name>.py lacks."""
    if name != op.__name__.lower() and name.replace("_", "") != op.__name__.lower():
        yield f"a module named like {op.__name__} (is {name}.py)"
    for title, functions in (("npfuse.ops.DEFINITIONS", DEFINITIONS), ("npfuse.fast.FAST", FAST)):
        if op not in functions:
            yield f"an entry in {title}"
        elif functions[op].__name__ != name:
            yield f"a function named {name} in {title} (is {functions[op].__name__})"
    if op not in getattr(npfuse.ops, "__dict__", {}).values():
        yield "its name in npfuse.ops"
    if not is_there(f"npfuse.fast.{name}"):
        yield f"npfuse/fast/{name}.py"
    if not is_there("costmodel.rules"):
        yield "costmodel/rules.py"
    elif op not in importlib.import_module("costmodel.rules").RULES:
        yield "a rule in costmodel.rules.RULES"
    if not (TESTS / f"test_{name}.py").is_file():
        yield f"tests/ops/test_{name}.py"
    for file in sorted({EXPORT, BENCHMARK, PEER} - LEFT_OUT.get(op.__name__, set())):
        if not names(file, op.__name__):
            yield f"a counterpart in {file} (or this file in LEFT_OUT of tests/ops/test_every_operator.py)"
    strategies = importlib.import_module("tests.costmodel.test_counts").OPERATORS
    if op not in strategies:
        yield "a strategy in tests.costmodel.test_counts.OPERATORS, for its attributes"


def names(file, name):
    """Tell whether a file of the repository names a class; by its text, as it may import what is not installed."""
    return re.search(rf"\b{name}\b", (ROOT / file).read_text()) is not None


@pytest.mark.parametrize("name", OPERATORS)
def test_operator_has_all_its_pieces(name):
    missing = list(missing_pieces(name, OPERATORS[name]))
    assert not missing, f"{OPERATORS[name].__name__} lacks {', '.join(missing)}"


def test_operators_are_found():
    assert len(OPERATORS) >= 17
    assert set(OPERATORS.values()) == set(DEFINITIONS) == set(FAST)


def test_the_compiled_operators_are_those_defined_and_nothing_else():
    assert {module.name for module in pkgutil.iter_modules(npfuse.fast.__path__)} == OPERATORS.keys()


@pytest.mark.parametrize("name", LEFT_OUT)
def test_operators_that_are_left_out_are_not_there(name):
    assert name in {op.__name__ for op in DEFINITIONS}
    assert [file for file in sorted(LEFT_OUT[name]) if names(file, name)] == []


@pytest.mark.parametrize("op", DEFINITIONS)
def test_definition_and_fast_function_have_one_signature(op):
    assert inspect.signature(FAST[op]) == inspect.signature(DEFINITIONS[op])


@pytest.mark.parametrize("op", DEFINITIONS)
def test_attributes_are_taken_by_keyword_only(op):
    parameters = inspect.signature(DEFINITIONS[op]).parameters.values()
    for parameter in parameters:
        assert (parameter.kind is parameter.KEYWORD_ONLY) == (parameter.name in op.__dataclass_fields__), parameter
