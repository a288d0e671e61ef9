"""Sources of a server's options: command line, environment and configuration file, in this order of precedence.

The configuration is a TOML file with the names of the options, validated by the same rules:

    port = 8888
    root = "/srv/files"          # or "s3://bucket/prefix"
    keys = "keys.toml"           # relative paths start at the directory of the configuration
    host = ["192.0.2.1", "::1"]
    max-clients = 100
    read-only = true

It must not hold a key, so that it need not be secret. On a command line a key may stand by mistake in the place of
another argument, so no message repeats an argument.
"""

from __future__ import annotations

import dataclasses
import os
import tomllib
from typing import TYPE_CHECKING, Any, Final

from secftp.errors import KeyFormatError, UsageError
from secftp.keys import read_text
from secftp.server.options import ServerLimits, ServerOptions
from secftp.server.parser import SEE_HELP, file_options, make_parser
from secftp.storage.objects import is_object_url
from secftp.text import escape, show_local, to_locale

if TYPE_CHECKING:
    import argparse

# Options that set the default key.
_DEFAULT_KEYS: Final = ("key", "key_file", "key_fd")
_LIMITS: Final = {field.name for field in dataclasses.fields(ServerLimits)}
# Not allowed in a configuration: they concern a single start.
_NEGATION: Final = "no-"
_COMMAND_LINE_ONLY: Final = frozenset({"help", "version", "config", "check-config", "key"})


def parse(arguments: list[str]) -> ServerOptions:
    """Return the options that command line, environment and configuration give; raises `UsageError`.

    Prints and exits for --help and --version.
    """
    return OptionSource(arguments).read()


class OptionSource:
    """Reads the options from arguments, environment and configuration, at the start and at each reload."""

    def __init__(self, arguments: list[str]) -> None:
        self._arguments = arguments
        # Both variables are removed from the environment when they are used, but count at later readings, too.
        self._has_variable = "SECFTP_KEY" in os.environ
        self._key_file = os.environ.pop("SECFTP_KEY_FILE", None)
        self._shared_password = os.environ.pop("SECFTP_SHARED_PASSWORD", None)
        self._inherits_sockets = "LISTEN_FDS" in os.environ

    def read(self) -> ServerOptions:
        """Parse the arguments and the current configuration. Raises `UsageError`."""
        given = find_given(self._arguments)
        configured: dict[str, Any] = {}
        if (path := given.get("config")) is not None:
            configured = find_given(read_config(path))
        _check_keys(given)
        _check_keys(configured)
        is_given = self._has_variable or any(name in given for name in _DEFAULT_KEYS)
        if not is_given and self._key_file is not None:
            given["key_file"] = self._key_file
            is_given = True
        if is_given:
            configured = {name: value for name, value in configured.items() if name not in _DEFAULT_KEYS}
        values = {**vars(make_parser().parse_args([])), **configured, **given}
        if values["port"] is None and not self._inherits_sockets:
            raise UsageError("The port is missing.", hint=SEE_HELP)
        values["hosts"] = values.pop("host")
        values["shared_password"] = self._shared_password
        _check_shared(values)
        limits = ServerLimits(**{name: values.pop(name) for name in list(values) if name in _LIMITS})
        return ServerOptions(**values, limits=limits)


def find_given(arguments: list[str]) -> dict[str, Any]:
    """Return the options that the arguments set, without defaults."""
    values = make_parser(only_given=True).parse(arguments)
    return {name: value for name, value in values.items() if name not in ("port", "key") or value is not None}


def _check_shared(values: dict[str, Any]) -> None:
    if values["shared_password_file"] is None:
        return
    if values["shared"] is None:
        raise UsageError("A password of a shared Redis was given, and no Redis.", hint="Name it: --shared URL.")
    if values["shared_password"] is not None:
        raise UsageError(
            "The password of the shared Redis was given twice.",
            hint="Give --shared-password-file or SECFTP_SHARED_PASSWORD.",
        )


