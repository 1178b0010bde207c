"""The command line: ``python -m reference train …``, ``… train-mef``, ``… score``, ``… validate``, ``… crosscheck``.

Options are read before Keras is imported, so that ``--help`` and mistakes in the options answer at once. Mistakes the
user can mend are one line on stderr and exit status 2; Ctrl-C says how to go on and exits with 130.
"""

import argparse
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from npfuse.pictures.reading import PictureError
from npfuse.weights.weights import WeightsError
from reference.errors import InputError
from reference.recipes import RECIPES

COMMANDS = {
    "train": "train LightFuse, T_CNN or ToneFuse on folders of scenes",
    "train-mef": "train DeepFuse or MEF-Net on folders of scenes",
    "score": "score weights on scenes, or train and score a leave-scenes-out",
    "validate": "score weights on the scenes for validation, pair by pair",
    "crosscheck": "compare npfuse's engines with Keras",
}
CHANGEABLE = ("model", "hidden", "decoder", "loss", "epochs", "batch", "patch")  # of a recipe, by options


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand.

    Parameters
    ----------
    argv : list of str
        Arguments after the program's name; those of the process when left out.

    Returns
    -------
    int
        The exit status.
    """
    argv = sys.argv[1:] if argv is None else argv
    if not argv or argv[0] not in COMMANDS:
        if argv[:1] in (["-h"], ["--help"]):
            print("usage: python -m reference COMMAND …   (each has its own --help)\n")
            print("\n".join(f"  {name:<12}{told}" for name, told in COMMANDS.items()))
            return 0
        return _fail(f"expected a subcommand, one of {', '.join(COMMANDS)} (each has its own --help)")
    try:
        if argv[0] == "train":
            return train_command(argv[1:])
        if argv[0] == "train-mef":
            from reference.mef_training import main as train_mef

            return train_mef(argv[1:])
        if argv[0] == "score":
            from reference.score import main as score

            return score(argv[1:])
        if argv[0] == "validate":
            from reference.validation import main as validate

            return validate(argv[1:])
        from reference.crosscheck import main as crosscheck

        return crosscheck(argv[1:])
    except (InputError, WeightsError, PictureError) as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except KeyboardInterrupt:
        return 130
    except ImportError as error:
        if (error.name or "").split(".")[0] not in ("keras", "tensorflow"):
            raise
        return _fail(f'{error.name} is not installed: pip install "npfuse[keras]"')


def train_command(argv: Sequence[str]) -> int:
    """Read the options of ``train`` and train.

    Parameters
    ----------
    argv : list of str

    Returns
    -------
    int
        The exit status.
    """
    options = vars(train_parser().parse_args(argv))
    options["checkpoint"] = options["checkpoint"] or options["out"].with_name(options["out"].name + ".checkpoint")
    changed = {name: options.pop(name) for name in CHANGEABLE}
    options["recipe"] = replace(
        RECIPES[options["recipe"]], **{name: value for name, value in changed.items() if value is not None}
    )
    import keras

    from reference.train import Job, TrainingInterruptedError, train

    if keras.backend.backend() != "tensorflow":
        raise InputError(f"Keras's backend is {keras.backend.backend()}, training needs KERAS_BACKEND=tensorflow")
    try:
        train(Job(**options))
    except TrainingInterruptedError as interrupted:
        resume = shlex.join(["python", "-m", "reference", "train", *(a for a in argv if a != "--resume"), "--resume"])
        (done,) = interrupted.args
        print(file=sys.stderr)
        if done:
            print(f"interrupted; the checkpoint holds {done} epochs, go on with: {resume}", file=sys.stderr)
        else:
            print("interrupted before the end of the first epoch; there is no checkpoint", file=sys.stderr)
        return 130
    return 0


def train_parser() -> argparse.ArgumentParser:
    """Return the parser of ``train``: attributes of a `reference.train.Job` and of a recipe."""
    parser = _OneLineParser(
        prog="python -m reference train",
        description="Train LightFuse, T_CNN or ToneFuse on folders of scenes and write npfuse's weights file.",
    )
    add = parser.add_argument
    add(
        "--data",
        type=Path,
        nargs="+",
        required=True,
        metavar="DIR",
        help="scenes: DIR/<scene>/<exposures>, and label.jpg where there is one",
    )
    add("--out", type=Path, required=True, metavar="FILE.npz", help="the weights file to write")
    add("--recipe", choices=RECIPES, default="paper", help="how to train (default paper); see reference/recipes.py")
    add("--vgg-weights", type=Path, metavar="FILE", help="a local copy of Keras's VGG19 weights without the top")
    add("--seed", type=_natural, default=1, metavar="N")
    add("--hold-out", type=_names, default=(), metavar="NAME,NAME", help="scenes never trained on, only scored")
    add("--score-every", type=_natural, default=10, metavar="N", help="epochs between scores; 0: only at the end")
    add("--checkpoint", type=Path, metavar="DIR", help="folder of the checkpoint (default: FILE.npz.checkpoint)")
    add("--resume", action="store_true", help="go on from the checkpoint, up to --epochs in all")
    add("--force", action="store_true", help="overwrite --out, and a checkpoint that is not resumed")
    change = parser.add_argument_group("in place of the recipe's own").add_argument
    change("--model", choices=("lightfuse", "t_cnn", "tonefuse"))
    change("--hidden", type=_widths, metavar="N,N", help="hidden widths")
    change("--decoder", choices=("nearest", "bilinear", "transposed"), help="of lightfuse")
    change("--loss", choices=("plain", "vgg", "tone"), help="plain: L1 + MSE + (1 - SSIM); vgg: the paper's")
    change("--epochs", type=_positive, metavar="N")
    change("--batch", type=_positive, metavar="N")
    change("--patch", type=_patch, metavar="N", help="height and width of a patch or crop")
    return parser


class _OneLineParser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"reference: {message} (--help lists the options)\n")


def _widths(text: str) -> tuple[int, ...]:
    return tuple(_at_least(part, 1) for part in text.split(","))


def _positive(text: str) -> int:
    return _at_least(text, 1)


def _natural(text: str) -> int:
    return _at_least(text, 0)


def _at_least(text: str, least: int) -> int:
    if not text.strip().isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"{text}, expected a whole number of {least} or more")
    return int(text)


def _patch(text: str) -> int:
    value = _at_least(text, 16)
    if value % 8:
        raise argparse.ArgumentTypeError(f"{text}, expected a multiple of 8")
    return value


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for name in text.split(",") if name)


def _fail(message: str) -> int:
    print(f"reference: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
