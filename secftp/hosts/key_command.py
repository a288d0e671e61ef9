"""Keys that a command prints, such as a password manager.

The command is a list of arguments; no shell reads it. It gets no standard input, which is data, and no SECFTP_KEY; its
errors go where those of this process go. It may ask at the terminal: it is in the foreground there for that time.

Invariants: a command that fails, prints nothing or takes too long is an error, and never leads to an anonymous session;
neither its words nor what it printed get into a message; it is never left running or unreaped.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Final

from secftp.errors import KeyFormatError
from secftp.keys.files import MAX_KEY_BYTES, key_of, reason_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from secftp.keys import Key

SECONDS: Final = 30.0
_STEP: Final = 0.05  # seconds between looks at a command that has not closed its output
_SECRETS: Final = ("SECFTP_KEY", "SECFTP_KEY_FILE")
_TERMINAL: Final = "/dev/tty"


def read_key_command(arguments: Sequence[str], subject: str, *, seconds: float = SECONDS) -> Key:
    """Return the key that a command prints, in the format of a key file; `subject` begins the sentences of errors.

    The command has so many seconds. Raises `KeyFormatError` if it can't be started, fails, prints nothing or more than
    64 KiB, or takes longer; it is killed then, with its process group.
    """
    environment = {name: value for name, value in os.environ.items() if name not in _SECRETS}
    deadline = time.monotonic() + seconds
    try:
        process = subprocess.Popen(  # noqa: S603 - the user's own command, without a shell
            list(arguments), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environment, process_group=0
        )
    except (OSError, ValueError) as problem:
        reason = reason_of(problem) if isinstance(problem, OSError) else "its words contain a NUL"
        raise KeyFormatError(
            f"{subject} can't be started: {reason}.", hint="It is a program with its arguments; no shell reads it."
        ) from None
    try:
        with _in_foreground(process.pid):
            data = _receive(process, subject, deadline, seconds)
        _check_status(process.returncode, subject)
    except BaseException:
        _kill(process)
        raise
    finally:
        assert process.stdout is not None
        process.stdout.close()
    if not data.strip():
        raise KeyFormatError(f"{subject} printed no key.", hint="Run it by hand: it has to print the key alone.")
    return key_of(data, f"What {subject[0].lower()}{subject[1:]} printed")


def _receive(process: subprocess.Popen[bytes], subject: str, deadline: float, seconds: float) -> bytes:
    """Return what the command prints, once it has ended. A process that it left behind may keep its output open."""
    assert process.stdout is not None
    descriptor = process.stdout.fileno()
    os.set_blocking(descriptor, False)
    output = select.poll()
    output.register(descriptor, select.POLLIN)
    data, is_open = b"", True
    while True:
        has_ended = process.poll() is not None
        while is_open and output.poll(0):
            chunk = os.read(descriptor, MAX_KEY_BYTES)
            data += chunk
            is_open = bool(chunk)
            if len(data) >= MAX_KEY_BYTES:
                raise KeyFormatError(f"{subject} printed more than 64 KiB.", hint="It has to print the key alone.")
        if has_ended:
            return data
        left = deadline - time.monotonic()
        if left <= 0:
            raise KeyFormatError(
                f"{subject} did not end within {seconds:.0f} seconds, and was killed.",
                hint="Run it by hand to see what it waits for.",
            )
        if is_open:
            output.poll(min(left, _STEP) * 1000)
        else:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(min(left, _STEP))


def _check_status(status: int, subject: str) -> None:
    if status == -signal.SIGINT:  # Ctrl-C at the terminal, of which the command was in the foreground
        raise KeyboardInterrupt
    if status:
        how = f"with exit status {status}" if status > 0 else f"by signal {-status}"
        raise KeyFormatError(f"{subject} failed: it ended {how}.", hint="Run it by hand: it has to print the key.")


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the command and what it has started, and reap it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextlib.contextmanager
def _in_foreground(group: int) -> Iterator[None]:
    """Let a process group have the terminal, if this process has it; without it, to read there would stop the group."""
    try:
        terminal = os.open(_TERMINAL, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        yield
        return
    try:
        own = os.getpgrp()
        if os.tcgetpgrp(terminal) != own:
            yield
            return
        with contextlib.suppress(OSError):  # it has ended
            os.tcsetpgrp(terminal, group)
            os.killpg(group, signal.SIGCONT)  # it may have been stopped by reading too early
        try:
            yield
        finally:
            # From the background, this would stop the process.
            blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
            with contextlib.suppress(OSError):
                os.tcsetpgrp(terminal, own)
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    finally:
        os.close(terminal)
