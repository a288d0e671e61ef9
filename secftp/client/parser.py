"""The parser under every verb: argparse with its mistakes made ours, and made silent about what was typed.

A key may stand on the command line, and whoever leaves out another argument moves it to that one's place. So no message
from here repeats an argument, whatever argparse would do: it names options that exist, and nothing else.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Final, NoReturn

from secftp.client.terminal import print_output
from secftp.command_line import StrictParser
from secftp.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

HELP_COLUMNS: Final = 80


class Parser(StrictParser):
    """The parser of one verb; `usage` is its line without the program and the verb."""

    def __init__(self, verb: str, *, usage: str, description: str, epilog: str) -> None:
        super().__init__(
            prog=f"secftp {verb}",
            usage=f"secftp {verb} {usage}",  # argparse would work it out anew for each intermixed parse
            description=description,
            epilog=epilog,
            allow_abbrev=False,
            formatter_class=_formatter,
        )

    def print_help(self, _file: object = None) -> None:
        """Print it to standard output, with a failure told as all of them are."""
        print_output(self.format_help())

    def error(self, message: str) -> NoReturn:
        """Raise instead of exiting. `message` may repeat an argument after its first colon, so that part is dropped."""
        subject, _, problem = message.partition(": ")
        if subject == "the following arguments are required":
            sentence = f"Something is missing: {problem}."
        elif subject.startswith("argument "):
            option = subject.removeprefix("argument ")
            sentence = f"{option} needs a value." if problem.startswith("expected") else f"{option} takes no value."
        else:
            sentence = "The arguments make no sense."
        raise UsageError(sentence, hint=self._see_help())

    def surplus(self, arguments: list[str]) -> NoReturn:
        """Raise for arguments that are not wanted; a part of a key with a blank in it may be among them."""
        options = [argument for argument in arguments if argument.startswith("-")]
        if not options:
            raise UsageError(
                "There are too many arguments.", hint=f"Put quotes around what has blanks. {self._see_help()}"
            )
        similar = closest(options[0].partition("=")[0], self._option_string_actions)
        if similar:
            raise UsageError("There is no such option.", hint=f"Did you mean {similar}? {self._see_help()}")
        raise UsageError(
            "There is no such option.",
            hint=f"A name or a key that begins with a hyphen goes after all options and --. {self._see_help()}",
        )

    def _see_help(self) -> str:
        return f"See {self.prog} --help."


def closest(word: str, known: Iterable[str]) -> str:
    """That of the `known` words which `word` most likely was meant to be; empty when there is none."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(word, list(known), n=1)), "")


def _formatter(prog: str) -> argparse.HelpFormatter:
    # argparse makes one for every argument that is added. Without a width each would ask for the terminal's, through
    # shutil and the compression libraries that it imports.
    return argparse.RawDescriptionHelpFormatter(prog, max_help_position=26, width=HELP_COLUMNS)
