"""Names of files as fsspec gives them (URLs, bare paths, pathlib paths, bytes, lists of these), and options as texts.

A URL is percent-decoded, a bare path is taken as it is. URLs have names as they are wherever that is not ambiguous:
libraries make a URL of a name, and a name of a URL, by joining and cutting texts. fsspec reads options from files of
the form ini and from environment variables, where each is a text.

Invariants: a path begins with a slash, at the served directory, and has no empty components; a text that is not
understood is an error, and none is taken for true because it is not empty.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from secftp.api.arguments import encode_path
from secftp.api.values import require_bool
from secftp.errors import UsageError
from secftp.url import SCHEME, Url, format_url, is_url, parse_url

if TYPE_CHECKING:
    from secftp.api.arguments import RemotePath

_CHAIN: Final = "secftp::"  # of `secftp::/path`, as fsspec writes a chain without an address
_NO_HOST: Final = f"{SCHEME}localhost/"
_AMBIGUOUS: Final = re.compile(r"%(?=[0-9A-Fa-f]{2})|::")  # an escape; what separates the URLs of a chain
_NO_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")


class PathOfUrl(str):
    """The path of a URL, which remembers the server until a file system gets it.

    fsspec makes a file system for the first URL of a list, and gives it the paths of all.
    """

    __slots__ = ("server",)

    server: Url


def strip_protocol(path: Any, *, of: Url | None = None) -> Any:
    """Return the path of a URL or a path; for a list, tuple or set the list of them.

    `of`: the server that URLs, and paths of URLs, have to be of. Raises `UsageError`.
    """
    if isinstance(path, list | tuple | set):
        return [strip_protocol(each, of=of) for each in path]
    name, server = _text(path), path.server if isinstance(path, PathOfUrl) else None
    if is_url(name):
        url = _parse(_with_host(name))
        server = url if _with_host(name) == name else None
        name = b"/".join(url.path).decode("utf-8", "surrogateescape")
    stripped = "/" + "/".join(part for part in name.split("/") if part not in {"", "."})
    if server is None:
        return stripped
    if of is not None:
        _require_server(server, of)
        return stripped
    found = PathOfUrl(stripped)
    found.server = server
    return found


def options_of(path: Any) -> dict[str, Any]:
    """Return the options in a URL: host, port and the name of the key; nothing for a path, or a URL without a host."""
    if isinstance(path, list | tuple | set):
        return options_of(next(iter(path))) if path else {}
    name = _text(path)
    if not is_url(name) or _with_host(name) != name:
        return {}
    url = _parse(name)
    return {"host": url.host, "port": url.port, **({"username": url.name} if url.name else {})}


def url_of(location: Url, path: str) -> str:
    """Return the URL of a stripped path at a server, with the names as they are wherever that is not ambiguous."""
    return format_url(location) + _AMBIGUOUS.sub(lambda found: quote(found[0], safe=""), path[1:])


def parent_of(path: str) -> str:
    """Return the directory of a stripped path; that of the served directory is itself."""
    return path.rpartition("/")[0] or "/"


def is_in(path: str, directory: str) -> bool:
    """Whether a stripped path is below a directory."""
    return path.startswith(directory if directory == "/" else directory + "/") and path != directory


def join(directory: str, name: str) -> str:
    """Return the path of a name in a directory."""
    return directory + name if directory.endswith("/") else f"{directory}/{name}"


def has_trailing_slash(path: Any) -> bool:
    """Whether a path as it was given ends in a slash, and so stands for a directory or its contents."""
    return _text(path).endswith("/")


def _text(path: RemotePath) -> str:
    name = encode_path(path).decode("utf-8", "surrogateescape")
    return name[len(_CHAIN) :] if name[: len(_CHAIN)].lower() == _CHAIN else name


def _require_server(url: Url, of: Url) -> None:
    if (url.host.lower(), url.port) != (of.host.lower(), of.port) or url.name not in ("", of.name):
        raise UsageError(
            "The URL is of another server, or of another key of it, than the file system.",
            hint="Make a file system for each: fsspec.url_to_fs(URL, key_file=...).",
        )


def _parse(url: str) -> Url:
    """Parse a URL; a percent sign in its path that begins no escape is taken as it is. Raises `UsageError`."""
    address, slash, path = url[len(SCHEME) :].partition("/")
    if "[" in address and "]" not in address:
        raise UsageError(
            "The URL ends within an IPv6 address: '::' separates the URLs of a chain in fsspec.",
            hint="Write the address without '::', as in secftp://[2001:db8:0:0:0:0:0:7]/file, or give host=...",
        )
    return parse_url(SCHEME + address + slash + _NO_ESCAPE.sub("%25", path))


def _with_host(url: str) -> str:
    """Return a URL; one that has none (`secftp:///path`, of which the host is among the options) with some host."""
    rest = url[len(SCHEME) :]
    return _NO_HOST + rest if not rest or rest.startswith("/") else url


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
