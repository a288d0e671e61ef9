"""A server's configuration: a TOML file with the names of the options, checked by the same rules.

    port = 8888
    root = "/srv/files"
    keys = "keys.toml"           # files and folders are looked for beside the configuration
    host = ["192.0.2.1", "::1"]
    max-clients = 100
    read-only = true

It never holds a key itself, so that whoever looks after it need not be trusted with one.
"""

from __future__ import annotations

import os
import tomllib
from typing import Final

from secftp.errors import KeyFormatError, UsageError
from secftp.keys import read_text
from secftp.server.parser import file_options, make_parser
from secftp.text import as_typed, escape

# Not in a configuration: what is said to one start alone.
_NEVER: Final = frozenset({"help", "version", "config", "check-config", "key"})


def read_config(path: str) -> list[str]:
    """What the file says, as a command line would say it; raises `UsageError`."""
    subject = f"The configuration {escape(os.fsencode(path))}"
    try:
        table = tomllib.loads(read_text(path, subject, private=False))
    except KeyFormatError as problem:
        raise UsageError(problem.message, hint=problem.hint) from None
    except RecursionError:
        raise UsageError(f"{subject} is nested too deep.", hint="It is TOML.") from None
    except tomllib.TOMLDecodeError as problem:
        raise UsageError(f"{subject} can't be understood: {escape(str(problem))}.", hint="It is TOML.") from None
    folder = os.path.dirname(os.path.abspath(path))
    arguments = [argument for name, value in table.items() for argument in _arguments(subject, folder, name, value)]
    try:
        make_parser().parse_args(arguments)
    except UsageError as problem:
        raise UsageError(f"{subject}: {problem.message}", hint=problem.hint) from None
    return arguments


def _arguments(subject: str, folder: str, name: str, value: object) -> list[str]:
    """An option as a command line has it."""
    parser = make_parser()
    flags = {action.option_strings[0][2:]: action.nargs == 0 for action in parser._actions if action.option_strings}  # noqa: SLF001
    if name == "key":
        raise UsageError(f"{subject} must not hold a key.", hint="Name its file: key-file.")
    if name in _NEVER or (name not in flags and name != "port"):
        raise UsageError(f"{subject}: there is no option {escape(name)}.", hint="See: python -m secftp.server --help")
    if name == "port":
        return [_text(subject, name, value)]
    if flags[name]:
        if not isinstance(value, bool):
            raise UsageError(f"{subject}: {name} is true or false.")
        return [f"--{name}"] if value else []
    if isinstance(value, list):
        texts = [_text(subject, name, one) for one in value]
        return [f"--{name}={','.join(texts)}"] if name == "ciphers" else [f"--{name}={text}" for text in texts]
    if name == "mode-mask" and not isinstance(value, str):
        # 0o640 is the number 416 by now: as octal digits that would be other permissions.
        raise UsageError(f"{subject}: {name} is a text.", hint='For example mode-mask = "0750".')
    text = _text(subject, name, value)
    return [f"--{name}={os.path.join(folder, text) if _is_path(name) else text}"]


def _is_path(name: str) -> bool:
    return name == "root" or name.replace("-", "_") in file_options()


def _text(subject: str, name: str, value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise UsageError(f"{subject}: {name} is a text or a number.")
    if "\0" in str(value):
        raise UsageError(f"{subject}: {name} holds a NUL.")
    return as_typed(str(value))
