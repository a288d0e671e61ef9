"""Every command against a malicious server that knows the key."""

from __future__ import annotations

import msgspec
import pytest

from secftp.client.__main__ import main
from secftp.errors import ExitCode
from secftp.keys import read_key_file, write_key_file
from secftp.protocol import Entries, Info, Kind, Listed, Ok, SessionLimits, Welcome, encode
from tests.support.command_line import Result
from tests.support.serving import HOST, fake_server

EVERYTHING = ("ranges", "stat", "list", "change", "sum", "resume", "many", "copy")
WELCOME = Welcome(
    version=1, software="fake", capabilities=EVERYTHING, limits=SessionLimits(requests=16, keepalive=15, idle=60)
)
U = "secftp://{}/a"
COMMANDS = {
    "ls": ["ls", U],
    "stat": ["stat", U],
    "sum": ["sum", U],
    "rm": ["rm", U],
    "mv": ["mv", U, U + "b"],
    "cp": ["cp", U, U + "b"],
    "cp -r": ["cp", "-r", U, U + "b"],
    "mkdir": ["mkdir", U],
    "verify": ["verify", "here", U],
    "get": ["get", U, "copy"],
    "get -": ["get", U, "-"],
    "put": ["put", "here", U],
}


def forged(wire, _request):
    wire.frame(0x7F, 0, b"nonsense")


def unasked(wire, request):
    wire.frame(*encode(Ok(id=request.id + 7)))


def garbage(wire, request):
    kind, flags, payload = encode(Info(id=request.id, kind=Kind.FILE, size=1, mtime_ns=0, mode=0o644))
    wire.frame(kind, flags, bytes(payload)[:-3])


@pytest.fixture
def against(tmp_path, monkeypatch, capfdbinary):
    """Run a command against a server that answers the first request as it is told to."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").write_bytes(b"contents")
    write_key_file(tmp_path / "key")
    key = read_key_file(tmp_path / "key")

    def run(command, *answers):
        def play(wire):
            wire.send(WELCOME)
            for answer in answers:
                request = wire.receive()
                if request is None:
                    return
                answer(wire, request)
                wire.flush()
            while wire.receive_frame() is not None:
                pass

        with fake_server(play, key) as port:
            words = [word.format(f"{HOST}:{port}") for word in command]
            code = main([words[0], "--key-file", "key", *words[1:]])
        return Result(code, *capfdbinary.readouterr())

    return run


@pytest.mark.parametrize("answer", [forged, unasked, garbage])
@pytest.mark.parametrize("name", COMMANDS)
def test_what_no_server_says_ends_it_with_a_sentence(against, tmp_path, name, answer):
    against(COMMANDS[name], answer).expect(ExitCode.PROTOCOL)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here", "key"]


def directory(wire, request):
    wire.frame(*encode(Info(id=request.id, kind=Kind.DIRECTORY, size=0, mtime_ns=0, mode=0o755)))


def listing_of(path):
    """A listing with one entry of this path, be it one or not."""

    def answer(wire, request):
        good = Entries(id=request.id, entries=(Listed((b"name",), Kind.FILE),), last=True)
        kind, flags, payload = encode(good)
        plain = msgspec.msgpack.decode(bytes(payload))
        plain["entries"][0][0] = list(path)
        wire.frame(kind, flags, msgspec.msgpack.encode(plain))

    return answer


def test_a_listing_with_a_name_is_taken(against):
    assert against(["ls", U], directory, listing_of((b"a", b"b"))).succeed(b"a/b\n")


@pytest.mark.parametrize("path", [(b"..",), (b"a", b"..", b"b"), (b"/",), (b"x/y",), (b"\0",), (b"",), ()])
@pytest.mark.parametrize("verb", ["ls", "sum", "rm", "verify", "get"])
def test_names_that_lead_elsewhere_end_it(against, tmp_path, verb, path):
    """Nothing of such a listing is used, shown, removed or fetched."""
    (tmp_path / "folder").mkdir()
    commands = {"verify": ["verify", "folder", U], "rm": ["rm", "-r", U], "get": ["get", U, "folder/"]}
    against(commands.get(verb, [verb, U]), directory, listing_of(path)).expect(ExitCode.PROTOCOL)
    assert not [found for found in (tmp_path / "folder").rglob("*") if found.is_file()]
