"""What is loaded for what: a command loads no more than it needs, for users wait for it."""

import subprocess
import sys

import numpy as np
import pytest

import npfuse
from npfuse.cli import COMMANDS, parser
from npfuse.commands.manual import every_command
from npfuse.pictures.picture import Picture
from npfuse.pictures.writing import write_picture


def loaded(code: str) -> set[str]:
    """Return the modules that a new process has loaded after some code."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint('modules:', *sys.modules)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return set(done.stdout.split("modules:")[1].split())


def test_the_package_by_itself_loads_nothing():
    modules = loaded("import npfuse")
    assert {name for name in modules if name.startswith("npfuse.")} == set()
    assert "numpy" not in modules


@pytest.mark.parametrize("name", [*npfuse.__all__, "__version__"])
def test_public_names_are_there_when_they_are_used(name):
    assert getattr(npfuse, name) is not None
    assert name in dir(npfuse)


def test_other_names_are_not():
    with pytest.raises(AttributeError, match="'npfuse' has no attribute 'merge'"):
        _ = npfuse.merge


def test_the_version_loads_no_command():
    code = "from npfuse.cli import main\ntry: main(['--version'])\nexcept SystemExit: pass"
    assert not loaded(code) & {"numpy", "numba", "scipy", "PIL", "npfuse.commands.fuse"}


@pytest.fixture
def pair(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 200, (60, 90, 3), np.uint8)
    for name, brighter in (("under", 0), ("over", 50)):
        write_picture(tmp_path / f"{name}.jpg", Picture(pixels=pixels + np.uint8(brighter)))
    return tmp_path


def test_fusing_two_jpegs_loads_only_what_that_needs(pair):
    code = (
        f"from npfuse.cli import main\n"
        f"assert main(['fuse', '{pair}/under.jpg', '{pair}/over.jpg', '-o', '{pair}/out.jpg', '-q', '--no-check']) == 0"
    )
    loaded(code)  # what has to be compiled the first time is kept
    modules = loaded(code.replace("'-q'", "'-q', '--force'"))
    assert not modules & {
        "numba",
        "scipy.ndimage",
        "imageio",
        "tifffile",
        "h5py",
        "asyncio",
        "multiprocessing",
        "email",
    }
    assert not {name for name in modules if name.startswith(("npfuse.scoring", "npfuse.pages", "npfuse.exports"))}


def test_every_command_is_found_by_its_name():
    everything = [title for title, _, _ in every_command(parser())]
    for names in COMMANDS.values():
        for name in names:
            assert f"npfuse {name}" in everything
            assert f"npfuse {name}" in [title for title, _, _ in every_command(parser(name))]
    assert {title.split()[1] for title in everything} == {name for names in COMMANDS.values() for name in names}
