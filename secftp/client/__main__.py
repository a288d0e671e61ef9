"""`python -m secftp.client`, also installed as `secftp`: from arguments to an exit code.

Every failure ends in one sentence and a documented code. Invariants: no traceback, no message of Python's own at
the end of the process, and no partial file left behind by a signal.
"""

from __future__ import annotations

from secftp import safe_path

if __name__ == "__main__":
    safe_path.take_off()  # not only python -m runs a module: runpy.run_module does, and tools like coverage

import gc
import os
import sys

from secftp.errors import ExitCode, InstallationError, SecftpError

TYPE_CHECKING = False  # as of typing: the key is stretched before that is imported, see secftp/client/key_ahead.py
if TYPE_CHECKING:
    from typing import Final

    from secftp.client.signals import Interruptions
    from secftp.client.terminal import Terminal

_OBJECTS_AT_START: Final = 100_000


def main(argv: list[str] | None = None) -> int:
    """Run the client and return its exit code; without arguments for this process, whose signals it handles.

    A process whose command is over ends here, unless something waits for the end of Python.
    """
    if argv is None:
        safe_path.take_off()
    interruptions = terminal = None
    try:
        if argv is None:
            # Starting creates many objects and no garbage: a collection before the first batch only takes time.
            gc.set_threshold(_OBJECTS_AT_START)
            _open_standard_descriptors()
            interruptions = _begin()
        terminal = _new_terminal()
        code = _run(sys.argv[1:] if argv is None else argv, terminal)
    except _NoStart as problem:
        _new_terminal().complain(problem)
        return int(ExitCode.FAILED)
    except KeyboardInterrupt as stop:
        code = _stopped(stop, terminal or _new_terminal())
    if interruptions is not None:
        interruptions.end()
    if terminal is not None:
        terminal.log_result(code)
    if interruptions is not None:
        from secftp.client.leave import leave

        leave(code)
        gc.freeze()  # Python's last collection would look at everything once more, just before the system frees it
    return int(code)


def _run(arguments: list[str], terminal: Terminal) -> int:
    """Return the exit code of everything but a signal."""
    try:
        return _do(arguments, terminal)
    except SecftpError as problem:
        terminal.complain(problem)
        return problem.exit_code
    except BrokenPipeError:
        from secftp.client.terminal import STANDARD_OUTPUT, discard

        discard(STANDARD_OUTPUT)
        terminal.output_closed()
        return ExitCode.BROKEN_PIPE
    except Exception as problem:  # noqa: BLE001 - a bug must not look like a user error
        terminal.bug(problem)
        return ExitCode.FAILED


def _do(arguments: list[str], terminal: Terminal) -> int:
    try:
        from secftp.client.commands import run

        return run(arguments, terminal)
    except SystemExit as stop:  # argparse, after it has printed its help
        return int(stop.code or 0)
    except SecftpError:
        raise
    except ImportError as problem:
        raise InstallationError(
            f"A package that secftp needs can't be loaded: {problem.name}.", hint="Install secftp again with pip."
        ) from None


class _NoStart(SecftpError):
    """The system denies this process a descriptor or a thread."""


def _begin() -> Interruptions:
    """Stretch the key in a thread, and let signals end this process cleanly from now on. Raises `_NoStart`."""
    from secftp.client import key_ahead

    key_ahead.begin(sys.argv[1:], os.environ)
    # What is imported from here on, and anywhere else in the client, is imported while the key is stretched.
    from secftp.client.signals import Interruptions
    from secftp.text import fit_streams

    fit_streams()
    try:
        interruptions = Interruptions()
        interruptions.begin()
    except (OSError, RuntimeError) as problem:
        reason = getattr(problem, "strerror", None) or str(problem)
        raise _NoStart(
            f"The system does not let secftp start: {reason.lower()}.", hint="Check its limits: ulimit -a"
        ) from problem
    return interruptions


def _new_terminal() -> Terminal:
    from secftp.client.terminal import Terminal

    return Terminal()


def _stopped(stop: KeyboardInterrupt, terminal: Terminal) -> int:
    """Report the signal that ended the command, and return the exit code."""
    from secftp.client.signals import STOPPING, Stopped

    if isinstance(stop, Stopped):
        code = 128 + stop.number
        terminal.stopped(STOPPING[stop.number], code)
        return code
    terminal.stopped("Interrupted", ExitCode.INTERRUPTED)
    return ExitCode.INTERRUPTED


def _open_standard_descriptors() -> None:
    """Open closed ones: their numbers would be given to the next file or connection."""
    for stream in (sys.__stdin__, sys.__stdout__, sys.__stderr__):
        if stream is None:
            os.open(os.devnull, os.O_RDWR)


if __name__ == "__main__":
    sys.exit(main())
