"""Names at servers, and names of hosts, that complete a word of a command line.

Invariants: nothing is asked (a key that is typed, a key command and a keyring, which may ask, are not used), nothing is
reported, and it is over after `SECONDS`, whatever the server does. Names that a terminal would obey are not offered,
except with the quotes of a shell that show them as escapes.
"""

from __future__ import annotations

import _thread
import itertools
import os
import stat
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from secftp.client.completion.quoting import quote, split_line
from secftp.client.options import CommandParser, ConnectionOptions, add_connection_options, load_config, take_connection
from secftp.errors import SecftpError
from secftp.text import from_locale
from secftp.url import SCHEME, decode_path, encode_name, is_url, split_remote

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from secftp.url import Url

SECONDS: Final = 2.0
MAX_NAMES: Final = 10_000
# The commands with operands at a server, and those of them that have local ones, too.
REMOTE_COMMANDS: Final = frozenset(
    ("get", "put", "ls", "stat", "cat", "rm", "mv", "cp", "mkdir", "du", "df", "sum", "verify", "sync", "ping")
)
FILE_COMMANDS: Final = frozenset(("get", "put", "verify", "sync"))
# The options of a line that decide which server is asked, and how.
_VALUED: Final = ("--key-file", "--name", "--cipher")
_FLAGS: Final = ("--anonymous", "--no-key")
_NEVER: Final = ("--key-fd", "--key-command")
# The variable with the line from bash. It may hold a key (`--key-fd 3 3<<<KEY`), and other users see arguments.
LINE: Final = "SECFTP_COMPLETION_LINE"


class Completion(NamedTuple):
    """The words that a word may become, in full, and whether they are hosts. Directories end with a slash."""

    words: list[str]
    of_hosts: bool = False


def complete(words: Sequence[str], last: str) -> Completion:
    """Return what may complete the `last` word of a command line; nothing if anything is wrong."""
    _thread.start_new_thread(_end_in_time, ())
    try:
        if split_remote(last) is None and not is_url(last):
            return Completion(_hosts(last), of_hosts=True)
        return Completion(_names(words, last))
    except Exception:  # noqa: BLE001 - a message would be mixed with the line that the user types
        return Completion([])


def _end_in_time() -> None:
    time.sleep(SECONDS)
    os._exit(0)


def _hosts(last: str) -> list[str]:
    """Return the hosts of the user's file that begin with a word."""
    config = None if "/" in last else load_config()
    if config is None:
        return []
    name, at, host = last.rpartition("@")
    return [f"{name}{at}{known}:" for known in sorted(config.hosts) if known.startswith(host)]


def _names(words: Sequence[str], last: str) -> list[str]:
    """Return the names at a server that begin with a word, with the directory that the word names."""
    cut = last.rfind("/") + 1
    if is_url(last):
        if cut <= len(SCHEME):
            return []
        begin = decode_path(last[cut:])
    else:
        cut = cut or len(last) - len((split_remote(last) or ("", ""))[1])
        begin = last[cut:].encode("utf-8", "surrogateescape")
    return sorted(
        last[:cut] + (_encoded(name) if is_url(last) else name.decode("utf-8", "surrogateescape"))
        for name in _listing(words, last[:cut])
        if name.startswith(begin) and (begin or not name.startswith(b"."))
    )


def _encoded(name: bytes) -> str:
    return encode_name(name.removesuffix(b"/")) + "/" * name.endswith(b"/")


def _listing(words: Sequence[str], directory: str) -> list[bytes]:
    """Return the names in a directory, kept or from its server; none if that would need more than there is."""
    from secftp.client.completion import cache

    parser = CommandParser("completion", usage="", description="", epilog="")
    add_connection_options(parser)
    values = parser.parse(list(_options(words)))
    connection, (url,) = take_connection(values, [directory])
    if not is_silent(connection):
        return []
    kept = cache.Kept(cache.directory(os.environ), _subject(connection, url))
    names = kept.read()
    if names is None:
        kept.write([])  # what fails is not tried again at each key press
        names = _ask(connection, url)
        kept.write(names)
    return names


def _options(words: Sequence[str]) -> Iterator[str]:
    """Yield the options about the connection in a command line."""
    rest = iter(words)
    for word in rest:
        name, equals, value = word.partition("=")
        if word == "--":
            return
        if word in _FLAGS:
            yield word
        elif name in _NEVER:
            raise SecftpError("It may be used only once, or ask.")
        elif name in _VALUED:
            value = value if equals else next(rest, "")
            yield f"{name}={os.path.expanduser(value) if name == '--key-file' else value}"


