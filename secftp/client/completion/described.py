"""What the scripts complete: commands and their options, as the parsers have them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from secftp.client.commands import COMMANDS, load
from secftp.command_line import shown_options

if TYPE_CHECKING:
    import argparse


class DescribedOption(NamedTuple):
    """An option of a command: its names, the metavar of its value (None: it takes none), and its help.

    `choices`: the only values that there are, if the parser knows them.
    """

    names: tuple[str, ...]
    value: str | None
    help: str
    choices: tuple[str, ...] = ()


class DescribedCommand(NamedTuple):
    """A command with the first sentence of its description and its options."""

    name: str
    summary: str
    options: tuple[DescribedOption, ...]


def describe_commands() -> list[DescribedCommand]:
    """Return all commands, from their parsers."""
    return [describe(name, load(name).parser()) for name in COMMANDS]


def describe(name: str, parser: argparse.ArgumentParser) -> DescribedCommand:
    """Return a command, from its parser."""
    summary = (parser.description or "").partition(". ")[0].removesuffix(".")
    options = (
        DescribedOption(
            tuple(action.option_strings),
            None if action.nargs == 0 else str(action.metavar),
            action.help or "",
            tuple(map(str, action.choices or ())),
        )
        for action in shown_options(parser)
    )
    return DescribedCommand(name, summary, tuple(options))
