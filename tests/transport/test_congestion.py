"""The congestion control of a socket: set where it was asked for, and nowhere else; buffer sizes are never set.

The kernel adjusts the buffers of a socket to the line until a program sets their sizes once.
"""

from __future__ import annotations

import ast
import errno
import json
import os
import re
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import secftp
from secftp import system
from secftp.api.arguments import credentials_for
from secftp.errors import ExitCode, UsageError
from secftp.transport import congestion as module
from secftp.transport import connect, listen, require_congestion
from secftp.transport.congestion import set_congestion
from tests.server.test_running import activated
from tests.support.command_line import place, run
from tests.support.serving import DEADLINE, HOST, get, put, server_process, session
from tests.test_layers import PACKAGE, TOP, dotted, product

if TYPE_CHECKING:
    from secftp.transport import Listener

linux = pytest.mark.skipif(not hasattr(socket, "TCP_CONGESTION"), reason="TCP_CONGESTION is Linux's")
KNOWN = system.known_congestion_controls()
ALLOWED = system.allowed_congestion_controls()
LOCK = 72  # SO_BUF_LOCK of Linux 5.14: whether a program has set SO_SNDBUF (1) or SO_RCVBUF (2)
MISSING = "no_such_control"


def system_default() -> str:
    with socket.socket() as sock:
        return name_of(sock)


def name_of(sock: socket.socket) -> str:
    return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).rstrip(b"\0").decode()


def another() -> str:
    """One that any user may set, and is not the system's."""
    others = [name for name in ALLOWED if name != system_default()]
    if not others:
        pytest.skip("the system has no second congestion control")
    return others[0]


def connected(server: Listener, name: str | None = None) -> tuple[socket.socket, socket.socket]:
    """The two sockets of a connection to a listener."""
    with socket.socket() as sock:
        if name is not None:
            set_congestion(sock, name)
        sock.connect((HOST, server.port))
        server.wait(DEADLINE)
        ((accepted, _),) = server.accept()
        return sock.dup(), accepted._sock


# --- setting it -------------------------------------------------------------------------------------------------------


@linux
def test_a_socket_gets_the_one_that_was_asked_for():
    with socket.socket() as sock:
        set_congestion(sock, another())
        assert name_of(sock) == another()


@linux
@pytest.mark.parametrize("host", [HOST, "::1"])
def test_an_accepted_connection_has_that_of_the_listener(host):
    server = listen([host], 0)
    try:
        server.set_congestion(another())
        with socket.create_connection((host, server.port)):
            server.wait(DEADLINE)
            ((accepted, _),) = server.accept()
            assert name_of(accepted._sock) == another()
            accepted.close()
    finally:
        server.close()


@linux
def test_a_clients_choice_is_set_before_it_connects(tmp_path, monkeypatch):
    """The handshake of TCP is made with it already."""
    calls = []

    class Spy(socket.socket):
        def setsockopt(self, *arguments):
            calls.append(("set", arguments[:2]))
            return super().setsockopt(*arguments)

        def connect_ex(self, address):
            calls.append(("connect", address))
            return super().connect_ex(address)

    with secftp.Server(tmp_path, key="a long enough key") as server:
        monkeypatch.setattr(socket, "socket", Spy)
        with secftp.connect(server.url, key=server.key, congestion=another()):
            pass
    wanted = ("set", (socket.IPPROTO_TCP, socket.TCP_CONGESTION))
    # One socket to try the name, which connects to nothing; then that of the connection.
    assert calls.count(wanted) == 2
    assert [call[0] for call in calls].index("connect") > calls.index(wanted, calls.index(wanted) + 1)


@linux
def test_each_session_of_the_python_interface_has_it(tmp_path):
    with (
        secftp.Server(tmp_path, key="a long enough key") as server,
        secftp.connect(server.url, key=server.key, congestion=another()) as client,
    ):
        with client._pool.session(long=True) as first, client._pool.session(long=True) as second:
            assert {each._channel.tcp_info().congestion for each in (first, second)} == {another()}
        client.write_bytes("name", b"contents")
        assert client.read_bytes("name") == b"contents"


@linux
def test_the_server_of_the_python_interface_has_it(tmp_path):
    with secftp.Server(tmp_path, key="a long enough key", congestion=another()) as server:
        (sock,) = server._running[0]._listener._sockets.values()
        assert name_of(sock) == another()


# --- nothing unasked --------------------------------------------------------------------------------------------------


