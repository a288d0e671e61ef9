"""`python -m secftp.server <port> [key]`, also installed as `secftpd`."""

from __future__ import annotations

from secftp import safe_path

if __name__ == "__main__":
    safe_path.take_off()  # not only python -m runs a module: runpy.run_module does, and tools like coverage

import contextlib
import os
import resource
import sys
import threading
from typing import TYPE_CHECKING, Final

from secftp import system
from secftp.errors import ExitCode, InstallationError, SecftpError, UsageError
from secftp.text import fit_streams, fold

if TYPE_CHECKING:
    from secftp.server.options import ServerOptions
    from secftp.transport import Listener

# By default Python switches threads every 5 ms; a session that waits for the interpreter transfers nothing meanwhile.
SWITCH_SECONDS: Final = 0.0005
_STANDARD_ERROR: Final = 2
_USUAL_COLUMNS: Final = 80


def main(arguments: list[str] | None = None) -> int:
    """Run a server until it is stopped; return the exit code."""
    if arguments is None:
        safe_path.take_off()
    _open_standard_descriptors()
    fit_streams()
    try:
        code = _run(sys.argv[1:] if arguments is None else arguments)
    except SecftpError as problem:
        _complain(problem)
        code = int(problem.exit_code)
    except KeyboardInterrupt:
        code = int(ExitCode.INTERRUPTED)
    if arguments is None:
        _leave_hanging_threads(code)
    return code


def _open_standard_descriptors() -> None:
    """Reopen closed standard descriptors: a connection would get their numbers, and messages would go into it."""
    for stream in (sys.__stdin__, sys.__stdout__, sys.__stderr__):
        if stream is None:
            os.open(os.devnull, os.O_RDWR)


def _leave_hanging_threads(code: int) -> None:
    """End the process if a thread still hangs, in a request to a store or in a file system.

    Its library may be in compiled code, which must not return into an interpreter that ends.
    """
    if any(thread.daemon for thread in threading.enumerate()):
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)


def _complain(problem: SecftpError) -> None:
    text = f"secftpd: {problem}" + (f"\n  hint: {problem.hint}" if problem.hint else "")
    with contextlib.suppress(OSError):  # if it is no terminal
        text = fold(text, os.get_terminal_size(_STANDARD_ERROR).columns or _USUAL_COLUMNS)
    print(text, file=sys.stderr)


def _run(arguments: list[str]) -> int:
    from secftp.server.config import OptionSource

    source = OptionSource(arguments)
    options = source.read()
    try:
        from secftp.server.roots import check_root
        from secftp.server.run import check, run
    except InstallationError:
        raise
    except ImportError as problem:
        raise InstallationError(
            f"A package that secftp needs is missing: {problem.name}.", hint="Install secftp again with pip."
        ) from None
    if options.congestion is not None:
        from secftp.transport import require_congestion

        require_congestion(options.congestion)
    _prepare_process()
    check_root(options)
    if options.key is not None:
        print(
            "secftpd: A key on the command line is visible to other local users; use --key-file.",
            file=sys.stderr,
        )
    if options.check_config:
        check(options)
        print("The configuration is in order.")
        return int(ExitCode.OK)
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(contextlib.closing(_listen(options)))
        if options.congestion is not None:
            listener.set_congestion(options.congestion)
        return int(run(options, listener, source.read))


def _prepare_process() -> None:
    # A sandbox may deny either.
    with contextlib.suppress(OSError, ImportError):
        system.forbid_dumps()  # they would contain the keys
    with contextlib.suppress(OSError, ValueError):
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # every connection is a descriptor
    sys.setswitchinterval(SWITCH_SECONDS)


def _listen(options: ServerOptions) -> Listener:
    from secftp.server.server import open_listener
    from secftp.transport import inherited

    if (found := inherited()) is not None:
        return found
    if options.port is None:
        raise UsageError("The port is missing.", hint="LISTEN_FDS refers to the sockets of another process.")
    return open_listener(options.hosts, options.port)


if __name__ == "__main__":
    sys.exit(main())
