"""The options of a copy, declared once for the command line, the Python interface and the engine.

Importing this module loads neither the protocol nor the core, so a command line can be parsed without them.
"""

import os
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

from secftp.errors import UsageError

if TYPE_CHECKING:
    from secftp.storage import Path

# Files of this size and more are kept as partial files when their transfer is interrupted, so that it can be resumed.
KEEP_BYTES: Final = 2**20
# Sessions that one copy may use.
MAX_STREAMS: Final = 16

# Shards of one copy: far more than there are jobs at one time, and a number that a mistyped one exceeds.
MAX_SHARDS: Final = 1_000_000

# Bytes of a suffix of backups.
MAX_SUFFIX: Final = 64

# Of compression: the default is that of zstd, and faster than any line on which compression pays.
DEFAULT_LEVEL: Final = 3
MAX_LEVEL: Final = 19


class RemoteLocation(NamedTuple):
    """A name at the server. `path` is `()` for the served directory; `trailing_slash`: it has to be a directory."""

    path: "Path"
    trailing_slash: bool = False


class Shard(NamedTuple):
    """One of `of` shards of a copy, numbered from 1; which files it has is in `secftp.transfer.shards`."""

    number: int
    of: int


class CommandLineOption(NamedTuple):
    """How the command line spells an option, and what it does; in the annotation of each field of `CopyOptions`.

    An option without a `metavar` takes no value: given, it inverts the field's default. A field that is a tuple takes a
    value each time the option is given. `aliases` work and are not shown in `--help`. `bare`: the value of an option
    without a metavar, in place of that; another one may follow an equals sign. In `does`, `{one|other}` is `one` for a
    command line and `other` for a program, whose values are no texts.
    """

    flags: tuple[str, ...]
    does: str
    metavar: str | None = None
    aliases: tuple[str, ...] = ()
    bare: str | None = None

    @property
    def help(self) -> str:
        """What the option does, for `--help`."""
        return _variant(self.does, 0)

    @property
    def meaning(self) -> str:
        """What a value other than the default does, for the documentation of a program's keyword."""
        return _variant(self.does, 1)


def _variant(text: str, number: int) -> str:
    """Return a text with the first or second of what is in each pair of braces."""
    before, brace, rest = text.partition("{")
    if not brace:
        return text
    choice, _, after = rest.partition("}")
    return before + choice.split("|")[number] + _variant(after, number)


