"""`secftp mv`: rename files and directories at a server, or move them into a directory there."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from secftp.client.failures import Failures
from secftp.client.options import (
    CommandParser,
    ConnectionOptions,
    add_connection_options,
    add_no_overwrite_option,
    add_urls,
    parse_urls,
)
from secftp.command_line import add_option
from secftp.errors import AlreadyExists, FileError, NotADirectory, NotFound, UsageError

if TYPE_CHECKING:
    from secftp.client.connect import ChangingSessions
    from secftp.client.terminal import Terminal
    from secftp.session import Session
    from secftp.url import Path, Url


class MoveOptions(NamedTuple):
    """What to move, and where to."""

    connection: ConnectionOptions
    sources: tuple[Url, ...]
    target: Url
    quiet: bool
    overwrite: bool


def parser() -> CommandParser:
    """Return the parser of the command line."""
    parser = CommandParser(
        "mv",
        usage="[options] URL... URL",
        description="Rename files and directories on a server, or move them into a directory there.",
        epilog="The last URL is used as mv does: an existing directory receives the files,\n"
        "anything else is the new name. A file may replace a file; a directory never\n"
        "replaces anything.\n\n"
        "examples:\n"
        "  secftp mv secftp://host/notes.txt secftp://host/old.txt\n"
        "  secftp mv secftp://host/a secftp://host/b secftp://host/archive/\n",
    )
    add_urls(parser, metavar="URL... URL")
    add_no_overwrite_option(parser, "fail if the new name exists")
    add_option(
        parser,
        "-f",
        aliases=("--force",),
        dest="usual",
        action="store_true",
        help="as in mv: files are replaced anyway",
    )
    add_connection_options(parser)
    return parser


def parse(arguments: list[str]) -> MoveOptions:
    """Return the options; raises `UsageError`."""
    values = parse_urls(parser(), arguments)
    *sources, target = values["urls"]
    if not sources:
        raise UsageError("Required arguments are missing: the target.", hint="See secftp mv --help.")
    if any(not url.path for url in sources):
        raise UsageError("The directory that a server serves can't be moved.", hint="Name its contents.")
    return MoveOptions(values["connection"], tuple(sources), target, values["quiet"], not values["no_overwrite"])


def run(options: MoveOptions, terminal: Terminal) -> None:
    """Rename the file or directory of each URL. Raises what the session raises."""
    from secftp.client.connect import ChangingSessions
    from secftp.client.globs import expand
    from secftp.protocol import check_path, remote_failure
    from secftp.session import new_token

    urls = (*options.sources, options.target)
    with (
        Failures(terminal.failed, len(options.sources)) as failures,
        ChangingSessions(options.connection, urls, terminal, quiet=options.quiet) as sessions,
    ):
        sources = sessions.change(lambda session, _repeated: expand(session, options.sources, whole=True))
        options = options._replace(sources=tuple(sources))
        failures.operands = len(sources)
        if _is_moved_at_once(sessions, options):
            failures.done = True
            return
        into = sessions.change(lambda session, _repeated: _is_target_directory(session, options))
        taken = set()
        for url in options.sources:
            with failures.collected():
                to = (*options.target.path, url.path[-1]) if into else options.target.path
                if to in taken:
                    raise remote_failure(
                        AlreadyExists,
                        url.path,
                        "another source with the same name was moved there.",
                        hint="Give each its own target.",
                    )
                check_path(to)
                sessions.change(partial(_move, url, to, options, new_token()))
                taken.add(to)
                failures.done = True


def _is_moved_at_once(sessions: ChangingSessions, options: MoveOptions) -> bool:
    """Rename the only source as if the target were what it looks like; returns whether it was.

    A directory with a slash at its end, else a new name. Wherever that is wrong the server refuses, since nothing ever
    replaces a directory; then, and for what has to be asked first, False is returned and nothing has happened.
    """
    from secftp.protocol import check_path
    from secftp.session import new_token

    url, target = options.sources[0], options.target
    if len(options.sources) > 1 or url.trailing_slash or not target.path:
        return False
    to = (*target.path, url.path[-1]) if target.trailing_slash else target.path
    try:
        check_path(to)
        sessions.change(partial(_move, url, to, options, new_token()))
    except FileError:
        return False
    return True


def _move(url: Url, to: Path, options: MoveOptions, token: bytes, session: Session, repeated: bool) -> None:  # noqa: FBT001
    from secftp.client.connect import stat_url

    if url.trailing_slash and not repeated:  # by then it may have its new name
        stat_url(session, url)
    session.rename(url.path, to, overwrite=options.overwrite, token=token)


def _is_target_directory(session: Session, options: MoveOptions) -> bool:
    """Return whether the sources go into the target. Raises `NotFound` and `NotADirectory` if they must and can't."""
    from secftp.protocol import Kind, remote_failure

    target, has_several = options.target, len(options.sources) > 1
    try:
        is_directory = session.stat(target.path).kind is Kind.DIRECTORY
    except NotFound:
        # `mv a/ b/` renames a directory, as in mv.
        renames_directories = all(url.trailing_slash for url in options.sources)
        if has_several or (target.trailing_slash and not renames_directories):
            raise remote_failure(
                NotFound, target.path, "there is no such directory.", hint="Create it first, with secftp mkdir."
            ) from None
        return False
    if not is_directory and (has_several or target.trailing_slash):
        raise remote_failure(NotADirectory, target.path, "it is a file.", hint="Name a directory as the target.")
    return is_directory
