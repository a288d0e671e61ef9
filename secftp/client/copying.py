"""How `get`, `put` and `cp` run a copy: connection after connection, the report of it, and the command that resumes it.

The copying itself is done by `secftp.transfer`. A resume command is meant to be pasted into a shell, so each word is
quoted for one; a word that a terminal would interpret, or that is not UTF-8, in the form $'...' of bash and zsh. It
never contains a key: these commands take none on the command line.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Final, TypeAlias

from secftp.client.connect import Connector, check_congestion, check_paths
from secftp.client.copy_options import flag
from secftp.client.options import SLOW_SECONDS
from secftp.errors import ConnectionLost, ServerUnreachable, TransferTimeout
from secftp.session.retry import Retries, change_once
from secftp.text import escape_unencodable
from secftp.transfer import RemoteLocation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from secftp.client.copy_options import CopySettings
    from secftp.client.report_json import JsonReport
    from secftp.client.report_text import TextReport
    from secftp.client.terminal import Terminal
    from secftp.session import Session
    from secftp.sync.run import Sync
    from secftp.transfer import Download, Upload
    from secftp.url import Url

    Report: TypeAlias = TextReport | JsonReport

_PROGRAM: Final = "secftp"


def prepare(settings: CopySettings, urls: Iterable[Url], terminal: Terminal) -> None:
    """Set up the terminal, and check what needs no server.

    Raises `NameRefused`, `check_congestion`'s error, and `InstallationError` for compression without its library.
    """
    terminal.quiet, terminal.json = settings.quiet, terminal.json or settings.progress == "json"
    check_congestion(settings.connection)
    check_paths(urls)
    if settings.copy.results is not None:
        from secftp.transfer.results import Results

        Results(settings.copy.results, settings.copy.checksum).close()  # before there is a connection
    if settings.copy.level is not None:
        from secftp.transport.compression import require

        require()


def location(url: Url) -> RemoteLocation:
    """Return the location that a URL names at its server."""
    return RemoteLocation(url.path, url.trailing_slash)


def make_report(settings: CopySettings, terminal: Terminal, done: str, operands: int = 1) -> Report:
    """Return the report that was asked for; `done` begins the last line of a text report."""
    if terminal.json:
        from secftp.client.report_json import JsonReport

        return JsonReport(terminal, settings.copy, operands)
    from secftp.client.report_text import BarReport, TextReport

    kind = BarReport if settings.progress == "auto" and terminal.shows_bars else TextReport
    return kind(terminal, settings.copy, done, operands, verbose=settings.verbose)


def run_copy(
    settings: CopySettings,
    copy: Download | Upload | Sync,
    report: Report,
    terminal: Terminal,
    *,
    sends: bool,
    run: Callable[[Session], object] | None = None,
    to_resume: list[str] | None = None,
) -> None:
    """Run the copy to its end or to an error that concerns the whole; an interruption gets a resume command.

    `sends`: it is from here. `run`: what runs over each session, if that is not `copy.run` alone. `to_resume`: the
    options with which another run goes on, None for those of get and put.
    """
    connector = Connector.choose(settings.connection, terminal.waiting)
    count_connections(settings, connector, report)
    copy.open_stream = connector.open_stream
    with _reported(settings, report, terminal, connector, lambda: to_resume or _to_resume(settings, report)):
        _retries(settings, report).run(lambda: connector.run(run or copy.run))
    try:
        report.conclude()
    finally:
        remark_on_line(settings, report, terminal, sends=sends, asked=settings.copy.streams)


def after_patterns(
    sources: Sequence[Url],
    use_sources: Callable[[list[RemoteLocation]], None],
    report: Report,
    run: Callable[[Session], object],
) -> Callable[[Session], object]:
    """Return `run`, preceded by the search for what matches patterns among the sources, if there are some."""
    if all(url.pattern is None for url in sources):
        return run
    from secftp.client.globs import expanded_first

    def use(urls: list[Url]) -> None:
        report.set_operands(len(urls))
        use_sources([location(url) for url in urls])

    return expanded_first(sources, use, run)


def run_remote_copy(
    settings: CopySettings, run: Callable[[Session], object], report: Report, terminal: Terminal
) -> None:
    """Run a copy within a server, likewise. An answer that is lost is asked for again at once, as of any change.

    `run`: what runs over each session.
    """
    connector = Connector.choose(settings.connection, terminal.waiting)
    count_connections(settings, connector, report)
    with _reported(settings, report, terminal, connector, list):
        _retries(settings, report).run(lambda: change_once(connector.open, lambda session, _repeated: run(session)))
    report.conclude()


def _retries(settings: CopySettings, report: Report) -> Retries:
    return Retries(settings.retries, progress=lambda: report.moved_bytes + report.done_files, on_retry=report.retrying)


@contextlib.contextmanager
def _reported(
    settings: CopySettings,
    report: Report,
    terminal: Terminal,
    connector: Connector,
    wanted: Callable[[], list[str]],
) -> Iterator[None]:
    """A block that runs a copy. Reports what ends it early, and the command that goes on, which has these options."""

    def resume() -> str:
        return resume_command(terminal.arguments, wanted())

    try:
        yield
    except KeyboardInterrupt:
        report.give_up()
        if connector.has_key and not settings.copy.dry_run:
            terminal.status, terminal.resume = report.status(), resume()
        raise
    except (ConnectionLost, ServerUnreachable, TransferTimeout) as problem:
        report.give_up()
        if report.moved_bytes:
            problem.hint = f"{report.status()} To go on: {resume()}"
        raise
    except BaseException:
        report.give_up()
        raise


def count_connections(settings: CopySettings, connector: Connector, report: Report) -> None:
    """Have the connections counted that the connector opens, for the report."""
    from secftp.transport.tcp_totals import TcpTotals

    is_told = settings.verbose or settings.progress == "json"
    report.connections = connector.totals = TcpTotals(after=0.0 if is_told else SLOW_SECONDS)


def remark_on_line(
    settings: CopySettings, report: Report, terminal: Terminal, *, sends: bool, asked: int | None = None
) -> None:
    """Say what the connections were like, if that was asked for; and what may help if losses made the copy slow.

    `asked`: the number of streams, None for automatic choice.
    """
    connections, done = report.connections, report.summary
    if connections is None or settings.quiet or terminal.json:
        return
    if settings.verbose:
        from secftp.client.line import describe

        terminal.say(describe(connections.total(), connections.streams, sends=sends))
    if done.seconds >= SLOW_SECONDS and settings.copy.limit_rate is None:
        from secftp.client.line import line_hint
        from secftp.system import allowed_congestion_controls

        hint = line_hint(
            connections.total(),
            connections.streams,
            done.seconds,
            done.bytes,
            sends=sends,
            asked=asked,
            bbr="bbr" in allowed_congestion_controls(),
        )
        terminal.hint(hint)


def _to_resume(settings: CopySettings, report: Report) -> list[str]:
    """Return the options that resume; --update skips complete files, which requires that times are preserved.

    With --force it replaces everything else, as the copy does unless it was begun with --update.
    """
    if report.files == 1 or not settings.copy.preserve:
        return [flag("resume")]
    return [flag(name) for name in ("resume", "update", "force") if name != "force" or not settings.copy.update]


def resume_command(arguments: Sequence[str], wanted: Sequence[str]) -> str:
    """Return the command line with the `wanted` options that it lacks, right after the command."""
    from secftp.client.commands import find_command

    words = list(arguments)
    place = find_command(words)
    if place is None:
        return ""
    operands = words.index("--") if "--" in words else len(words)
    words[place + 1 : place + 1] = [option for option in wanted if option not in words[:operands]]
    return " ".join([*_program(), *map(quoted, words)])


def quoted(word: str) -> str:
    """Return the word quoted for a shell, with printable characters only."""
    encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
    if word.isprintable() and "\\" not in word and escape_unencodable(word, encoding) == word:
        from shlex import quote

        return quote(word)
    data = os.fsencode(word)
    plain = (chr(byte) if 0x20 <= byte < 0x7F and byte not in b"\\'" else f"\\x{byte:02x}" for byte in data)  # noqa: PLR2004
    return f"$'{''.join(plain)}'"


def _program() -> list[str]:
    """Return how this program was called."""
    if os.path.basename(sys.argv[0]) == "__main__.py":
        return [quoted(os.path.basename(sys.executable)), "-m", "secftp.client"]
    return [_PROGRAM]
