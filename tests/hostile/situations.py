"""What surrounds a fusion when things go wrong: odd paths, full disks, Ctrl-C; each is a command run in a folder.

Every situation begins in a folder of its own that holds `a.png` and `b.png`, and says what the exit status, the words
on stderr and the files afterwards are to be.
"""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from npfuse.pictures.reading import Picture, write_picture

ROOT = Path(__file__).parents[2]
FUSE = [sys.executable, "-m", "npfuse", "fuse", "--no-check"]
ODD_NAME = "nëw\nline 夜景.png"


@dataclass(frozen=True, kw_only=True)
class Situation:
    """A way for things to go wrong.

    Parameters
    ----------
    given : what, in words
    act : does it in a folder; returns the exit status and what was printed on stderr
    status : expected
    told : expected, a regular expression
    left : files there afterwards, besides those of the pair
    """

    given: str
    act: Callable[[Path], tuple[int, str]]
    status: int
    told: str
    left: tuple[str, ...] = ()


def write_pair(folder: Path, shape=(400, 500, 3)) -> None:
    rng = np.random.default_rng(0)
    for name, low in (("a.png", 0), ("b.png", 100)):
        write_picture(folder / name, Picture(pixels=rng.integers(low, low + 100, shape, np.uint8)), overwrite=True)


def run(folder: Path, *arguments: str, **options) -> tuple[int, str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [*FUSE, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, timeout=300, **options)
    return done.returncode, done.stderr


def fuse_to(output: str, *more: str) -> Callable[[Path], tuple[int, str]]:
    return lambda folder: run(folder, "a.png", "b.png", "-o", output, *more)


def of_shape(*shape: int) -> Callable[[Path], tuple[int, str]]:
    def act(folder: Path) -> tuple[int, str]:
        write_pair(folder, shape)
        return run(folder, "a.png", "b.png", "-o", "out.png")

    return act


UNPRIVILEGED = """
    import ctypes, os, sys
    from npfuse.cli import main

    if os.geteuid() == 0:  # who may write anywhere, but without capabilities (Linux's capset, version 3) is as others
        assert ctypes.CDLL(None).capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()) == 0
    sys.exit(main(sys.argv[1:]))
"""


def into_a_read_only_folder(folder: Path) -> tuple[int, str]:
    """Without the right to write anywhere, where this user has it."""
    (folder / "locked").mkdir(mode=0o555)
    code = textwrap.dedent(UNPRIVILEGED)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code, "fuse", "a.png", "b.png", "-o", "locked/out.png"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, timeout=300)
    return done.returncode, done.stderr


def from_a_folder(folder: Path) -> tuple[int, str]:
    (folder / "c.png").mkdir()
    return run(folder, "c.png", "b.png", "-o", "out.png")


def over_an_input(folder: Path) -> tuple[int, str]:
    before = (folder / "b.png").read_bytes()
    status, told = run(folder, "a.png", "b.png", "-o", "a.png", "--force")
    assert (folder / "b.png").read_bytes() == before
    return status, told


FULL_DISK = """
    import resource, signal, sys
    from npfuse.cli import main

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    main(["check", "a.png", "b.png"])
    import npfuse
    import numpy as np
    npfuse.fuse(np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8, 3), np.uint8))  # compiled code is kept in files
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    sys.exit(main(["fuse", "a.png", "b.png", "-o", sys.argv[1], "--no-check"]))
"""


def onto_a_full_disk(output: str) -> Callable[[Path], tuple[int, str]]:
    def act(folder: Path) -> tuple[int, str]:
        command = [sys.executable, "-c", textwrap.dedent(FULL_DISK), output]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, timeout=300)
        return done.returncode, done.stderr

    return act


INTERRUPTED = """
    import signal, sys
    import npfuse.pairs.file_fusion
    from npfuse.cli import main

    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background

    fuse = npfuse.pairs.file_fusion.fused_in_order

    def fuse_for_ever(*arguments, **options):
        print("fusing", flush=True)
        while True:
            fuse(*arguments, **options)

    npfuse.pairs.file_fusion.fused_in_order = fuse_for_ever
    sys.exit(main(["fuse", "a.png", "b.png", "-o", "out.png", "--no-check"]))
"""


def interrupted_by_ctrl_c(folder: Path) -> tuple[int, str]:
    command = [sys.executable, "-c", textwrap.dedent(INTERRUPTED)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(command, text=True, cwd=folder, env=environment, **pipes)
    try:
        assert process.stdout.readline() == "fusing\n"
        time.sleep(0.5)  # somewhere in the middle of it; where does not matter
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=120)
    finally:
        process.kill()
    return process.returncode, told


NO_SPACE = r"cannot be written \([^\n]*\); nothing was changed"
SITUATIONS = [
    Situation(given="1x1 pixels", act=of_shape(1, 1, 3), status=0, told="", left=("out.png",)),
    Situation(given="1x65535 pixels", act=of_shape(1, 65535, 3), status=0, told="", left=("out.png",)),
    Situation(given="65535x1 pixels, grey", act=of_shape(65535, 1), status=0, told="", left=("out.png",)),
    Situation(given="output named with a newline", act=fuse_to(ODD_NAME), status=0, told="", left=(ODD_NAME,)),
    Situation(
        given="output without an extension", act=fuse_to("out"), status=2,
        told=r"extension is '', expected one of [^\n]*\.npy",
    ),
    Situation(given="output in a missing folder", act=fuse_to("no/out.png"), status=2, told="folder no does not exist"),
    Situation(
        given="output in a read-only folder", act=into_a_read_only_folder, status=2, told="locked is not writable",
        left=("locked",),
    ),
    Situation(given="output that exists", act=fuse_to("b.png"), status=2, told="exists already; choose another name"),
    Situation(given="output over an input, forced", act=over_an_input, status=0, told=""),
    Situation(given="output to a device", act=fuse_to("/dev/null", "--force"), status=2, told="extension is ''"),
    Situation(
        given="input that is a folder", act=from_a_folder, status=2, told="is a folder, expected a picture file",
        left=("c.png",),
    ),
    Situation(
        given="input that is missing", act=lambda folder: run(folder, "a.png", "c.png", "-o", "out.png"), status=2,
        told="c.png: does not exist",
    ),
    *(
        Situation(given=f"disk full, {output}", act=onto_a_full_disk(output), status=2, told=f"{output}: {NO_SPACE}")
        for output in ("out.png", "out.jpg", "out.tif", "out.npy")
    ),
    Situation(
        given="Ctrl-C while fusing", act=interrupted_by_ctrl_c, status=130,
        told="interrupted; nothing was left half-written",
    ),
]  # fmt: skip
