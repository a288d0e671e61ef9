"""What the verbs that take URLs share on the command line: the server, the key, and how long to wait.

Like all parsing here it looks at nothing but the text: no machine, no file, no network, and no module of the floors
below, since a typing error shall cost no start of the core.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from secftp.errors import UsageError
from secftp.text import parse_seconds, typed
from secftp.url import is_url, parse_url

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secftp.client.parser import Parser
    from secftp.url import Endpoint, Url

CIPHERS: Final = ("none", "aes128", "aes256")
CHECKSUMS: Final = ("xxh128", "sha256", "blake3", "md5")
DEFAULT_CIPHER: Final = "aes256"
DEFAULT_TIMEOUT: Final = "60"

# Every verb's options with a value: whoever looks for the verb among the arguments must not take a value for it.
VALUED: Final = frozenset(
    (
        "-i", "--input", "-o", "--output", "--checksum", "--file", "--key-file", "--name", "--timeout", "--cipher",
        "--include", "--exclude", "--limit", "--retries", "--progress",
    )
)  # fmt: skip


class Connection(NamedTuple):
    """Which server, how to talk to it, and where the key comes from; there is never a key itself in it."""

    endpoint: Endpoint
    cipher: str
    key_file: str | None
    no_key: bool
    timeout: float
    key: None = None

    @property
    def needs_key_for_none(self) -> bool:
        """Whether the cipher none without a key is an error unless --no-key says that it is meant."""
        return True


def add_option(parser: Parser, names: str, metavar: str, text: str, **more: Any) -> None:
    """An option with a value; its name has to stand in VALUED as well."""
    parser.add_argument(*names.split(), metavar=metavar, help=text, **more)


def add_key(parser: Parser) -> None:
    """The options about who one is, and how patient."""
    add_option(parser, "--key-file", "FILE", "take the key from FILE (else SECFTP_KEY, else it is asked for)")
    parser.add_argument(
        "--no-key", "--anonymous", action="store_true", help="use no key, for servers that allow anonymous sessions"
    )
    add_option(parser, "--name", "NAME", "the key's name at the server, the same as NAME@ before the host")
    parser.add_argument("-q", "--quiet", action="store_true", help="show nothing but errors")
    add_option(parser, "--timeout", "SECONDS", "give up after this long without a sign of life (default: 60)")
    parser.set_defaults(timeout=DEFAULT_TIMEOUT)


def add_connection(parser: Parser) -> None:
    """The options of every verb that takes URLs."""
    add_option(parser, "--cipher", "CIPHER", "aes256 (the default), aes128, or none: readable on the way")
    add_key(parser)
    parser.set_defaults(cipher=DEFAULT_CIPHER)


def add_checksum(parser: Parser, default: str) -> None:
    """The choice of a digest."""
    others = ", ".join(kind for kind in CHECKSUMS if kind != default)
    add_option(parser, "--checksum", "KIND", f"{default} (the default), {others}")
    parser.set_defaults(checksum=default)


def take_connection(values: dict[str, Any], texts: Sequence[str]) -> tuple[Connection, list[Url]]:
    """The server that all of the URLs name, and the URLs; takes what it uses out of `values`.

    Raises `UsageError` also for different servers, `NameRefused` as `parse_url` does.
    """
    urls = [parse_url(typed(text)) for text in texts]
    if len({url.endpoint for url in urls}) > 1:
        raise UsageError("The URLs do not all name the same server and key.", hint="Use one command for each.")
    cipher, key_file, no_key = values.pop("cipher"), values.pop("key_file"), values.pop("no_key")
    one_of(CIPHERS, cipher, "--cipher", "Leave it out if in doubt.")
    if key_file is not None and no_key:
        raise UsageError("Of --key-file and --no-key only one can be meant.", hint="Leave one of them out.")
    endpoint = named(urls[0].endpoint, values.pop("name"))
    return Connection(endpoint, cipher, key_file, no_key, seconds(values.pop("timeout"))), urls


def local_name(text: str, verb: str) -> str:
    """A name of this machine's that is none of the server's. Raises `UsageError`."""
    if is_url(text):
        raise UsageError(
            "A URL stands where a local file was meant.", hint=f"See secftp {verb} --help for which goes where."
        )
    if not text:
        raise UsageError("The name of a local file is empty.", hint="Write . for the folder you are in.")
    return text


def named(endpoint: Endpoint, name: str | None) -> Endpoint:
    """Return the endpoint with the key name of --name. Raises `UsageError` if it already has a different one."""
    if name is None:
        return endpoint
    name = typed(name)
    if endpoint.name and endpoint.name != name:
        raise UsageError("Two different key names were given.", hint="Use either --name or NAME@ before the host.")
    return endpoint._replace(name=name)


def one_of(known: tuple[str, ...], value: str, subject: str, hint: str) -> str:
    """`value`, which must be one of the `known`; it is not repeated if it is not, for it may be a key."""
    if value not in known:
        raise UsageError(f"{subject} must be {', '.join(known[:-1])} or {known[-1]}.", hint=hint)
    return value


def seconds(text: str) -> float:
    """The value of --timeout: above 0 and not for ever."""
    number = parse_seconds(text)
    if number is None:
        raise UsageError("--timeout must be a number of seconds above 0.", hint="For example --timeout 10.")
    return number