def _check_keys(values: dict[str, Any]) -> None:
    if sum(name in values for name in _DEFAULT_KEYS) > 1:
        raise UsageError("A key and a key file were both given.", hint="Give one of them.")


# --- the configuration ----------------------------------------------------------------------------------------------


def read_config(path: str) -> list[str]:
    """Return what a configuration file says as arguments of a command line. Raises `UsageError`."""
    subject = f"The configuration {show_local(path)}"
    try:
        table = tomllib.loads(read_text(path, subject, private=False))
    except KeyFormatError as problem:
        raise UsageError(problem.message, hint=problem.hint) from None
    except RecursionError:
        raise UsageError(f"{subject} is nested too deeply.", hint="It is TOML.") from None
    except tomllib.TOMLDecodeError as problem:
        raise UsageError(f"{subject} can't be parsed: {escape(str(problem))}.", hint="It is TOML.") from None
    directory = os.path.dirname(os.path.abspath(path))
    actions = _actions()
    arguments: list[str] = []
    seen: dict[str, str] = {}
    for name, value in table.items():
        action = _action(subject, actions, name)
        if (other := seen.setdefault(action.dest, name)) != name:
            raise UsageError(f"{subject}: {escape(other)} and {escape(name)} are the same option.")
        arguments += _arguments(subject, directory, name, action, value)
    try:
        make_parser().parse_args(arguments)
    except UsageError as problem:
        raise UsageError(f"{subject}: {problem.message}", hint=problem.hint) from None
    return arguments


def _actions() -> dict[str, argparse.Action]:
    """Return the options by every name that they have in a configuration: long ones, with hyphens or underscores."""
    found = {}
    for action in make_parser()._actions:  # noqa: SLF001 - argparse has no public list of them
        names = [flag[2:] for flag in action.option_strings if flag.startswith("--")]
        # What --no-x turns off may be said the other way, too: x = false.
        names += [name.removeprefix(_NEGATION) for name in names if name.startswith(_NEGATION)]
        for name in names or [action.dest]:
            found[name] = found[name.replace("-", "_")] = action
    return found


def _action(subject: str, actions: dict[str, argparse.Action], name: str) -> argparse.Action:
    if name == "key":
        raise UsageError(f"{subject} must not hold a key.", hint="Name its file: key-file.")
    if name.replace("_", "-") in _COMMAND_LINE_ONLY or name not in actions:
        raise UsageError(f"{subject}: there is no option {escape(name)}.", hint=SEE_HELP)
    return actions[name]


def _arguments(subject: str, directory: str, name: str, action: argparse.Action, value: object) -> list[str]:
    """Return the arguments for one option."""
    if not action.option_strings:
        return [_text(subject, name, value)]
    flag = action.option_strings[0]
    if action.nargs == 0:
        if not isinstance(value, bool):
            raise UsageError(f"{subject}: {name} must be true or false.")
        is_inverted = f"--{name.replace('_', '-')}" not in action.option_strings
        return [flag] if value is not is_inverted else []
    if isinstance(value, list):
        texts = [_text(subject, name, one) for one in value]
        return [f"{flag}={','.join(texts)}"] if action.dest == "ciphers" else [f"{flag}={text}" for text in texts]
    if action.dest == "mode_mask" and not isinstance(value, str):
        # TOML reads 0o640 as the number 416, whose digits are other permissions.
        raise UsageError(f"{subject}: {name} must be a string.", hint='For example mode-mask = "0750".')
    text = _text(subject, name, value)
    is_path = (action.dest == "root" and not is_object_url(text)) or action.dest in file_options()
    return [f"{flag}={os.path.join(directory, text) if is_path else text}"]


def _text(subject: str, name: str, value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise UsageError(f"{subject}: {name} must be a string or a number.")
    if "\0" in str(value):
        raise UsageError(f"{subject}: {name} contains a NUL character.")
    return to_locale(str(value))