class CopyOptions(NamedTuple):
    """How files are copied; what each field does is the help text of its option.

    `include`, `exclude`: patterns as in `secftp.transfer.filters`. `follow_symlinks` is for uploads: a server never
    follows symlinks. `limit_rate`: bytes of file data a second, as they are sent,
    None for no limit. `checksum`: the name of the
    algorithm of the digests. `streams`: sessions for one large file, None for automatic choice. `results`: a file, to
    which what became of each file is appended as in `secftp.transfer.results`.
    """

    include: Annotated[
        tuple[bytes, ...],
        CommandLineOption(
            ("--include",), "copy only files that match {PATTERN; may be repeated|one of these patterns}", "PATTERN"
        ),
    ] = ()
    exclude: Annotated[
        tuple[bytes, ...],
        CommandLineOption(
            ("--exclude",), "skip files and directories that match{; may be repeated| one of these patterns}", "PATTERN"
        ),
    ] = ()
    overwrite: Annotated[
        bool,
        CommandLineOption(
            ("-n", "--no-overwrite"), "skip files that already exist", aliases=("--no-clobber", "--ignore-existing")
        ),
    ] = True
    update: Annotated[
        bool,
        CommandLineOption(("-u", "--update"), "skip files with the same size and modification time, and newer ones"),
    ] = False
    force: Annotated[
        bool,
        CommandLineOption(("-f", "--force"), "{with --update|with `update`}, replace files that are newer, too"),
    ] = False
    resume: Annotated[
        bool,
        CommandLineOption(
            ("-P", "--resume"), "resume partial files, after verifying their digest", aliases=("--partial",)
        ),
    ] = False
    follow_symlinks: Annotated[
        bool,
        CommandLineOption(
            ("-L", "--follow-symlinks"),
            "copy the targets of symlinks instead of skipping them",
            aliases=("--follow", "--copy-links", "--dereference"),
        ),
    ] = False
    preserve: Annotated[
        bool, CommandLineOption(("--no-preserve",), "do not preserve permissions and modification times")
    ] = True
    dry_run: Annotated[
        bool,
        CommandLineOption(
            ("--dry-run",),
            "{show what would be copied, without copying anything|copy nothing; the callbacks and the summary say what "
            "would be copied}",
        ),
    ] = False
    limit_rate: Annotated[
        int | None,
        CommandLineOption(
            ("--limit-rate",),
            "limit the transfer to {RATE bytes per second: 500K, 1.5M, 20KiB|so many bytes per second; None for no "
            "limit}",
            "RATE",
            ("--limit", "--bwlimit", "--bandwidth"),
        ),
    ] = None
    checksum: Annotated[
        str,
        CommandLineOption(
            ("--checksum",),
            "{xxh128 (the default), sha256, blake3 or md5|the algorithm of the digests: `xxh128`, `sha256`, `blake3` "
            "or `md5`}",
            "KIND",
        ),
    ] = "xxh128"
    streams: Annotated[
        int | None,
        CommandLineOption(
            ("--streams",),
            "use {N|so many} connections for a large file, 1 to 16; {auto (the default)|None for a choice by the round "
            "trip}",
            "N",
        ),
    ] = None
    backup: Annotated[
        str | None,
        CommandLineOption(
            ("-b", "--backup"),
            "keep {what is replaced as NAME~; --backup=SUFFIX: with another suffix|each file that is replaced, under "
            "its name with this suffix; None for no backups}",
            bare="~",
        ),
    ] = None
    sparse: Annotated[
        bool,
        CommandLineOption(
            ("-S", "--sparse"),
            "make holes of all runs of zeros, not only of those that are holes at the source",
        ),
    ] = False
    compress: Annotated[
        bool,
        CommandLineOption(
            ("-z", "--compress"),
            "compress files with zstd, where that makes them smaller{|, if the server supports it, which the summary "
            "says; it needs the extra `secftp[zstd]`, or Python 3.14}",
        ),
    ] = False
    compress_level: Annotated[
        int | None,
        CommandLineOption(
            ("--compress-level",),
            "compress, from 1 (fast) to 19 (small); {default: 3|None for level 3 if `compress` is true}",
            "LEVEL",
        ),
    ] = None
    shard: Annotated[
        Shard | None,
        CommandLineOption(
            ("--shard",),
            "copy only {shard I of N: the shards 1/N to N/N have each file once|the files of shard `i` of `n`, given "
            "as `(i, n)`; the shards `(1, n)` to `(n, n)` together have each file once}",
            "I/N",
        ),
    ] = None
    results: Annotated[
        str | None,
        CommandLineOption(
            ("--results",),
            "append {a line of JSON for each file to FILE|to this file a line of JSON for each file of the copy}",
            "FILE",
        ),
    ] = None

    @property
    def backup_suffix(self) -> bytes | None:
        """What is added to the name of a file that is replaced; None: no backups are kept."""
        return None if self.backup is None else os.fsencode(self.backup)

    @property
    def level(self) -> int | None:
        """The level at which files are compressed; None if they are not."""
        if self.compress_level is not None:
            return self.compress_level
        return DEFAULT_LEVEL if self.compress else None


def check_backup(suffix: str) -> str:
    """Return the suffix of backups. Raises `UsageError` for one that no name can have."""
    if not suffix or "/" in suffix or "\0" in suffix or len(os.fsencode(suffix)) > MAX_SUFFIX:
        raise UsageError(
            f"The suffix of backups has 1 to {MAX_SUFFIX} bytes, and no slash.", hint="For example --backup=.bak"
        )
    return suffix


def check_shard(number: int, of: int) -> Shard:
    """Return the shard. Raises `UsageError` unless it is one of 1 to `MAX_SHARDS` shards."""
    if not 1 <= number <= of <= MAX_SHARDS:
        raise UsageError(
            f"A shard is I/N, with I from 1 to N, and N up to {MAX_SHARDS}.", hint="For example --shard 1/8."
        )
    return Shard(number, of)


def check_results(path: str) -> str:
    """Return the name of a file for results. Raises `UsageError` for one that no file has, and for `-`."""
    if path in ("", "-") or "\0" in path:
        raise UsageError("--results requires the name of a file.", hint="For example --results copy.jsonl.")
    return path


# Annotations of this module are objects and no texts, so that an option is declared in one place and read without the
# modules that a dataclass needs, whose import takes as long as all other parsing.
COMMAND_LINE: Final[dict[str, CommandLineOption]] = {
    name: annotation.__metadata__[0] for name, annotation in CopyOptions.__annotations__.items()
}
