"""The server that a program connects to, and how: from its arguments and, on request, the user's file of hosts.

Without `config=True`, no file of the user is read. With it, what an argument says counts before what the file says, and
the environment variables of the command line do not count.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from secftp.api.arguments import credentials_for
from secftp.api.values import MAX_TIMEOUT, require_bool, require_number, require_text
from secftp.errors import UsageError
from secftp.hosts import existing_config
from secftp.transport import require_congestion
from secftp.url import is_remote, parse_url

if TYPE_CHECKING:
    from secftp.api.arguments import Cipher, LocalPath
    from secftp.hosts.config import Config, KeySource
    from secftp.keys import Key
    from secftp.transport import Credentials
    from secftp.url import Url


class _Text(str):
    """A default that a program has not said: by its identity, it is told from the same text."""

    __slots__ = ()


class _Number(float):
    """A default that a program has not said, as `_Text`."""

    __slots__ = ()


DEFAULT_CIPHER: Final = cast("Cipher", _Text("aes256"))
DEFAULT_TIMEOUT: Final[float] = _Number(60.0)


class Choice(NamedTuple):
    """A server and how to connect to it; times in seconds. `key` is where the file has the key, if it does."""

    location: Url
    cipher: str
    timeout: float
    connect_timeout: float | None
    congestion: str | None
    key: KeySource | None

    def credentials(self, key: str | Key | None, key_file: LocalPath | None, *, anonymous: bool) -> Credentials:
        """Return what the handshake takes, with the key of the arguments or else of the file.

        Raises as `credentials_for` and `KeySource.read`.
        """
        if self.key is not None and key is None and key_file is None and not require_bool("anonymous", anonymous):
            key = self.key.read()
        return credentials_for(key, key_file, anonymous=anonymous, cipher=self.cipher, name=self.location.name)


def choose(
    url: str,
    *,
    anonymous: bool,
    cipher: str,
    timeout: float,
    connect_timeout: float | None,
    congestion: str | None,
    config: bool,
) -> Choice:
    """Check what `connect` is given, and return what it means. Raises `UsageError`, and as `parse_url`.

    An anonymous session takes no name of a key from the file.
    """
    require_number("timeout", timeout, MAX_TIMEOUT, unit="seconds")
    if connect_timeout is not None:
        require_number("connect_timeout", connect_timeout, MAX_TIMEOUT, unit="seconds")
    if congestion is not None:
        require_congestion(require_text("congestion", congestion))
    if not require_bool("config", config):
        return Choice(parse_url(url), cipher, timeout, connect_timeout, congestion, None)
    given = Choice(_NOWHERE, cipher, timeout, connect_timeout, congestion, None)
    return _choose_from_file(url, given, is_named=not anonymous)


_NOWHERE: Final = parse_url("secftp://host/")


def _choose_from_file(url: str, given: Choice, *, is_named: bool) -> Choice:
    """Return the choice with what the user's file of hosts has for the server; `is_named`: also the name of the key."""
    from secftp.hosts.config import Config, read_config
    from secftp.hosts.words import host_of, parse_remote

    path = existing_config(os.environ)
    config = Config("", {}, None, {}) if path is None else read_config(path)
    word = url if is_remote(url) else f"{_known(config, url)}:"
    host = config.hosts.get(host_of(word))
    location = parse_remote(word, {name: found.url._replace(name="") for name, found in config.hosts.items()}.get)
    options = config.default_options if host is None else host.options
    if is_named and not location.name:
        usual = options.get("name", "") if host is None else host.url.name or options.get("name", "")
        location = location._replace(name=usual)
    connect_timeout = given.connect_timeout
    if connect_timeout is None and "connect-timeout" in options:
        connect_timeout = float(options["connect-timeout"])
    return given._replace(
        location=location,
        cipher=options.get("cipher", given.cipher) if given.cipher is DEFAULT_CIPHER else given.cipher,
        timeout=float(options.get("timeout", given.timeout)) if given.timeout is DEFAULT_TIMEOUT else given.timeout,
        connect_timeout=connect_timeout,
        key=config.default_key if host is None else host.key,
    )


def _known(config: Config, text: str) -> str:
    """Return a name that stands alone, if it is that of an entry. Raises `UsageError`."""
    if text.rpartition("@")[2] not in config.hosts:
        raise UsageError(
            "There is no host of that name in the user's file of hosts.",
            hint="Give a name that is in it (secftp host list), host:path, or a URL.",
        )
    return text