def is_silent(connection: ConnectionOptions) -> bool:
    """Return whether the key of a connection is known without a question to the user, as far as that can be told."""
    if connection.anonymous:
        return True
    if connection.key_fd is not None or connection.key_command is not None:
        return False
    if connection.key_file is None and "SECFTP_KEY" in os.environ:
        return True
    file = connection.key_file or os.environ.get("SECFTP_KEY_FILE")
    if file is None and connection.configured_key is not None:
        file = connection.configured_key.file
    try:
        return file is not None and stat.S_ISREG(os.stat(file).st_mode)
    except OSError:
        return False


def _subject(connection: ConnectionOptions, url: Url) -> list[str]:
    configured = None if connection.configured_key is None else connection.configured_key.file
    file = connection.key_file or os.environ.get("SECFTP_KEY_FILE") or configured
    path = b"/".join(url.path).decode("utf-8", "surrogateescape")
    return [*map(str, connection.endpoint), connection.cipher, str(connection.anonymous), str(file), path]


def _ask(connection: ConnectionOptions, url: Url) -> list[bytes]:
    """Return the names that the server lists. Raises what `Session.open` and the listing raise."""
    from secftp.client.connect import Connector
    from secftp.client.key import find_key
    from secftp.protocol import Kind

    quick = connection._replace(timeout=SECONDS, connect_timeout=SECONDS)
    names = []
    with Connector(quick, find_key(quick), lambda: None).open() as session:
        for entry in session.begin_list(url.path).entries():
            if entry.kind is not None:
                names.append(entry.path[0] + (b"/" if entry.kind is Kind.DIRECTORY else b""))
            if len(names) >= MAX_NAMES:
                os._exit(0)  # a list of so many is of no use
    return names


# --- what the scripts get ---------------------------------------------------------------------------------------------


def answer(shell: str, arguments: Sequence[str]) -> bytes:
    """Return what the script of a shell reads: for bash options of `compopt` first, then words, each with a NUL.

    `arguments`: for bash what is replaced of the line before the cursor, which is in a variable; for the others the
    last word, and the words before it.
    """
    words = _for_bash(os.environ.pop(LINE, ""), *arguments) if shell == "bash" else _for_others(shell, *arguments)
    return b"".join(word.encode("utf-8", "surrogateescape") + b"\0" for word in words)


def _for_bash(text: str = "", replaced: str = "", *_: str) -> list[str]:
    """Return the answer for bash, which replaces the end of the line as it is typed, quotes and all.

    A single answer is quoted here. Of several, bash inserts what they have in common, and shows the rest: so if they
    have more in common than was typed, that is the answer. Otherwise bash gets the names unquoted, as it does of files,
    and quotes what was typed again. (It does not quote a dollar sign.)
    """
    text, replaced = from_locale(text), from_locale(replaced)
    if not text.endswith(replaced):
        return []
    before, whole = split_line(text[: len(text) - len(replaced)]), split_line(text)
    if not whole.is_known or not whole.last.startswith(before.last):
        return []
    found = complete(whole.words[1:], whole.last)
    rest = [word[len(before.last) :] for word in found.words]
    if found.of_hosts:
        return ["hosts", *rest] if rest else []
    common = _common(found.words)
    if len(rest) == 1 or len(common) > len(whole.last):
        is_done = len(rest) == 1 and not common.endswith(("/", ":"))
        return ["" if is_done else "nospace", _closed(quote(common[len(before.last) :], before.quote), before.quote)]
    is_plain = common.isprintable() and "$" not in common
    if not is_plain:
        rest = [quote(word, before.quote) for word in rest]
    return ["filenames nospace" if is_plain else "nospace", *rest] if rest else ["none"]


def _closed(text: str, opened: str) -> str:
    """Return a text behind an open quote, which readline closes, unless its last character is one."""
    return text + opened[-1:] if opened and text.endswith(opened[-1]) else text


def _for_others(shell: str, last: str = "", *words: str) -> list[str]:
    """Return the answer for shells that quote the words themselves."""
    last = from_locale(last)
    if shell == "fish":
        line = split_line(last)
        last = line.last if line.is_known else ""
    found = complete(list(map(from_locale, words)), last).words
    # A tabulator would begin a description in fish.
    return [word for word in found if shell != "fish" or "\t" not in word]


def _common(words: Sequence[str]) -> str:
    """Return what the words begin with in common."""
    first, last = min(words, default=""), max(words, default="")
    same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    return "".join(sign for sign, _ in same)
