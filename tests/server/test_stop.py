"""The server as a process: startup, messages, refusals to start, and shutdown."""

from __future__ import annotations

import os
import re
import signal
import socket
import stat
import subprocess
import time

import psutil
import pytest

from secftp.crypto import Suite
from secftp.errors import AuthenticationError, ExitCode, UsageError
from secftp.keys import Key, generate_key
from secftp.protocol import Abort, Bye, End, ErrorCode, File, Ok, Read, Welcome, Write, encode
from secftp.server.server import open_listener
from tests.support.serving import (
    DEADLINE,
    HOST,
    Hostile,
    digest_of,
    environment,
    get,
    listing,
    put,
    server_command,
    server_process,
    session,
    until,
    watched_server_command,
)

MIB = 1 << 20
SECRET = "correct horse battery staple"
STAMP = r"!! (?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d: "


def serve(home, root, *arguments, **options):
    """A server on a free port with anonymous read and write access."""
    return server_process(home, "0", "--host", HOST, "--root", root, "--anonymous-write", *arguments, **options)


def refused(port):
    """Whether no process listens there any more."""
    try:
        socket.create_connection((HOST, port), timeout=DEADLINE).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        pass  # it was waiting to be taken at the very moment
    return False


# --- the end ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_signal_ends_it_in_order(home, root, number):
    with serve(home, root) as server:
        port = server.port
        with session(port, None) as client:
            put(client, b"name", b"contents")
        server.signal(number)
        assert server.wait() == ExitCode.OK
        assert re.search(rf"^{STAMP}Stopped\.\n\Z", server.log.text, re.MULTILINE)
        assert server.errors.text == ""
        assert refused(port)
    assert (root / "name").read_bytes() == b"contents"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_an_idle_client_is_told_and_not_waited_for(home, root, number):
    with serve(home, root) as server, Hostile(server.port, None) as wire:
        wire.welcome()
        began = time.monotonic()
        server.signal(number)
        assert wire.receive() == Bye(code=ErrorCode.STOPPING, text="the server is stopping")
        assert wire.receive() is None
        assert server.wait() == ExitCode.OK
        assert time.monotonic() - began < 4
        assert server.errors.text == ""


def test_a_client_in_its_handshake_is_not_waited_for(home, root):
    with serve(home, root) as server, socket.create_connection((HOST, server.port), timeout=DEADLINE) as sock:
        server.log.wait_for("Client connected")
        began = time.monotonic()
        server.signal(signal.SIGTERM)
        assert server.wait() == ExitCode.OK
        assert time.monotonic() - began < 4
        assert sock.recv(1) == b""


@pytest.mark.exhaustive
def test_a_write_under_way_gets_time_to_complete(home, root):
    with serve(home, root) as server, Hostile(server.port, None) as wire:
        wire.welcome()
        wire.frame(*encode(Write(id=1, path=(b"name",))))
        wire.queue_data(b"before, ")
        wire.flush()
        server.log.wait_for("requested to write")
        server.signal(signal.SIGTERM)
        until(lambda: refused(server.port), "no new clients are taken")
        wire.queue_data(b"after")
        wire.send(End(size=13, digest=digest_of(b"before, after")))
        assert wire.receive() == Ok(id=1, size=13, digest=digest_of(b"before, after"))
        assert wire.receive().code is ErrorCode.STOPPING
        assert wire.receive() is None
        assert server.wait() == ExitCode.OK
    assert (root / "name").read_bytes() == b"before, after"
    assert listing(root) == ["name"]


@pytest.mark.exhaustive
def test_a_read_under_way_gets_time_to_complete_and_what_follows_it_is_not_begun(home, root):
    data = os.urandom(MIB) * 24
    (root / "name").write_bytes(data)
    with serve(home, root) as server, Hostile(server.port, None, Suite.NONE) as wire:
        wire.welcome()
        wire.send(Read(id=1, path=(b"name",)), Read(id=2, path=(b"name",)))
        assert isinstance(wire.receive(), File)
        server.signal(signal.SIGINT)
        until(lambda: refused(server.port), "no new clients are taken")
        assert wire.receive_file() == (data, End(size=len(data), digest=digest_of(data)))
        assert wire.receive().code is ErrorCode.STOPPING
        assert wire.receive() is None
        assert server.wait() == ExitCode.OK


