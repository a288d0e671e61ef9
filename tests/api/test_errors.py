"""The exception hierarchy, also as built-in exceptions: connection errors, every code of the wire, misuse."""

from __future__ import annotations

import contextlib
import errno
import io
import pickle
import socket

import pytest

import secftp
from secftp.keys import write_key_file
from secftp.protocol import Error, ErrorCode, SessionLimits, Stat, Welcome, exception_for
from secftp.transfer import Summary
from tests.support.programs import remote, root, served
from tests.support.serving import DEADLINE, HOST, KEY, WRONG_KEY, fake_server

__all__ = ["remote", "root", "served"]

# What people write in their except clauses.
EXPECTED = {
    ErrorCode.NOT_FOUND: (secftp.NotFound, FileNotFoundError),
    ErrorCode.FORBIDDEN: (secftp.Forbidden, PermissionError),
    ErrorCode.BAD_NAME: (secftp.NameRefused, ValueError),
    ErrorCode.EXISTS: (secftp.AlreadyExists, FileExistsError),
    ErrorCode.IS_DIRECTORY: (secftp.IsADirectory, IsADirectoryError),
    ErrorCode.NOT_DIRECTORY: (secftp.NotADirectory, NotADirectoryError),
    ErrorCode.NO_SPACE: (secftp.NoSpace, OSError),
    ErrorCode.TOO_LARGE: (secftp.TooLarge, OSError),
    ErrorCode.CHANGED: (secftp.FileChanged, OSError),
    ErrorCode.CHECKSUM: (secftp.ChecksumMismatch, OSError),
    ErrorCode.IO_ERROR: (secftp.InputOutputError, OSError),
    ErrorCode.READ_ONLY: (secftp.Forbidden, PermissionError),
    ErrorCode.UNSUPPORTED: (secftp.Unsupported, OSError),
    ErrorCode.CANCELLED: (secftp.Cancelled, OSError),
    ErrorCode.STOPPING: (secftp.ServerStopping, ConnectionError),
    ErrorCode.LIMIT: (secftp.NoSpace, OSError),
    ErrorCode.NOT_EMPTY: (secftp.NotEmpty, OSError),
}


def test_no_failure_looks_like_an_interruption_by_a_signal():
    """Files of `io` repeat a call that raises EINTR, and take EAGAIN for a write of a part: for ever, or with a gap."""
    for code in ErrorCode:
        problem = exception_for(code, "notes.txt")
        assert not isinstance(problem, (InterruptedError, BlockingIOError)), code
        assert problem.errno not in (errno.EINTR, errno.EAGAIN), code


@pytest.mark.parametrize("code", [ErrorCode.STOPPING, ErrorCode.CANCELLED])
def test_a_text_file_raises_a_cancellation_once(code):
    calls = []

    class Refusing(io.RawIOBase):
        def writable(self):
            return True

        def write(self, data):
            calls.append(len(data))
            if len(calls) > 1:
                raise AssertionError("The write was repeated.")
            raise exception_for(code, "notes.txt")

    text = io.TextIOWrapper(io.BufferedWriter(Refusing()), write_through=True)
    with pytest.raises(secftp.Cancelled):
        text.write("x" * 100_000)
    assert len(calls) == 1
    with contextlib.suppress(AssertionError):
        text.detach().detach()


def test_the_number_of_the_system_is_there_for_those_who_look_at_it():
    for kind, number in [
        (secftp.NotFound, errno.ENOENT),
        (secftp.Forbidden, errno.EACCES),
        (secftp.NameRefused, errno.EINVAL),
        (secftp.AlreadyExists, errno.EEXIST),
        (secftp.IsADirectory, errno.EISDIR),
        (secftp.NotADirectory, errno.ENOTDIR),
        (secftp.NotEmpty, errno.ENOTEMPTY),
        (secftp.NoSpace, errno.ENOSPC),
        (secftp.TooLarge, errno.EFBIG),
        (secftp.InputOutputError, errno.EIO),
        (secftp.Unsupported, errno.ENOTSUP),
        (secftp.Cancelled, errno.ECANCELED),
        (secftp.ServerStopping, errno.ECONNABORTED),
        (secftp.FileError, None),
    ]:
        problem = pickle.loads(pickle.dumps(kind("A sentence.")))
        assert problem.errno == number
        assert str(problem) == "A sentence."
        assert number is None or isinstance(problem, type(OSError(number, ""))), "another class than the system's"


def test_no_code_of_the_wire_is_forgotten():
    assert set(EXPECTED) == set(ErrorCode)


def test_every_code_of_the_wire_is_what_people_expect_and_leaves_the_client_usable():
    codes = list(ErrorCode)

    def play(wire):
        limits = SessionLimits(requests=64, keepalive=15, idle=60)
        wire.send(Welcome(version=1, software="fake", capabilities=("stat",), limits=limits))
        for code in codes:
            asked = wire.receive()
            assert isinstance(asked, Stat)
            wire.send(Error(id=asked.id, code=code, text="\x1b[2J a text that must not be shown"))
        while wire.receive() is not None:
            pass

    with fake_server(play) as port, secftp.connect(f"secftp://{HOST}:{port}", KEY) as client:
        for code in codes:
            with pytest.raises(secftp.FileError) as raised:
                client.stat("some\nname")
            assert {type(raised.value)} == {EXPECTED[code][0]}
            assert isinstance(raised.value, EXPECTED[code])
            assert str(raised.value).startswith(r"some\nname: ")
            assert str(raised.value).isprintable()
            assert "must not be shown" not in str(raised.value)


