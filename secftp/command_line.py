"""What both command lines need of argparse beyond what all of its versions do alike.

Two rules are kept here: what follows `--` is never an option, and a word like `-hunter2` is either a row of options
that exist or a mistake. A mistyped key may begin with a hyphen; it must never be taken for `-h` with something behind.

No argument is repeated in a message, since any of them may be a key.
"""

from __future__ import annotations

import abc
import argparse
import re
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_Value = TypeVar("_Value")

# An argument of a process never holds a NUL, so nothing that was typed begins like this.
_DISGUISE: Final = "\0"
# What argparse takes for a value, and not for an option, where no option looks so.
_NEGATIVE_NUMBER: Final = re.compile(r"-\d+|-\d*\.\d+", re.ASCII)


class StrictParser(argparse.ArgumentParser, abc.ABC):
    """A parser that treats hyphens by rules of its own. Subclasses define `surplus` and `error`."""

    def parse(self, arguments: list[str]) -> dict[str, Any]:
        """Return what was typed, by destination. Prints and exits for options such as --help alone.

        Raises what `surplus` and `error` raise, for arguments that make no sense.
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
        """Raise for arguments that are neither known options nor wanted otherwise."""

    def _may_be_an_option(self, argument: str) -> bool:
        """Tell whether each letter of `-xyz` is an option, up to one that takes the rest as its value."""
        if argument.startswith("--") or not argument.startswith("-") or _NEGATIVE_NUMBER.fullmatch(argument):
            return True
        for letter in argument[1:]:
            action = self._option_string_actions.get(f"-{letter}")
            if action is None:
                return False
            if action.nargs != 0:
                return True
        return True


def operand(kind: Callable[[str], _Value]) -> Callable[[str], _Value]:
    """Return the `type` of a positional argument that is to be read by `kind`, also where it stands after `--`."""
    return lambda text: kind(text.removeprefix(_DISGUISE))


def _disguise_operands(arguments: list[str]) -> list[str]:
    """Return the arguments without the first `--`, with all after it marked as no options.

    argparse's intermixed parsing forgets what followed `--`.
    """
    if "--" not in arguments:
        return arguments
    place = arguments.index("--")
    return arguments[:place] + [_DISGUISE + argument for argument in arguments[place + 1 :]]


def _undisguised(value: Any) -> Any:
    if isinstance(value, list):
        return [_undisguised(each) for each in value]
    return value.removeprefix(_DISGUISE) if isinstance(value, str) else value
