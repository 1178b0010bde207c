"""Progress of a training run on stderr: npfuse's bar on a terminal, one line an epoch elsewhere."""

import sys
import time

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

    def __init__(self, first_epoch, epochs, steps, stream=None):
        self.first_epoch, self.epochs, self.steps = first_epoch, epochs, steps
        self.bar = Bar("training", stream or sys.stderr)
        self.started = self.epoch_started = time.monotonic()

    def step(self, epoch, step, loss):
        """Step `step` (from 1) of epoch `epoch` (from 1) is done, with the mean loss of the epoch so far."""
        done = (epoch - 1 - self.first_epoch) * self.steps + step
        steps = (self.epochs - self.first_epoch) * self.steps
        self.bar(done, steps, f"epoch {epoch}/{self.epochs}, loss {loss:.4f}")

    def epoch(self, epoch, loss, note=""):
        """Epoch `epoch` is done."""
        now = time.monotonic()
        left = (now - self.started) / (epoch - self.first_epoch) * (self.epochs - epoch)
        per_step = (now - self.epoch_started) / self.steps
        self.epoch_started = now
        line = f"epoch {epoch}/{self.epochs} loss {loss:.4f} {per_step:.2f} s/step left {clock(left)}"
        self.line(line + (f" {note}" if note else ""))

    def line(self, text):
        """Write a line of its own."""
        self.bar.say(text)
