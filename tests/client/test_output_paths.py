"""Escaping of a peer's names and texts: no output, and no log, passes a terminal's control characters on.

Names with all 256 bytes (less the two that no name has), with characters that turn the direction of writing, that are
invisible or that begin an 8-bit control sequence; a server that puts such into every text it may say; and a client that
puts them into every request. Looked at is each byte that comes out: printable characters and newlines are all.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import unicodedata

import pytest

from secftp.client.__main__ import main
from secftp.text import escape
from tests.model import schedule
from tests.model.client import Client, Failed
from tests.model.digest import digest
from tests.model.failure import Refused
from tests.model.schedule import Suite
from tests.model.server import Directory, File, Server
from tests.support.command_line import SECRET, started, terminal
from tests.support.counts import COUNTS
from tests.support.serving import DEADLINE, HOST, server_process, until

W = schedule.scalar(schedule.key_bytes(SECRET))
BYTES = bytes(value for value in range(1, 256) if value != 0x2F)  # 254 of them: a name has at most 255
INVISIBLE = [
    chr(code)
    for code in (
        *range(0x80, 0xA0),  # C1, in UTF-8
        *range(0x200B, 0x2010),  # zero width, and marks of direction
        *range(0x2028, 0x202F),  # line and paragraph separators, embeddings, overrides
        *range(0x2060, 0x2070),  # isolates, and what is deprecated
        *range(0xFFF9, 0xFFFC),
        *(0x00AD, 0x061C, 0x180E, 0x3164, 0xFE0F, 0xFEFF, 0xE0001, 0xE0041, 0x1D173),
    )
]
TRICKS = [
    b"\x1b]0;title\x07",
    b"\x1b[2J\x1b[H",
    b"a\r!! 12:00:00: File confirmed",
    b"a\nsecftp: all is well",
    "e\u0301\u0301\u0301".encode(),
    b"\xc0\xaf",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
]
# One by one, and in groups where each name costs more.
NASTY = [
    BYTES,
    *(bytes([value]) for value in BYTES if not 0x20 < value < 0x7F or value == 0x5C),
    *(f"x{character}y".encode() for character in INVISIBLE),
    *TRICKS,
]
GROUPS = [
    BYTES,
    *(BYTES[start : start + 16] for start in range(0, 254, 16)),
    *("x".join(INVISIBLE[start : start + 8]).encode() for start in range(0, len(INVISIBLE), 8)),
    *TRICKS,
]
TEXT = "\x1b[31m\u202eevil\u2066\x9b\r\n\u200b"[:200]


def check(output: bytes, what: str, *, newlines: bool = True) -> None:
    """Every character is one that may be shown, and is drawn as something."""
    for character in output.decode("utf-8"):
        if character == "\n" and newlines:
            continue
        assert character.isprintable(), f"{what}: {character!r} in {output[:300]!r}"
        assert unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp"), f"{what}: {character!r}"


@pytest.fixture
def tell(record_property):
    """Keep a count for the end of the run, where it is printed."""
    return lambda what, count: record_property(COUNTS, f"[output] {count} {what}: nothing but what can be shown")


# --- output of the client ---------------------------------------------------------------------------------------------


@pytest.fixture
def nasty_server(monkeypatch, tmp_path):
    """A server with such names in it, and such words in everything it says; the client's key and directory are set."""
    monkeypatch.setenv("SECFTP_KEY", SECRET)
    monkeypatch.setenv("HOME", os.fspath(tmp_path))
    monkeypatch.chdir(tmp_path)
    with Server(W, text=TEXT) as server:
        nodes = server.tree.nodes
        nodes[b"d",] = Directory()
        for name in NASTY:
            nodes[b"d", name] = File(b"12345")
        nodes[b"d", b"\x1b[2J"] = Directory()
        nodes[b"d", b"\x1b[2J", b"\xff\x9b"] = File(b"1")
        yield server


def quoted(*path: bytes) -> str:
    return "/".join("".join(f"%{byte:02x}" for byte in name) for name in path)


def url(server, *path):
    return f"secftp://{HOST}:{server.port}/{quoted(*path)}"


