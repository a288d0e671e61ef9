"""Words that name a file at a server as those of scp do: `[name@]host:path`.

What precedes the first colon is a host, unless a slash precedes that; an IPv6 address is in brackets. The path is taken
literally, without percent-decoding. Invariants: as of `secftp.url`, no message repeats any of the text, and no word
yields a path that could be read as a different one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from secftp.errors import UsageError
from secftp.url import DEFAULT_PORT, SCHEME, Url, below, is_url, parse_host, parse_url, split_remote, url_of

if TYPE_CHECKING:
    from collections.abc import Callable

_LOCAL: Final = "A local file with such a name is written ./NAME."
_HOME: Final = "~"
_NO_PORT: Final = 0


def parse_remote(text: str, find: Callable[[str], Url | None] = lambda _host: None) -> Url:
    """Return what a URL or a `host:path` word means.

    `find` returns the URL of a host of the user, None for any other name. Bytes that are not UTF-8 are surrogate
    escapes in `text`. Raises `UsageError` for anything else, and `NameRefused` as `parse_url` does.
    """
    word = None if is_url(text) else split_remote(text)
    if word is None:
        return _parse_url(text, find)
    head, path = word
    name, at, host = head.rpartition("@")
    if at and not name:
        raise UsageError("The key name before '@' is empty.", hint="Leave out the '@' to use the default key.")
    known = find(host)
    base = known if known is not None else Url(_checked_host(host, path), DEFAULT_PORT, "", (), trailing_slash=True)
    if path.split("/", 1)[0] == _HOME:
        raise UsageError(
            "There are no home directories at a server.",
            hint="Paths start at the directory that the host's URL names; a leading slash starts at the served one.",
        )
    # As in a shell, a directory stands for itself; `..` is refused like in URLs.
    parts = [part for part in path.split("/") if part not in ("", ".")]
    is_directory = not parts or path.endswith(("/", "/."))
    found = url_of(base.host, base.port, name or base.name, parts, trailing_slash=is_directory)
    return found if path.startswith("/") else below(base, found)


def host_of(text: str) -> str:
    """Return the host in a URL or a `host:path` word as it stands there; empty if there is none. Raises nothing."""
    if is_url(text):
        address = text[len(SCHEME) :].partition("/")[0].rpartition("@")[2]
        return address.partition(":")[0]
    return (split_remote(text) or ("", ""))[0].rpartition("@")[2]


def _parse_url(text: str, find: Callable[[str], Url | None]) -> Url:
    """Return what a URL means, whose host may be one of the user's. Port, name and path of the URL itself count."""
    url = parse_url(text, default_port=_NO_PORT)
    known = find(url.host)
    if known is None:
        return url._replace(port=url.port or DEFAULT_PORT)
    return url._replace(host=known.host, port=url.port or known.port, name=url.name or known.name)


def _checked_host(host: str, path: str) -> str:
    """Return the host of a word that is not in the user's file. Raises `UsageError`."""
    if path.startswith("//") or host.lower() == SCHEME.partition(":")[0]:
        raise UsageError(
            "The word looks like a URL, but does not begin with secftp://.",
            hint=f"For example secftp://example.org/file. {_LOCAL}",
        )
    if len(host) == 1:
        raise UsageError(
            "A single letter before a colon is taken for neither a host nor a drive.",
            hint=f"{_LOCAL} A host with such a name is written secftp://X/path.",
        )
    port = path.partition("/")[0]
    if port.isascii() and port.isdigit():
        raise UsageError(
            "A number after the colon may be a port or a name.",
            hint="With a port, write secftp://host:9000/path; for the name, host:./9000.",
        )
    return parse_host(host)
