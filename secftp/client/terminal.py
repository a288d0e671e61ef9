"""All text output of the client.

The messages of a transfer are those of the original system. They go to standard error, since standard output carries
files; only what was asked for (help, versions, a new key) goes to standard output. Foreign text is escaped here, at the
last moment, whatever was done to it before. Invariants: no key is shown (except a new one), and a terminal that can't
be written to never ends a transfer.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import time
from typing import TYPE_CHECKING, Final

from secftp.client.failures import PartialFailure, hint_for
from secftp.client.progress_bar import Bar, terminal_columns
from secftp.errors import (
    ExitCode,
    InputOutputError,
    SecftpError,
    Side,
    UsageError,
)
from secftp.text import escape, fold, format_duration, show_digest, show_local

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from secftp.client.failures import Failures
    from secftp.client.request_progress import RequestProgress
    from secftp.client.run_log import RunLog
    from secftp.json_lines import Value
    from secftp.url import Endpoint

STANDARD_OUTPUT: Final = 1
STANDARD_ERROR: Final = 2
_OUTPUT_CLOSED: Final = "Standard output was closed by its reader."
# Before a command that is to be pasted.
_COMMAND: Final = "  secftp "
_TO_GO_ON: Final = "To go on: "
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


class Terminal:
    """Standard error, as text or as JSON Lines. `quiet`: errors only.

    `json`: standard error is read by a program. `shows`: the value of --progress. `arguments`: the command line, to be
    repeated in a resume command. `status`, `resume`: for an interruption: what is complete, and the command that
    resumes. `bar`: is erased before anything else is written. `counts`: the results of the command, for the event
    `ended` and for the `log`; `failure`: the first failure, as a sentence, or what ended the command.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self.json = False
        self.shows = "auto"
        self.log: RunLog | None = None
        self.counts: dict[str, Value] = {}
        self.failure = ""
        self._began = time.monotonic()
        self._has_ended = False
        self.arguments: list[str] = []
        self.status = ""
        self.resume = ""
        self.bar: Bar | RequestProgress | None = None

    def print(self, text: str) -> None:
        """Write to standard output; raises as `print_output` does."""
        print_output(text + "\n")

    def starting(self, command: str, endpoint: Endpoint, filename: str, cipher: str, *, keyed: bool) -> None:
        """Repeat the arguments as they were understood, without the key."""
        self.say(
            "Client starting. Arguments:\n"
            f"  host: {escape(endpoint.host)}\n"
            f"  port: {endpoint.port}\n"
            f"  command: {command}\n"
            f"  filename: {show_local(filename)}\n"
            f"  cipher: {cipher}\n"
            f"  key: {'(hidden)' if keyed else 'none (anonymous)'}"
        )

    def key_is_visible(self) -> None:
        """Warn about a key on the command line."""
        self.say("Note: other users of this machine can see a key on the command line; use --key-file to hide it.")

    def unprotected(self) -> None:
        """Warn, even with --quiet, that the session has no protection although no option asked for that."""
        if not self.json:
            self._write(
                _fitting(
                    "Warning: no key was given, so this session is neither authenticated nor encrypted; "
                    "--anonymous suppresses this warning.\n"
                )
            )

    def receiving(self) -> None:
        """Say that the session is open and the file is being received."""
        self.say("Receiving file...")

    def sending(self) -> None:
        """Say that the session is open and the file is being sent."""
        self.say("Sending file...")

    def confirmed(self, algorithm: str, digest: bytes, size: int) -> None:
        """Say that the file is complete and verified, in the words of the original system."""
        self.counts = {"files": 1, "bytes": size, "checksum": digest.hex(), "algorithm": algorithm}
        self.say(f"File confirmed, checksum: {show_digest(algorithm, digest)}")

    def key_file_made(self, path: str) -> None:
        """Say where the new key is."""
        self.say(f"The new key is in {show_local(path)}. Copy this file secretly to the other users of the key.")

    def note(self, text: str) -> None:
        """Say something that is not a failure; `text` is escaped already."""
        self.say(f"Note: {text}")

    def hint(self, text: str) -> None:
        """Say what may help although nothing has failed; nothing if there is no text, which is escaped already."""
        if text:
            self.say(f"  hint: {text}")

    def retrying(self, problem: SecftpError, pause: float, attempt: int, attempts: int | None) -> None:
        """Say that there will be another connection; `attempts` None: until one succeeds."""
        limit = "until it succeeds" if attempts is None else f"{attempt} of {attempts}"
        self.say(f"{_guarded(str(problem))} Retrying in {format_duration(pause)} ({limit}).")

    def waiting(self) -> None:
        """Say that the server has not answered the handshake yet, and why that may be."""
        sentence = (
            "Waiting for the server to answer the handshake. It delays its answers after wrong keys from this address, "
            "or when it is busy or being restarted."
        )
        if self.json:
            self.event({"event": "waiting", "message": sentence})
        else:
            self.say(sentence)

    @property
    def shows_bars(self) -> bool:
        """Return whether a progress bar would be visible."""
        return not self.quiet and not self.json and self.shows == "auto" and os.isatty(STANDARD_ERROR)

    @property
    def has_events(self) -> bool:
        """Return whether --progress json was given."""
        return self.shows == "json"

    def progress(self, *, wanted: bool) -> Bar:
        """Return a bar for a transfer; it stays hidden unless it is wanted and would be visible, or writes events."""
        if self.has_events:
            from secftp.client.request_progress import EventBar

            self.bar = EventBar(self)
        else:
            self.bar = Bar(self.draw, hidden=not wanted or not self.shows_bars)
        return self.bar

    def counting(self, done: str, unit: str, failures: Failures) -> RequestProgress:
        """Return the progress of a command that counts what it has `done`, as `removed`, in a `unit`, as `entries`."""
        from secftp.client.request_progress import RequestProgress

        return RequestProgress(self, done, unit, failures)

    def draw(self, text: str) -> None:
        """Write as it is, for a bar."""
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except (OSError, ValueError, AttributeError):
            # A pipe without a reader, a closed stream, or none at all since the start.
            self.quiet = True
            discard(STANDARD_ERROR)

    # --- how it ends --------------------------------------------------------------------------------------------------

    def complain(self, problem: SecftpError) -> None:
        """Report the error that ends the command, with its hint, even with --quiet."""
        first = self.failure if isinstance(problem, PartialFailure) else ""
        self._end(str(problem), problem.hint or hint_for(problem), problem.exit_code)
        self.failure = first or self.failure

    def failed(self, problem: SecftpError) -> None:
        """Report one failure among others, in a line."""
        message = _guarded(str(problem))
        self.failure = self.failure or message
        if self.json:
            self.event({"event": "failed", "message": message, "exit_code": int(problem.exit_code)})
        else:
            self._write(_fitting(f"secftp: {message}\n"))

    def output_closed(self) -> None:
        """Note that standard output has no reader any more: `| head` is no failure to complain about, as in coreutils.

        The exit code tells it; with --progress json an event, and the log.
        """
        self.failure = _OUTPUT_CLOSED
        if self.has_events:
            self._end(_OUTPUT_CLOSED, "", ExitCode.BROKEN_PIPE)

    def stopped(self, reason: str, code: int) -> None:
        """Report a signal that ended the command, and how to resume if that is possible."""
        self.failure = f"{reason}."
        if self.json:
            self.event(
                {
                    "event": "interrupted",
                    "reason": reason,
                    "complete": self.status,
                    "resume": self.resume,
                    "exit_code": code,
                }
            )
            return
        self._write(_fitting(f"secftp: {reason}.{' ' if self.status else ''}{self.status}\n"))
        if self.resume:
            self._write(f"  hint: To go on: {_guarded(self.resume)}\n")

    def bug(self, problem: Exception) -> None:
        """Report an unexpected exception, without its text, which may contain anything."""
        self._end(
            f"Internal error ({type(problem).__name__} {_origin(problem)}).",
            "This is a bug in secftp. Please report this line, and what you did.",
            ExitCode.FAILED,
        )

    def ended(self, **fields: Value) -> None:
        """Write the event about the end of a command, once, if events were asked for, with the counts or `fields`."""
        if (self.has_events or fields) and not self._has_ended:
            seconds = round(time.monotonic() - self._began, 3)
            known: dict[str, Value] = fields or {**self.counts, "seconds": seconds}
            self.event({"event": "ended", **known})
        self._has_ended = True

    def log_result(self, code: int) -> None:
        """Append the result of the command to its log, if it has one; a log that can't be written is reported."""
        if self.log is None:
            return
        try:
            self.log.write(code, self.counts, self.failure if code else "")
        except SecftpError as problem:
            self.failed(problem)

    def event(self, fields: dict[str, Value]) -> None:
        """Write an object as a line."""
        from secftp.json_lines import line

        self._write(line(fields))

    def say(self, text: str) -> None:
        """Write a line, unless --quiet or JSON was asked for."""
        if not self.quiet and not self.json:
            self._write(_fitting(text + "\n"))

    def _end(self, sentence: str, hint: str, code: int) -> None:
        self.failure = _guarded(sentence)
        if self.json:
            fields: dict[str, Value] = {"event": "error", "message": _guarded(sentence), "hint": _guarded(hint)}
            self.event(fields | {"exit_code": int(code)})
        else:
            text, found, command = _guarded(hint).partition(_TO_GO_ON)
            shown = f"secftp: {_guarded(sentence)}\n" + (f"  hint: {text}{found}\n" if hint else "")
            # A command is to be pasted, so it stays a line.
            self._write(_fitting(shown).removesuffix("\n") + command + "\n")

    def clear(self) -> None:
        """Erase the bar, if there is one, before something else is written."""
        if self.bar is not None:
            self.bar.clear()

    def _write(self, text: str) -> None:
        self.clear()
        self.draw(text)


