"""Life of a server process, from the bound port to the exit code.

The order matters: the port first, which only root may bind; then the unprivileged user; then files and keys, so that
the server can read again later what it read at its start, and never files of root. Signal handlers only set a flag and
wake the loop, which happens even if Python has not run the handler yet.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import signal
from typing import TYPE_CHECKING, Final

from secftp import system
from secftp.errors import ExitCode, KeyFormatError, UsageError
from secftp.keys import read_text
from secftp.safe_path import module_directory
from secftp.server.keyring import Keyring
from secftp.server.log import Log, LogLevel
from secftp.server.log_output import open_log
from secftp.server.own_names import OwnNamesStore
from secftp.server.path_checks import CodePaths, check_operator_files
from secftp.server.proxies import Proxies
from secftp.server.quota import Quota
from secftp.server.reload import Reloader
from secftp.server.roots import open_root
from secftp.server.server import FileServer
from secftp.server.size_quota import bounded
from secftp.storage import ALGORITHMS, LocalStore, load_digests
from secftp.system import has_controlling_terminal
from secftp.text import escape, show_local
from secftp.transport import notify

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.server.options import ServerLimits, ServerOptions
    from secftp.server.roots import Root
    from secftp.server.shared import Sharing
    from secftp.storage import Store
    from secftp.transport import Listener

_UNSAFE_START: Final = (
    "Python also searches this directory for modules: clients can't create names in it that begin with secftp, or are "
    "those of modules that Python loads first. Prefer secftpd, or python -P -m secftp.server."
)
_ANY_PROXY: Final = (
    "Every address may say which address a client has (proxy-from with the prefix 0): only a firewall makes the limits "
    "by address work."
)
_STOP: Final = (signal.SIGINT, signal.SIGTERM)


def check(options: ServerOptions) -> None:
    """Raise the `SecftpError` that a start with these options would raise, without binding the port.

    Files are read as `options.user` if that is set, so that root can check the configuration of a service.
    """
    check_operator_files(options)
    if options.user is not None:
        drop_privileges(options.user)
    with contextlib.ExitStack() as stack:
        log = _open_log(options, stack)
        root = stack.enter_context(contextlib.closing(open_root(options)))
        stack.enter_context(contextlib.closing(Keyring(options, log, root, lambda store: store))).load()
        _share(options, options.limits, log, stack)


def run(
    options: ServerOptions,
    listener: Listener,
    read_options: Callable[[], ServerOptions],
) -> ExitCode:
    """Serve until a signal stops the server; return the exit code.

    `read_options` is called at each reload. Raises `SecftpError` if the server can't start.
    """
    check_operator_files(options)
    code = CodePaths()
    load_digests(*ALGORITHMS)
    if options.user is not None:
        drop_privileges(options.user)
    with contextlib.ExitStack() as stack:
        log = _open_log(options, stack)
        root = stack.enter_context(contextlib.closing(open_root(options, sweep=True)))
        wrapped = _store_wrapper(options, log)
        keyring = stack.enter_context(contextlib.closing(Keyring(options, log, root, wrapped, code)))
        access = keyring.load()
        reloader = Reloader(options, log, keyring, read_options)
        limits = options.limits.within_descriptors()
        sharing = _share(options, limits, log, stack)
        server = FileServer(
            wrapped(root),
            access,
            log,
            limits=limits,
            grace=options.grace,
            compression=options.compression,
            on_reload=reloader,
            proxies=Proxies(options.proxy_from),
            sharing=sharing,
        )
        reloader.server = server
        stack.callback(reloader.wait)
        listener.wake_on_signals()
        for number in _STOP:
            signal.signal(number, lambda *_: server.stop())
        terminal = _Terminal(server)
        signal.signal(signal.SIGHUP, terminal.on_hangup if terminal.is_ours else lambda *_: server.reload())
        if os.geteuid() == 0:
            log.line("Running as root: use an unprivileged user (--user NAME).", LogLevel.WARNING)
        if keyring.writes_where_modules_are:
            log.line(_UNSAFE_START, LogLevel.WARNING)
        _announce(listener, options, root, log)
        reloader.tell(access, options)
        notify("READY=1", f"STATUS=Listening on port {listener.port}")
        server.serve(listener, on_stop=lambda: notify("STOPPING=1", "STATUS=Waiting for transfers to end"))
        for number in (*_STOP, signal.SIGHUP):
            # A signal now changes nothing, and must not make this a death by a signal.
            signal.signal(number, signal.SIG_IGN)
        log.line("Stopped.")
        return ExitCode.HUNG_UP if terminal.is_closed else ExitCode.OK


def _share(options: ServerOptions, limits: ServerLimits, log: Log, stack: contextlib.ExitStack) -> Sharing | None:
    """Connect to the Redis that servers share, if there is one. Raises `SecftpError` if that refuses the password."""
    if options.shared is None:
        return None
    from secftp.server.shared import Sharing

    password = options.shared_password
    if options.shared_password_file is not None:
        password = read_password(options.shared_password_file)
    return stack.enter_context(Sharing(options.shared, password, limits, log))


def read_password(path: str) -> str:
    """Return the password in a file, its first line. Raises `KeyFormatError` as `read_trusted` does."""
    subject = f"The password file {show_local(path)}"
    password = read_text(path, subject).removesuffix("\n").removesuffix("\r")
    if not password or "\n" in password:
        raise KeyFormatError(f"{subject} has no password, or several lines.", hint="It is one line.")
    return password


class _Terminal:
    """The controlling terminal of the server. When it is closed the server stops, as other programs do.

    A service has none. nohup ignores SIGHUP at the start: such a server is meant to stay, and SIGHUP reloads.
    """

    def __init__(self, server: FileServer) -> None:
        self._server = server
        self.is_ours = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN and has_controlling_terminal()
        self.is_closed = False

    def on_hangup(self, *_: object) -> None:
        """Stop the server; the handler of SIGHUP."""
        self.is_closed = True
        self._server.stop()


def _open_log(options: ServerOptions, stack: contextlib.ExitStack) -> Log:
    counter, where = None, None
    if options.metrics is not None and not options.check_config:
        from secftp.server.metrics import serve_metrics

        counter = stack.enter_context(serve_metrics(*options.metrics))
        where = f"Metrics @ {options.metrics[0]} on port {counter.port}"
    level = LogLevel[options.log_level.upper()]
    log = Log(level=level, json=options.log_format == "json", counter=counter)
    if options.log_file is not None:
        log.reopen(open_log(options.log_file, options.directory))
        stack.callback(_close_log, log)
    if where is not None:
        log.line(where)
    return log


def _close_log(log: Log) -> None:
    stream = log.reopen(None)
    if stream is not None:
        stream.close()


def _store_wrapper(options: ServerOptions, log: Log) -> Callable[[Store], Store]:
    """Return the function that wraps a directory's store for sessions: with quotas, if there are any."""
    limits = options.limits
    if limits.max_file_size is None and limits.min_free is None and limits.min_free_files is None:
        return lambda store: _without_own_names(store, store)
    quota = Quota(limits, log.limit)
    return lambda store: _without_own_names(store, bounded(store, quota))


