"""What both command lines add to argparse, independent of the argparse version.

Two rules: what follows `--` is never an option, and a word like `-hunter2` is either a group of existing options or an
error. A mistyped key may begin with a hyphen; it must not be taken for `-h` followed by something else.

No message repeats an argument, since any of them may be a key.
"""

from __future__ import annotations

import abc
import argparse
import re
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

_Value = TypeVar("_Value")

# argparse looks for a translation of its headings, and imports the tables of all locales for that.
setattr(argparse, "_", str)  # noqa: B010 - a name that its stub does not have

# An argument of a process never contains a NUL, so nothing that was typed begins like this.
_DISGUISE: Final = "\0"
# What argparse takes for a value, and not for an option, if no option looks like one.
_NEGATIVE_NUMBER: Final = r"(?a:-\d+|-\d*\.\d+)"


class Configured(str):
    """The value of an option that a file of the user has, and not the command line."""

    __slots__ = ()


class StrictParser(argparse.ArgumentParser, abc.ABC):
    """A parser with its own rules for hyphens. Subclasses define `surplus` and `error`."""

    def parse(self, arguments: list[str]) -> dict[str, Any]:
        """Return the values by destination. Prints and exits only for options such as --help.

        Raises what `surplus` and `error` raise.
        """
        disguised = _disguise_operands(arguments)
        for argument in disguised:
            if not self._may_be_an_option(argument):
                self.surplus([argument])
        values, extra = self.parse_known_intermixed_args(disguised)
        if extra:
            self.surplus([_undisguised(each) for each in extra])
        return {name: _undisguised(value) for name, value in vars(values).items()}

    @abc.abstractmethod
    def surplus(self, arguments: list[str]) -> NoReturn:
        """Raise for unknown options and excess arguments."""

    def _may_be_an_option(self, argument: str) -> bool:
        """Return whether each letter of `-xyz` is an option, up to one that takes the rest as its value."""
        if argument.startswith("--") or not argument.startswith("-") or re.fullmatch(_NEGATIVE_NUMBER, argument):
            return True
        for letter in argument[1:]:
            action = self._option_string_actions.get(f"-{letter}")
            if action is None:
                return False
            if action.nargs != 0:
                return True
        return True


def add_option(
    parser: argparse._ActionsContainer, *flags: str, aliases: Sequence[str] = (), **settings: Any
) -> argparse.Action:
    """Add an option as `add_argument` does. The `aliases` work as well; neither help nor completion shows them."""
    action = parser.add_argument(*flags, **settings)
    for alias in aliases:  # one by one: an error names the one that was given
        parser.add_argument(alias, **settings | {"dest": action.dest, "help": argparse.SUPPRESS})
    return action


def shown_options(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield the options of a parser that its help shows."""
    for action in parser._actions:  # noqa: SLF001 - argparse has no public list of them
        if action.option_strings and action.help != argparse.SUPPRESS:
            yield action


def closest(word: str, known: Iterable[str]) -> str:
    """Return the one of the `known` words that resembles `word` most; empty if none does."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(word, list(known), n=1)), "")


def operand(kind: Callable[[str], _Value]) -> Callable[[str], _Value]:
    """Return the `type` of a positional argument that `kind` converts, also if it follows `--`."""
    return lambda text: kind(text.removeprefix(_DISGUISE))


def _disguise_operands(arguments: list[str]) -> list[str]:
    """Return the arguments without the first `--`, and everything after it marked as operands.

    The intermixed parsing of argparse forgets what followed `--`.
    """
    if "--" not in arguments:
        return arguments
    place = arguments.index("--")
    return arguments[:place] + [_DISGUISE + argument for argument in arguments[place + 1 :]]


def _undisguised(value: Any) -> Any:
    if isinstance(value, list):
        return [_undisguised(each) for each in value]
    return value.removeprefix(_DISGUISE) if isinstance(value, str) else value