def print_output(text: str) -> None:
    """Write to standard output at once, while a failure can still be reported.

    Raises `BrokenPipeError` if there is no reader, `UsageError` if it is closed, else `InputOutputError`.
    """
    if sys.stdout is None:
        raise UsageError("Standard output is closed.", hint="Open it, or redirect it to a file.")
    with _output_errors():
        sys.stdout.write(text)
        sys.stdout.flush()


def print_bytes(data: bytes) -> None:
    """Write bytes, such as unescaped names, to standard output; raises as `print_output` does."""
    print_output("")
    with _output_errors():
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


@contextlib.contextmanager
def _output_errors() -> Iterator[None]:
    """Convert the errors of standard output, except a BrokenPipeError."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        discard(STANDARD_OUTPUT)
        reason = (error.strerror or type(error).__name__).lower()
        hint = "Free some space on this machine's disk." if error.errno in _FULL else ""
        raise InputOutputError(f"Standard output can't be written: {reason}.", hint=hint, side=Side.LOCAL) from None


def _fitting(text: str) -> str:
    """Return the text with lines that fit into the terminal, if standard error is one; a command stays a line."""
    if not os.isatty(STANDARD_ERROR):
        return text
    columns = terminal_columns()
    return "\n".join(line if line.startswith(_COMMAND) else fold(line, columns) for line in text.split("\n"))


def discard(descriptor: int) -> None:
    """Redirect a descriptor to /dev/null, so that Python's own flush at exit has nothing to report."""
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    if null != descriptor:
        os.dup2(null, descriptor)
        os.close(null)


def _guarded(sentence: str) -> str:
    """Escape a sentence that may contain names, escaped or not; the backslashes of existing escapes stay."""
    return "\\".join(map(escape, sentence.split("\\")))


def _origin(problem: Exception) -> str:
    """Return where an exception was raised: file and line."""
    trace: TracebackType | None = problem.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "nowhere"
    return f"at {escape(os.path.basename(trace.tb_frame.f_code.co_filename))}:{trace.tb_lineno}"
