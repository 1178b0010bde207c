"""The command `npfuse`, also `python -m npfuse`: fuse two picture files, try the examples, look after weights files.

Every error that a user can cause is one line on stderr and exit status 2; nothing is written then.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version

from npfuse.commands import batch, check, compare, demo, evaluate, fuse, manual, vectors, weights
from npfuse.pictures.picture import one_line

USER_ERROR, INTERRUPTED = 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status.

    Examples
    --------
    >>> main(["weights", "list"])
    deepfuse     DeepFuse     316,976 parameters
    lightfuse    LightFuse    18,630 parameters
    mefnet       MEF-Net      26,461 parameters
    t_cnn        T_CNN        21,369 parameters
    tonefuse     ToneFuse     5,956 parameters (default)
    0
    """
    arguments = parser().parse_args(argv)
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
        print(f"npfuse: {one_line(str(error), 2000)}", file=sys.stderr)
        return USER_ERROR
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line, of which the man page and the completion are made, too."""
    made = argparse.ArgumentParser(
        prog="npfuse", description="Fuse an under- and an over-exposed photograph of one scene into one good picture."
    )
    made.add_argument("--version", action="version", version=f"npfuse {version('npfuse')}")
    commands = made.add_subparsers(required=True, metavar="COMMAND")

    for command in (fuse, check, batch, compare, evaluate, demo, weights, vectors):
        command.add(commands)
    manual.add(commands, parser)
    return made
