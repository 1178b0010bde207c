"""Progress of a training run on stderr: npfuse's bar on a terminal, one line per epoch elsewhere."""

import sys
import time
from typing import TextIO

from npfuse.progress import Bar, clock


class Progress:
    """Report steps and epochs.

    Parameters
    ----------
    first_epoch, epochs, steps : int
        Epochs already done, epochs in all, steps in one epoch.
    stream : text file
        Where to write; stderr when left out.
    """

    def __init__(self, first_epoch: int, epochs: int, steps: int, stream: TextIO | None = None) -> None:
        self.first_epoch, self.epochs, self.steps = first_epoch, epochs, steps
        self.bar = Bar("training", stream or sys.stderr)
        self.started = self.epoch_started = time.monotonic()

    def step(self, epoch: int, step: int, loss: float) -> None:
        """Report that a step of an epoch is done, both counted from 1, with the mean loss of the epoch so far."""
        done = (epoch - 1 - self.first_epoch) * self.steps + step
        steps = (self.epochs - self.first_epoch) * self.steps
        self.bar(done, steps, f"epoch {epoch}/{self.epochs}, loss {loss:.4f}")

    def epoch(self, epoch: int, loss: float, note: str = "") -> None:
        """Report that epoch `epoch` is done."""
        now = time.monotonic()
        left = (now - self.started) / (epoch - self.first_epoch) * (self.epochs - epoch)
        per_step = (now - self.epoch_started) / self.steps
        self.epoch_started = now
        line = f"epoch {epoch}/{self.epochs} loss {loss:.4f} {per_step:.2f} s/step left {clock(left)}"
        self.line(line + (f" {note}" if note else ""))

    def line(self, text: str) -> None:
        """Write a line of its own."""
        self.bar.say(text)
