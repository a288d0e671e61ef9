"""Server inside a program: start, service and stop, without changes to the process around it."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import pytest

import secftp
from tests.support.programs import at_once
from tests.support.serving import DEADLINE, KEY, until


@pytest.fixture
def root(tmp_path):
    (tmp_path / "file").write_bytes(b"x")
    return tmp_path


def test_it_serves_until_the_block_ends_and_can_be_started_again(root):
    server = secftp.Server(root, KEY)
    for _ in range(3):
        with server as same:
            assert same is server
            with secftp.connect(server.url, key=server.key) as remote:
                assert remote.read_bytes("file") == b"x"
            assert "running" in repr(server)
        assert "stopped" in repr(server)
        with pytest.raises(secftp.ServerUnreachable):
            secftp.connect(server.url, key=server.key)


@pytest.mark.parametrize("kind", [str, Path, os.fsencode])
def test_the_directory_may_be_any_kind_of_path(root, kind):
    with secftp.Server(kind(root), KEY) as server, secftp.connect(server.url, key=KEY) as remote:
        assert remote.listdir() == ["file"]


def test_a_key_is_made_where_none_is_given(root):
    with secftp.Server(root) as server:
        assert isinstance(server.key, str)
        assert secftp.Server(root).key != server.key
        with secftp.connect(server.url, key=server.key) as remote:
            assert remote.exists("file")
        with pytest.raises(PermissionError):
            secftp.connect(server.url, key=secftp.generate_key())


def test_a_key_may_be_a_text(root):
    with secftp.Server(root, "a key of some length") as server:
        assert server.key == "a key of some length"
        secftp.connect(server.url, "a key of some length").close()


def test_the_port_is_picked_or_taken_as_it_is_given(root):
    server = secftp.Server(root, KEY)
    with pytest.raises(secftp.UsageError, match="started"):
        server.url  # noqa: B018
    with server:
        assert 0 < server.port < 65536
        assert server.host == "127.0.0.1"
        assert server.url == f"secftp://127.0.0.1:{server.port}/"
        with pytest.raises(secftp.UsageError, match="Can't listen on port"):
            secftp.Server(root, KEY, port=server.port).start()
        with pytest.raises(secftp.UsageError, match="server is running"):
            server.start()
        secftp.connect(server.url, KEY).close()


@pytest.mark.parametrize("host", ["", "::1", "localhost", "0.0.0.0"])
def test_other_addresses(root, host):
    try:
        server = secftp.Server(root, KEY, host=host).start()
    except secftp.UsageError:
        pytest.skip("this machine has no such address")
    with server:
        with secftp.connect(server.url, KEY) as remote:
            assert remote.exists("file")
        server.stop()


def test_what_can_not_be_served_is_said(root):
    for directory, kind in [(root / "missing", FileNotFoundError), (root / "file", NotADirectoryError)]:
        with pytest.raises(kind) as raised:
            secftp.Server(directory, KEY).start()
        assert isinstance(raised.value, secftp.SecftpError)
    with pytest.raises(secftp.UsageError, match="cipher"):
        secftp.Server(root, KEY, ciphers=["rot13"])
    with pytest.raises(secftp.UsageError):
        secftp.Server(root, KEY, host="no such host.invalid").start()
    with pytest.raises(secftp.KeyFormatError):
        secftp.Server(root, "")
    with pytest.raises(TypeError, match="str"):
        secftp.Server(root, 12345)


def test_rights(root):
    with secftp.Server(root, KEY, read_only=True) as server, secftp.connect(server.url, KEY) as remote:
        with pytest.raises(PermissionError):
            remote.write_bytes("new", b"")
        with pytest.raises(PermissionError):
            remote.remove("file")
    with secftp.Server(root, KEY, overwrite=False) as server, secftp.connect(server.url, KEY) as remote:
        remote.write_bytes("new", b"")
        with pytest.raises(FileExistsError):
            remote.write_bytes("file", b"")
    assert (root / "file").read_bytes() == b"x"


def test_ciphers(root):
    with secftp.Server(root, KEY, ciphers=["aes256"]) as server:
        secftp.connect(server.url, KEY).close()
        for cipher in ("none", "aes128"):
            with pytest.raises(secftp.HandshakeRefused):
                secftp.connect(server.url, KEY, cipher=cipher)


def test_anonymous_clients(root):
    with secftp.Server(root, KEY) as server, pytest.raises(secftp.HandshakeRefused):
        secftp.connect(server.url, anonymous=True)
    with secftp.Server(root, anonymous=True) as server, secftp.connect(server.url, anonymous=True) as remote:
        assert server.key is None
        assert remote.read_bytes("file") == b"x"
        with pytest.raises(PermissionError):
            remote.write_bytes("new", b"")
    with secftp.Server(root, anonymous_write=True) as server, secftp.connect(server.url, anonymous=True) as remote:
        remote.write_bytes("new", b"y")
    assert (root / "new").read_bytes() == b"y"


# --- the process around it --------------------------------------------------------------------------------------------


def test_nothing_of_the_process_is_changed(root, capfd):
    def settings():
        import resource

        return (
            {number: signal.getsignal(number) for number in signal.valid_signals()},
            sys.getswitchinterval(),
            resource.getrlimit(resource.RLIMIT_CORE),
            resource.getrlimit(resource.RLIMIT_NOFILE),
            os.umask(os.umask(0o022)),
            os.getcwd(),
            dict(os.environ),
            logging.getLogger().handlers[:],
            sys.excepthook,
            threading.excepthook,
        )

    umask = os.umask(0o022)
    try:
        before = settings()
        with secftp.Server(root, KEY) as server, secftp.connect(server.url, KEY) as remote:
            remote.read_bytes("file")
            assert settings() == before
        assert settings() == before
    finally:
        os.umask(umask)
    assert capfd.readouterr() == ("", "")


def test_it_may_be_started_and_stopped_from_any_thread(root):
    server = secftp.Server(root, KEY)
    at_once(1, lambda _: server.start())
    with secftp.connect(server.url, KEY) as remote:
        assert remote.exists("file")
    at_once(4, lambda _: server.stop())
    server.stop()


def test_what_it_says_goes_to_a_callable_or_to_the_logger(root, caplog):
    lines = []
    with secftp.Server(root, KEY, log=lines.append) as server, secftp.connect(server.url, KEY) as remote:
        remote.read_bytes("file")
    assert any("file" in line for line in lines)
    with caplog.at_level(logging.INFO, "secftp.server"):
        with secftp.Server(root, KEY) as server, secftp.connect(server.url, KEY) as remote:
            remote.write_bytes("100%s\n", b"")
        assert any(r"100%s\n" in message for message in caplog.messages)


def test_no_line_is_printed_where_logging_is_not_set_up(tmp_path):
    program = """