@pytest.mark.exhaustive
def test_what_can_not_complete_is_cut_and_leaves_no_half_file(home, root):
    """One writer that sends no more and one reader that takes no more: a few seconds for both, and no longer."""
    (root / "old").write_bytes(b"old")
    with open(root / "huge", "wb") as file:
        file.truncate(1 << 40)
    with serve(home, root) as server, Hostile(server.port, None) as writer, Hostile(server.port, None) as reader:
        writer.welcome()
        reader.welcome()
        writer.send(Write(id=1, path=(b"old",)))
        writer.send_data(bytes(MIB))
        reader.send(Read(id=1, path=(b"huge",)))
        assert isinstance(reader.receive(), File)
        server.log.wait_for("requested to write")
        began = time.monotonic()
        server.signal(signal.SIGTERM)
        assert server.wait() == ExitCode.OK
        assert 4 < time.monotonic() - began < 14
        assert server.errors.text == ""
        assert "confirmed" not in server.log.text
    assert listing(root) == ["huge", "old"]
    assert (root / "old").read_bytes() == b"old"


def test_a_second_signal_breaks_off_what_is_under_way(home, root):
    """With a word: ABORT and BYE for a reader, ERROR and BYE for a writer, and nothing half is left."""
    with open(root / "huge", "wb") as file:
        file.truncate(1 << 40)
    with serve(home, root) as server, Hostile(server.port, None) as reader:
        reader.welcome()
        reader.send(Read(id=1, path=(b"huge",)))
        assert isinstance(reader.receive(), File)
        server.signal(signal.SIGTERM)
        until(lambda: refused(server.port), "no new clients are taken")
        began = time.monotonic()
        server.signal(signal.SIGTERM)
        data, last = reader.receive_file()
        assert 0 < len(data) < 1 << 40
        assert last == Abort(code=ErrorCode.STOPPING, text="the server is stopping")
        assert reader.receive().code is ErrorCode.STOPPING
        assert reader.receive() is None
        assert server.wait() == ExitCode.OK
        assert time.monotonic() - began < 4


@pytest.mark.exhaustive
def test_a_second_signal_does_not_wait_for_a_writer_that_sends_nothing(home, root):
    with serve(home, root) as server, Hostile(server.port, None) as writer:
        writer.welcome()
        writer.send(Write(id=1, path=(b"name",)))
        server.log.wait_for("requested to write")
        server.signal(signal.SIGINT)
        until(lambda: refused(server.port), "no new clients are taken")
        began = time.monotonic()
        server.signal(signal.SIGINT)
        assert server.wait() == ExitCode.OK
        assert time.monotonic() - began < 4
    assert listing(root) == []


def test_a_storm_of_signals_is_one_end(home, root):
    with serve(home, root) as server:
        assert server.port
        for _ in range(200):
            server.signal(signal.SIGTERM)
            server.signal(signal.SIGINT)
        assert server.wait() == ExitCode.OK
        assert server.errors.text == ""


# --- refusals to start ------------------------------------------------------------------------------------------------


def start(home, *arguments, **changes):
    """A start that must fail: its exit code and its one sentence."""
    result = subprocess.run(
        server_command(*arguments),
        env=environment(home, **changes),
        cwd=home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert result.stdout == ""
    sentence = re.fullmatch(r"((?:secftpd: [^\n]+\.\n)+)(?:  hint: [^\n]+\n)?", result.stderr)
    assert sentence, result.stderr
    return result.returncode, sentence[1]


@pytest.mark.parametrize("port", ["65536", "-1", "abc", "1e3", "", "9" * 5000, "8888 "])
def test_a_port_that_is_none(home, root, port):
    code, sentence = start(home, port, "--root", root, "--anonymous")
    assert (code, "port" in sentence.lower()) == (ExitCode.USAGE, True), sentence


def test_a_port_in_use(home, root):
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        code, sentence = start(home, str(port), "--host", HOST, "--root", root, "--anonymous")
    assert code == ExitCode.USAGE
    assert f"Can't listen on port {port}: address already in use." in sentence


def test_an_address_of_another_machine(home, root):
    assert start(home, "0", "--host", "192.0.2.1", "--root", root, "--anonymous")[0] == ExitCode.USAGE
    with pytest.raises(UsageError) as refused:
        open_listener(["192.0.2.1"], 0)
    assert refused.value.hint == "Give an address of this machine."


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("0", "--ciphers", "aes128,rot13"),
        ("0", "--ciphers", ""),
        ("0", "--max-clients", "0"),
        ("0", "--no-such-option"),
        ("0", "--key-file"),
        ("0", "key", "--key-file", "key"),
    ],
    ids=" ".join,
)
def test_a_command_line_that_makes_no_sense(home, arguments):
    assert start(home, *arguments)[0] == ExitCode.USAGE


