"""The client's words: everything that it ever shows to people is written here.

The words of a transfer are the original's. All of it goes to standard error, since standard output carries files; only
what was asked for by itself (help, versions, a new key) goes there. Text that came from elsewhere is escaped in here,
at the last moment, whatever was done to it before. What must never happen: that a key is shown (none gets here but a
new one), or that a terminal which can't be written to ends a transfer.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from typing import TYPE_CHECKING, Final

from secftp.client.hints import hint_for
from secftp.client.progress import Bar
from secftp.errors import (
    ExitCode,
    InputOutputError,
    NoSpace,
    SecftpError,
    Side,
    UsageError,
)
from secftp.text import escape, format_duration, typed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from secftp.client.as_json import Value
    from secftp.client.options import TransferOptions

STANDARD_OUTPUT: Final = 1
STANDARD_ERROR: Final = 2
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


class Terminal:
    """Whoever watches. `quiet` leaves nothing but errors.

    `programs`: standard error is read by a program, and gets JSON. `arguments`: the command line, for those who repeat
    it. `standing`: where an interrupted verb stands, and the command that goes on. `bar`: what is cleared away before
    anything else is written.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self.programs = False
        self.arguments: list[str] = []
        self.standing = ("", "")
        self.bar: Bar | None = None

    def print(self, text: str) -> None:
        """Write what was asked for to standard output; raises as `print_output` does."""
        print_output(text + "\n")

    def starting(self, options: TransferOptions, *, keyed: bool) -> None:
        """Tell what was understood."""
        self.say(
            "Client starting. Arguments:\n"
            f"  host: {escape(options.endpoint.host)}\n"
            f"  port: {options.endpoint.port}\n"
            f"  command: {options.verb}\n"
            f"  filename: {escape(typed(options.filename))}\n"
            f"  cipher: {options.cipher}\n"
            f"  key: {'(hidden)' if keyed else 'none (anonymous)'}"
        )

    def key_is_visible(self) -> None:
        """Tell that a key on the command line is no secret on this machine."""
        self.say("Note: other users of this machine can see a key on the command line; --key-file hides it.")

    def unprotected(self) -> None:
        """Tell, quiet or not, that the session has no protection, which nothing on the command line asked for."""
        if not self.programs:
            self._write(
                "Warning: no key was given, so this session is neither authenticated nor encrypted; "
                "--no-key says that this is meant.\n"
            )

    def receiving(self) -> None:
        """Tell that the server has let us in and the file comes."""
        self.say("Receiving file...")

    def sending(self) -> None:
        """Tell that the server has let us in and the file goes."""
        self.say("Sending file...")

    def confirmed(self, digest: bytes) -> None:
        """Tell that the file stands, whole and verified."""
        self.say(f"File confirmed, checksum: {digest.hex()}")

    def key_file_made(self, path: str) -> None:
        """Tell where the new key is."""
        self.say(f"A new key is in {escape(typed(path))}. Copy the file, in secret, to whoever shall have the key.")

    def noted(self, text: str) -> None:
        """Tell, in a line that is escaped already, of what is no failure."""
        self.say(f"Note: {text}")

    def retrying(self, problem: SecftpError, pause: float, attempt: int, attempts: int) -> None:
        """Tell that the connection is going to be made anew."""
        self.say(f"{_guarded(str(problem))} Trying again in {format_duration(pause)} ({attempt} of {attempts}).")

    def waiting(self) -> None:
        """Tell that the server has not answered the handshake yet, and what that may come from."""
        sentence = (
            "Waiting for the server to answer the handshake. It delays its answers after wrong keys from this address, "
            "or when it is busy or being restarted."
        )
        if self.programs:
            self.event({"event": "waiting", "message": sentence})
        else:
            self.say(sentence)

    @property
    def shows_bars(self) -> bool:
        """Whether somebody could see a bar."""
        return not self.quiet and not self.programs and os.isatty(STANDARD_ERROR)

    def progress(self, *, wanted: bool) -> Bar:
        """A bar to watch a transfer by; it stays hidden unless it is wanted and somebody can see it."""
        self.bar = Bar(self.draw, hidden=not wanted or not self.shows_bars)
        return self.bar

    def draw(self, text: str) -> None:
        """Write for a bar."""
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except (OSError, ValueError, AttributeError):
            # A pipe without a reader, a closed stream, or none at all since the start.
            self.quiet = True
            discard(STANDARD_ERROR)

    # --- how it ends --------------------------------------------------------------------------------------------------

    def complain(self, problem: SecftpError) -> None:
        """Tell what went wrong and what to do about it. Quiet or not, this is always shown."""
        self._end(str(problem), problem.hint or hint_for(problem), problem.exit_code)

    def failed(self, problem: SecftpError) -> None:
        """Tell of one failure among others, in a line."""
        message = _guarded(str(problem))
        if self.programs:
            self.event({"event": "failed", "message": message, "exit_code": int(problem.exit_code)})
        else:
            self._write(f"secftp: {message}\n")

    def reader_gone(self) -> None:
        """Tell that standard output has no reader any more."""
        self._end("Whoever read the output went away before its end.", "", ExitCode.BROKEN_PIPE)

    def stopped(self, reason: str, code: int) -> None:
        """Tell that somebody ended this process, and how to go on if there is a way."""
        complete, command = self.standing
        if self.programs:
            self.event(
                {"event": "interrupted", "reason": reason, "complete": complete, "resume": command, "exit_code": code}
            )
            return
        self._write(f"secftp: {reason}.{' ' if complete else ''}{complete}\n")
        if command:
            self._write(f"  hint: To go on: {_guarded(command)}\n")

    def bug(self, problem: Exception) -> None:
        """Tell of an error that should not be possible. Its own text is not shown, for nobody knows what it holds."""
        self._end(
            f"Something went wrong that secftp did not foresee ({type(problem).__name__} {_origin(problem)}).",
            "This is a mistake in secftp. Please report this line, and what you did.",
            ExitCode.FAILED,
        )

    def event(self, fields: dict[str, Value]) -> None:
        """Tell a program."""
        from secftp.client.as_json import line

        self._write(line(fields))

    def say(self, text: str) -> None:
        """Tell people, unless they want to hear nothing."""
        if not self.quiet and not self.programs:
            self._write(text + "\n")

    def _end(self, sentence: str, hint: str, code: int) -> None:
        """The last words."""
        if self.programs:
            fields: dict[str, Value] = {"event": "error", "message": _guarded(sentence), "hint": _guarded(hint)}
            self.event(fields | {"exit_code": int(code)})
        else:
            self._write(f"secftp: {_guarded(sentence)}\n" + (f"  hint: {_guarded(hint)}\n" if hint else ""))

    def clear(self) -> None:
        """Take the bar away, if there is one, so that something else can be written."""
        if self.bar is not None:
            self.bar.clear()

    def _write(self, text: str) -> None:
        self.clear()
        self.draw(text)