import secftp
server = secftp.Server(".", "a key of this test")
for level in (10, 20, 30, 40):
    server._log.lines(["a line"], level)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, cwd=tmp_path)
    assert (done.stdout, done.stderr) == (b"", b"")


def test_a_log_that_fails_ends_no_transfer(root):
    def log(_line):
        raise ZeroDivisionError

    with secftp.Server(root, KEY, log=log) as server, secftp.connect(server.url, KEY) as remote:
        assert remote.read_bytes("file") == b"x"


def test_stopping_breaks_off_what_is_under_way_and_leaves_no_half_file(root):
    server = secftp.Server(root, KEY).start()
    remote = secftp.connect(server.url, KEY, timeout=DEADLINE)
    file = remote.open("file", "wb")
    file.write(bytes(2 << 20))
    file.flush()
    until(lambda: len(os.listdir(root)) == 2, "the server writes")
    server.stop(abort=True)
    with pytest.raises(ConnectionError):
        file.close()
    remote.close()
    assert os.listdir(root) == ["file"]
    assert (root / "file").read_bytes() == b"x"


def test_a_block_that_is_left_by_an_exception_stops_it_too(root):
    def fail(server):
        with server:
            raise ZeroDivisionError

    server = secftp.Server(root, KEY)
    with pytest.raises(ZeroDivisionError):
        fail(server)
    assert "stopped" in repr(server)


def test_a_forked_process_does_not_stop_the_server_of_its_parent(root):
    with secftp.Server(root, KEY) as server:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of threads and forks: what else could be tested here
            child = os.fork()
        if not child:
            try:
                server.stop(abort=True)
                os._exit(7)
            finally:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        with secftp.connect(server.url, KEY) as remote:
            assert remote.exists("file")


def test_a_key_file_may_stand_in_the_home_directory(tmp_path, monkeypatch):
    from secftp.keys import write_key_file

    (tmp_path / "served").mkdir()
    write_key_file(tmp_path / "key")
    monkeypatch.setenv("HOME", str(tmp_path))
    with (
        secftp.Server(tmp_path / "served", key_file="~/key", host="127.0.0.1") as server,
        secftp.connect(server.url, key_file="~/key") as remote,
    ):
        assert remote.listdir() == []


def test_the_permissions_that_clients_may_set_are_bounded(root):
    with secftp.Server(root, KEY, mode_mask=0o750) as server, secftp.connect(server.url, KEY) as remote:
        remote.mkdir("d", mode=0o777)
        remote.chmod("file", 0o666)
    assert (root / "d").stat().st_mode & 0o7777 == 0o750
    assert (root / "file").stat().st_mode & 0o7777 == 0o640
