"""Choice of the key: which one a session uses, and where it comes from.

In this order: the command line ([key], --key-file, --key-fd, --key-command or --anonymous, at most one of them), the
environment (SECFTP_KEY, SECFTP_KEY_FILE), the user's file of hosts, and for a cipher that encrypts a prompt on the
terminal. A session is anonymous only with --anonymous; the one exception are `read` and
`write` with the cipher none, which meant that in the original system and print a warning. Invariants: a key that is
missing or unusable never leads to an anonymous session, a prompt never consumes a byte of standard input, which is
data, and no message contains a key.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from secftp.client.key_ahead import Source, take
from secftp.errors import KeyFormatError, UsageError
from secftp.text import ESCAPING, escape, from_locale

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from secftp.client.options import ConnectionOptions
    from secftp.hosts.config import KeySource
    from secftp.keys import Key

VARIABLE: Final = "SECFTP_KEY"
FILE_VARIABLE: Final = "SECFTP_KEY_FILE"
TERMINAL: Final = "/dev/tty"
# A terminal delivers lines of at most 4096 bytes; this is for those that deliver more.
MAX_LINE_BYTES: Final = 65536


def choose_key(options: ConnectionOptions, *, none_is_anonymous: bool = False) -> Callable[[], Key] | None:
    """Return a function that obtains the key, possibly with a prompt; None for an anonymous session.

    `none_is_anonymous`: the cipher none without a key needs no --anonymous. The variables are removed from the
    environment in any case, as no child process needs them. Raises `UsageError` for a key name without a key,
    `KeyFormatError` for the cipher none without either. The function raises `KeyFormatError` for an unusable key.
    """
    obtain = find_key(options)
    if obtain is not None:
        return obtain
    if options.cipher != "none" and not options.anonymous:
        return lambda: ask(f"Key for {escape(options.endpoint.host)}:{options.endpoint.port}: ")
    if not none_is_anonymous and not options.anonymous:
        raise KeyFormatError(
            "No key was given; with the cipher none the session would be neither authenticated nor encrypted.",
            hint=f"Give the key with --key-file FILE or in {VARIABLE}, or use --anonymous for an anonymous session.",
        )
    if options.endpoint.name:
        raise UsageError(
            "A key name was given, but no key.", hint="Give the key as well, or leave out the name to be anonymous."
        )
    return None


def find_key(options: ConnectionOptions) -> Callable[[], Key] | None:
    """Return a function that obtains the key, which raises `KeyFormatError`; None if none is given anywhere.

    The variables are removed from the environment.
    """
    text, file = os.environ.pop(VARIABLE, None), os.environ.pop(FILE_VARIABLE, None)
    given = _from_command_line(options)
    if given is not None or options.anonymous:
        return given
    if text is not None:
        return _from_text(from_locale(text))
    if file is not None:
        return _from_file(file)
    return None if options.configured_key is None else _from_config(options.configured_key)


def _from_command_line(options: ConnectionOptions) -> Callable[[], Key] | None:
    if options.key_file is not None:
        return _from_file(options.key_file)
    if options.key_fd is not None:
        return _from_descriptor(options.key_fd)
    if options.key_command is not None:
        return _from_command(options.key_command)
    return None if options.key is None else _from_text(from_locale(options.key))


def _from_file(path: str) -> Callable[[], Key]:
    def obtain() -> Key:
        from secftp.keys import read_key_file

        return take(Source(file=path)) or read_key_file(path, pipe=True)

    return obtain


def _from_descriptor(descriptor: int) -> Callable[[], Key]:
    def obtain() -> Key:
        from secftp.keys import read_key_descriptor

        return read_key_descriptor(descriptor)

    return obtain


def _from_command(arguments: Sequence[str]) -> Callable[[], Key]:
    def obtain() -> Key:
        from secftp.hosts.key_command import read_key_command

        return read_key_command(arguments, "The key command")

    return obtain


def _from_config(source: KeySource) -> Callable[[], Key]:
    def obtain() -> Key:
        return (take(Source(file=source.file)) if source.file is not None else None) or source.read()

    return obtain


def _from_text(text: str) -> Callable[[], Key]:
    def obtain() -> Key:
        from secftp.keys import Key

        return take(Source(text=text)) or Key.from_text(text)

    return obtain


def ask(prompt: str) -> Key:
    """Return the key that is typed, without echo, at the controlling terminal of this process.

    Raises `KeyFormatError` if there is no terminal, if nothing is typed, and as `Key.from_text` does.
    """
    from secftp.keys import Key

    try:
        terminal = os.open(TERMINAL, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        raise KeyFormatError(
            "A key is required, and there is no terminal to ask for it.",
            hint=f"Give it with --key-file FILE or in {VARIABLE}, or use --anonymous if the server allows it.",
        ) from None
    try:
        line = _read_unseen(terminal, prompt)
    finally:
        os.close(terminal)
    if not line.strip():
        raise KeyFormatError("No key was typed.", hint=f"Type it, or give it with --key-file FILE or in {VARIABLE}.")
    return Key.from_text(line.decode("utf-8", "surrogateescape"))


def _read_unseen(terminal: int, prompt: str) -> bytes:
    """Read one line without echo; what was typed ahead is discarded, as it was meant for another program."""
    import termios

    before = termios.tcgetattr(terminal)
    silent = before[:]
    silent[3] &= ~termios.ECHO
    try:
        termios.tcsetattr(terminal, termios.TCSAFLUSH, silent)
        os.write(terminal, prompt.encode(os.device_encoding(terminal) or "utf-8", ESCAPING))
        return _read_line(terminal)
    finally:
        termios.tcsetattr(terminal, termios.TCSAFLUSH, before)
        os.write(terminal, b"\n")


def _read_line(terminal: int) -> bytes:
    line = b""
    while not line.endswith(b"\n") and len(line) <= MAX_LINE_BYTES:
        chunk = os.read(terminal, MAX_LINE_BYTES)
        if not chunk:
            break
        line += chunk
    return line