def test_every_exception_of_the_package_is_of_one_tree():
    exceptions = [
        thing
        for thing in map(secftp.__dict__.get, secftp.__all__)
        if isinstance(thing, type) and issubclass(thing, BaseException)
    ]
    assert len(exceptions) > 20
    for kind in exceptions:
        assert issubclass(kind, secftp.SecftpError)
        assert issubclass(kind, OSError | ValueError | ImportError | RuntimeError) or kind is secftp.SecftpError
        assert kind.__doc__


def test_exceptions_pass_between_processes():
    problem = secftp.NotFound("x: no such file or directory.", hint="Look elsewhere.")
    again = pickle.loads(pickle.dumps(problem))
    assert (type(again), str(again), again.hint) == (secftp.NotFound, str(problem), problem.hint)
    several = secftp.CopyIncomplete((("x", problem),), Summary(files=3, failed=1))
    again = pickle.loads(pickle.dumps(several))
    assert (str(again), again.summary, again.failures[0][0]) == (str(several), several.summary, "x")


# --- connecting -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("http://example.org", secftp.UsageError),
        ("example.org:8888", secftp.UsageError),
        ("secftp://", secftp.UsageError),
        ("secftp://host:0/", secftp.UsageError),
        ("secftp://name:password@host/", secftp.UsageError),
        ("secftp://host/../x", secftp.NameRefused),
    ],
)
def test_urls_that_are_none(url, kind):
    with pytest.raises(kind) as raised:
        secftp.connect(url, KEY)
    assert isinstance(raised.value, ValueError)


@pytest.mark.parametrize("timeout", [0, -1, float("inf"), float("nan")])
def test_timeouts_that_are_none(timeout):
    with pytest.raises(ValueError, match="timeout"):
        secftp.connect("secftp://host", KEY, timeout=timeout)


def test_exactly_one_way_to_be_let_in():
    for arguments in ({}, {"key": KEY, "anonymous": True}, {"key": "x", "key_file": "y"}):
        with pytest.raises(secftp.UsageError, match=r"key"):
            secftp.connect("secftp://host", **arguments)
    with pytest.raises(secftp.UsageError, match="name"):
        secftp.connect("secftp://joe@host", anonymous=True)
    with pytest.raises(secftp.UsageError, match="cipher"):
        secftp.connect("secftp://host", KEY, cipher="rot13")


def test_keys_that_are_none_are_never_shown(tmp_path):
    with pytest.raises(TypeError) as raised:
        secftp.connect("secftp://host", b"bytes of a key")
    assert "bytes of" not in str(raised.value)
    for arguments in ({"key": ""}, {"key_file": tmp_path / "missing"}):
        with pytest.raises(secftp.SecftpError) as raised:
            secftp.connect("secftp://host", **arguments)
        assert isinstance(raised.value, ValueError | OSError)


def test_a_server_that_is_not_there():
    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ConnectionError) as raised:
        secftp.connect(f"secftp://{HOST}:{port}", KEY)
    assert isinstance(raised.value, secftp.ServerUnreachable)
    with pytest.raises(secftp.ServerUnreachable):
        secftp.connect("secftp://no-such-host.invalid", KEY)


def test_a_server_that_does_not_shake_hands(within_five_seconds):
    with socket.create_server((HOST, 0)) as listener, pytest.raises(TimeoutError) as raised:
        secftp.connect(f"secftp://{HOST}:{listener.getsockname()[1]}", KEY, timeout=0.2)
    assert isinstance(raised.value, secftp.TransferTimeout)


def test_a_wrong_key(served):
    with pytest.raises(PermissionError) as raised:
        secftp.connect(served.server.url, WRONG_KEY)
    assert isinstance(raised.value, secftp.AuthenticationError)


def test_a_key_from_a_file(tmp_path, monkeypatch):
    (tmp_path / "served").mkdir()
    path = tmp_path / "key"
    write_key_file(path)
    monkeypatch.setenv("SECFTP_KEY", "another key altogether")
    with secftp.Server(tmp_path / "served", key_file=path) as server:
        for name in (path, str(path), str(path).encode()):
            secftp.connect(server.url, key_file=name, timeout=DEADLINE).close()
        secftp.connect(server.url, server.key).close()
        with pytest.raises(secftp.UsageError):
            secftp.connect(server.url)
    with pytest.raises(secftp.KeyFormatError):
        secftp.Server(tmp_path, key_file=path)
    with pytest.raises(secftp.UsageError):
        secftp.Server(tmp_path / "served", KEY, key_file=path)


def test_misuse_is_a_value_error(remote):
    for call in (
        lambda: remote.open("x", "r+"),
        lambda: remote.open("x", "w+b"),
        lambda: remote.checksum("x", "crc32"),
        lambda: remote.read_bytes("a\0b"),
    ):
        with pytest.raises(ValueError) as raised:
            call()
        assert isinstance(raised.value, secftp.SecftpError)
