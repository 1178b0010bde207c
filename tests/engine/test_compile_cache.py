"""Where compiled functions are kept when no usual folder can be written."""

import os
import stat
import subprocess
import sys

import pytest

from npfuse.engine import compiled

POSIX = pytest.mark.skipif(os.name == "nt", reason="permissions are POSIX's")


@POSIX
def test_the_temporary_cache_is_the_user_s_own_and_told_once(tmp_path, monkeypatch):
    monkeypatch.setattr(compiled.tempfile, "gettempdir", lambda: str(tmp_path))
    with pytest.warns(UserWarning, match="set NUMBA_CACHE_DIR to a folder of yours"):
        folder = compiled.temporary_cache()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert compiled.temporary_cache() == folder  # without a warning, which would be an error here


@POSIX
def test_a_folder_that_others_can_write_is_not_taken(tmp_path, monkeypatch):
    monkeypatch.setattr(compiled.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(compiled.tempfile, "tempdir", str(tmp_path))
    planted = tmp_path / f"npfuse-compiled-{os.getuid()}"
    planted.mkdir()
    planted.chmod(0o777)
    with pytest.warns(UserWarning, match="NUMBA_CACHE_DIR"):
        folder = compiled.temporary_cache()
    assert folder != planted
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


MODULE = """
from npfuse.engine.compiled import compiled

@compiled
def one_more(x):
    return x + 1

assert one_more(1) == 2
"""


@POSIX
def test_where_numba_finds_no_folder_the_temporary_one_is_used(tmp_path):
    (tmp_path / "temporary").mkdir()
    # As good as folders that cannot be written: root can write them all.
    code = (
        "import numba.core.caching as c; all_ = c.CacheImpl._locator_classes; "
        "c.CacheImpl._locator_classes = [one for one in all_ if 'UserProvided' in one.__name__]; "
    )
    (tmp_path / "module.py").write_text(MODULE)
    environment = {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"} | {
        "TMPDIR": str(tmp_path / "temporary")
    }
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", code + "import module"],
        cwd=tmp_path, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "NUMBA_CACHE_DIR" in done.stderr
    assert list((tmp_path / "temporary").glob("npfuse-compiled-*/**/*.nbi"))
