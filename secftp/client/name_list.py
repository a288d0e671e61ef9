"""Lists of names for `--files-from`, as rsync reads them.

One name a line, relative to a directory; empty lines and those that begin with `#` or `;` are left out. With --from0
names end in NUL bytes, and all of them are names. Invariant: no name leads out of the directory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from secftp.command_line import add_option
from secftp.errors import UsageError
from secftp.text import show_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secftp.client.options import CommandParser
    from secftp.storage import Path

MAX_BYTES: Final = 1 << 28  # of a list: millions of names
_PIECE: Final = 1 << 20
_COMMENTS: Final = (b"#", b";")


class NameList(NamedTuple):
    """Where a list of names is: a file, `-` for standard input; `is_null`: names end in NUL bytes."""

    file: str
    is_null: bool = False


def add_list_options(parser: CommandParser) -> None:
    """Add --files-from and --from0."""
    add_option(
        parser,
        "--files-from",
        metavar="FILE",
        dest="files_from",
        help="copy what FILE names, one a line, relative to the source; - for standard input",
    )
    add_option(
        parser,
        "-0",
        "--from0",
        aliases=("--null",),
        action="store_true",
        dest="from0",
        help="the names of --files-from end in NUL bytes",
    )


def take_list(values: dict[str, Any], sources: Sequence[object]) -> NameList | None:
    """Return the list that was named, None for none; raises `UsageError` for options that do not go together."""
    file, is_null = values["files_from"], values["from0"]
    if file is None:
        if is_null:
            raise UsageError("--from0 is about --files-from, which is missing.", hint="Leave it out, or name a list.")
        return None
    if len(sources) != 1:
        raise UsageError(
            "With --files-from there is one source: the directory that the names are relative to.",
            hint="For example --files-from LIST . URL",
        )
    if values["is_exact"]:
        raise UsageError("-T can't be used with --files-from.", hint="Leave it out.")
    return NameList(file, is_null)


def read_names(names: NameList) -> list[Path]:
    """Return the names, as paths. Raises `UsageError` for one that leads out, and what `open_input` raises."""
    from secftp.client.local_io import open_input

    data, piece = bytearray(), memoryview(bytearray(_PIECE))
    with open_input(names.file, hint="Name a file with --files-from FILE.") as source:
        while count := source.readv([piece], len(data)):
            data += piece[:count]
            if len(data) > MAX_BYTES:
                raise UsageError("The list of --files-from is too long.", hint="Split it.")
    return parse_names(bytes(data), is_null=names.is_null)


def parse_names(data: bytes, *, is_null: bool) -> list[Path]:
    """Return the names in a list, as paths; those of the directory itself are left out."""
    if is_null:
        texts = data.split(b"\0")
    else:
        texts = [text.removesuffix(b"\r") for text in data.split(b"\n") if not text.startswith(_COMMENTS)]
    paths = []
    for text in texts:
        path = tuple(part for part in text.split(b"/") if part not in (b"", b"."))
        if b".." in path or (not is_null and b"\0" in text):
            raise UsageError(
                f"The list of --files-from has a name that can't be used: {show_path(path)}",
                hint="Names are relative to the source, without '..'; if they end in NUL bytes, use --from0.",
            )
        if path:
            paths.append(path)
    return paths
