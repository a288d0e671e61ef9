"""Which key a transfer uses, and where it comes from.

In this order: the command line ([key], --key-file, --no-key: one of them at most), SECFTP_KEY, and for a cipher that
encrypts the user at the terminal. A session is anonymous only if --no-key says so; the one exception are `read` and
`write` with the cipher none, which had that meaning from the start and print a warning. What must never happen: that a
key which was lost, or can't be used, leads to an anonymous session, that a prompt eats a byte of standard input, which
is data, or that a key gets into a message.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from secftp.errors import KeyFormatError, UsageError
from secftp.text import ESCAPING, escape, typed

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.client.common import Connection
    from secftp.client.options import TransferOptions
    from secftp.keys import Key

VARIABLE: Final = "SECFTP_KEY"
TERMINAL: Final = "/dev/tty"
# A terminal gives a line of at most 4096 bytes; this is for those that give more.
MAX_LINE_BYTES: Final = 65536


def choose_key(options: Connection | TransferOptions) -> Callable[[], Key] | None:
    """How to get the key, which may mean to prompt for it; None for an anonymous session.

    SECFTP_KEY is taken out of the environment in any case, as no child of ours needs it. Raises `UsageError` for the
    name of a key without a key, `KeyFormatError` for the cipher none without a key where that must be said with
    --no-key. Calling what is returned raises `KeyFormatError` for a key that can't be used.
    """
    variable = os.environ.pop(VARIABLE, None)
    if options.key_file is not None:
        return _from_file(options.key_file)
    text = options.key if options.key is not None else variable
    if text is not None and not options.no_key:
        return _from_text(typed(text))
    if options.cipher != "none" and not options.no_key:
        return lambda: ask(f"Key for {escape(options.endpoint.host)}:{options.endpoint.port}: ")
    if options.needs_key_for_none and not options.no_key:
        raise KeyFormatError(
            "No key was given; with the cipher none the session would be neither authenticated nor encrypted.",
            hint=f"Give the key with --key-file FILE or in {VARIABLE}, or say --no-key for an anonymous session.",
        )
    if options.endpoint.name:
        raise UsageError(
            "The name of a key was given, but no key.", hint="Give the key too, or leave the name out to be anonymous."
        )
    return None


def _from_file(path: str) -> Callable[[], Key]:
    def obtain() -> Key:
        from secftp.keys import read_key_file

        return read_key_file(path)

    return obtain


def _from_text(text: str) -> Callable[[], Key]:
    def obtain() -> Key:
        from secftp.keys import Key

        return Key.from_text(text)

    return obtain


def ask(prompt: str) -> Key:
    """The key that is typed, unseen, at the terminal that controls this process.

    Raises `KeyFormatError` when there is none, when nothing is typed, and as `Key.from_text` does.
    """
    from secftp.keys import Key

    try:
        terminal = os.open(TERMINAL, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        raise KeyFormatError(
            "A key is needed, and there is no terminal to ask for it.",
            hint=f"Give it with --key-file FILE or in {VARIABLE}; --no-key is for servers that take anybody.",
        ) from None
    try:
        line = _read_unseen(terminal, prompt)
    finally:
        os.close(terminal)
    if not line.strip():
        raise KeyFormatError("No key was typed.", hint=f"Type it, or give it with --key-file FILE or in {VARIABLE}.")
    return Key.from_text(line.decode("utf-8", "surrogateescape"))


def _read_unseen(terminal: int, prompt: str) -> bytes:
    """One line, without its echo; what was typed ahead is thrown away, for it was meant for somebody else."""
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
