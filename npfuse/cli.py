"""The command `npfuse`, also `python -m npfuse`, with its commands within.

Every error that a user can cause is one line on stderr and exit status 2; nothing is written then.
"""

import argparse
import gc
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

USER_ERROR, INTERRUPTED = 2, 130
NEW_OBJECTS = 10_000  # after which Python looks for garbage; by default 700, which loading modules makes in a moment
# The modules in `npfuse.commands`, each with the commands that it adds, as `--help` lists them.
COMMANDS = {
    "fuse": ("fuse",),
    "check": ("check",),
    "batch": ("batch",),
    "compare": ("compare", "rank", "figure"),
    "evaluate": ("evaluate",),
    "demo": ("demo",),
    "weights": ("weights",),
    "vectors": ("vectors",),
    "manual": ("manual", "completion"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status.

    Examples
    --------
    >>> main(["weights", "list"])
    deepfuse     DeepFuse     316,976 parameters
    lightfuse    LightFuse    18,630 parameters
    mefnet       MEF-Net      26,461 parameters
    t_cnn        T_CNN        21,369 parameters
    tonefuse     ToneFuse     5,380 parameters (default)
    0
    """
    if argv is None:  # a process of its own
        gc.set_threshold(NEW_OBJECTS)
    given = list(sys.argv[1:] if argv is None else argv)
    made = parser(given[0] if given else None)
    if not given:
        made.print_help(sys.stderr)
        return USER_ERROR
    arguments = made.parse_args(given)
    try:
        run: Callable[[argparse.Namespace], int | None] = arguments.run
        return run(arguments) or 0
    except BrokenPipeError:  # what read our output has ended: no fault, but nothing more can be written
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        print("npfuse: interrupted; nothing was left half-written", file=sys.stderr)
        return INTERRUPTED
    except MemoryError:
        print("npfuse: not enough memory for pictures of this size", file=sys.stderr)
        return USER_ERROR
    except (ValueError, TypeError, OSError) as error:
        from npfuse.pictures.picture import one_line

        print(f"npfuse: {one_line(str(error), 2000)}", file=sys.stderr)
        return USER_ERROR
    return 0


class _Version(argparse.Action):
    """Prints the version, which is looked up only then."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from npfuse import __version__

        print(f"npfuse {__version__}")
        parser.exit()


def parser(command: str | None = None) -> argparse.ArgumentParser:
    """Return the parser of the command line, of which the man page and the completion are made, too.

    Parameters
    ----------
    command : the only command that will be parsed, if known: others, and all that they need, are then not loaded
    """
    made = argparse.ArgumentParser(
        prog="npfuse",
        description="Fuse an under- and an over-exposed photograph of one scene into one good picture.",
        epilog="npfuse COMMAND --help tells all about a command. Exit status: 0 done; 1 faults or failures, which are "
        "listed (check, batch, evaluate); 2 an error, told in one line.",
    )
    made.add_argument("--version", nargs=0, action=_Version, help="show program's version number and exit")
    commands = made.add_subparsers(required=True, metavar="COMMAND")
    known = command == "--version" or any(command in names for names in COMMANDS.values())
    for module, names in COMMANDS.items():
        if not known or command in names:
            add = import_module(f"npfuse.commands.{module}").add
            add(commands, parser) if module == "manual" else add(commands)
    return made
