"""One connection to Redis, against a server that answers as the test says."""

from __future__ import annotations

import contextlib
import re
import socket
import threading

import pytest

from secftp.server.shared import line as line_module
from secftp.server.shared.line import Line, LineError, Script, _Bounded
from secftp.server.shared.names import Names
from secftp.server.shared.scripts import CHARGE
from secftp.server.shared.url import SharedUrl
from tests.support.serving import DEADLINE, HOST

PASSWORD = "correct-horse"
SCRIPT = Script("return 7", "ab" * 20)
_COMMAND = re.compile(rb"\*(\d+)\r\n")


class Server:
    """Answers each command with `answer(words)`: a line without its end, or None for silence."""

    def __init__(self, answer):
        self._answer = answer
        self._listener = socket.create_server((HOST, 0))
        self.port = self._listener.getsockname()[1]
        self.commands = []
        self.connections = 0
        self._open = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self._open.append(sock)
                self.connections += 1
                self._serve(sock)

    def _serve(self, sock):
        lines = sock.makefile("rb")
        with contextlib.suppress(OSError, TypeError, ValueError):  # it has left, or speaks TLS
            while True:
                count = int(_COMMAND.fullmatch(lines.readline())[1])
                words = []
                for _ in range(count):
                    size = int(lines.readline()[1:])
                    words.append(lines.read(size + 2)[:-2])
                self.commands.append(words)
                reply = b"+OK" if words[0] in (b"AUTH", b"SELECT", b"CLIENT") else None
                reply = self._answer(words) or reply
                if reply == b"close":
                    break
                if reply is not None:
                    sock.sendall(reply + b"\r\n")
        lines.close()
        sock.close()

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        for sock in self._open:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        self._thread.join(DEADLINE)
        self._listener.close()
        assert not self._thread.is_alive()


@pytest.fixture
def connected():
    """Connect to a server: `connected(answer)`, what it and the connection are."""
    with contextlib.ExitStack() as stack:

        def connect(answer, *, password=PASSWORD, seconds=5.0):
            server = stack.enter_context(contextlib.closing(Server(answer)))
            line = Line(SharedUrl(HOST, server.port), password, seconds=seconds)
            stack.enter_context(contextlib.closing(line))
            return server, line

        yield connect


def to_script(reply):
    return lambda words: reply if words[0] in (b"EVALSHA", b"EVAL") else None


def told(caught):
    problem = caught.value
    assert problem.__cause__ is None
    assert problem.__suppress_context__
    return f"{problem} {problem!r} {problem.hint}"


def test_it_logs_in_and_runs_a_script(connected):
    server, line = connected(to_script(b":7"))
    assert line.run(SCRIPT, ["key"], [1, b"\xff", "text"]) == 7
    assert [b"AUTH", PASSWORD.encode()] in server.commands
    assert server.commands[-1] == [b"EVALSHA", SCRIPT.sha1.encode(), b"1", b"key", b"1", b"\xff", b"text"]


def test_a_script_that_is_not_there_is_sent(connected):
    replies = iter([b"-NOSCRIPT No matching script", b":7"])
    server, line = connected(lambda words: next(replies) if words[0].startswith(b"EVAL") else None)
    assert line.run(CHARGE, [], []) == 7
    assert server.commands[-1][:2] == [b"EVAL", CHARGE.text.encode()]


def test_silence_is_waited_for_no_longer_than_that(connected):
    _, line = connected(to_script(None), seconds=0.05)
    assert line._seconds == 0.05
    with pytest.raises(LineError, match="it does not answer in time"):
        line.run(SCRIPT, [], [])


class Slow:
    """A socket from which one byte comes every 0.03 s, by a clock of its own."""

    def __init__(self):
        self.now = 0.0
        self.timeout = None

    def settimeout(self, seconds):
        self.timeout = seconds

    def _pass(self):
        self.now += min(0.03, self.timeout)
        if self.timeout < 0.03:
            raise TimeoutError

    def recv(self, _size):
        self._pass()
        return b"x"

    def recv_into(self, _buffer):
        self._pass()
        return 1


@pytest.mark.parametrize("receive", [lambda sock: sock.recv(9), lambda sock: bytes(sock.recv_into(bytearray(9)))])
def test_an_answer_that_trickles_is_waited_for_no_longer(monkeypatch, receive):
    slow = Slow()
    monkeypatch.setattr(line_module.time, "monotonic", lambda: slow.now)
    sock = _Bounded(slow, 9.0)
    for _ in range(2):
        began = slow.now
        sock.begin(0.1)
        received = 0
        with contextlib.suppress(TimeoutError):
            while received < 100:
                received += len(receive(sock))
        assert received == 3
        assert slow.now - began == pytest.approx(0.1)