def print_output(text: str) -> None:
    """Write to standard output at once, while a failure can still be told.

    A reader who is gone is a BrokenPipeError. Raises `UsageError` if it is closed, `InputOutputError` for all else.
    """
    if sys.stdout is None:
        raise UsageError("Standard output is closed.", hint="Open it, or send it to a file.")
    with _told():
        sys.stdout.write(text)
        sys.stdout.flush()


def print_bytes(data: bytes) -> None:
    """Write to standard output what is no text, such as names as they are; raises as `print_output` does."""
    print_output("")
    with _told():
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """In its block a failure of standard output is a sentence; that nobody reads it stays a BrokenPipeError."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        discard(STANDARD_OUTPUT)
        reason = (error.strerror or type(error).__name__).lower()
        kind = NoSpace if error.errno in _FULL else InputOutputError
        raise kind(f"Standard output can't be written: {reason}.", side=Side.LOCAL) from None


def discard(descriptor: int) -> None:
    """Let what is written there from now on vanish, so that Python's own flush at the end finds nothing to report."""
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    if null != descriptor:
        os.dup2(null, descriptor)
        os.close(null)


def _guarded(sentence: str) -> str:
    """A sentence in which names stand, escaped or not: escaping, but not the backslashes of escapes that are there."""
    return "\\".join(map(escape, sentence.split("\\")))


def _origin(problem: Exception) -> str:
    """Where an exception was raised: file and line."""
    trace: TracebackType | None = problem.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "nowhere"
    return f"at {escape(os.path.basename(trace.tb_frame.f_code.co_filename))}:{trace.tb_lineno}"