def _without_own_names(store: Store, seen: Store) -> Store:
    """Wrap a store so that names of our modules can't be created where `python -m` has searched for modules."""
    directory = module_directory()
    if directory is None or not isinstance(store, LocalStore) or not store.is_same_directory(directory):
        return seen
    return OwnNamesStore(seen)


def drop_privileges(name: str) -> None:
    """Switch to this user, its groups and its home directory, for good. Raises `UsageError`."""
    import pwd

    try:
        entry = pwd.getpwnam(name)
    except (KeyError, ValueError):
        raise UsageError(f"There is no user {show_local(name)}.", hint="Give the name of a local user.") from None
    if os.geteuid() != entry.pw_uid or os.getuid() != entry.pw_uid:
        try:
            os.initgroups(name, entry.pw_gid)
            os.setgid(entry.pw_gid)
            os.setuid(entry.pw_uid)
        except OSError:
            raise UsageError("Only root can switch to another user.", hint="Omit --user, or start as root.") from None
        with contextlib.suppress(OSError, ImportError):
            system.forbid_dumps()  # fs.suid_dumpable may have allowed them again
    os.environ["HOME"] = entry.pw_dir
    os.environ.pop("XDG_STATE_HOME", None)


def _announce(listener: Listener, options: ServerOptions, root: Root, log: Log) -> None:
    for address in reachable_addresses(listener.bound):
        log.line(f"Listening @ {address} on port {listener.port}")
    if options.proxy_from:
        log.line(f"PROXY headers are required from {', '.join(map(str, options.proxy_from))}")
    if any(network.prefixlen == 0 for network in options.proxy_from):
        log.line(_ANY_PROXY, LogLevel.WARNING)
    if isinstance(root, LocalStore):
        log.line(f"Serving the directory {show_local(os.path.realpath(options.root))}")
    else:
        log.line(f"Serving the object store {escape(root.url)}")


def reachable_addresses(bound: list[str]) -> list[str]:
    """Return the addresses that clients can connect to, for sockets bound to these addresses.

    A wildcard stands for every address of its family on this machine, without loopback (unless there is no other) and
    without IPv6 link-local addresses, which need a zone that only the client knows.
    """
    found: list[str] = []
    for address in bound:
        ip = ipaddress.ip_address(address.partition("%")[0])
        found += _of_this_machine(ip.version, address) if ip.is_unspecified else [address]
    unique = list(dict.fromkeys(found))
    return unique or ["127.0.0.1" if any("." in address for address in bound) else "::1"]


def _of_this_machine(version: int, wildcard: str) -> list[str]:
    import psutil

    addresses = []
    try:
        interfaces = psutil.net_if_addrs()
    except OSError:
        return [wildcard]  # a sandbox may deny access to the interfaces; listening works without it
    for entries in interfaces.values():
        for entry in entries:
            try:
                ip = ipaddress.ip_address(entry.address.partition("%")[0])
            except ValueError:
                continue  # a hardware address
            if ip.version == version and not (ip.is_loopback or ip.is_link_local or ip.is_unspecified):
                addresses.append(str(ip))
    return addresses
