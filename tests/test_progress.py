"""The progress bar: on a terminal only, and lines above it."""

import io

import pytest

from npfuse.progress import Bar, progress_bar


class Terminal(io.StringIO):
    def isatty(self):
        return True


def seen(text):
    """Return the lines that a terminal shows in the end."""
    return [line.split("\r")[-1].replace("\x1b[K", "") for line in text.split("\n")]


def test_a_bar_says_the_task_how_much_is_done_and_how_long_it_takes():
    stream = Terminal()
    bar = Bar("fusing", stream)
    bar(1, 4)
    assert seen(stream.getvalue()) == ["fusing [######..................] 1/4, 0:00 left"]
    bar(4, 4, "loss 0.5")
    assert seen(stream.getvalue()) == ["fusing [########################] 4/4, loss 0.5"]


@pytest.mark.parametrize(("stream", "quiet"), [(io.StringIO(), False), (Terminal(), True)])
def test_nothing_is_drawn_where_there_is_no_terminal_or_quiet_is_asked_for(stream, quiet):
    bar = Bar("fusing", stream, quiet=quiet)
    bar(1, 2)
    bar.say("a warning")
    bar.clear()
    assert stream.getvalue() == "a warning\n"


def test_a_line_is_printed_above_the_bar():
    stream = Terminal()
    bar = Bar("fusing", stream)
    bar(1, 2)
    bar.say("one is done")
    assert seen(stream.getvalue()) == ["one is done", "fusing [############............] 1/2, 0:00 left"]


def test_the_bar_is_gone_when_the_work_is_done_or_has_failed(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    with pytest.raises(ZeroDivisionError), progress_bar("fusing") as bar:
        bar(1 // 0, 2)
    assert seen(stream.getvalue()) == [""]


def test_work_that_goes_on_where_it_was_stopped_is_not_taken_for_fast():
    stream = Terminal()
    bar = Bar("evaluating", stream)
    bar(900, 1000)  # done before
    assert "left" not in stream.getvalue()
