"""The options of a copy, declared once for the command line, the Python interface and the engine.

Importing this module loads neither the protocol nor the core, so a command line can be parsed without them.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

if TYPE_CHECKING:
    from secftp.storage import Path

_Value = TypeVar("_Value")

# Files of this size and more are kept as partial files when their transfer is interrupted, so that it can be resumed.
KEEP_BYTES: Final = 2**20


class RemoteLocation(NamedTuple):
    """A name at the server. `path` is `()` for the served directory; `trailing_slash`: it has to be a directory."""

    path: Path
    trailing_slash: bool = False


class CommandLineOption(NamedTuple):
    """How the command line spells an option; in the metadata of each field of `CopyOptions`, under `"option"`.

    An option without a `metavar` takes no value: given, it inverts the field's default. A field that is a tuple takes a
    value each time the option is given. `aliases` work and are not shown in `--help`.
    """

    flags: tuple[str, ...]
    help: str
    metavar: str | None = None
    aliases: tuple[str, ...] = ()


def _option(
    *flags: str,
    default: _Value,
    help: str,  # noqa: A002 - the argument of argparse
    metavar: str | None = None,
    aliases: tuple[str, ...] = (),
) -> _Value:
    value: _Value = dataclasses.field(
        default=default, metadata={"option": CommandLineOption(flags, help, metavar, aliases)}
    )
    return value


@dataclasses.dataclass(frozen=True, slots=True)
class CopyOptions:
    """How files are copied; what each field does is the help text of its option.

    `include`, `exclude`: patterns as in `secftp.copy.filters`. `follow_symlinks` is for uploads: a server never follows
    symlinks. `limit_rate`: bytes of file data a second, None for no limit. `checksum`: the name of the algorithm of the
    digests.
    """

    include: tuple[bytes, ...] = _option(
        "--include", default=(), metavar="PATTERN", help="copy only files that match PATTERN; may be repeated"
    )
    exclude: tuple[bytes, ...] = _option(
        "--exclude", default=(), metavar="PATTERN", help="skip files and directories that match; may be repeated"
    )
    overwrite: bool = _option(
        "-n", "--no-overwrite", default=True, aliases=("--no-clobber",), help="skip files that already exist"
    )
    update: bool = _option("-u", "--update", default=False, help="skip files with the same size and modification time")
    resume: bool = _option("--resume", default=False, help="resume partial files, after verifying their digest")
    follow_symlinks: bool = _option(
        "--follow-symlinks",
        default=False,
        aliases=("--follow",),
        help="copy the targets of symlinks instead of skipping them",
    )
    preserve: bool = _option("--no-preserve", default=True, help="do not preserve permissions and modification times")
    dry_run: bool = _option("--dry-run", default=False, help="show what would be copied, without copying anything")
    limit_rate: int | None = _option(
        "--limit-rate",
        default=None,
        metavar="RATE",
        aliases=("--limit", "--bwlimit", "--bandwidth"),
        help="limit the transfer to RATE bytes per second: 500K, 1.5M, 20KiB",
    )
    checksum: str = _option(
        "--checksum", default="xxh128", metavar="KIND", help="xxh128 (the default), sha256, blake3 or md5"
    )
