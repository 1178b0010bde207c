"""Settings and fixtures of all tests."""

import importlib
import os

import pytest
from hypothesis import settings

# No deadline: the first call of a fast function compiles. The same number of examples everywhere, drawn anew in every
# run; a failure prints the blob that reproduces it.
settings.register_profile("npfuse", deadline=None, max_examples=100, print_blob=True)
settings.load_profile("npfuse")

# With oneDNN, TensorFlow 2.21 is no oracle: where pictures of one column are convolved by a kernel of two columns with
# stride 2, it reads memory that nobody wrote. The variable is read when TensorFlow is first imported.
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"


@pytest.fixture(scope="session")
def tf():
    """TensorFlow, imported by the first test that needs it; such tests are skipped where it is missing."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    return pytest.importorskip("tensorflow")


@pytest.fixture(scope="session")
def keras(tf):
    """Keras on TensorFlow."""
    return importlib.import_module("keras")
