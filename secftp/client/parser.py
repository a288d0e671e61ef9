"""The parser under every verb: argparse with its mistakes made ours, and made silent about what was typed.

A key may stand on the command line, and whoever leaves out another argument moves it to that one's place. So no message
from here repeats an argument, whatever argparse would do: it names options that exist, and nothing else. What follows
`--` is never an option; argparse's intermixed parsing forgets that, so such arguments pass through it in disguise.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, Final, NoReturn

from secftp.client.terminal import print_output
from secftp.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

HELP_COLUMNS: Final = 80
# An argument of a process never holds a NUL, so nothing that was typed begins like this.
_DISGUISE: Final = "\0"


class Parser(argparse.ArgumentParser):
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

    def parse(self, arguments: list[str]) -> dict[str, Any]:
        """What was typed, by destination; raises `UsageError`. Prints and exits for --help alone."""
        arguments = _disguise_operands(arguments)
        self._check_short_options(arguments)
        values, extra = self.parse_known_intermixed_args(arguments)
        if extra:
            raise self._surplus(extra)
        return {name: _undisguised(value) for name, value in vars(values).items()}

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

    def _check_short_options(self, arguments: list[str]) -> None:
        """Refuse `-xyz` unless each letter is an option, up to one that takes the rest as its value.

        A mistyped key may begin with a letter that is one. What argparse does then differs between versions of Python.
        """
        for argument in arguments:
            if not argument.startswith("-") or argument.startswith("--"):
                continue
            for letter in argument[1:]:
                action = self._option_string_actions.get(f"-{letter}")
                if action is None:
                    raise self._surplus([argument])
                if action.nargs != 0:
                    break

    def _surplus(self, extra: list[str]) -> UsageError:
        """What to say of arguments that nobody wants; a part of a key with a blank in it may be among them."""
        options = [argument for argument in extra if argument.startswith("-")]
        if not options:
            return UsageError(
                "There are too many arguments.", hint=f"Put quotes around what has blanks. {self._see_help()}"
            )
        similar = closest(options[0].partition("=")[0], self._option_string_actions)
        if similar:
            return UsageError("There is no such option.", hint=f"Did you mean {similar}? {self._see_help()}")
        return UsageError(
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


def _disguise_operands(arguments: list[str]) -> list[str]:
    """The arguments without the first `--`, all after it recognisable as no options."""
    if "--" not in arguments:
        return arguments
    place = arguments.index("--")
    return arguments[:place] + [_DISGUISE + argument for argument in arguments[place + 1 :]]


def _undisguised(value: Any) -> Any:
    if isinstance(value, list):
        return [_undisguised(each) for each in value]
    return value.removeprefix(_DISGUISE) if isinstance(value, str) else value
