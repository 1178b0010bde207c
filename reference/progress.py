"""Progress of a training run on stderr: a bar that is redrawn on a terminal, one line an epoch elsewhere."""

import sys
import time


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
        self.stream = stream or sys.stderr
        self.redraw = self.stream.isatty()
        self.started = self.epoch_started = time.monotonic()

    def step(self, epoch, step, loss):
        """Step `step` (from 1) of epoch `epoch` (from 1) is done, with the mean loss of the epoch so far."""
        if not self.redraw:
            return
        done = (epoch - 1 - self.first_epoch) * self.steps + step
        left = (self.epochs - self.first_epoch) * self.steps - done
        eta = (time.monotonic() - self.started) / done * left
        bar = ("#" * (20 * step // self.steps)).ljust(20, ".")
        line = f"epoch {epoch}/{self.epochs} [{bar}] step {step}/{self.steps} loss {loss:.4f} left {_clock(eta)}"
        self.stream.write("\r" + line.ljust(79))
        self.stream.flush()

    def epoch(self, epoch, loss, note=""):
        """Epoch `epoch` is done."""
        now = time.monotonic()
        eta = (now - self.started) / (epoch - self.first_epoch) * (self.epochs - epoch)
        per_step = (now - self.epoch_started) / self.steps
        self.epoch_started = now
        line = f"epoch {epoch}/{self.epochs} loss {loss:.4f} {per_step:.2f} s/step left {_clock(eta)}"
        self.line(line + (f" {note}" if note else ""))

    def line(self, text):
        """Write a line of its own."""
        self.stream.write(("\r" + text.ljust(79) if self.redraw else text) + "\n")
        self.stream.flush()


def _clock(seconds):
    seconds = round(seconds)
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