def test_each_request_has_its_own_time(connected, monkeypatch):
    _, line = connected(to_script(b":7"))
    began = []
    monkeypatch.setattr(_Bounded, "begin", lambda sock, seconds: began.append((sock, seconds)))
    assert [line.run(SCRIPT, [], []) for _ in range(3)] == [7, 7, 7]
    assert began == [(line._connection._sock, 5.0)] * 3


@pytest.mark.parametrize("reply", [b"$100000000\r\n" + b"x" * 100_000, b"*1\r\n" * 2000 + b":0"])
def test_an_answer_without_end_is_not_kept(connected, reply):
    _, line = connected(to_script(reply))
    with pytest.raises(LineError, match=r"it does not work as expected \((InvalidResponse|RecursionError)\)"):
        line.run(SCRIPT, [], [])


@pytest.mark.parametrize("reply", [b"close", b"-ERR no", None])
def test_after_an_error_nothing_is_sent_and_nothing_connected(connected, reply):
    server, line = connected(to_script(reply), seconds=0.05)
    for _ in range(3):
        with pytest.raises(LineError):
            line.run(SCRIPT, [], [])
    assert server.connections == 1
    assert sum(words[0] == b"EVALSHA" for words in server.commands) == 1


@pytest.mark.parametrize(
    ("reply", "sentence", "is_refusal"),
    [
        (b"-WRONGPASS of correct-horse", "it refuses the user, the password, or a command", True),
        (b"-NOAUTH Authentication required, correct-horse", "it refuses the user, the password, or a command", True),
        (b"-NOPERM correct-horse", "it refuses the user, the password, or a command", True),
        (b"-OOM correct-horse", "it has no memory left", False),
        (b"-READONLY correct-horse", "it is a read-only replica", False),
        (b"-LOADING correct-horse", "it is still loading its data", False),
        (b"-ERR correct-horse", "it does not work as expected (ResponseError)", False),
        (b"close", "it can't be reached", False),
        (b"nonsense correct-horse", "", False),
    ],
)
def test_what_is_wrong_is_told_in_our_words(connected, reply, sentence, is_refusal):
    _, line = connected(to_script(reply))
    with pytest.raises(LineError) as caught:
        line.run(SCRIPT, [], [])
    assert sentence in str(caught.value)
    assert caught.value.is_refusal is is_refusal
    assert PASSWORD not in told(caught)


@pytest.mark.parametrize(
    ("command", "reply", "is_refusal"),
    [
        (b"AUTH", b"-WRONGPASS invalid username-password pair correct-horse", True),
        (b"SELECT", b"-ERR DB index is out of range", True),
        (b"SELECT", b"-NOPERM correct-horse", True),
        (b"AUTH", b"close", False),
    ],
)
def test_a_connection_that_is_refused_says_so_without_the_password(connected, command, reply, is_refusal):
    server = Server(lambda words: reply if words[0] == command else None)
    with contextlib.closing(server), pytest.raises(LineError) as caught:
        Line(SharedUrl(HOST, server.port, database=3), PASSWORD)
    assert caught.value.is_refusal is is_refusal
    assert PASSWORD not in told(caught)


@pytest.mark.parametrize(
    "url", [SharedUrl(HOST, 1), SharedUrl("", 0, path="/nonexistent"), SharedUrl("name.invalid", 1)]
)
def test_what_is_not_there_can_not_be_reached(url):
    with pytest.raises(LineError, match="it can't be reached"):
        Line(url, PASSWORD)


def test_tls_is_not_given_up(connected):
    """A server that speaks no TLS, or whose certificate is not trusted, gets no password."""
    server = Server(lambda _words: None)
    with contextlib.closing(server), pytest.raises(LineError):
        Line(SharedUrl(HOST, server.port, tls=True), PASSWORD, seconds=0.2)
    assert server.commands == []


# --- names ------------------------------------------------------------------------------------------------------------


def test_names_are_those_of_the_password_and_of_the_kind():
    one, same, other, none = Names("a"), Names("a"), Names("b"), Names(None)
    found = {names.of("debt", (4, 32, 1)) for names in (one, other, none)}
    assert len(found) == 3
    assert one.of("debt", (4, 32, 1)) == same.of("debt", (4, 32, 1)) != one.of("slot", (4, 32, 1))
    assert one.secret("versions") == same.secret("versions") != other.secret("versions")
    assert one.secret("versions") != one.secret("others")
