"""What decoders print past Python: dropped while it is not wanted, and only then."""

import os
import subprocess
import sys
import textwrap
import threading

import pytest

from npfuse.pictures.decoder_noise import heard, unheard


def test_what_is_printed_past_python_is_dropped_in_the_block_alone(capfd):
    os.write(2, b"before ")
    with unheard():
        os.write(1, b"lost")
        with unheard():
            os.write(2, b"lost")
        os.write(2, b"lost")
    os.write(2, b"after")
    assert capfd.readouterr() == ("", "before after")


def test_an_error_ends_it(capfd):
    with pytest.raises(ZeroDivisionError), unheard():
        raise ZeroDivisionError
    os.write(2, b"heard")
    assert capfd.readouterr().err == "heard"


def test_threads_that_overlap_leave_the_outputs_as_they_were(capfd):
    outputs = [os.fstat(output) for output in (1, 2)]
    barrier = threading.Barrier(8)

    def read():
        barrier.wait()
        for _ in range(50):
            with unheard():
                os.write(2, b"lost")

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [os.fstat(output).st_ino for output in (1, 2)] == [status.st_ino for status in outputs]
    assert capfd.readouterr() == ("", "")


def test_what_is_said_while_another_thread_reads_is_heard(capfd):
    with heard():
        os.write(2, b"one ")
    with unheard():
        os.write(2, b"lost")
        with heard():
            os.write(2, b"two ")
        os.write(2, b"lost")
    os.write(2, b"three")
    assert capfd.readouterr() == ("", "one two three")


BUFFERED = """
    import ctypes
    from npfuse.pictures.decoder_noise import unheard

    libc = ctypes.CDLL(None)
    libc.printf(b"before ")
    with unheard():
        libc.printf(b"lost")
    libc.printf(b"after")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="finds C's library under no name")
def test_what_c_has_not_written_yet_goes_where_it_was_meant_to():
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(BUFFERED)], capture_output=True, check=True)
    assert done.stdout == b"before after"


@pytest.mark.skipif(sys.platform == "win32", reason="closes a descriptor")
def test_a_closed_output_is_no_error():
    code = (
        "import os; os.close(2); from npfuse.pictures.decoder_noise import unheard\nwith unheard(): pass\nprint('done')"
    )
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True)
    assert done.stdout == b"done\n"