def verbs(server):
    """Command lines by which names and texts of the server come to the client: a name for each, and its words."""
    c = ["--cipher", "none"]
    some = [url(server, b"d", name) for name in NASTY[:40]]
    missing = [url(server, b"d", b"missing", name) for name in NASTY[::20]]
    yield "ls", ["ls", *c, url(server, b"d")]
    yield "ls -l", ["ls", *c, "-l", url(server, b"d")]
    yield "ls -R", ["ls", *c, "-R", url(server)]
    yield "ls --json", ["ls", *c, "-R", "--json", url(server)]
    yield "ls of several", ["ls", *c, url(server, b"d", b"\x1b[2J"), url(server, b"d", NASTY[5])]
    yield "ls in columns", ["ls", *c, "-CRa", "--color", url(server)]
    yield "du", ["du", *c, "-a", url(server)]
    yield "du --json", ["du", *c, "-ac", "--json", url(server)]
    yield "df", ["df", *c, *some]
    yield "df --json", ["df", *c, "--json", *some[:3]]
    yield "cat of what is missing", ["cat", *c, *missing]
    yield "stat", ["stat", *c, *some]
    yield "stat --json", ["stat", *c, "--json", *some]
    yield "sum on a terminal", ["sum", *c, *some]
    yield "what is missing", ["stat", *c, *missing]
    yield "a dry run", ["get", *c, "--dry-run", url(server, b"d"), "copy"]
    yield "get", ["get", *c, url(server, b"d"), "copy"]
    yield "get with a journal", ["get", *c, "--progress", "json", url(server, b"d"), "copy2"]
    yield "get again", ["get", *c, "-n", url(server, b"d"), "copy"]
    yield "put", ["put", *c, "copy", url(server, b"e\x9b")]
    yield "put where it can't be", ["put", *c, "copy", url(server, b"none\x1b", b"\xff")]
    yield "verify", ["verify", *c, "copy", url(server, b"d")]
    yield "verify what differs", ["verify", *c, "copy", url(server)]
    yield "mkdir", ["mkdir", *c, url(server, b"d")]
    yield "cp", ["cp", *c, url(server, b"d", NASTY[3]), url(server, NASTY[4])]
    yield "cp with events", ["cp", *c, "-r", "--progress", "json", url(server, b"d"), url(server, b"d\x9b2")]
    yield "cp again", ["cp", *c, "-r", "-n", url(server, b"d"), url(server, b"d\x9b2")]
    yield "cp nothing", ["cp", *c, missing[1], url(server, b"\x9b")]
    yield "mv", ["mv", *c, url(server, b"d", NASTY[3]), url(server, b"d", NASTY[4])]
    yield "mv nothing", ["mv", *c, missing[1], url(server, b"\x9b")]
    yield "rm", ["rm", *c, url(server, b"d")]
    yield "rm what is missing", ["rm", *c, *missing]
    yield "rm -r", ["rm", *c, "-r", url(server, b"d")]
    place = f"{HOST}:{server.port}"
    yield "read", ["read", "missing\x1b\u202e", place, "none"]
    yield "read a directory", ["read", "e\udc9b", place, "none"]


@pytest.fixture
def sums_are_shown(monkeypatch):
    """`sum` writes names as sha256sum does, byte for byte, except to a terminal: let it take its output for one."""
    master, slave = os.openpty()
    monkeypatch.setattr("secftp.client.commands.sum.STANDARD_OUTPUT", slave)
    yield
    os.close(master)
    os.close(slave)


def test_what_a_client_shows(nasty_server, sums_are_shown, capfdbinary, tell):
    """Every verb, for people and for programs; what a journal or JSON says is ASCII without controls."""
    count = nbytes = 0
    for name, words in verbs(nasty_server):
        code = main([os.fsdecode(os.fsencode(word)) for word in words])
        output, errors = capfdbinary.readouterr()
        assert code not in (1, 12) or b"Internal error" not in errors, errors
        assert b"Traceback" not in errors
        if name == "read":
            assert output == b""
        check(output, name)
        check(errors, name)
        for secret in SECRET.split():
            assert secret.encode() not in output + errors
        if "json" in words or "--json" in words:
            for line in output.splitlines():
                json.loads(line)
        count += 1
        nbytes += len(output) + len(errors)
    tell("command lines of a client", count)
    tell("bytes that they wrote", nbytes)


# What the bar sends to a terminal beside its text: back to the line's beginning, up, and erase.
DRAWING = re.compile(r"\r|\x1b\[[AK]")
COLOUR = re.compile(r"\x1b\[01;34m([^\x1b\n]*)\x1b\[0m")  # that of a directory, around its name


