"""Parsing and formatting of secftp URLs: `secftp://[name@]host[:port]/path`, and the shorter `host:port`.

What a word of a command line names, a local file or one at a server, is decided here as well: `is_remote`.

Purely textual; nothing is resolved. `?` and `#` are ordinary characters of a name (there are no queries), repeated
slashes count as one, and `%2F` is refused. Invariants: no error message repeats any of the text, since it could be a
key given in the wrong position; no URL yields a path that could be read as a different one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from secftp.errors import NameRefused, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SCHEME: Final = "secftp://"
DEFAULT_PORT: Final = 8888
PORT_MAX: Final = 65535

Path: TypeAlias = tuple[bytes, ...]

_NEVER_IN_HOSTS: Final = frozenset("/:@[]\\% ")
_IPV6_SIGNS: Final = frozenset("0123456789ABCDEFabcdef:.")
_ESCAPE: Final = rb"%([0-9A-Fa-f]{2})?"
_ESCAPES: Final = r"(?:%[0-9A-Fa-f]{2})+"
_WILDCARD: Final = r"[*?[]"
# RFC 3986's unreserved characters, and those of the rest that neither a shell nor a path segment minds.
_PLAIN: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+,=:@")


class Endpoint(NamedTuple):
    """A server and the name of one of its keys (empty: the server's default key)."""

    host: str
    port: int
    name: str


class Url(NamedTuple):
    """A path at a server. `path` is `()` for the served directory, for which `trailing_slash` is always true.

    `pattern`: the path as a pattern of `secftp.session.patterns`, None if it has no wildcard. One that was written with
    a percent sign (`%2A`) is none.
    """

    host: str
    port: int
    name: str
    path: Path
    trailing_slash: bool
    pattern: str | None = None

    @property
    def endpoint(self) -> Endpoint:
        """The URL without its path."""
        return Endpoint(self.host, self.port, self.name)


def is_url(text: str) -> bool:
    """Return whether `text` begins with `secftp://`; a local file with such a name is written `./secftp:...`."""
    return text[: len(SCHEME)].lower() == SCHEME


def is_remote(text: str) -> bool:
    """Return whether `text` names a file at a server: a URL or, by the rule of scp, a host before its first colon."""
    return is_url(text) or split_remote(text) is not None


def split_remote(text: str) -> tuple[str, str] | None:
    """Return what is before and after the colon of `[name@]host:path`; None if `text` is the name of a local file.

    It is one if it has no colon, begins with it, or has a slash before it. Colons in brackets do not count.
    """
    in_brackets = text.startswith("[")
    for place, character in enumerate(text):
        if character == "/":
            return None
        if character == "@" and text.startswith("[", place + 1):
            in_brackets = True
        elif character == "]":
            in_brackets = False
        elif character == ":" and not in_brackets:
            return (text[:place], text[place + 1 :]) if place else None
    return None


def parse_url(text: str, *, default_port: int = DEFAULT_PORT) -> Url:
    """Parse a URL and percent-decode its path to bytes. Bytes that are not UTF-8 are surrogate escapes in `text`.

    `default_port` is the port of a URL without one.
    Raises `UsageError` for anything that is not such a URL, `NameRefused` for a path with `.`, `..`, an escaped slash
    or NUL. The limits on a path's length are checked where it is sent.
    """
    if not is_url(text):
        raise _bad_url("The remote file must be given as a URL.")
    authority, _, path = text[len(SCHEME) :].partition("/")
    userinfo, at, address = authority.rpartition("@")
    if ":" in userinfo:
        raise UsageError(
            "A URL contains the name of a key, never the key itself.",
            hint="Give the key with --key-file FILE or in SECFTP_KEY, in Python with key= or key_file=.",
        )
    if at and not userinfo:
        raise _bad_url("The key name before '@' is empty.")
    host, port = _parse_address(address, default_port)
    parts = [_decode(part) for part in _bytes(path).split(b"/") if part]
    found = _url(host, port, _parse_name(userinfo), parts, trailing_slash=path.endswith("/"))
    return found._replace(pattern=_pattern(path)) if re.search(_WILDCARD, path) else found


def url_of(host: str, port: int, name: str, parts: Sequence[str], *, trailing_slash: bool) -> Url:
    """Return a URL with the path of these names, which are not decoded. Raises `NameRefused` as `parse_url` does."""
    text = "/".join(parts)
    found = _url(host, port, name, map(_bytes, parts), trailing_slash=trailing_slash)
    return found._replace(pattern=text + "/" * trailing_slash) if re.search(_WILDCARD, text) else found


def below(base: Url, url: Url) -> Url:
    """Return `url` with the path of `base` before its own."""
    path = base.path + url.path
    if url.pattern is None:
        return url._replace(path=path)
    return url._replace(path=path, pattern="/".join((*map(quote_pattern, map(_text, base.path)), url.pattern)))


def _url(host: str, port: int, name: str, parts: Iterable[bytes], *, trailing_slash: bool) -> Url:
    path = tuple(parts)
    for part in path:
        _check_component(part)
    return Url(host, port, name, path, not path or trailing_slash)


def format_url(url: Url) -> str:
    """The inverse of `parse_url`; ASCII except for a non-ASCII host, the port only if it is not 8888.

    What it returns stands for the path alone, never for a pattern.
    """
    name = _encode(url.name.encode()).replace(":", "%3A").replace("@", "%40")
    host = f"[{url.host.replace('%', '%25', 1)}]" if ":" in url.host else url.host
    port = "" if url.port == DEFAULT_PORT else f":{url.port}"
    path = "/".join(map(_encode, url.path))
    slash = "/" if url.path and url.trailing_slash else ""
    return f"{SCHEME}{name}{'@' if name else ''}{host}{port}/{path}{slash}"


def encode_name(name: bytes) -> str:
    """Return a name as the path of a URL has it."""
    return _encode(name)


def decode_path(text: str) -> bytes:
    """Return what a part of the path of a URL stands for. Raises `UsageError` for an escape that is none."""
    return _decode(_bytes(text))


def parse_endpoint(text: str) -> Endpoint:
    """Parse `[name@]host:port` or `[name@][IPv6]:port`. The `UsageError` does not repeat the text."""
    name, at, address = text.rpartition("@")
    host, colon, port = address.rpartition(":")
    if not colon or not host or (at and not name):
        raise _bad_endpoint("The server must be given as HOST:PORT.")
    return Endpoint(_parse_host(host), _parse_port(port), name)


def parse_host(text: str) -> str:
    """Parse a host name, an IPv4 address or `[IPv6]`. The `UsageError` does not repeat the text."""
    if not text:
        raise _bad_endpoint("The host is empty.")
    return _parse_host(text)


def _parse_address(address: str, default_port: int) -> tuple[str, int]:
    """Parse the `host`, `host:port`, `[IPv6]` or `[IPv6]:port` of a URL."""
    host, colon, port = address.rpartition(":")
    if not colon or address.endswith("]"):
        host, colon, port = address, "", ""
    if not host:
        raise _bad_url("The URL has no host.")
    try:
        return _parse_host(host), _parse_port(port) if port else default_port
    except UsageError as problem:
        raise _bad_url(str(problem)) from None


def _parse_host(host: str) -> str:
    if host.startswith("[") and host.endswith("]"):
        number, _, zone = host[1:-1].partition("%")
        if len(zone) > len("25"):
            zone = zone.removeprefix("25")  # RFC 6874 has the zone's own % escaped
        if ":" not in number or not _IPV6_SIGNS.issuperset(number) or not _is_word(zone):
            raise _bad_endpoint("The text in brackets is not an IPv6 address.")
        return f"{number}%{zone}" if zone else number
    if ":" in host and "/" not in host:
        raise _bad_endpoint("An IPv6 address must be written in brackets.")
    if not _is_word(host):
        raise _bad_endpoint("The host contains characters that are not allowed in a host name or address.")
    return host


def _parse_port(text: str) -> int:
    digits = text.isascii() and text.isdigit() and len(text) <= len(str(PORT_MAX))
    if not digits or not 1 <= int(text) <= PORT_MAX:
        raise _bad_endpoint(f"The port must be a number from 1 to {PORT_MAX}.")
    return int(text)


def _parse_name(userinfo: str) -> str:
    try:
        return _decode(_bytes(userinfo)).decode()
    except UnicodeDecodeError:
        raise _bad_url("The key name before '@' is not valid UTF-8.") from None


def _is_word(text: str) -> bool:
    return text.isprintable() and _NEVER_IN_HOSTS.isdisjoint(text)


def _check_component(part: bytes) -> None:
    if part in (b".", b".."):
        raise NameRefused("The path of a URL must not contain '.' or '..'.", hint="Write the path without them.")
    if b"/" in part or b"\0" in part:
        raise NameRefused(
            "A file name must not contain a slash or a NUL byte.", hint="Look for %2F and %00 in the URL."
        )


def quote_pattern(part: str) -> str:
    """Return the pattern that matches only this name."""
    return re.sub(_WILDCARD, r"[\g<0>]", part)


def _pattern(path: str) -> str:
    """Return the path of a URL as a pattern."""
    decoded = re.sub(_ESCAPES, lambda escapes: quote_pattern(_text(_decode(_bytes(escapes[0])))), path)
    return "/".join(filter(None, decoded.split("/"))) + "/" * path.endswith("/")


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _bytes(text: str) -> bytes:
    # Names at a server are UTF-8, whatever this machine's locale (docs/PROTOCOL.md).
    return text.encode("utf-8", "surrogateescape")


def _decode(text: bytes) -> bytes:
    def byte(match: re.Match[bytes]) -> bytes:
        if match[1] is None:
            raise UsageError(
                "A percent sign in a URL must be followed by two hexadecimal digits.",
                hint="Write %25 for the percent sign itself.",
            )
        return bytes.fromhex(match[1].decode())

    return re.sub(_ESCAPE, byte, text) if b"%" in text else text


def _encode(part: bytes) -> str:
    return "".join(chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in part)


def _bad_url(sentence: str) -> UsageError:
    return UsageError(
        sentence, hint="For example secftp://example.org/file or secftp://joe@[2001:db8::7]:8888/directory/."
    )


def _bad_endpoint(sentence: str) -> UsageError:
    return UsageError(sentence, hint="For example example.org:8888, 192.0.2.7:8888 or '[2001:db8::7]:8888'.")
