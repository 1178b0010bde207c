"""Make the pages that are made of the source: API, commands, cards of the weights, gallery and figures.

Everything goes to docs/made, which git ignores. The gallery is kept while what it is made of stays the same.
"""

import argparse
import shutil
from collections.abc import Iterator
from pathlib import Path

import figures
import gallery

import npfuse
from npfuse.cli import parser
from npfuse.commands.manual import every_command
from npfuse.weights.loading import bundled_names

ROOT = Path(npfuse.__file__).parents[1]

# Pages of the API: title, one sentence, modules.
API = {
    "fusion": (
        "Fusing",
        "Pictures in, a picture out.",
        [f"npfuse.{name}" for name in ("fusion", "tone", "stacks", "picture_shares", "dask_arrays", "color")],
    ),
    "weights": ("Weights", "Loading, saving and converting weights.", "npfuse.weights"),
    "graphs": (
        "Graphs and models",
        "A network as data, and the runner.",
        ["npfuse.graph", "npfuse.run", "npfuse.models"],
    ),
    "operators": (
        "Operators",
        "Definitions in NumPy; `npfuse.fast` has a compiled twin of each.",
        ["npfuse.ops", "npfuse.padding"],
    ),
    "integers": (
        "Integers and vectors",
        "The network in integers, and the values of every layer in files.",
        ["npfuse.integer", "npfuse.integer_pair", "npfuse.vectors"],
    ),
    "exports": (
        "Exports",
        "Networks in other programs' files, and as a C program.",
        ["npfuse.exports.files", "npfuse.exports.c_header", "npfuse.c_program"],
    ),
    "methods": ("Methods", "The steps of each method around its graph.", "npfuse.methods"),
    "pictures": ("Pictures", "Reading and writing files.", "npfuse.pictures"),
    "pairs": ("Pairs in files", "Checks, alignment, batches and memory.", "npfuse.pairs"),
    "scoring": ("Scoring", "Metrics, evaluation, and pages for the browser.", ["npfuse.scoring", "npfuse.pages"]),
    "costmodel": ("Cost model", "Counting and predicting.", "costmodel"),
}


def make_all(folder: Path) -> None:
    """Write every made page into a folder."""
    for name in ("api", "cards"):
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).mkdir(parents=True)
    _api(folder / "api")
    _cards(folder / "cards")
    (folder / "commands.md").write_text("\n".join(_commands()), encoding="utf-8")
    figures.draw_all(folder / "figures")
    gallery.make(folder)


def _api(folder: Path) -> None:
    """Write a page for each group of modules."""
    for name, (title, told, places) in API.items():
        lines = [f"# {title}", "", told, ""]
        for module in _modules([places] if isinstance(places, str) else places):
            # A package only passes names of its modules on, which are described there.
            members = "" if ROOT.joinpath(*module.split(".")).is_dir() else "   :members:\n"
            lines += [f"## {module}", "", f"```{{eval-rst}}\n.. automodule:: {module}\n{members}```", ""]
        (folder / f"{name}.md").write_text("\n".join(lines), encoding="utf-8")


def _modules(places: list[str]) -> Iterator[str]:
    """Yield modules: those named, and of a package all public ones, by name."""
    for place in places:
        path = ROOT.joinpath(*place.split("."))
        if not path.is_dir():
            yield place
            continue
        yield place
        yield from (f"{place}.{file.stem}" for file in sorted(path.glob("*.py")) if not file.stem.startswith("_"))
        yield from _modules([f"{place}.{inner.parent.name}" for inner in sorted(path.glob("*/__init__.py"))])


def _cards(folder: Path) -> None:
    """Copy the cards of the weights that ship."""
    for name in bundled_names():
        shutil.copy(ROOT / "npfuse" / "bundled" / f"{name}.md", folder)


def _commands() -> Iterator[str]:
    """Yield the lines of the page of commands, from the parser that prints --help."""
    yield "# Commands\n"
    yield "As `npfuse COMMAND --help` prints them; `npfuse manual` prints a man page of the same.\n"
    for name, told, command in every_command(parser()):
        yield f"## {name}\n"
        yield f"{command.description or told.capitalize() + '.'}\n"
        command.formatter_class = lambda prog: argparse.HelpFormatter(prog, width=100)
        help_text = command.format_help()
        yield f"```text\n{help_text.rstrip()}\n```\n"


if __name__ == "__main__":
    make_all(Path(__file__).parent / "made")