def test_no_such_directory_and_no_directory(home, root):
    (root / "file").write_bytes(b"")
    for place in ("nothing", "file", "file/below"):
        code, sentence = start(home, "0", "--root", root / place, "--anonymous")
        assert (code, place in sentence) == (ExitCode.NOT_FOUND, True)


def test_a_directory_with_a_name_that_a_terminal_would_obey_is_shown_escaped(home):
    assert r"\x1b[31m\u202e" in start(home, "0", "--root", "\x1b[31m\u202e", "--anonymous")[1]


KEY_FILES = {
    "missing": None,
    "empty": b"",
    "blank": b" \t\n",
    "no text": b"\xff\xfe\n",
    "too long": b"x" * 65537,
    "a damaged secret": b"secftp-key-1 AAAA\n",
    "a mistyped key": b"00000-00000-00000-00000-00000-01\n",
}


@pytest.mark.parametrize("case", KEY_FILES)
def test_a_key_file_that_can_not_be_used(home, root, case):
    path = home / "key"
    if KEY_FILES[case] is not None:
        path.write_bytes(KEY_FILES[case])
        path.chmod(0o600)
    assert start(home, "0", "--root", root, "--key-file", path)[0] == ExitCode.KEY


@pytest.mark.parametrize("kind", ["others may read it", "a directory", "a FIFO"])
def test_a_key_file_that_is_not_trusted(home, root, kind):
    path = home / "key"
    if kind == "a directory":
        path.mkdir(mode=0o700)
    elif kind == "a FIFO":
        os.mkfifo(path, 0o600)
    else:
        path.write_text(SECRET)
        path.chmod(0o644)
    code, sentence = start(home, "0", "--root", root, "--key-file", path)
    assert code == ExitCode.KEY
    assert SECRET not in sentence


@pytest.mark.parametrize("way", ["itself", "a link to it from outside", "a link in it to outside"])
def test_a_key_file_beneath_the_root(home, root, way):
    inside, outside = root / "key", home / "key"
    path = {"itself": inside, "a link to it from outside": outside, "a link in it to outside": inside}[way]
    real = {"itself": inside, "a link to it from outside": inside, "a link in it to outside": outside}[way]
    real.write_text(SECRET)
    real.chmod(0o600)
    if path != real:
        path.symlink_to(real)
    code, sentence = start(home, "0", "--root", root, "--key-file", path)
    assert (code, "is below the served directory" in sentence) == (ExitCode.KEY, True)


def test_a_key_that_is_empty_or_mistyped_is_an_error_and_never_anonymous(home, root):
    assert start(home, "0", "--root", root, SECFTP_KEY="")[0] == ExitCode.KEY
    assert start(home, "0", "", "--root", root)[0] == ExitCode.KEY
    assert start(home, "0", "", "--root", root, "--anonymous")[0] == ExitCode.KEY
    assert start(home, "0", "--root", root, "--anonymous", SECFTP_KEY="")[0] == ExitCode.KEY
    key = generate_key()
    mistyped = key[:-1] + ("0" if key[-1] != "0" else "1")
    code, sentence = start(home, "0", "--root", root, SECFTP_KEY=mistyped)
    assert (code, mistyped[:5] in sentence) == (ExitCode.KEY, False)


def test_the_remembered_key_is_never_beneath_the_root(home):
    code, sentence = start(home, "0", "--root", home)
    assert (code, "is below the served directory" in sentence) == (ExitCode.KEY, True)
    assert listing(home) == []


def test_a_state_directory_that_can_not_be_made(home, root):
    assert start(home, "0", "--root", root, XDG_STATE_HOME="/dev/null/state")[0] == ExitCode.KEY


@pytest.mark.parametrize(
    "arguments",
    [
        ("8888", "sesame", "open", "--anonymous"),
        ("sesame", "8888"),
        ("--kee-file=sesame", "0"),
        ("0", "--key", "sesame"),
        ("0", "--ciphers", "sesame"),
        ("0", "--max-clients", "sesame"),
        ("0", "sesame", "--key-file", "sesame"),
    ],
    ids=" ".join,
)
def test_a_key_in_the_wrong_place_is_not_shown(home, root, arguments):
    """A user who leaves out an argument moves the key into its place; no message may repeat it."""
    code, sentence = start(home, *arguments, "--root", root)
    assert (code, "sesame" in sentence.lower()) == (ExitCode.USAGE, False), sentence


