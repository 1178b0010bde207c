"""Every method has all its pieces; a failure names the ones that are missing."""

import inspect
import re
from dataclasses import fields
from pathlib import Path

import pytest

import npfuse
from npfuse.methods import METHODS, FormulaMethod, Method, NetworkMethod
from npfuse.models import MODELS
from npfuse.weights.loading import BUNDLED, bundled_names, load_weights
from tests.test_strip_memory import MEASURED

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "under-the-hood" / "methods.md").read_text()


def missing_pieces(name, method):
    """Return what a method lacks."""
    if method.name != name:
        yield f"its own name as key of METHODS (is {name})"
    module = method.jobs.__module__.rpartition(".")[2]
    if not (ROOT / f"tests/methods/test_{module}.py").is_file():
        yield f"tests/methods/test_{module}.py"
    if not re.search(rf"^\|[^|]*`{name}`", PAGE, re.MULTILINE):
        yield "a row in docs/under-the-hood/methods.md"
    if f'"{name}"' not in inspect.getdoc(npfuse.fuse):
        yield "its name in the docstring of npfuse.fuse"
    if (method.most_exposures is None) != (f'"{name}"' in inspect.getdoc(npfuse.fuse_stack).split("of more than")[0]):
        yield "its name, or no name, among the methods of any number in the docstring of npfuse.fuse_stack"
    if name not in {model for model, *_ in MEASURED}:
        yield "a fusion in tests/test_strip_memory.py whose memory is measured"
    if isinstance(method, NetworkMethod):
        if name not in MODELS:
            yield "its graph in npfuse.models.MODELS"
        if name not in bundled_names() and not method.weights_at:
            yield "bundled weights, or the place of other weights"
        if not (ROOT / f"tests/models/test_{name}.py").is_file():
            yield f"tests/models/test_{name}.py"


@pytest.mark.parametrize("name", METHODS)
def test_method_has_all_its_pieces(name):
    missing = list(missing_pieces(name, METHODS[name]))
    assert not missing, f"{name} lacks {', '.join(missing)}"


def test_memory_and_work_around_the_graph_have_no_default():
    required = {field.name for field in fields(Method) if field.default is field.default_factory}
    assert {"moments", "around", "most_exposures", "graph"} <= required


@pytest.mark.parametrize("name", bundled_names())
def test_bundled_weights_are_a_methods_and_have_a_card(name):
    assert load_weights(name).model in METHODS
    assert (BUNDLED / f"{name}.md").is_file(), f"{name}.npz lacks a model card, npfuse/bundled/{name}.md"


@pytest.mark.parametrize("name", METHODS)
def test_graph_fits_the_method(name):
    method = METHODS[name]
    graph = method.graph(*method.grid(56, 72))
    assert graph.name == name
    inputs = {key: shape[2] for key, shape in graph.inputs if key != "thumbnail"}
    if isinstance(method, FormulaMethod):
        assert graph.parameter_count == 0
    else:
        assert inputs == method.inputs


@pytest.mark.parametrize("name", METHODS)
def test_peak_holds_both_pictures_and_grows_with_them(name):
    small, large = (METHODS[name].peak(height, 640).bytes for height in (480, 960))
    assert 2 * 480 * 640 * 3 < small < large