@pytest.fixture
def options_set(monkeypatch):
    """The options that are set on sockets of this process."""
    found = []

    def spy(sock, *arguments):
        found.append(arguments[:2])
        return original(sock, *arguments)

    original = socket.socket.setsockopt
    monkeypatch.setattr(socket.socket, "setsockopt", spy)
    return found


def test_left_out_nothing_is_set_and_never_the_size_of_a_buffer(tmp_path, options_set):
    (tmp_path / "tree").mkdir()
    for name in ("a", "b"):
        (tmp_path / "tree" / name).write_bytes(bytes(3 * 2**20))
    (tmp_path / "root").mkdir()
    with (
        secftp.Server(tmp_path / "root", key="a long enough key") as server,
        secftp.connect(server.url, key=server.key) as client,
    ):
        client.put(tmp_path / "tree", "")
        client.get("tree", tmp_path / "copy")
    assert (socket.IPPROTO_TCP, socket.TCP_NODELAY) in options_set, "the spy sees nothing"
    assert set(options_set) <= {
        (socket.IPPROTO_TCP, socket.TCP_NODELAY),
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
        (socket.SOL_SOCKET, socket.SO_REUSEADDR),
        (socket.IPPROTO_IPV6, socket.IPV6_V6ONLY),
    }


@linux
@pytest.mark.parametrize("asked", [True, False])
def test_the_kernel_adjusts_the_buffers_of_every_connection(asked):
    """As the kernel says: on the listener, the accepted socket and the client's."""
    name = another() if asked else None
    server = listen([HOST], 0)
    try:
        if name is not None:
            server.set_congestion(name)
        mine, accepted = connected(server, name)
        try:
            for sock in (mine, accepted, *server._sockets.values()):
                assert buffers_locked(sock) == 0
            if not asked:
                assert {name_of(mine), name_of(accepted)} == {system_default()}
            mine.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
            assert buffers_locked(mine) == 1, "the kernel does not tell"
        finally:
            mine.close()
            accepted.close()
    finally:
        server.close()


def buffers_locked(sock):
    try:
        return sock.getsockopt(socket.SOL_SOCKET, LOCK)
    except OSError:
        pytest.skip("the kernel does not tell whether the sizes were set")


@linux
def test_the_kernel_adjusts_the_buffers_of_a_session(tmp_path):
    with secftp.Server(tmp_path, key="a long enough key") as server:
        given = credentials_for(server.key, None, anonymous=False, cipher="aes128", name="")
        channel = connect(HOST, server.port, given, timeout=DEADLINE, congestion=another())
        try:
            assert buffers_locked(channel._stream._sock) == 0
        finally:
            channel.close()


# What sets the size of a buffer or of the window, in any language.
SIZES = re.compile(r"\bSO_(SND|RCV)BUF(FORCE)?\b|\bTCP_WINDOW_CLAMP\b|\bTCP_MAXSEG\b")
OPTIONS = {
    "socket.TCP_NODELAY",
    "socket.SO_KEEPALIVE",
    "socket.SO_REUSEADDR",
    "socket.IPV6_V6ONLY",
    "socket.TCP_CONGESTION",
}


def set_options(source):
    """The options that a source sets on sockets."""
    return {
        dotted(node.args[1]) or "something that is computed"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "setsockopt"
    }


def test_no_code_sets_the_size_of_a_buffer():
    texts = {
        path: path.read_text()
        for top in (PACKAGE, TOP / "csrc")
        for path in top.rglob("*.[pch]*")
        if path.suffix in (".py", ".c", ".h")
    }
    assert len(texts) > 100
    assert [path.name for path, text in texts.items() if SIZES.search(text)] == []
    options = set().union(*map(set_options, product().values()))
    assert options == OPTIONS
    assert SIZES.search("sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)")
    assert set_options("sock.setsockopt(1, 7, 4096)") == {"something that is computed"}


# --- what the kernel refuses ------------------------------------------------------------------------------------------


@linux
def test_a_name_that_the_kernel_does_not_have_is_an_error_with_those_that_it_has():
    with pytest.raises(UsageError, match="has no congestion control of that name") as refused:
        require_congestion(MISSING)
    assert all(name in refused.value.hint for name in KNOWN)
    assert refused.value.exit_code == ExitCode.USAGE


@linux
@pytest.mark.parametrize("name", ["", "reno\0", "reno reno", "r" * 16, "r" * 100_000, "réno", "٣", "-\n"])
def test_what_is_no_name_is_not_asked_for(name, options_set):
    """The kernel would cut a longer one, and so find another."""
    with pytest.raises(UsageError, match="at most 15 letters") as refused:
        require_congestion(name)
    assert options_set == []
    assert refused.value.hint


