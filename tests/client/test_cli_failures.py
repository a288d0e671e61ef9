"""`python -m secftp.client` when something goes wrong.

One sentence, one hint, the documented exit code, no traceback, and no half file at either end.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import threading
import time

import pytest

from secftp.errors import ExitCode
from secftp.protocol import (
    Bye,
    End,
    Error,
    ErrorCode,
    File,
    Ok,
    Read,
    SessionLimits,
    Welcome,
    Write,
)
from tests.support.command_line import SECRET, SECRET_KEY, ended, place, run, started
from tests.support.serving import DEADLINE, HOST, FullStore, fake_server, listing, server_process, serving, sizes, until

PATTERN = random.Random(4).randbytes(4 << 20)
PIPES = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
WELCOME = Welcome(version=1, software="fake", capabilities=(), limits=SessionLimits(requests=16, keepalive=15, idle=60))


def both(home, where, cipher="aes128", name="name", **options):
    """A read to a file and a write of some data: two results."""
    return (
        run(home, "read", name, where, cipher, "-o", "out", **options),
        run(home, "write", name, where, cipher, stdin=PATTERN, **options),
    )


# --- before there is a session ----------------------------------------------------------------------------------------


def test_a_wrong_key(home, root):
    (root / "name").write_bytes(b"contents")
    with serving(root, key=SECRET_KEY) as server:
        for result in both(home, place(server), changes={"SECFTP_KEY": "another"}):
            result.expect(ExitCode.KEY, "did not prove this key")
    assert listing(home) == []
    assert (root / "name").read_bytes() == b"contents"


def test_a_key_that_is_missing(home, root):
    with serving(root, key=SECRET_KEY) as server:
        for result in both(home, place(server), keyed=False):
            result.expect(ExitCode.KEY, "A key is required, and there is no terminal")
        for options in (["--no-key"], []):
            result = run(home, "read", "name", place(server), "none", *options, keyed=False)
            result.expect(ExitCode.REFUSED, "requires a key")


@pytest.mark.parametrize("given", ["SECFTP_KEY", "argument", "empty file", "no file", "readable file"])
def test_a_key_that_can_not_be_used_is_never_anonymous(home, root, given):
    (root / "name").write_bytes(b"contents")
    (home / "key").write_text("" if given == "empty file" else "a key")
    (home / "key").chmod(0o644 if given == "readable file" else 0o600)
    file = "missing" if given == "no file" else "key"
    options = {"SECFTP_KEY": [], "argument": [""]}.get(given, ["--key-file", file])
    with serving(root, key=SECRET_KEY, anonymous=True) as server:
        changes = {"SECFTP_KEY": ""} if given == "SECFTP_KEY" else {}
        result = run(home, "read", "name", place(server), "none", *options, keyed=False, changes=changes)
    result.expect(ExitCode.KEY)


def test_a_server_that_is_not_there(home):
    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]
    for result in both(home, f"{HOST}:{port}"):
        result.expect(ExitCode.UNREACHABLE, f"{HOST}:{port} can't be reached")
    run(home, "read", "name", f"[::1]:{port}", "aes128").expect(ExitCode.UNREACHABLE, f"[::1]:{port}")


def test_a_host_that_is_none(home):
    run(home, "read", "name", "host.invalid.:1", "aes128").expect(ExitCode.UNREACHABLE, "can't be found")


def test_a_server_that_never_answers(home):
    with socket.create_server((HOST, 0)) as listener:
        began = time.monotonic()
        result = run(home, "read", "name", f"{HOST}:{listener.getsockname()[1]}", "aes128", "--timeout", "0.5")
        assert 0.5 < time.monotonic() - began < 5
    result.expect(ExitCode.TIMEOUT)


@pytest.mark.parametrize("way", ["original", "verb", "quiet", "json"])
def test_a_client_says_what_it_waits_for(home, way):
    """A server may delay its answer after wrong keys; after two seconds the client tells its user."""
    with socket.create_server((HOST, 0)) as listener:
        place = f"{HOST}:{listener.getsockname()[1]}"
        command = {
            "original": ["read", "name", place, "aes128"],
            "verb": ["ls", f"secftp://{place}/"],
            "quiet": ["ls", "--quiet", f"secftp://{place}/"],
            "json": ["get", "--progress", "json", f"secftp://{place}/name", "."],
        }[way]
        result = run(home, *command, "--timeout", "2.3")
    assert result.code == ExitCode.TIMEOUT
    if way == "json":
        events = list(map(json.loads, result.errors.splitlines()))
        assert [event["event"] for event in events] == ["waiting", "error"]
        assert "Waiting for the server" in events[0]["message"]
    else:
        assert result.errors.count("Waiting for the server to answer the handshake.") == (way != "quiet")


@contextlib.contextmanager
def foreign_server(says):
    """A server of another protocol: it sends `text` to every client and closes."""
    with socket.create_server((HOST, 0)) as listener:
        listener.settimeout(DEADLINE)

        def run_it():
            sock, _ = listener.accept()
            with sock:
                sock.sendall(says)
                sock.shutdown(socket.SHUT_WR)
                with contextlib.suppress(ConnectionResetError):
                    while sock.recv(4096):
                        pass

        thread = threading.Thread(target=run_it)
        thread.start()
        yield f"{HOST}:{listener.getsockname()[1]}"
        thread.join(DEADLINE)


@pytest.mark.parametrize(
    ("says", "code"),
    [
        (b"", ExitCode.CONNECTION_LOST),
        (b"SSH-2.0-OpenSSH_9.6\r\n", ExitCode.PROTOCOL),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", ExitCode.PROTOCOL),
        (b"SECFTP\x01", ExitCode.CONNECTION_LOST),
        (b"SECFTP\x02" + bytes(5), ExitCode.REFUSED),
        (b"SECFTP\x01\x04" + bytes(4), ExitCode.REFUSED),
        (b"SECFTP\x01\xff" + bytes(4), ExitCode.REFUSED),
        (b"SECFTP\x01\x00\x01\x01\0\0" + bytes(129), ExitCode.KEY),
    ],
    ids=["nothing", "ssh", "http", "half a word", "version 2", "busy", "unknown refusal", "zeros"],
)
def test_something_else_at_that_port(home, says, code):
    with foreign_server(says) as where:
        run(home, "read", "name", where, "aes128").expect(code)


def test_a_cipher_that_the_server_does_not_allow(home, root):
    from secftp.crypto import Suite

    with serving(root, key=SECRET_KEY, suites=frozenset({Suite.AES256})) as server:
        for result in both(home, place(server)):
            result.expect(ExitCode.REFUSED, "does not allow this cipher")


def test_a_server_with_too_many_clients(home, root):
    with serving(root, key=SECRET_KEY, max_clients=1) as server, server.hostile(key=SECRET_KEY) as wire:
        wire.welcome()
        run(home, "read", "name", place(server), "aes128").expect(ExitCode.REFUSED, "too many clients")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["fetch"],
        ["read"],
        ["read", "name", "HOST", "aes128"],
        ["read", "name", "h:1", "rot13"],
        ["read", "name", "h:0", "aes128"],
        ["read", "name", "::1:8888", "aes128"],
        ["write", "name", "h:1", "aes128", "--timeout", "never"],
        ["write", "name", "h:1", "aes128", "--checksum", "crc32"],
        ["write", "name", "h:1", "aes128", "--no-key", "--key-file", "x"],
        ["read", "name", "h:1", "aes128", "-n"],
    ],
    ids=" ".join,
)
def test_a_command_line_that_makes_no_sense(home, arguments):
    run(home, *arguments).expect(ExitCode.USAGE)


# --- errors of the server ---------------------------------------------------------------------------------------------


def test_no_such_file_and_directories(home, root):
    (root / "folder").mkdir()
    (root / "file").write_bytes(b"")
    with serving(root, key=SECRET_KEY) as server:
        for name, reading, writing in [
            ("missing", ExitCode.NOT_FOUND, None),
            ("folder", ExitCode.REFUSED, ExitCode.REFUSED),
            ("nowhere/name", ExitCode.NOT_FOUND, ExitCode.NOT_FOUND),
            ("file/name", ExitCode.NOT_FOUND, ExitCode.NOT_FOUND),
        ]:
            read, write = both(home, place(server), name=name)
            assert name in read.expect(reading).complaint
            if writing is not None:
                assert name.split("/")[0] in write.expect(writing).complaint
    assert listing(root) == ["file", "folder", "missing"]
    assert listing(home) == []


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/../b", "a//b", "a/", "//a", "x" * 256, "/".join("x" * 65), ".secftp-tmp-" + "0" * 32]
)
def test_names_that_are_refused(home, root, name):
    with serving(root, key=SECRET_KEY) as server:
        for result in both(home, place(server), name=name):
            result.expect(ExitCode.REFUSED)
    assert listing(root) == listing(home) == []


def test_a_read_only_server(home, root):
    with serving(root, key=SECRET_KEY, read_only=True) as server:
        run(home, "write", "name", place(server), "aes128", stdin=PATTERN).expect(ExitCode.REFUSED, "read-only")
    assert listing(root) == []


ANSWERS = [
    (Error(id=1, code=ErrorCode.IO_ERROR, text="\x1b[31m"), ExitCode.SERVER_FAILED),
    (Error(id=1, code=ErrorCode.CHECKSUM), ExitCode.CHECKSUM),
    (Error(id=1, code=ErrorCode.UNSUPPORTED), ExitCode.SERVER_FAILED),
    (Error(id=1, code=ErrorCode.LIMIT), ExitCode.NO_SPACE),
    (Error(id=1, code=ErrorCode.FORBIDDEN), ExitCode.REFUSED),
    (Bye(code=ErrorCode.STOPPING), ExitCode.CONNECTION_LOST),
    (Bye(), ExitCode.CONNECTION_LOST),
    (Ok(id=1), ExitCode.PROTOCOL),
    (None, ExitCode.CONNECTION_LOST),
]


@pytest.mark.parametrize(("answer", "code"), ANSWERS, ids=str)
def test_every_answer_has_its_exit_code(home, answer, code):
    """To a read; `None` is the end of the connection."""

    def play(wire):
        wire.frame(1, 0, _payload(WELCOME))
        wire.flush()
        assert isinstance(wire.receive(), Read)
        if answer is not None:
            wire.send(answer)
            while wire.receive() is not None:
                pass

    with fake_server(play, SECRET_KEY) as port:
        run(home, "read", "name", f"{HOST}:{port}", "aes128", "-o", "out").expect(code)
    assert listing(home) == []


def _payload(message):
    from secftp.protocol import encode

    return encode(message)[2]


@pytest.mark.parametrize("how", ["wrong digest", "cut in the middle", "reset in the middle", "no END", "garbage"])
def test_a_file_that_does_not_come_whole_does_not_appear(home, how):
    """Under its name nothing is changed; standard output has got what came, and the exit code tells."""
    (home / "out").write_bytes(b"old")

    def play(wire):
        wire.send(WELCOME)
        assert isinstance(wire.receive(), Read)
        wire.send(File(id=1, size=len(PATTERN), mtime_ns=0, mode=0o644))
        wire.send_data(PATTERN[: len(PATTERN) // 2 if "middle" in how else len(PATTERN)])
        if how == "wrong digest":
            wire.send(End(size=len(PATTERN), digest=bytes(16)))
            while wire.receive() is not None:
                pass
        elif how == "reset in the middle":
            wire.reset()
        elif how == "garbage":
            wire.sock.sendall(bytes(100))

    code = {"wrong digest": ExitCode.CHECKSUM, "garbage": ExitCode.PROTOCOL}.get(how, ExitCode.CONNECTION_LOST)
    with fake_server(play, SECRET_KEY) as port:
        run(home, "read", "name", f"{HOST}:{port}", "aes128", "-o", "out").expect(code)
    assert (home / "out").read_bytes() == b"old"
    assert listing(home) == ["out"]
    with fake_server(play, SECRET_KEY) as port:
        result = run(home, "read", "name", f"{HOST}:{port}", "aes128")
    assert result.code == code
    assert PATTERN.startswith(result.output)
    assert result.complaint


def test_a_server_that_is_killed_while_it_is_written_to(home, root):
    """What stood under the name stands there still."""
    (root / "name").write_bytes(b"old")
    arguments = ["0", "--host", HOST, "--root", root]
    with (
        server_process(home, *arguments, SECFTP_KEY=SECRET) as server,
        started(home, "write", "name", f"{HOST}:{server.port}", "aes128", **PIPES) as client,
    ):
        client.stdin.write(PATTERN)
        client.stdin.flush()
        server.log.wait_for("requested to write")
        server.process.kill()
        server.wait()
        result = ended(client)
    result.expect(ExitCode.CONNECTION_LOST)
    assert (root / "name").read_bytes() == b"old"


def test_a_full_disk_at_the_server(home, root):
    """The reason gets through although the client is still sending when it comes."""
    with serving(root, key=SECRET_KEY, store=FullStore(root, 1 << 20)) as server:
        result = run(home, "write", "name", place(server), "aes128", stdin=PATTERN)
        result.expect(ExitCode.NO_SPACE, "no space left on the server")
    assert listing(root) == []


# --- local failures ---------------------------------------------------------------------------------------------------


def test_local_files_that_can_not_be_used(home, root):
    (root / "name").write_bytes(b"contents")
    (home / "folder").mkdir()
    with serving(root, key=SECRET_KEY) as server:
        where = place(server)
        for option, name in [("-i", "missing"), ("-i", "folder"), ("-o", "folder"), ("-o", "nowhere/out")]:
            verb = {"-i": "write", "-o": "read"}[option]
            run(home, verb, "name", where, "aes128", option, name).expect(ExitCode.LOCAL_FILE, name.split("/")[0])
        server.server.stop()
    assert "Client connected" not in server.log.text, "the server does not even hear of it"
    assert listing(home) == ["folder"]
    assert (root / "name").read_bytes() == b"contents"


def test_a_full_disk_here(home, root):
    (root / "name").write_bytes(PATTERN)
    (home / "out").write_bytes(b"old")
    with serving(root, key=SECRET_KEY) as server:
        where = place(server)
        run(home, "read", "name", where, "aes128", "-o", "out", limit=1024).expect(ExitCode.NO_SPACE)
        with open("/dev/full", "wb") as full:
            run(home, "read", "name", where, "aes128", stdout=full).expect(ExitCode.NO_SPACE, "standard output")
        run(home, "read", "name", where, "aes128", "-o", "/dev/full").expect(ExitCode.NO_SPACE, "/dev/full")
    assert (home / "out").read_bytes() == b"old"
    assert listing(home) == ["out"]


def test_a_reader_who_goes_away(home, root):
    """`secftp read ... | head`: no traceback, and an exit code that tells it from a failure of the transfer."""
    (root / "name").write_bytes(PATTERN * 4)
    with (
        serving(root, key=SECRET_KEY) as server,
        started(home, "read", "name", place(server), "aes128", **PIPES) as client,
    ):
        assert client.stdout.read(10) == PATTERN[:10]
        client.stdout.close()
        assert client.wait(DEADLINE) == ExitCode.BROKEN_PIPE
        errors = client.stderr.read().decode()
        server.done(1)
    assert errors.endswith("Receiving file...\n"), "nothing about the reader"


def test_a_reader_who_goes_away_before_the_file_begins(home, root):
    (root / "name").write_bytes(b"small")
    reader, writer = os.pipe()
    os.close(reader)
    try:
        with serving(root, key=SECRET_KEY) as server:
            assert run(home, "read", "name", place(server), "aes128", stdout=writer).code == ExitCode.BROKEN_PIPE
    finally:
        os.close(writer)


def test_a_source_that_changes_while_it_is_sent(home, root):
    """A file that is cut while a slow server takes it in is no version of itself."""
    with open(home / "in", "wb") as file:
        file.truncate(64 << 20)

    def play(wire):
        wire.send(WELCOME)
        assert isinstance(wire.receive(), Write)
        os.truncate(home / "in", 5)
        _, last = wire.receive_file()
        assert last.code is ErrorCode.CHANGED
        wire.send(Error(id=1, code=ErrorCode.CANCELLED))
        assert wire.receive() in (Bye(code=ErrorCode.CANCELLED), None)

    with fake_server(play, SECRET_KEY) as port:
        run(home, "write", "name", f"{HOST}:{port}", "aes128", "-i", "in").expect(ExitCode.FAILED, "while it was")


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
    ids=str,
)
@pytest.mark.parametrize("verb", ["read", "write"])
def test_a_signal_in_the_middle_leaves_no_file_at_either_end(home, root, verb, number, code):
    with open(root / "huge", "wb") as file:
        file.write(os.urandom(2 << 20))
        file.truncate(1 << 40)  # a hole is not written, and takes minutes to hash
    with serving(root, key=SECRET_KEY) as server:
        arguments = ["-o", "out"] if verb == "read" else []
        name = "huge" if verb == "read" else "name"
        with started(home, verb, name, place(server), "aes128", *arguments, **PIPES) as client:
            if verb == "write":
                client.stdin.write(PATTERN)
                client.stdin.flush()
                until(lambda: len(listing(root)) == 2, "the server writes")
            else:
                until(lambda: any(size > 1 << 20 for size in sizes(home).values()), "the client writes")
            client.send_signal(number)
            assert client.wait(DEADLINE) == code
            assert "Traceback" not in client.stderr.read().decode()
            client.stdin.close()
        server.done(1)
    assert listing(home) == []
    assert listing(root) == ["huge"]


def test_quiet_leaves_the_complaint_and_nothing_else(home, root):
    with serving(root, key=SECRET_KEY) as server:
        result = run(home, "read", "missing", place(server), "aes128", "-q")
    result.expect(ExitCode.NOT_FOUND)
    assert result.errors.count("\n") == 2
