"""`secftp get` and `secftp put`: files and folders, both ways.

The copying is `secftp.copy`'s; here are the connections that it goes over, who watches it, and what is said when it
ends, in order or not. A copy from or to a standard stream is `copy_streams`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from secftp.client.connect import Connector
from secftp.client.copy_options import STREAM, GetOptions, PutOptions
from secftp.errors import ConnectionLost, ServerUnreachable, TransferTimeout
from secftp.messages import check_path
from secftp.session.retry import Retries

if TYPE_CHECKING:
    from collections.abc import Iterable

    from secftp.client.copy_events import Programs
    from secftp.client.copy_options import How
    from secftp.client.copy_people import People
    from secftp.client.terminal import Terminal
    from secftp.copy import CopyOptions, Download, Upload
    from secftp.url import Url

    Watching: TypeAlias = People | Programs


def run_get(options: GetOptions, terminal: Terminal) -> None:
    """Fetch. Raises what `Session.open`, `Download.run` and `choose_key` raise, and `PartialFailure`."""
    terminal.quiet, terminal.programs = options.quiet, options.progress == "json"
    _check(options.sources)
    if options.target == STREAM:
        from secftp.client.copy_streams import get_stream

        get_stream(options, terminal)
        return
    from secftp.copy import Download, RemoteLocation

    watching = watch(options, terminal, "Would fetch" if options.how.dry_run else "Fetched")
    sources = [RemoteLocation(url.path, url.trailing_slash) for url in options.sources]
    _run(options, Download(sources, options.target, copy_options(options.how), watching), watching, terminal)


def run_put(options: PutOptions, terminal: Terminal) -> None:
    """Send. Raises what `Session.open`, `Upload.run` and `choose_key` raise, and `PartialFailure`."""
    terminal.quiet, terminal.programs = options.quiet, options.progress == "json"
    _check([options.target])
    if STREAM in options.sources:
        from secftp.client.copy_streams import put_stream

        put_stream(options, terminal)
        return
    from secftp.copy import RemoteLocation, Upload

    watching = watch(options, terminal, "Would send" if options.how.dry_run else "Sent")
    target = RemoteLocation(options.target.path, options.target.trailing_slash)
    _run(options, Upload(options.sources, target, copy_options(options.how), watching), watching, terminal)


def watch(options: GetOptions | PutOptions, terminal: Terminal, done: str) -> Watching:
    """Whoever was asked to watch; `done` begins what is said at the end."""
    operands = len(options.sources)
    if terminal.programs:
        from secftp.client.copy_events import Programs

        return Programs(terminal, options.how, operands)
    from secftp.client.copy_people import People, PeopleAtTerminal

    with_bar = options.progress == "auto" and terminal.shows_bars
    return (PeopleAtTerminal if with_bar else People)(terminal, options.how, done, operands)


def copy_options(how: How) -> CopyOptions:
    """The same for the floor below."""
    from secftp.copy import CopyOptions

    given = how._asdict()
    return CopyOptions(follow_symlinks=given.pop("follow"), limit_rate=given.pop("rate"), **given)


def _check(urls: Iterable[Url]) -> None:
    """Raise `NameRefused` before the server hears of a name that none takes."""
    for url in urls:
        if url.path:
            check_path(url.path)


def _run(options: GetOptions | PutOptions, copy: Download | Upload, watching: Watching, terminal: Terminal) -> None:
    retries = Retries(
        options.retries,
        progress=lambda: watching.moved_bytes + watching.done_files,
        on_retry=watching.retrying,
    )
    connector = Connector.choose(options.connection, terminal.waiting)
    try:
        retries.run(lambda: connector.run(copy.run))
    except KeyboardInterrupt:
        watching.give_up()
        if connector.has_key and not options.how.dry_run:
            terminal.standing = (watching.standing(), _way_on(options.how, watching, terminal))
        raise
    except (ConnectionLost, ServerUnreachable, TransferTimeout) as problem:
        watching.give_up()
        if watching.moved_bytes:
            problem.hint = f"{watching.standing()} To go on: {_way_on(options.how, watching, terminal)}"
        raise
    except BaseException:
        watching.give_up()
        raise
    watching.conclude()


def _way_on(how: How, watching: Watching, terminal: Terminal) -> str:
    """The command that goes on; what is complete is left alone if it can be told from what is not."""
    from secftp.client.go_on import command_line

    several = watching.files != 1 and how.preserve
    return command_line(terminal.arguments, ["--resume", "--update"] if several else ["--resume"])
