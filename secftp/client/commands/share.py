"""`secftp share`: a server for a few files that ends after they were downloaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from secftp.client.handover_options import EVENTS, HandoverSettings, add_handover_options, take_handover_settings
from secftp.client.options import CommandParser, local_name
from secftp.errors import NotFound, Side
from secftp.text import count_files, format_size, show_path

if TYPE_CHECKING:
    from secftp.client.terminal import Terminal
    from secftp.storage.selection import SelectionStore

_NAMES: Final = 5


class ShareOptions(NamedTuple):
    """What to share."""

    files: tuple[str, ...]
    settings: HandoverSettings


def parser() -> CommandParser:
    """Return the parser of the command line."""
    parser = CommandParser(
        "share",
        usage="[options] FILE...",
        description="Let another person download files and directories from this machine, and\n"
        "nothing beside them. Prints what that person types, and a key of six words.\n"
        "Ends after one complete download.",
        epilog="examples:\n"
        "  secftp share plan.pdf photos\n"
        "  secftp share --times 3 --for 2h huge.img\n"
        "  secftp share --port 40123 --key-file ~/.secftp.key backup.tar\n"
        "\nA download is complete when one client has got every file to its end, and has\n"
        "ended without an error. The exit code is 0 then, and 5 if --for is over before.\n"
        f"\n{EVENTS}",
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="a file or a directory; each is seen by its last name")
    add_handover_options(parser, "complete downloads")
    return parser


def parse(arguments: list[str]) -> ShareOptions:
    """Return the options; raises `UsageError`."""
    values = parser().parse(arguments)
    files = tuple(local_name(file, "share") for file in values.pop("files"))
    return ShareOptions(files, take_handover_settings(values))


def run(options: ShareOptions, terminal: Terminal) -> None:
    """Serve the files until they were downloaded.

    Raises `TransferTimeout` if the time is over before, and what `SelectionStore` and the choice of the key raise.
    """
    from secftp.client.handover import HandoverView, require_terminal
    from secftp.sharing.handover import hand_over
    from secftp.sharing.words import choose_key, refuse_shared
    from secftp.storage.selection import SelectionStore

    settings = options.settings
    require_terminal(settings, terminal)
    if settings.key_file is not None:
        refuse_shared(settings.key_file, options.files)
    key, words = choose_key(settings.key_file)
    view = HandoverView(terminal, settings, takes=False, words=words)
    store = SelectionStore(options.files)
    try:
        totals = _count(store)
    except BaseException:
        store.close()
        raise
    names = [show_path(name) for name in store.names]
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    what = f"Sharing {', '.join(names[:_NAMES])}{more}: {count_files(totals[0])}, {format_size(totals[1])}."
    hand_over(store, key, settings, view, what, takes=False, totals=totals)


def _count(store: SelectionStore) -> tuple[int, int]:
    """Return the number of files and of their bytes. Raises `NotFound` if there is no file."""
    files = nbytes = 0
    for entry in store.scan((), recursive=True):
        if entry.info is not None and entry.info.size is not None:
            files += entry.info.kind == "file"
            nbytes += entry.info.size
    if not files:
        raise NotFound("There is no file in what is to be shared.", hint="Name a file.", side=Side.LOCAL)
    return files, nbytes