@pytest.mark.parametrize("verb", ["get", "put", "ls", "ls -l", "ls -R"])
def test_what_a_client_draws_on_a_terminal(nasty_server, verb, tmp_path):
    """As a process with a terminal, where names may stand beside a bar."""
    if verb == "put":
        (tmp_path / "folder").mkdir()
        for name in NASTY[::8]:
            (tmp_path / "folder" / os.fsdecode(name)).write_bytes(b"12345")
    words = {
        "get": ["get", url(nasty_server, b"d"), url(nasty_server, b"none\x9b"), "copy/"],
        "put": ["put", "folder", "none\x1b[2J\u202e", url(nasty_server, b"e") + "/"],
        "ls": ["ls", url(nasty_server, b"d"), url(nasty_server, b"none\x9b")],
        "ls -l": ["ls", "-l", url(nasty_server, b"d"), url(nasty_server, b"none\x9b")],
        "ls -R": ["ls", "-R", url(nasty_server), url(nasty_server, b"none\x9b")],
    }[verb]
    with terminal() as (slave, screen):
        with started(tmp_path, *words, stdout=slave, stderr=slave, stdin=slave) as process:
            assert process.wait(DEADLINE) != 0
        screen.hang_up()
        screen.wait_for("none")
    shown = DRAWING.sub("", screen.text.replace("\r\n", "\n"))
    shown = COLOUR.sub(r"\1", shown) if verb.startswith("ls") else shown
    check(shown.encode("utf-8", "surrogateescape"), verb)
    assert "evil" not in shown


@pytest.mark.parametrize("code", ["not_found", "forbidden", "no_space", "changed", "stopping", "limit", "checksum"])
def test_a_server_s_own_words_are_not_shown(nasty_server, capfdbinary, code):
    nasty_server.refuse = code
    assert main(["get", "--cipher", "none", url(nasty_server, b"d", b"\x9b"), "x"]) != 0
    output, errors = capfdbinary.readouterr()
    check(output + errors, code)
    assert b"evil" not in output + errors


# --- the server's log -------------------------------------------------------------------------------------------------


@pytest.fixture(params=["text", "json"])
def logged(request, tmp_path):
    (tmp_path / "root").mkdir()
    arguments = ("0", "--host", HOST, "--root", tmp_path / "root", "--log-file", tmp_path / "log")
    arguments += ("--log-format", request.param, "--log-level", "debug", "--free-guesses", "1000")
    changes = {"SECFTP_KEY": SECRET, "PYTHONIOENCODING": "utf-8"}
    with server_process(tmp_path, *arguments, **changes) as server:
        server.log_file = tmp_path / "log"
        yield server


def port_of(server):
    """The port, from the log file, where the server says all it has to say."""

    def listening():
        told = server.log_file.read_text() if server.log_file.exists() else ""
        found = re.search(r'on port (\d+)|"port": ?(\d+)', told)
        return found and int(found[1] or found[2])

    return until(listening, "the server listens")


def every_request(client, name):
    """All that a client can say with a path in it."""
    path = (name,)
    small = (path, b"x", digest("xxh128", b"x"))
    asks = [
        ("WRITEMANY", {"files": [small]}),
        ("READMANY", {"paths": [path, (b"none", name)]}),
        ("STAT", {"path": path}),
        ("LIST", {"path": path}),
        ("SUM", {"path": path}),
        ("SETATTR", {"path": path, "mode": 0o600}),
        ("READ", {"path": path}),
        ("READ", {"path": (b"none", name)}),
        ("RENAME", {"path": path, "to": (b"to" + name[:250],)}),
        ("REMOVE", {"path": (b"to" + name[:250],)}),
        ("MKDIR", {"path": path}),
        ("REMOVE", {"path": path, "kind": "folder"}),
    ]
    for request, fields in asks:
        client.ask(request, **fields)
    client.welcome()
    while client.wire.order.asked:
        client.wire.receive()
    client.ask("WRITE", path=path, size=1)
    client.wire.send("ABORT", code="cancelled", text=TEXT)
    with pytest.raises(Failed):
        client.answer("OK")
    return len(asks) + 1


def test_what_a_server_logs(logged, tell):
    """Every request with every such name; and names of keys that do not exist, which are unauthenticated."""
    port, count = port_of(logged), 0
    with socket.create_connection((HOST, port), timeout=DEADLINE) as sock:
        client = Client(sock, W, Suite.NONE)
        for name in GROUPS:
            count += every_request(client, name)
        client.bye()
    for name in [name for name in GROUPS if len(name) <= 32]:
        with socket.create_connection((HOST, port), timeout=DEADLINE) as sock, contextlib.suppress(Refused):
            Client(sock, W, Suite.NONE, name=name)
    logged.signal(signal.SIGTERM)
    assert logged.wait() == 0
    told = logged.log_file.read_bytes()
    check(told, "the log")
    for line in told.splitlines():
        if told.startswith(b"{"):
            assert isinstance(json.loads(line), dict)
            check(line, "a line", newlines=False)
        else:
            assert re.match(rb"!! \d\d:\d\d:\d\d: ", line), line
    assert b"evil" not in told
    if not told.startswith(b"{"):
        for name in GROUPS:
            assert f": {escape(name)}  [".encode() in told, "each name can be told from every other"
    check(logged.errors.text.encode(), "standard error")
    tell(f"requests of a client, in the log's {len(told)} bytes", count)
