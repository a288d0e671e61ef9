"""What a server is told: the command line, and a configuration with the same names.

In this order: the command line, SECFTP_KEY, the configuration, what holds by itself. A key may stand on a command line,
and whoever leaves out another argument moves the key to that one's place. So no message repeats what was typed.
"""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from typing import Any, Final

from secftp.errors import UsageError
from secftp.server.limits import ServerLimits
from secftp.server.parser import CIPHERS, SEE_HELP, ServerParser, make_parser

__all__ = ["CIPHERS", "ServerOptions", "ServerParser", "parse"]

# Each of them says which key it is that clients without a name have.
_DEFAULT_KEYS: Final = ("key", "key_file", "key_fd")
_LIMITS: Final = {field.name for field in dataclasses.fields(ServerLimits)}
_parser = make_parser


@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """What the command line says, checked as far as that needs no look at the machine.

    `port` is None where the sockets are inherited.
    """

    port: int | None
    key: str | None = dataclasses.field(repr=False)
    key_file: str | None
    key_fd: int | None
    keys: str | None
    root: str
    hosts: list[str]
    ciphers: tuple[str, ...]
    read_only: bool
    no_overwrite: bool
    mode_mask: int
    anonymous: bool
    anonymous_write: bool
    limits: ServerLimits
    grace: float
    user: str | None
    log_format: str
    log_file: str | None
    log_level: str
    metrics: tuple[str, int] | None
    config: str | None
    check_config: bool


def parse(arguments: list[str]) -> ServerOptions:
    """Options from the arguments; raises `UsageError`. Prints and exits for --help and --version alone."""
    return OptionSource(arguments).read()


class OptionSource:
    """Where options come from: these arguments, the environment at this moment, and a configuration if one is named."""

    def __init__(self, arguments: list[str]) -> None:
        self._arguments = arguments
        # Both are taken out of the environment when they are used; what they stood for counts at later readings, too.
        self._has_variable = "SECFTP_KEY" in os.environ
        self._inherits_sockets = "LISTEN_FDS" in os.environ

    def read(self) -> ServerOptions:
        """Read the arguments and the configuration as it is now. Raises `UsageError`."""
        given = find_given(self._arguments)
        configured: dict[str, Any] = {}
        if (path := given.get("config")) is not None:
            from secftp.server.config import read_config

            configured = find_given(read_config(path))
        _check_keys(given)
        _check_keys(configured)
        if self._has_variable or any(name in given for name in _DEFAULT_KEYS):
            configured = {name: value for name, value in configured.items() if name not in _DEFAULT_KEYS}
        values = {**vars(make_parser().parse_args([])), **configured, **given}
        if values["port"] is None and not self._inherits_sockets:
            raise UsageError("The port is missing.", hint=SEE_HELP)
        values["hosts"] = values.pop("host")
        limits = ServerLimits(**{name: values.pop(name) for name in list(values) if name in _LIMITS})
        return ServerOptions(**values, limits=limits)


def find_given(arguments: list[str]) -> dict[str, Any]:
    """What these arguments say, without what holds by itself."""
    values = make_parser(only_given=True).parse(arguments)
    return {name: value for name, value in values.items() if name not in ("port", "key") or value is not None}


def _check_keys(values: dict[str, Any]) -> None:
    if sum(name in values for name in _DEFAULT_KEYS) > 1:
        raise UsageError("A key and a key file were both given.", hint="Give one of them.")
