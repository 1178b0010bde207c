"""The wheel: installed into an empty folder, it holds every module and every data file of the source."""

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("npfuse", "costmodel", "reference")

IMPORT_ALL = """
import importlib, sys
from pathlib import Path
folder, *names = sys.argv[1:]
sys.path.insert(0, folder)
for name in names:
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name.split(".")[0] in ("npfuse", "costmodel", "reference"):
            raise
        continue  # an extra that is not installed
    assert Path(module.__file__).is_relative_to(folder), module.__file__
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Build the wheel from a copy of the source, so that nothing is written beside it."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for name in (*PACKAGES, "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE"):
        for path in (ROOT / name).rglob("*") if (ROOT / name).is_dir() else [ROOT / name]:
            if path.is_file() and "__pycache__" not in path.parts:
                copy = source / path.relative_to(ROOT)
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(path.read_bytes())
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", folder, source], check=True)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_every_file_of_the_packages(wheel):
    wanted = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert held == wanted


def test_every_module_of_the_wheel_is_imported_from_an_empty_folder(wheel, tmp_path):
    with ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
        names = sorted(
            name.removesuffix("/__init__.py").removesuffix(".py").replace("/", ".")
            for name in archive.namelist()
            if name.endswith(".py") and not name.endswith("__main__.py")
        )
    assert len(names) > 150
    subprocess.run([sys.executable, "-W", "error", "-c", IMPORT_ALL, tmp_path, *names], check=True, cwd=tmp_path)
