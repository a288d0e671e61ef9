"""Words of neighbouring programs in place of a command, each with the command that is meant.

Imported only once a command is unknown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

# The command that is meant, and what it does for them. A word of a command that does not exist is left out.
_MEANT: Final[Mapping[str, tuple[str, ...]]] = {
    "Use secftp {get}, or {put} to upload; {cp} copies on the server.": ("copy", "scp", "transfer", "copyto", "xcopy"),
    "Use secftp {put}.": ("upload", "push", "store", "mput", "import", "save", "backup"),
    "Use secftp {put}, or {share} to give a file to another person.": ("send",),
    "Use secftp {get}.": ("download", "pull", "fetch", "mget", "wget", "curl", "export", "load", "restore"),
    "Use secftp {get}, or {receive} to take a delivery.": ("recv",),
    "Use secftp {rm}.": ("delete", "del", "remove", "unlink", "erase", "deletefile"),
    "Use secftp {rm} -r.": ("rmdir", "rd", "purge", "rmtree", "deltree"),
    "Use secftp {ls}.": ("list", "dir", "lsl", "lsf", "lsd", "lsjson", "ll", "la", "tree", "find"),
    "Use secftp {mv}.": ("move", "rename", "ren", "moveto"),
    "Use secftp {mkdir}.": ("md", "makedir", "mkd"),
    "Use secftp {stat}.": ("info", "status", "file"),
    "Use secftp {cat}.": ("more", "less", "type", "head", "tail", "view", "show", "print"),
    "Use secftp {du}.": ("size", "ncdu", "usage"),
    "Use secftp {df}.": ("about", "quota", "space", "free"),
    "Use secftp {sum}.": (
        "checksum", "hash", "hashsum", "digest", "md5", "md5sum", "sha256", "sha256sum", "b3sum", "sha1sum", "xxhsum",
    ),
    "Use secftp {verify}.": ("check", "compare", "diff", "cmp", "cryptcheck"),
    "Use secftp {sync}, or {get} and {put} for copies.": ("rsync", "mirror", "bisync", "synchronize", "synchronise"),
    "An empty file is made by secftp {put} - URL < /dev/null.": ("touch", "create"),
    "Use secftp {put} with FILE..., or {write} for one file through a pipe.": ("rcat", "append", "tee"),
    "Use secftp {keygen}.": ("genkey", "key", "keys", "ssh-keygen", "password", "passwd"),
    "Use secftp {host}.": ("hosts", "config", "configure", "listremotes", "remote", "alias"),
    "Use secftp {ping}.": ("test", "version-of", "info-of"),
    "The server is secftpd.": ("serve", "server", "daemon", "start", "listen", "run", "secftpd"),
    "There is no session to open: each command connects by itself.": (
        "open", "connect", "login", "ssh", "sftp", "ftp", "shell", "cd", "lcd", "pwd", "quit", "exit", "bye", "close",
    ),
    "A server makes no links and knows no owners; permissions are those of what is put.": (
        "ln", "link", "symlink", "chmod", "chown", "chgrp", "chattr",
    ),
}  # fmt: skip


def verb_for(word: str, commands: Collection[str]) -> str:
    """Return the sentence that names the right one of the `commands`; empty if the word is no neighbour's."""
    for sentence, words in _MEANT.items():
        if word in words:
            try:
                return sentence.format_map({command: command for command in commands})
            except KeyError:
                return ""
    return ""
