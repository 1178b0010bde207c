"""The one progress bar, of every command that works for long: `fusing [#####.........] 3/12, 0:08 left`.

It is drawn on stderr where that is a terminal, and nowhere else; `--quiet` leaves it out.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

WIDTH = 24  # letters between the brackets
BETWEEN = 0.1  # seconds from one drawing to the next, at least


class Bar:
    """A bar that is drawn again and again on one line of a terminal.

    Parameters
    ----------
    task : str
        Name of the work, in front of the bar.
    stream : text file, optional
        Terminal to draw on; stderr when left out.
    quiet : bool
        Whether nothing is drawn.

    Examples
    --------
    >>> import io
    >>> bar = Bar("fusing", io.StringIO())  # no terminal
    >>> bar(1, 2)
    >>> bar.stream.getvalue()
    ''
    """

    def __init__(self, task: str, stream: TextIO | None = None, *, quiet: bool = False) -> None:
        self.task = task
        self.stream = stream or sys.stderr
        self.drawn = self.stream.isatty() and not quiet
        self._started = time.monotonic()
        self._first: int | None = None  # of what was done when the first report came: it was not done just now
        self._last = 0.0
        self._line = ""
        self._draw(task)

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """Draw how much is done, with a note behind it."""
        now = time.monotonic()
        if self._first is None:
            self._first, self._started = (done, now) if done > 1 else (0, self._started)
        if done < total and now - self._last < BETWEEN:
            return
        self._last = now
        filled = WIDTH * done // max(total, 1)
        line = f"{self.task} [{'#' * filled}{'.' * (WIDTH - filled)}] {done}/{total}"
        if self._first < done < total:
            line += f", {clock((now - self._started) / (done - self._first) * (total - done))} left"
        self._draw(line + (f", {note}" if note else ""))

    def say(self, line: str, stream: TextIO | None = None) -> None:
        """Print a line above the bar, on the bar's stream when no other is given."""
        kept = self._line
        self.clear()
        print(line, file=stream or self.stream, flush=True)
        self._draw(kept)

    def clear(self) -> None:
        """Take the bar off the terminal."""
        self._draw("")

    def _draw(self, line: str) -> None:
        self._line = line
        if self.drawn:
            self.stream.write(f"\r{line}\x1b[K")
            self.stream.flush()


@contextmanager
def progress_bar(task: str, *, quiet: bool = False) -> Iterator[Bar]:
    """Draw a bar while a block runs; yields the bar, to be called with (done, total)."""
    bar = Bar(task, quiet=quiet)
    try:
        yield bar
    finally:
        bar.clear()


def clock(seconds: float) -> str:
    """Return a time as minutes and seconds, with hours where there are any.

    Examples
    --------
    >>> clock(75), clock(3675)
    ('1:15', '1:01:15')
    """
    whole = round(seconds)
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"
