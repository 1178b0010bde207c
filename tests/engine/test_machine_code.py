"""Machine code that is kept: loaded without Numba, if nothing has changed, and from a folder of the user's alone."""

import os
import stat
import subprocess
import sys

import numpy as np
import pytest

from npfuse.engine import compiling, machine_code
from npfuse.engine.compiled import compiled, inner, telling_of_compiling
from npfuse.engine.machine_code import is_own, kept, read

POSIX = pytest.mark.skipif(os.name == "nt", reason="permissions are POSIX's")

MODULE = """
import sys
import numpy as np
from npfuse.engine.compiled import compiled, inner

FACTOR = 3

@inner
def times(number):
    return number * FACTOR

@compiled
def multiply(x, out):
    for i in range(len(x)):
        out[i] = times(x[i])

x, out = np.arange(5.0), np.zeros(5)
multiply(x, out)
print(*(int(number) for number in out), "numba" in sys.modules)
"""


def run_module(folder, caches) -> str:
    """Run the module in a process of its own; return what it prints."""
    done = subprocess.run(
        [sys.executable, "module.py"], cwd=folder, env=os.environ | {"NUMBA_CACHE_DIR": str(caches)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()


def test_a_later_process_needs_no_numba(tmp_path):
    (tmp_path / "module.py").write_text(MODULE)
    caches = tmp_path / "caches"
    assert run_module(tmp_path, caches) == "0 3 6 9 12 True"
    assert run_module(tmp_path, caches) == "0 3 6 9 12 False"
    (file,) = caches.iterdir()
    damaged = bytearray(file.read_bytes())
    damaged[-5] ^= 1
    file.write_bytes(damaged)
    assert run_module(tmp_path, caches) == "0 3 6 9 12 True"
    assert run_module(tmp_path, caches) == "0 3 6 9 12 False"


@POSIX
def test_a_folder_that_others_can_write_is_not_read(tmp_path):
    (tmp_path / "module.py").write_text(MODULE)
    caches = tmp_path / "caches"
    run_module(tmp_path, caches)
    for mode in (0o777, 0o775):
        caches.chmod(mode)
        environment = os.environ | {"NUMBA_CACHE_DIR": str(caches)}
        code = "from npfuse.engine import machine_code; print(machine_code.folder())"
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        assert done.stdout.strip() != str(caches)


@pytest.fixture
def caches(tmp_path, monkeypatch):
    """An empty folder for machine code."""
    monkeypatch.setattr(machine_code, "folder", lambda: tmp_path)
    return tmp_path


def test_machine_code_of_other_sources_is_not_taken(caches, monkeypatch):
    @compiled
    def fill(out):
        for i in range(len(out)):
            out[i] = 7

    out = np.zeros(3)
    fill(out)
    (file,) = caches.iterdir()
    name, kinds = file.name.partition("-")[0], ("<f8 1C",)
    assert kept(name, kinds) is not None
    monkeypatch.setattr(machine_code, "made_of", lambda: "something else")
    assert kept(name, kinds) is None


def test_what_is_no_kept_code_is_not_taken(caches):
    for content in (b"", b"no json\n", b"[]\n", b'{"made_of": 1}\n', b"\xff\xfe\n"):
        machine_code._path("a", ("i8",)).write_bytes(content)
        assert kept("a", ("i8",)) is None


def test_each_kind_of_arguments_is_compiled_once(caches):
    @compiled
    def fill(x, number, flag, out):
        for i in range(len(out)):
            out[i] = x[i] + number if flag else 0

    told = []
    with telling_of_compiling(lambda: told.append(1)):
        for dtype in (np.float32, np.float64, np.uint8, np.float32):
            x, out = np.arange(6, dtype=dtype), np.zeros(6, dtype)
            x.flags.writeable = False
            fill(x, dtype(2), True, out)
            assert out.tolist() == [2, 3, 4, 5, 6, 7]
            fill(x[::2], dtype(1), np.True_, out[:3])  # of another layout
            assert out.tolist()[:3] == [1, 3, 5]
    assert told == [1]
    assert len(list(caches.iterdir())) == 6


def test_functions_that_allocate_are_kept_too(caches):
    @compiled
    def reverse(x):
        copy = np.empty(len(x), x.dtype)
        for i in range(len(x)):
            copy[i] = x[len(x) - 1 - i]
        for i in range(len(x)):
            x[i] = copy[i]

    for _ in range(2):
        x = np.arange(4.0)
        reverse(x)
        assert x.tolist() == [3, 2, 1, 0]
        reverse._loaded.clear()  # the second time, it is loaded


@pytest.mark.parametrize("broken", ["_check_convention", "_object_of"])
def test_another_numba_is_left_to_compile_and_call_by_itself(caches, monkeypatch, broken):
    def fail(*arguments):
        raise compiling.OtherNumbaError("changed") if broken == "_check_convention" else AttributeError("changed")

    monkeypatch.setattr(compiling, broken, fail)

    @inner
    def twice(number):
        return number + number

    @compiled
    def fill(x, out):
        for i in range(len(out)):
            out[i] = twice(x[i])

    out = np.zeros(3)
    fill(np.arange(3.0), out)
    assert out.tolist() == [0, 2, 4]
    assert list(caches.iterdir()) == []


def test_what_cannot_be_called_says_so(caches):
    @compiled
    def length(x):
        return len(x)

    with pytest.raises(TypeError, match="length: returns int64, expected nothing"):
        length(np.zeros(3))
    with pytest.raises(TypeError, match="called from Python, expected a call in a compiled function"):
        inner(lambda x: x)(1)


@pytest.mark.parametrize(
    "argument", ["text", None, np.zeros(2, ">f4"), np.zeros(9, np.uint8)[1:].view("f8"), np.zeros(1, object)]
)
def test_other_arguments_are_refused(argument):
    with pytest.raises(TypeError, match="expected a"):
        read(argument, [], [])


@POSIX
def test_a_link_to_a_folder_is_not_own(tmp_path):
    (tmp_path / "folder").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    assert is_own(tmp_path / "folder")
    assert not is_own(tmp_path / "link")


@POSIX
def test_the_temporary_folder_is_the_user_s_own_and_told_once(tmp_path, monkeypatch):
    monkeypatch.setattr(machine_code.tempfile, "gettempdir", lambda: str(tmp_path))
    with pytest.warns(UserWarning, match="set NUMBA_CACHE_DIR to a folder of yours"):
        folder = machine_code.temporary_folder()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert machine_code.temporary_folder() == folder  # without a warning, which would be an error here


@POSIX
def test_a_temporary_folder_that_others_can_write_is_not_taken(tmp_path, monkeypatch):
    monkeypatch.setattr(machine_code.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(machine_code.tempfile, "tempdir", str(tmp_path))
    planted = tmp_path / f"npfuse-compiled-{os.getuid()}"
    planted.mkdir()
    planted.chmod(0o777)
    with pytest.warns(UserWarning, match="NUMBA_CACHE_DIR"):
        folder = machine_code.temporary_folder()
    assert folder != planted
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
