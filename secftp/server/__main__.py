"""`python -m secftp.server <port> [key]`, also installed as `secftpd`."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
from typing import TYPE_CHECKING, Final

from secftp.errors import ExitCode, InstallationError, NotFound, SecftpError, UsageError
from secftp.text import escape

if TYPE_CHECKING:
    from secftp.channel import Listener
    from secftp.keys import Key
    from secftp.server.log import Log
    from secftp.server.options import ServerOptions

# Python hands the interpreter on every 5 ms; a session's thread that waits for it that long moves nothing meanwhile.
SWITCH_SECONDS: Final = 0.0005


def main(arguments: list[str] | None = None) -> int:
    """Run a server until it is stopped; the exit code."""
    _open_standard_descriptors()
    try:
        return _run(sys.argv[1:] if arguments is None else arguments)
    except SecftpError as problem:
        _complain(problem)
        return int(problem.exit_code)
    except KeyboardInterrupt:
        return int(ExitCode.INTERRUPTED)


def _open_standard_descriptors() -> None:
    """A closed one would be given to a connection, and whatever writes there would write into it."""
    for stream in (sys.__stdin__, sys.__stdout__, sys.__stderr__):
        if stream is None:
            os.open(os.devnull, os.O_RDWR)


def _complain(problem: SecftpError) -> None:
    print(f"secftpd: {problem}", file=sys.stderr)
    if problem.hint:
        print(f"  hint: {problem.hint}", file=sys.stderr)


def _run(arguments: list[str]) -> int:
    from secftp.server.options import parse

    options = parse(arguments)
    try:
        from secftp.record import Suite
        from secftp.server.access import Access
        from secftp.server.log import Log
        from secftp.server.server import Server
        from secftp.storage import LocalStore
    except InstallationError:
        raise
    except ImportError as problem:
        raise InstallationError(
            f"A package that secftp needs is missing: {problem.name}.", hint="Install secftp again with pip."
        ) from None
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold the keys
    sys.setswitchinterval(SWITCH_SECONDS)
    log = Log()
    key = _choose_key(options, log)
    with contextlib.closing(LocalStore(options.root, sweep=True)) as store:
        access = Access(
            key,
            suites=frozenset(Suite[name.upper()] for name in options.ciphers),
            anonymous=options.anonymous,
            anonymous_write=options.anonymous_write,
            read_only=options.read_only,
            overwrite=not options.no_overwrite,
        )
        server = Server(store, access, log, max_clients=options.max_clients)
        listener = _listen(options)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: server.stop())
        _announce(listener, options, log)
        server.serve(listener)
        for number in (signal.SIGINT, signal.SIGTERM):
            # One that comes now changes nothing any more, and must not make of this end a death by a signal.
            signal.signal(number, signal.SIG_IGN)
    log.line("Stopped.")
    return int(ExitCode.OK)


def _choose_key(options: ServerOptions, log: Log) -> Key | None:
    """The key that was given, or one of our own; None for a server that is for everybody."""
    from secftp.keys import Key, load_or_create, read_key_file, refuse_beneath

    _require_folder(options.root)
    environment = os.environ.pop("SECFTP_KEY", None)  # no child of ours needs it
    if options.key is not None:
        print(
            "secftpd: Other users of this machine can see a key on the command line; --key-file hides it.",
            file=sys.stderr,
        )
        return Key.from_text(options.key)
    if options.key_file is not None:
        refuse_beneath(options.key_file, options.root)
        return read_key_file(options.key_file)
    if environment is not None:
        return Key.from_text(environment)
    if options.anonymous or options.anonymous_write:
        return None
    if sys.stdout is not None and sys.stdout.isatty():
        return _new_key(log)
    remembered = load_or_create(options.root)
    log.line(f"Key: in the file {escape(os.fsencode(remembered.path))}")
    return remembered.key


def _new_key(log: Log) -> Key:
    """A key that this terminal alone gets to see, once."""
    from secftp.keys import Key, generate_key

    text = generate_key()
    log.line(f"Key: {text}")
    return Key.from_text(text)


def _require_folder(root: str) -> None:
    if not os.path.isdir(root):
        there = os.path.exists(root)
        raise NotFound(
            f"{escape(os.fsencode(root))} is no folder."
            if there
            else f"There is no folder {escape(os.fsencode(root))}.",
            hint="Give the folder to serve with --root DIR.",
        )


def _listen(options: ServerOptions) -> Listener:
    from secftp.channel import listen

    try:
        return listen(options.hosts, options.port)
    except OSError as problem:
        if isinstance(problem, SecftpError):
            raise
        raise UsageError(
            f"Port {options.port} can't be listened on: {(problem.strerror or str(problem)).lower()}.",
            hint="Give another port, or 0 to pick a free one.",
        ) from None


def _announce(listener: Listener, options: ServerOptions, log: Log) -> None:
    from secftp.server.addresses import reachable_addresses

    for address in reachable_addresses(listener.bound):
        log.line(f"Listening @ {address} on port {listener.port}")
    log.line(f"Serving the folder {escape(os.fsencode(os.path.realpath(options.root)))}")


if __name__ == "__main__":
    sys.exit(main())