# --- keys -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["argument", "environment", "file"])
def test_a_given_key_works_and_is_never_shown(home, root, way):
    path = home / "key"
    path.write_text(SECRET + "\n")
    path.chmod(0o600)
    arguments = {"argument": [SECRET], "environment": [], "file": ["--key-file", path]}[way]
    changes = {"SECFTP_KEY": SECRET} if way == "environment" else {}
    with server_process(home, "0", *arguments, "--host", HOST, "--root", root, **changes) as server:
        with session(server.port, Key.from_text(SECRET)) as client:
            put(client, b"name", b"contents")
        with pytest.raises(AuthenticationError):
            session(server.port, Key.from_text(SECRET + "r"))
        server.log.wait_for(r"a wrong key\?")
        server.signal(signal.SIGTERM)
        assert server.wait() == ExitCode.OK
        shown = server.log.text + server.errors.text
    assert not [word for word in SECRET.split() if word in shown]
    assert "Key:" not in shown
    noted = "A key on the command line is visible to other local users" in server.errors.text
    assert noted == (way == "argument")
    assert listing(home) == ["key"], "no key of the server's own is made"


def test_a_generated_key_is_shown_once_on_a_terminal_and_works(home, root):
    with server_process(home, "0", "--host", HOST, "--root", root, terminal=True) as server:
        text = server.log.wait_for(rf"^{STAMP}Key: ((?:[0-9A-Z]{{5}}-){{5}}[0-9A-Z][0-9A-Z*~$=])$")[1]
        with session(server.port, Key.from_text(text)) as client:
            put(client, b"name", b"contents")
        with pytest.raises(AuthenticationError):
            session(server.port)
        server.signal(signal.SIGTERM)
        assert server.wait() == ExitCode.OK
        assert server.log.text.count(text) == 1
        assert server.errors.text == ""
    assert listing(home) == [], "what was shown is stored nowhere"


def test_without_a_terminal_the_key_is_in_the_state_directory_and_used_again(home, root):
    path = home / "state" / "secftp" / "server.key"
    keys = []
    for _ in range(2):
        with server_process(home, "0", "--host", HOST, "--root", root) as server:
            assert server.log.wait_for(rf"^{STAMP}Key: in the file (.+)$")[1] == str(path)
            keys.append(path.read_text())
            with session(server.port, Key.from_text(keys[-1].strip())) as client:
                put(client, b"name", b"contents")
            assert keys[-1].strip() not in server.log.text + server.errors.text
    assert keys[0] == keys[1]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert listing(root) == ["name"]


@pytest.mark.parametrize("terminal", [True, False], ids=["terminal", "no terminal"])
def test_anonymous_alone_makes_no_key(home, root, terminal):
    (root / "name").write_bytes(b"contents")
    with server_process(home, "0", "--host", HOST, "--root", root, "--anonymous", terminal=terminal) as server:
        with session(server.port, None) as client:
            assert get(client, b"name") == b"contents"
        with pytest.raises(AuthenticationError):
            session(server.port)
        assert "Key:" not in server.log.text
    assert listing(home) == []


# --- the log ----------------------------------------------------------------------------------------------------------


def _told(server):
    """What the log says, without times and whose line it is."""
    lines = [line for line in server.log.text.splitlines() if "Running as root" not in line]
    assert [line for line in lines if not re.match(STAMP, line)] == []
    return [re.sub(r"  \[1 127\.0\.0\.1:\d+\]$", "", re.sub(f"^{STAMP}", "", line)) for line in lines]


