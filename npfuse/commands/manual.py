"""The commands `npfuse manual` and `npfuse completion`: the man page and the shell's completion, from the parser.

The parser that prints `--help` is the only description of the command line; both are made from it.
"""

import argparse
from collections.abc import Callable, Iterator
from importlib.metadata import version

from npfuse.commands.console import Commands

SHELLS = ("bash", "zsh", "tcsh")
Parser = argparse.ArgumentParser


def add(commands: Commands, parser: Callable[[], Parser]) -> None:
    """Add the commands' parsers; `parser` makes that of the whole command line."""
    command = commands.add_parser(
        "manual", help="print the man page; read it with: npfuse manual > npfuse.1 && man ./npfuse.1"
    )
    command.set_defaults(run=lambda arguments: print(man_page(parser())))
    command = commands.add_parser(
        "completion",
        help="print a script that completes commands and options in a shell",
        description="Print a completion script, which a shell reads at its start: "
        "npfuse completion bash > ~/.local/share/bash-completion/completions/npfuse",
    )
    command.add_argument("shell", choices=SHELLS)
    command.set_defaults(run=lambda arguments: print(_completion(parser(), arguments.shell)))


def every_command(parser: Parser) -> Iterator[tuple[str, str, Parser]]:
    """Yield the name, the line of help and the parser of every command, in order, sub-commands included."""
    for action in parser._actions:  # argparse has no public way to its sub-commands
        if isinstance(action, argparse._SubParsersAction):
            helps = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for name, command in action.choices.items():
                yield command.prog, helps.get(name, ""), command
                yield from every_command(command)


def man_page(parser: Parser) -> str:
    r"""Return the man page, in roff.

    Examples
    --------
    >>> parser = argparse.ArgumentParser(prog="see", description="See.")
    >>> _ = parser.add_argument("-x", metavar="N", help="a number")
    >>> print(man_page(parser).partition(".SH OPTIONS")[2].strip())
    .TP
    \fB\-h\fR, \fB\-\-help\fR
    show this help message and exit
    .TP
    \fB\-x\fR \fIN\fR
    a number
    """
    name = parser.prog
    lines = [f'.TH {name.upper()} 1 "" "{name} {version("npfuse")}"', ".ad l", ".nh", ".SH NAME"]
    lines += [f"{name} \\- {_roff((parser.description or '').rstrip('.'))}", ".SH SYNOPSIS"]
    lines += [_roff(" ".join(parser.format_usage().split()).removeprefix("usage: "))]
    if parser.epilog:
        lines += [".SH DESCRIPTION", _roff(parser.epilog)]
    lines += [".SH OPTIONS", *_options(parser)]
    commands = list(every_command(parser))
    if commands:
        lines.append(".SH COMMANDS")
    for title, told, command in commands:
        lines += [f".SS {_roff(title)}", _roff(command.description or told), ".PP"]
        lines += [f"\\fB{_roff(' '.join(command.format_usage().split()).removeprefix('usage: '))}\\fR"]
        lines += _options(command, help_option=False)
    return "\n".join(lines)


def _options(parser: Parser, *, help_option: bool = True) -> Iterator[str]:
    """Yield the lines on a parser's arguments, by the groups in which `--help` lists them."""
    formatter = parser._get_formatter()
    for place, group in enumerate(parser._action_groups):
        actions = [
            action
            for action in group._group_actions
            if not isinstance(action, argparse._SubParsersAction)
            and action.help != argparse.SUPPRESS
            and (help_option or not isinstance(action, argparse._HelpAction))
        ]
        if place > 1 and actions:  # the first two are those of every parser
            yield from (".PP", f"\\fB{_roff(group.title or '')}\\fR")
        for action in actions:
            names = ", ".join(f"\\fB{_roff(name)}\\fR" for name in action.option_strings)
            kind = "optional" if names else "positional"
            metavar = getattr(formatter, f"_get_default_metavar_for_{kind}")(action)
            value = "" if action.nargs == 0 else formatter._format_args(action, metavar)
            yield ".TP"
            yield " ".join(filter(None, [names, f"\\fI{_roff(value)}\\fR" if value else ""]))
            yield _roff(formatter._expand_help(action)) if action.help else "\\&"


def _roff(text: str) -> str:
    """Return text escaped for roff, so that none of its letters is an instruction."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{escaped}" if escaped[:1] in (".", "'") else escaped


def _completion(parser: Parser, shell: str) -> str:
    try:
        import shtab
    except ImportError:
        raise ValueError('completion needs the package shtab; install it with: pip install "npfuse[shell]"') from None
    for _, _, command in [("", "", parser), *every_command(parser)]:
        for action in command._actions:
            if action.type is not None and getattr(action.type, "__name__", "") == "Path":
                action.complete = shtab.FILE  # type: ignore[attr-defined]
    script: str = shtab.complete(parser, shell)
    return script
