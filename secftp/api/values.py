"""Numbers, booleans and callbacks among the arguments of the API, checked before anything is done with them.

A value of the wrong type is as wrong as one that is out of bounds: both raise `UsageError`, a ValueError, with the name
of the argument and what it may be. The value itself is never repeated.
"""

from __future__ import annotations

import math
import operator
from typing import Final

from secftp.errors import UsageError

MAX_SIZE: Final = 2**63 - 1  # bytes, or nanoseconds in either direction
MAX_PERMISSIONS: Final = 0o7777
MAX_TIMEOUT: Final = 2_000_000  # seconds; more than poll(2) can wait, in milliseconds, is about 2,147,483


def require_bool(name: str, value: object) -> bool:
    """Return `value`, which must be a bool: the text "false" of a configuration file would count as true.

    Raises `UsageError`.
    """
    if not isinstance(value, bool):
        raise UsageError(f"{name} must be True or False, not {type(value).__name__}.")
    return value


def require_int(name: str, value: object, least: int, most: int | None = None, *, shown: str = "") -> int:
    """Return `value` as an int, which must be a whole number (of any type, but no bool) within these bounds.

    `shown` is what the message says of the bounds. Raises `UsageError`.
    """
    bounds = shown or (f"of at least {least}" if most is None else f"from {least} to {most:,}")
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise UsageError(f"{name} must be a whole number {bounds}, not {type(value).__name__}.")
    number = operator.index(value)
    if number < least or (most is not None and number > most):
        raise UsageError(f"{name} must be a whole number {bounds}.")
    return number


def require_size(name: str, value: object) -> int:
    """Return a number of bytes, or a position in a file; raises `UsageError`."""
    return require_int(name, value, 0, MAX_SIZE, shown="of bytes that is not negative")


def require_permissions(name: str, value: object) -> int:
    """Return permission bits; raises `UsageError`."""
    return require_int(name, value, 0, MAX_PERMISSIONS, shown="of permission bits, for example 0o644")


def require_number(name: str, value: object, most: float = math.inf, *, unit: str) -> float:
    """Return a number above 0, of at most `most`, that is not infinite; raises `UsageError`."""
    bound = f", at most {most:,}" if most < math.inf else ""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UsageError(f"{name} must be a positive number of {unit}{bound}, not {type(value).__name__}.")
    if not (0 < value <= most and value < math.inf):
        raise UsageError(f"{name} must be a positive number of {unit}{bound}.")
    return value


def require_text(name: str, value: object) -> str:
    """Return a `str`; raises `UsageError`."""
    if not isinstance(value, str):
        raise UsageError(f"{name} must be a str, not {type(value).__name__}.")
    return value


def require_callable(name: str, value: object) -> None:
    """Raise `UsageError` if `value` is neither None nor can be called."""
    if value is not None and not callable(value):
        raise UsageError(f"{name} must be a function or None, not {type(value).__name__}.")
