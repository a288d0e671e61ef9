"""`secftp ping`: whether a server is there, how fast it answers, and what it supports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from secftp.client.options import URL_HELP, CommandParser, ConnectionOptions, add_connection_options, take_connection
from secftp.errors import UsageError

if TYPE_CHECKING:
    from secftp.client.probe import Answer
    from secftp.client.terminal import Terminal
    from secftp.json_lines import Value
    from secftp.url import Url

DEFAULT_COUNT: Final = "3"
MAX_COUNT: Final = 1000


class PingOptions(NamedTuple):
    """Which server to ask, and how often."""

    connection: ConnectionOptions
    url: Url
    quiet: bool
    json: bool
    trips: int


def parser() -> CommandParser:
    """Return the parser of the command line."""
    parser = CommandParser(
        "ping",
        usage="[options] URL",
        description="Ask a server whether it is there, how fast it answers, and what it supports.",
        epilog="Without a key (there is no prompt), a server that requires one only tells that\n"
        "it is a secftp server. connected includes the lookup of the host's name. With\n"
        "--json the output is one object: host, port, address, connected, handshake,\n"
        "round_trips (in seconds), key (keyed, anonymous, or required: the server wants\n"
        "one), cipher, software, version (of the protocol), capabilities, rights; null\n"
        "if unknown.\n\n"
        "examples:\n"
        "  secftp ping secftp://host/\n"
        "  secftp ping --key-file KEY --count 10 host:\n"
        "  secftp ping --json nas: | jq .round_trips\n",
    )
    parser.add_argument("url", metavar="URL", help=URL_HELP)
    parser.add_argument(
        "--count", metavar="N", default=DEFAULT_COUNT, help=f"measure N round trips (default: {DEFAULT_COUNT})"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_connection_options(parser)
    return parser


def parse(arguments: list[str]) -> PingOptions:
    """Return the options; raises `UsageError`."""
    values = parser().parse(arguments)
    connection, (url,) = take_connection(values, [values.pop("url")])
    return PingOptions(connection, url, trips=_count(values.pop("count")), **values)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MAX_COUNT)) and 1 <= int(text) <= MAX_COUNT):
        raise UsageError(f"--count must be a number from 1 to {MAX_COUNT}.", hint="For example --count 10.")
    return int(text)


def run(options: PingOptions, terminal: Terminal) -> None:
    """Ask the server, and print what it has answered. Raises what connecting and printing raise."""
    from secftp.client.connect import Connector, suggesting
    from secftp.client.key import find_key
    from secftp.client.probe import probe
    from secftp.client.terminal import print_output

    terminal.quiet = options.quiet
    obtain = find_key(options.connection)
    connector = Connector(options.connection, obtain, terminal.waiting)
    credentials = connector.credentials()
    if obtain is None:
        credentials = credentials._replace(name="")
    wanted = obtain is not None or options.connection.anonymous
    with suggesting(options.connection):
        answer = probe(options.connection, credentials, options.trips, on_wait=terminal.waiting, keyed=wanted)
    if options.json:
        from secftp.json_lines import line

        print_output(line(fields(options, answer, keyed=obtain is not None)))
    elif not options.quiet:
        print_output("".join(f"{text}\n" for text in lines(options, answer, keyed=obtain is not None)))


def fields(options: PingOptions, answer: Answer, *, keyed: bool) -> dict[str, Any]:
    """Return the answer as an object of JSON."""
    endpoint, welcome = options.connection.endpoint, answer.welcome
    found: dict[str, Value | list[Any]] = {
        "host": endpoint.host,
        "port": endpoint.port,
        "address": answer.address,
        "connected": round(answer.connected, 6),
        "handshake": round(answer.handshake, 6),
        "round_trips": [round(time, 6) for time in answer.round_trips],
        "key": "required" if welcome is None else "keyed" if keyed else "anonymous",
        "cipher": None if welcome is None else options.connection.cipher,
        "software": None if welcome is None else welcome.software,
        "version": None if welcome is None else welcome.version,
        "capabilities": None if welcome is None else sorted(welcome.capabilities),
        "rights": None if welcome is None or welcome.rights is None else sorted(welcome.rights),
    }
    return found


def lines(options: PingOptions, answer: Answer, *, keyed: bool) -> list[str]:
    """Return the answer as lines for a terminal."""
    from secftp.text import escape

    endpoint, welcome = options.connection.endpoint, answer.welcome
    host = escape(f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host)
    there = f"{host}:{endpoint.port} ({escape(answer.address or '')}) is a secftp server"
    times = [f"connected     {_milliseconds(answer.connected)}", f"handshake     {_milliseconds(answer.handshake)}"]
    if welcome is None:
        return [f"{there}, which requires a key.", *times]
    trips = answer.round_trips
    if trips:
        most = f", at most {_milliseconds(max(trips))}" if len(trips) > 1 else ""
        times.append(f"round trip    {_milliseconds(min(trips))}{most}, of {len(trips)}")
    protection = "authenticated, not encrypted" if options.connection.cipher == "none" else options.connection.cipher
    mode = protection if keyed else f"{options.connection.cipher}, anonymous: the server is not authenticated"
    rights = "unknown" if welcome.rights is None else " ".join(map(escape, sorted(welcome.rights))) or "none"
    return [
        f"{there}: {escape(welcome.software)}, protocol {welcome.version}.",
        *times,
        f"cipher        {mode}",
        f"rights        {rights}",
        *_wrapped("capabilities  ", sorted(map(escape, welcome.capabilities))),
    ]


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _wrapped(head: str, words: list[str], columns: int = 79) -> list[str]:
    """Return words in lines of so many columns, indented as the first."""
    found = [head.rstrip() if not words else head]
    for word in words:
        if len(found[-1]) > len(head) and len(found[-1]) + len(word) > columns:
            found.append(" " * len(head))
        found[-1] += f"{word} "
    return [line.rstrip() for line in found]
