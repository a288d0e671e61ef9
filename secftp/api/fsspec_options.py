"""Options of a file system for fsspec that come from its configuration, where each is a text.

fsspec reads files of the form ini and environment variables, and passes what they say on. Invariant: a text that is not
understood is an error; none is taken for true because it is not empty.
"""

from __future__ import annotations

from typing import Final

from secftp.api.arguments import require_bool
from secftp.errors import UsageError

_TRUTHS: Final = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}


def truth_of(name: str, value: object) -> bool:
    """Return a truth value, also one that is a text as in ini files; raises `UsageError` for anything else."""
    if not isinstance(value, str):
        return require_bool(name, value)
    try:
        return _TRUTHS[value.strip().lower()]
    except KeyError:
        raise UsageError(f"The option {name} must be true or false.") from None


def number_of(name: str, value: float | str) -> float:
    """Return a number, also one that is a text; raises `UsageError` for any other text."""
    if not isinstance(value, str):
        return value
    try:
        return float(value)
    except ValueError:
        raise UsageError(f"The option {name} must be a number.") from None
