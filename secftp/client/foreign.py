"""Options of cp, scp, rsync and their like that a command does not have, each with the sentence that helps.

Imported only once an option is unknown. What an option means here, where it has a meaning, is in the parsers; the table
of both is docs/reference/short-options.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

COPIES: Final = ("get", "put", "sync")
WITHIN: Final = ("cp", "mv")
LISTS: Final = ("ls", "stat", "du", "df")
_CHANGES: Final = (*COPIES, *WITHIN, "rm", "mkdir")
REMOTE: Final = (*_CHANGES, *LISTS, "cat", "sum", "verify", "ping")

_PORT: Final = "The port belongs in the URL: secftp://host:2222/path."
_NEVER_ASKS: Final = "secftp never asks."
_SHELL: Final = "The connection is secftp's own, not one of ssh: there is no remote shell to choose or configure."
_TAR: Final = "To keep them, send an archive: tar c DIRECTORY | secftp put - URL."
_OWNER: Final = f"Owner and group are those of the receiving side. {_TAR}"
_LINKS: Final = f"Symlinks are left out, or with -L copied as what they lead to. {_TAR}"
_NO_LINKS: Final = "A server follows no symlinks, and its listings have none."
_AS_THEY_ARE: Final = "Files are written as they are; to number lines or show characters, use | cat -n, | cat -A."
_QUIET: Final = "It prints what fails, and is silent otherwise."

# For each option, the verbs that it is typed with, and what helps.
_SHORT: Final[tuple[tuple[str, tuple[str, ...], str], ...]] = (
    ("-1", ("stat",), "One name a line is printed if the output is no terminal."),
    ("-4", REMOTE, "Write the IPv4 address into the URL."),
    ("-6", REMOTE, "Write the IPv6 address into the URL, in brackets."),
    ("-A", COPIES, f"Access control lists are not copied. {_TAR}"),
    ("-A", ("cat",), _AS_THEY_ARE),
    ("-B", COPIES, "The sizes of blocks and parts are chosen by secftp."),
    ("-C", COPIES, "To compress, use -z."),
    ("-D", COPIES, f"Devices, pipes and sockets are not copied. {_TAR}"),
    ("-E", COPIES, "Permissions are preserved by default."),
    ("-F", ("stat",), "The name of a directory always ends with a slash."),
    ("-H", (*COPIES, "cp"), f"Hard links are copied as files of their own. {_TAR}"),
    ("-I", COPIES, "Without --update, all files are copied again anyway."),
    ("-I", ("rm",), f"{_NEVER_ASKS} Look first: secftp ls prints what a pattern matches."),
    ("-L", (*WITHIN, *LISTS, "verify"), _NO_LINKS),
    ("-O", COPIES, "With --no-preserve, neither times nor permissions are preserved."),
    ("-P", WITHIN, f"{_NO_LINKS} {_PORT}"),
    ("-P", REMOTE, _PORT),
    ("-R", ("get", "put"), "Directories are copied with everything in them, by their last name."),
    ("-R", ("sync",), "Directories are copied with everything in them; there is nothing to add."),
    ("-R", ("stat", "sum", "verify", "mv", "du"), "A directory stands for everything in it."),
    ("-S", ("cp",), "The server copies by itself, and chooses how."),
    ("-T", ("df",), "A server does not tell of which type its file systems are."),
    ("-T", WITHIN, "Without a slash at its end, a target that does not exist is the new name."),
    ("-U", COPIES, "Times of access are not copied."),
    ("-W", COPIES, "Files are copied whole, but for what --resume continues."),
    ("-X", COPIES, f"Extended attributes are not copied. {_TAR}"),
    ("-a", ("mv", "rm", "stat", "sum", "verify"), "A directory stands for everything in it, hidden names included."),
    ("-b", ("cat",), _AS_THEY_ARE),
    ("-b", WITHIN, "To keep what is there, use --no-overwrite, or give another name."),
    ("-b", ("sync",), "What --delete removes is kept in .trash-secftp; secftp put --backup keeps what it replaces."),
    ("-c", ("get", "put"), "The cipher is --cipher; secftp verify and secftp sync --checksum compare by checksums."),
    ("-c", ("sum",), "To compare with local files, use secftp verify, or pipe the output into sha256sum -c."),
    ("-c", ("stat",), "For programs there is --json."),
    ("-c", ("ls", "mv", "rm"), "The cipher is --cipher."),
    ("-d", ("get", "put", "cp"), "Symlinks are left out, or with -L copied as what they lead to."),
    ("-d", ("rm",), "Use -r to remove a directory."),
    ("-d", ("sync",), "Use --exclude '*/' to leave out directories."),
    ("-e", COPIES, _SHELL),
    ("-f", WITHIN, "Files that exist are replaced by default."),
    ("-f", ("stat",), "For programs there is --json."),
    ("-g", COPIES, _OWNER),
    ("-g", LISTS, "A server tells neither owner nor group."),
    ("-i", COPIES, f"{_NEVER_ASKS} --dry-run shows what would be copied; a file with a key is --key-file."),
    ("-i", WITHIN, f"{_NEVER_ASKS} --no-overwrite keeps what is there."),
    ("-i", ("rm",), f"{_NEVER_ASKS} Look first: secftp ls prints what a pattern matches."),
    ("-i", ("df",), "How many files there can be is in --json: files, files_available."),
    ("-i", ("ls", "stat", "du", "mkdir", "sum", "verify", "cat"), "A file with a key is --key-file."),
    ("-j", COPIES, "The number of connections is --streams."),
    ("-k", ("ls", "stat"), "Sizes are in bytes, or with -h in units."),
    ("-l", COPIES, f"A limit is --limit-rate RATE. {_LINKS}"),
    ("-l", ("cp",), "A server makes no links."),
    ("-m", ("mkdir",), "The server chooses the permissions; those of a directory that is put are preserved."),
    ("-m", COPIES, "With --include, no empty directories are made."),
    ("-n", ("rm", "mkdir"), "There is no trial run. secftp ls prints what a pattern matches."),
    ("-n", ("cat",), _AS_THEY_ARE),
    ("-n", LISTS, "A server tells neither owner nor group."),
    ("-o", COPIES, f"{_OWNER} {_SHELL}"),
    ("-o", (*LISTS, *WITHIN, "rm", "mkdir"), _SHELL),
    ("-p", ("mv", "rm"), "Permissions and times stay as they are."),
    ("-p", ("stat", "sum", "verify"), _PORT),
    ("-r", ("mv", "mkdir", "stat", "sum", "verify", "du"), "A directory stands for everything in it."),
    ("-s", ("ls",), "Sizes are printed with -l."),
    ("-s", (*COPIES, "cp"), "Symlinks are not made."),
    ("-t", ("get", "put"), "Times are preserved by default. The target is the last argument."),
    ("-t", WITHIN, "The target is the last argument."),
    ("-t", ("df",), "A server does not tell of which type its file systems are."),
    ("-t", ("du",), "For all sizes there is --json, for example | jq 'select(.size > 1e9).path'."),
    ("-t", ("stat", "sum"), "For programs there is --json, and --checksum for the algorithm."),
    ("-u", WITHIN, "To replace nothing, use --no-overwrite."),
    ("-v", (*WITHIN, "rm", "mkdir", "sum", "verify", "cat", "stat", "du", "df"), _QUIET),
    ("-w", REMOTE, "The time to wait is --timeout."),
    ("-x", ("du",), "Other file systems in a directory belong to it."),
    ("-x", (*COPIES, "cp", "rm"), "Other file systems in a directory belong to it; --exclude leaves out names."),
    ("-z", (*WITHIN, *LISTS, "rm", "sum", "verify"), "Compression is for get, put and sync."),
)  # fmt: skip

_LONG: Final[Mapping[str, str]] = {
    "--acls": f"Access control lists are not copied. {_TAR}",
    "--append": "To continue partial files, use --resume.",
    "--append-verify": "To continue partial files, use --resume, which verifies what is there.",
    "--block-size": "Sizes are in bytes, or with -h in units.",
    "--checksum-choice": "The algorithm is --checksum.",
    "--contimeout": "The time to connect is --connect-timeout.",
    "--cvs-exclude": "Use --exclude for each pattern.",
    "--delete": "Use secftp sync --delete, which makes the target what the source is.",
    "--delete-after": "Use secftp sync --delete, which removes last.",
    "--delete-before": "Use secftp sync --delete, which removes last.",
    "--delete-during": "Use secftp sync --delete, which removes last.",
    "--delete-excluded": "Excluded names stay, also with secftp sync --delete.",
    "--devices": f"Devices are not copied. {_TAR}",
    "--exclude-from": "Use --exclude for each pattern.",
    "--existing": "Use secftp verify to find what differs.",
    "--filter": "Use --include and --exclude; exclude goes first.",
    "--group": _OWNER,
    "--hard-links": f"Hard links are copied as files of their own. {_TAR}",
    "--identity": "A file with a key is --key-file.",
    "--include-from": "Use --include for each pattern.",
    "--info": "Progress is --progress; with -v there is more about the connections.",
    "--inplace": "Files appear whole, by a rename; partial files are kept for --resume.",
    "--interactive": _NEVER_ASKS,
    "--itemize-changes": "Use --dry-run, or --progress json.",
    "--links": _LINKS,
    "--max-size": "Files can't be chosen by their size.",
    "--min-size": "Files can't be chosen by their size.",
    "--mkpath": "A slash at the end of the target creates it, with the directories above it.",
    "--mode": "The server chooses the permissions; those of a directory that is put are preserved.",
    "--numeric-ids": _OWNER,
    "--one-file-system": "Other file systems in a directory belong to it; use --exclude for their names.",
    "--out-format": "For programs there is --progress json.",
    "--owner": _OWNER,
    "--parallel": "The number of connections is --streams.",
    "--password": "A key is never on the command line: use --key-file, or SECFTP_KEY.",
    "--password-file": "A file with the key is --key-file.",
    "--port": _PORT,
    "--preserve-links": _LINKS,
    "--preserve": "Permissions and times are preserved by default.",
    "--proxy": "There are no proxies; forward a port instead.",
    "--prune-empty-dirs": "With --include, no empty directories are made.",
    "--relative": "Directories are copied by their last name; name the target with the directories above it.",
    "--remove-source-files": "Compare first: secftp verify DIRECTORY URL && rm -r DIRECTORY.",
    "--results": "Results are written by get, put and verify; for programs there is --progress json.",
    "--rsh": _SHELL,
    "--rsync-path": _SHELL,
    "--safe-links": "Symlinks are left out by default.",
    "--shard": "Shards are for get, put and verify; a sync needs the whole tree, to see what is to be deleted.",
    "--size-only": "Files of the same size and time are skipped with --update.",
    "--specials": f"Pipes and sockets are not copied. {_TAR}",
    "--stats": "The last line has the sums; --progress json has more.",
    "--target-directory": "The target is the last argument.",
    "--times": "Times are preserved by default.",
    "--user": "The name of a key is --name, or NAME@ before the host.",
    "--xattrs": f"Extended attributes are not copied. {_TAR}",
}  # fmt: skip


def help_for(verb: str, option: str) -> str:
    """Return the sentence that helps with an option that a command does not have; empty if there is none."""
    if option.startswith("--"):
        return _LONG.get(option.partition("=")[0], "")
    return next((hint for known, verbs, hint in _SHORT if known == option and verb in verbs), "")
