import io

from reference.progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_is_a_bar_on_a_terminal_and_a_line_an_epoch_elsewhere():
    told = {}
    for stream in (Terminal(), io.StringIO()):
        progress = Progress(2, 4, 5, stream)
        for epoch in (3, 4):
            for step in range(1, 6):
                progress.step(epoch, step, 0.25)
            progress.epoch(epoch, 0.125)
        told[type(stream)] = stream.getvalue()
    lines = told[io.StringIO].splitlines()
    assert [line.split(" s/step")[0][:25] for line in lines] == [
        "epoch 3/4 loss 0.1250 0.0",
        "epoch 4/4 loss 0.1250 0.0",
    ]
    assert "\r" not in told[io.StringIO]
    assert "\rtraining [##......................] 1/10, 0:00 left, epoch 3/4, loss 0.2500" in told[Terminal]
    assert "[########################] 10/10, epoch 4/4, loss 0.2500" in told[Terminal]
    assert told[Terminal].count("\n") == 2
