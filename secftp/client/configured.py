"""The user's file of hosts in a command line: which entry the words name, and what it adds to the options.

Of everything that can be said twice, the command line counts first, then the environment, the entry, and `[default]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from secftp.command_line import Configured
from secftp.errors import UsageError
from secftp.hosts.words import host_of, parse_remote
from secftp.text import from_locale
from secftp.url import Endpoint, parse_endpoint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secftp.hosts.config import Config, Host, KeySource
    from secftp.url import Url


def resolve(
    config: Config, texts: Sequence[str], name: str | None, *, anonymous: bool
) -> tuple[tuple[Url, ...], Host | None]:
    """Return the URLs of words, and the entry that they name, if any.

    `name` is the value of --name; without it, and unless the session is anonymous, the file's counts for a URL that has
    none. Raises `UsageError` also if the words name two entries, and as `parse_remote` does.
    """
    words = [from_locale(text) for text in texts]
    found = [host for word in words if (host := config.hosts.get(host_of(word))) is not None]
    if len({host.name for host in found}) > 1:
        raise UsageError("The words name different hosts.", hint="Use one command for each.")
    for word in words:
        if word in config.hosts:
            raise UsageError(
                "The name of a host is not a path at it.", hint=f"Write {word}: for the directory that its URL names."
            )
    bases = {host.name: host.url._replace(name="") for host in found}
    host = found[0] if found else None
    usual = "" if anonymous or name is not None else _usual_name(config, host)
    urls = (parse_remote(word, bases.get) for word in words)
    return tuple(url._replace(name=url.name or usual) for url in urls), host


def resolve_endpoint(config: Config, text: str, name: str | None, *, anonymous: bool) -> tuple[Endpoint, Host | None]:
    """Return the server that `[name@]host:port` names, or an entry's name alone, and the entry, as `resolve` does."""
    key_name, _, address = text.rpartition("@")
    host = config.hosts.get(address)
    if host is not None:
        endpoint = Endpoint(host.url.host, host.url.port, key_name)
    else:
        endpoint = parse_endpoint(text)
        host = config.hosts.get(endpoint.host)
        if host is not None:
            endpoint = endpoint._replace(host=host.url.host)
    usual = "" if anonymous or name is not None else _usual_name(config, host)
    return endpoint._replace(name=endpoint.name or usual), host


def _usual_name(config: Config, host: Host | None) -> str:
    """Return the name of the key that the file has for a server; empty for the default key."""
    if host is None:
        return config.default_options.get("name", "")
    return host.url.name or host.options.get("name", "")


def fill(values: dict[str, Any], config: Config, host: Host | None) -> KeySource | None:
    """Put what the file has for a server into values that were not given, and return where the file has the key.

    Not the name of the key, which a URL has.
    """
    options = config.default_options if host is None else host.options
    for option, text in options.items():
        field = option.replace("-", "_")
        if field != "name" and field in values and values[field] is None:
            values[field] = Configured(text)
    return config.default_key if host is None else host.key
