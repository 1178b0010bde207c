"""The man page and the completion: made of the parser, with every command and option in them."""

import shutil
import subprocess

import pytest

from npfuse.cli import main, parser
from npfuse.commands.manual import every_command, man_page


def test_the_man_page_has_every_command_and_every_option():
    page = man_page(parser())
    commands = list(every_command(parser()))
    assert {"npfuse fuse", "npfuse weights show", "npfuse completion"} <= {name for name, _, _ in commands}
    for name, _, command in commands:
        assert f".SS {name}\n" in page
        for action in command._actions:
            assert all(option.replace("-", r"\-") in page for option in action.option_strings)
    fuse = page.partition(".SS npfuse fuse")[2].partition(".SS ")[0]
    assert "\\fBtone\\fR\n.TP\n\\fB\\-\\-brightness\\fR" in fuse  # by the groups of --help
    assert fuse.count(r"\-\-help") == 0


@pytest.mark.skipif(shutil.which("groff") is None, reason="needs groff")
def test_groff_reads_the_man_page_without_a_warning():
    done = subprocess.run(
        ["groff", "-man", "-Tascii", "-P-cbou", "-ww"],
        input=man_page(parser()).encode(),
        capture_output=True,
        check=True,
    )
    assert done.stderr == b""
    assert "which exposure each place" in " ".join(done.stdout.decode().split())


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_completion_knows_the_commands_and_their_options(shell, capsys):
    pytest.importorskip("shtab")
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert "evaluate" in script
    assert "convert-profiles" in script


def test_completion_says_which_package_it_needs(monkeypatch, capsys):
    monkeypatch.setitem(__import__("sys").modules, "shtab", None)
    assert main(["completion", "bash"]) == 2
    assert 'needs the package shtab; install it with: pip install "npfuse[shell]"' in capsys.readouterr().err