@linux
@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EPERM, "does not allow this congestion control without privileges"),
        (errno.ENOENT, "has no congestion control of that name"),
        (errno.EBUSY, "can't be set: Device or resource busy"),
    ],
)
def test_each_refusal_says_what_is_possible(monkeypatch, number, words):
    def refuse(*_arguments):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(module, "known_congestion_controls", lambda: ["one", "two", "secret"])
    monkeypatch.setattr(module, "allowed_congestion_controls", lambda: ["one", "two"])
    monkeypatch.setattr(socket.socket, "setsockopt", refuse)
    with pytest.raises(UsageError, match=words) as refused:
        require_congestion("reno")
    assert "one, two" in refused.value.hint
    assert ("secret" in refused.value.hint) == (number == errno.ENOENT)


def test_a_system_that_has_no_choice_says_so(monkeypatch):
    monkeypatch.delattr(socket, "TCP_CONGESTION", raising=False)
    with pytest.raises(UsageError, match="does not let a program choose"):
        require_congestion("reno")


def test_a_sandbox_that_hides_the_lists_is_told_where_they_are(monkeypatch):
    monkeypatch.setattr(module, "known_congestion_controls", list)
    monkeypatch.setattr(module, "allowed_congestion_controls", list)
    assert module._possible(permitted=True) == "See sysctl net.ipv4.tcp_allowed_congestion_control."
    assert module._possible(permitted=False) == "See sysctl net.ipv4.tcp_available_congestion_control."


def test_a_system_without_proc_lists_none(monkeypatch):
    monkeypatch.setattr("builtins.open", lambda *_: (_ for _ in ()).throw(FileNotFoundError(2, "no")))
    assert system.known_congestion_controls() == system.allowed_congestion_controls() == []


@linux
@pytest.mark.skipif(os.geteuid() != 0, reason="another user is needed")
@pytest.mark.skipif(not set(KNOWN) - set(ALLOWED), reason="every user may set all of them")
def test_a_user_without_privileges_is_told_what_is_allowed():
    """As the kernel refuses it, to a user who has no capability."""
    restricted = min(set(KNOWN) - set(ALLOWED))
    program = (
        "import os, sys\n"
        "from secftp.transport import require_congestion\n"
        "from secftp.errors import UsageError\n"
        "os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)\n"
        "try:\n"
        "    require_congestion(sys.argv[1])\n"
        "except UsageError as problem:\n"
        "    print(problem, problem.hint)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, restricted], capture_output=True, text=True, timeout=DEADLINE, check=True
    )
    assert "does not allow this congestion control without privileges" in done.stdout
    assert all(name in done.stdout for name in ALLOWED)


# --- the programs -----------------------------------------------------------------------------------------------------