def test_the_log_of_a_write_and_a_read_is_in_the_words_of_the_original(home, root):
    checksum = digest_of(b"contents").hex()
    beginning = [
        r"Listening @ 127\.0\.0\.1 on port \d+",
        f"Serving the directory {re.escape(str(root))}",
        r"ANYONE may read and write\.",
        r"Client connected: 127\.0\.0\.1",
        "Cipher: aes256",
        "IV: [0-9a-f]{32}",
        r"Sending challenge\.\.\.",
        r"Received good response\. Initializing communication\.",
    ]
    writing = [
        r"Client requested to write filename: a/name",
        r"Processing\.\.\.",
        f"File confirmed, checksum: {checksum}",
        r"Done\.",
        r"Stopped\.",
    ]
    reading = [
        r"Client requesting filename: a/name",
        r"Processing\.\.\. 8 B",
        f"File sent, checksum: {checksum}",
        r"Finished sending file\.",
        r"Done\.",
        r"Stopped\.",
    ]
    (root / "a").mkdir()
    path = (b"a", b"name")
    for expected in (writing, reading):
        with serve(home, root) as server:
            with session(server.port, None, Suite.AES256) as client:
                put(client, path, b"contents") if expected is writing else get(client, path)
            server.log.wait_for(r"Done\.")
            server.signal(signal.SIGTERM)
            assert server.wait() == ExitCode.OK
            told = _told(server)
        assert len(told) == len(beginning + expected), told
        for line, pattern in zip(told, beginning + expected, strict=True):
            assert re.fullmatch(pattern, line)


HOSTILE_NAMES = [
    b"\x1b[2J\x1b]0;owned\x07",
    b"line\n!! 00:00:00: Done.",
    b"\r\x08\x7f\x9b31m",
    "\u202egnp.exe\u2066\u200b\u2028".encode(),
    b"\xff\xfe\xc0\xaf",
    "\x85\x9b".encode(),
]


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
def test_names_in_the_log_are_escaped_and_never_left_out(home, root, encoding):
    with serve(home, root, PYTHONIOENCODING=f"{encoding}:strict", PYTHONUTF8="0") as server:
        with Hostile(server.port, None) as wire:
            wire.welcome()
            for number, name in enumerate([*HOSTILE_NAMES, "ä\u4e2d".encode()], 1):
                wire.send(Read(id=number, path=(name,)))
                assert wire.receive().code is ErrorCode.NOT_FOUND
        # From the begin of a line: one of the names looks like the end of a session, too.
        server.log.wait_for(r"^!! [0-9:]{8}: Done\.  \[1")
        lines = server.log.text.splitlines()
    assert all(re.match(STAMP, line) and line.isprintable() for line in lines)
    asked = [line for line in lines if "Client requesting filename: " in line]
    assert len(asked) == len(HOSTILE_NAMES) + 1
    assert r"\x1b[2J\x1b]0;owned\x07" in asked[0]
    assert r"line\n!! 00:00:00: Done." in asked[1]


def test_a_log_without_a_reader_ends_nothing(home, root):
    """Like `secftpd 8888 | head -3`."""
    reader, writer = os.pipe()
    process = subprocess.Popen(
        server_command("0", "--host", HOST, "--root", root, "--anonymous-write"),
        stdin=subprocess.DEVNULL,
        stdout=writer,
        stderr=subprocess.PIPE,
        env=environment(home),
        cwd=home,
    )
    try:
        os.close(writer)
        said = b""
        while not (port := re.search(rb"on port (\d+)\n", said)):
            said += os.read(reader, 1000)
        os.close(reader)
        with session(int(port[1]), None) as client:
            put(client, b"name", b"contents")
            assert get(client, b"name") == b"contents"
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE) == ExitCode.OK
        assert process.stderr.read() == b""
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def test_without_any_standard_descriptor_it_serves_and_writes_into_no_connection(home, root):
    command = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"]
    process = subprocess.Popen(
        [*command, *watched_server_command("0", "--host", HOST, "--root", root, "--anonymous-write")],
        env=environment(home),
        cwd=home,
    )
    try:
        watched = psutil.Process(process.pid)
        connections = getattr(watched, "net_connections", None) or watched.connections  # its name before psutil 6
        (listening,) = until(
            lambda: [found for found in connections() if found.status == psutil.CONN_LISTEN], "it listens"
        )
        assert listening.fd > 2
        with session(listening.laddr.port, None) as client:
            put(client, b"name", b"contents")
            assert get(client, b"name") == b"contents"
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE) == ExitCode.OK
    finally:
        process.kill()
        process.wait()


def test_welcome_tells_the_release_and_nothing_of_the_machine(home, root):
    with serve(home, root) as server, Hostile(server.port, None) as wire:
        welcome = wire.welcome()
    assert isinstance(welcome, Welcome)
    assert re.fullmatch(r"secftp \d+\.\d+\.\d+", welcome.software)
    assert str(root) not in welcome.software