@linux
@pytest.mark.parametrize(
    "arguments",
    [
        ["get", "secftp://127.0.0.1:1/name", "copy"],
        ["get", "secftp://127.0.0.1:1/name", "-"],
        ["put", "name", "secftp://127.0.0.1:1/"],
        ["put", "-", "secftp://127.0.0.1:1/name"],
        ["read", "name", "127.0.0.1:1", "aes128"],
        ["write", "name", "127.0.0.1:1", "aes128"],
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_a_command_tries_the_name_before_anything_else(tmp_path, arguments):
    """No key is asked for, no file is created, nothing is connected to; what was typed is not repeated."""
    command, *operands = arguments
    done = run(tmp_path, command, "--congestion", MISSING, *operands, keyed=False)
    done.expect(ExitCode.USAGE, "has no congestion control of that name")
    assert MISSING not in done.errors
    assert os.listdir(tmp_path) == []


def test_the_help_says_whose_choice_counts(tmp_path):
    text = " ".join(run(tmp_path, "get", "--help").output.decode().split())
    assert "what is fetched is sent by the server, and its own option counts" in text


@linux
@pytest.mark.parametrize("how", ["option", "configuration", "IPv6", "check"])
def test_a_server_tries_the_name_before_it_listens(tmp_path, how):
    (tmp_path / "root").mkdir()
    given = ["0", "--root", "root", "--anonymous", *(["--host", "::1"] if how == "IPv6" else [])]
    if how == "configuration":
        (tmp_path / "config").write_text(f'congestion = "{MISSING}"\n')
        given += ["--config", "config"]
    else:
        given += ["--congestion", MISSING, *(["--check-config"] if how == "check" else [])]
    with server_process(tmp_path, *given) as server:
        assert server.wait() == ExitCode.USAGE
        assert "has no congestion control of that name" in server.errors.text
        assert "Listening" not in server.log.text


def last_event(server):
    server.log.wait_for("disconnected")
    return next(event for event in map(json.loads, server.log.text.splitlines()) if event["event"] == "disconnected")


@linux
@pytest.mark.parametrize("how", ["option", "configuration", "IPv6", "left out"])
def test_every_session_of_a_server_has_it_and_its_log_says_so(tmp_path, how):
    (tmp_path / "root").mkdir()
    host = "::1" if how == "IPv6" else HOST
    given = ["0", "--root", "root", "--anonymous-write", "--host", host, "--log-format", "json"]
    if how == "configuration":
        (tmp_path / "config").write_text(f'congestion = "{another()}"\n')
        given += ["--config", "config"]
    elif how != "left out":
        given += ["--congestion", another()]
    with server_process(tmp_path, *given) as server:
        port = int(server.log.wait_for(r"on port (\d+)")[1])
        with secftp.connect(f"secftp://{f'[{host}]' if ':' in host else host}:{port}/", anonymous=True) as client:
            client.write_bytes("name", b"contents")
        event = last_event(server)
        server.process.send_signal(signal.SIGTERM)
        assert server.wait() == ExitCode.OK
    assert event["congestion"] == (system_default() if how == "left out" else another())
    assert 0 < event["round_trip"] < DEADLINE
    assert event["retransmits"] == 0
    assert event["delivery_rate"] >= 0


@linux
@pytest.mark.parametrize("name", ["another", MISSING])
def test_sockets_of_systemd_get_it_too(tmp_path, name):
    (tmp_path / "root").mkdir()
    given = another() if name == "another" else name
    with socket.create_server((HOST, 0)) as listener:
        assert name_of(listener) == system_default()
        arguments = ("--root", tmp_path / "root", "--anonymous-write", "--congestion", given)
        with activated(tmp_path, listener, *arguments) as process:
            if name == MISSING:
                assert "has no congestion control of that name" in process.stdout.read()
                assert process.wait(DEADLINE) == ExitCode.USAGE
                assert name_of(listener) == system_default()
                return
            next(line for line in process.stdout if "Serving" in line)
            assert name_of(listener) == given, "it is one socket, in whatever process"
            with session(listener.getsockname()[1], None) as client:
                put(client, b"name", b"contents")
                assert get(client, b"name") == b"contents"


@linux
def test_a_transfer_works_with_it(tmp_path):
    (tmp_path / "root").mkdir()
    (tmp_path / "name").write_bytes(b"contents" * 1000)
    with secftp.Server(tmp_path / "root", key="correct horse battery staple", congestion=another()) as server:
        to = f"secftp://{place(server)}/name"
        run(tmp_path, "put", "-q", "--congestion", another(), "name", to).succeed()
        run(tmp_path, "get", "-q", "--congestion", another(), to, "copy").succeed()
        run(tmp_path, "read", "-q", "--congestion", another(), "name", place(server), "aes128").succeed(
            b"contents" * 1000
        )
    assert (tmp_path / "copy").read_bytes() == b"contents" * 1000


@linux
def test_each_stream_of_a_copy_has_it_and_is_counted(tmp_path):
    """The session of the copy, and those beside it."""
    from secftp.client.connect import Connector
    from secftp.client.options import ConnectionOptions
    from secftp.keys import Key
    from secftp.transport.tcp_totals import TcpTotals
    from secftp.url import Endpoint

    key = Key.from_text("correct horse battery staple")
    with secftp.Server(tmp_path, key=key) as server:
        options = ConnectionOptions(
            Endpoint(HOST, server.port, ""), "aes128", None, False, DEADLINE, congestion=another()
        )
        connector = Connector(options, lambda: key, lambda: None)
        connector.totals = TcpTotals()
        with connector.open() as copy, connector.open_stream(lambda: True) as stream:
            assert connector.totals.streams == 2
            for session in (copy, stream):
                assert session.pipeline.channel.tcp_info().congestion == another()
        assert connector.totals.total().congestion == another()


@linux
def test_fsspec_passes_it_on(tmp_path):
    from secftp.api.filesystem import SecftpFileSystem

    with secftp.Server(tmp_path, key="a long enough key") as server:
        files = SecftpFileSystem(HOST, server.port, key=server.key, congestion=another(), skip_instance_cache=True)
        with files.client._pool.session() as opened:
            assert opened._channel.tcp_info().congestion == another()
        files.close()
