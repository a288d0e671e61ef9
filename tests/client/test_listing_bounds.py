"""Memory bound of listings: the client keeps at most 64 MiB, whatever the server lists."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import socket
import subprocess
import sys
import threading
from typing import NamedTuple

import pytest

from secftp.api.walking import DirectoryNames
from secftp.errors import ExitCode, ProtocolError, TooLarge
from secftp.keys import Key
from secftp.protocol import (
    Copy,
    Direction,
    Entries,
    Error,
    ErrorCode,
    Info,
    Kind,
    List,
    Listed,
    MakeDirectory,
    Ok,
    Read,
    Remove,
    SessionLimits,
    SetAttributes,
    Stat,
    Sum,
    Welcome,
    encode,
)
from secftp.protocol.handshake import ServerHandshake
from secftp.session import listings, replies
from secftp.session.listings import MemoryBudget, NameSequence, PackedNames, SortedNames
from secftp.transfer.remote_tree import RemoteDirectory
from tests.support.serving import DEADLINE, HOST, Wire, environment

pytestmark = pytest.mark.exhaustive

MOST_MIB = 64
TEXT = "correct horse battery staple"
WELCOME = Welcome(
    version=1,
    software="hostile",
    capabilities=("ranges", "stat", "list", "change", "sum", "resume", "copy"),
    limits=SessionLimits(requests=64, keepalive=15, idle=60),
)
# Runs an action and tells by how much its memory grew at the most, and how it ended.
PROBE = """
import sys
def kib(field):  # not ru_maxrss, which begins with what the process that started this one has
    with open("/proc/self/status") as file:
        return int(next(line for line in file if line.startswith(field)).split()[1])
import secftp, secftp.client.__main__ as program, secftp.client.comparison, secftp.client.listing
import secftp.client.commands.sum, secftp.client.commands.rm, secftp.client.copying
import secftp.client.commands.cp, secftp.transfer.remote_copy, secftp.transfer.copy_plan
import secftp.transfer.download, secftp.session, secftp.api.client
def remote():
    return secftp.connect(URL, key=KEY)
def main(*arguments):
    return program.main(list(arguments))
before = kib('VmRSS')
code = None
try:
    code = {action}
except secftp.SecftpError as problem:
    print("RAISED", type(problem).__name__, file=sys.stderr)
except SystemExit as ended:
    code = ended.code
print("CODE", code, file=sys.stderr)
print("MOST", (kib("VmHWM") - before) // 1024, file=sys.stderr)
"""
# Of a listing without end all is kept, until it is too much.
KEEPING = {
    "sum": "main('sum', URL + '/top')",
    "verify": "main('verify', '.', URL + '/top')",
    "rm": "main('rm', '-r', URL + '/top')",
    "get": "main('get', URL + '/top', 'target')",
    "cp": "main('cp', '-r', URL + '/top', URL + '/target')",
    "walk": "[None for _ in remote().walk('top')]",
    "ls -t": "main('ls', '-t', URL + '/top')",
}
# It is used as it comes, so it ends when the server breaks off.
STREAMING = {
    "ls": "main('ls', '-R', URL + '/top')",
    "ls -C": "main('ls', '-C', '--color', URL + '/top')",
    "scandir": "[None for _ in remote().scandir('top', recursive=True)]",
    "rmtree": "remote().rmtree('top')",
}


class Outcome(NamedTuple):
    """How a client ended; `most` MiB is what its memory grew by."""

    code: str
    raised: str
    most: int
    output: bytes
    errors: str


@contextlib.contextmanager
def sessions(play):
    """A server that plays each of its sessions in a thread. Yields its port."""
    threads = []

    def serve(sock):
        with contextlib.suppress(OSError, AssertionError), Wire(sock, Direction.TO_SERVER) as wire:
            handshake = ServerHandshake()
            while handshake.receive(sock.recv(4096)) is None:
                pass
            sock.sendall(handshake.accept(Key.from_text(TEXT).password()))
            while (established := handshake.receive(sock.recv(4096))) is None:
                pass
            wire.establish(established)
            wire.send(WELCOME)
            play(wire)

    def accept():
        with contextlib.suppress(OSError):
            while True:
                sock, _ = listener.accept()
                threads.append(threading.Thread(target=serve, args=(sock,)))
                threads[-1].start()

    with socket.create_server((HOST, 0)) as listener:
        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for thread in (accepting, *threads):
                thread.join(DEADLINE)
                assert not thread.is_alive(), "the fake server hangs"


def played(parts, last=None):
    """Answers every request; a LIST by these parts, each with its frame but for the id, the rest with OK."""

    def play(wire):
        while (request := wire.receive()) is not None:
            if isinstance(request, Stat):
                wire.frame(*encode(Info(id=request.id, kind=Kind.DIRECTORY, size=0, mtime_ns=0, mode=0o755)))
            elif isinstance(request, List):
                if request.path == (b"top",):
                    for entries in parts():
                        wire.send(Entries(id=request.id, entries=entries))
                    if last is None:
                        return
                wire.frame(*encode(Entries(id=request.id, entries=(), last=True)))
            elif isinstance(request, Read | Sum) and request.path == (b"top",):
                wire.frame(*encode(Error(id=request.id, code=ErrorCode.IS_DIRECTORY)))
            elif isinstance(request, Remove | Sum | Copy | MakeDirectory | SetAttributes):
                wire.frame(*encode(Ok(id=request.id, size=1, digest=bytes(16))))
            if not wire._frames:
                wire.flush()

    return play


def client(tmp_path, action, play):
    """What becomes of a client that does this with such a server."""
    with sessions(play) as port:
        code = f"URL, KEY = 'secftp://{HOST}:{port}', {TEXT!r}\n" + PROBE.replace("{action}", action)
        process = subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env=environment(tmp_path, SECFTP_KEY=TEXT, PYTHONPATH=os.getcwd()),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=6 * DEADLINE,
            check=False,
        )
    errors = process.stderr.decode()
    said = dict(line.split() for line in errors.splitlines() if line.startswith(("CODE ", "MOST ", "RAISED ")))
    assert "MOST" in said, errors[-3000:]
    assert "Traceback" not in errors
    return Outcome(said["CODE"], said.get("RAISED", ""), int(said["MOST"]), process.stdout, errors)


def long_names(kind):
    """Parts of listings with names that nothing can pack."""
    made = random.Random(9)
    return [
        tuple(Listed((made.randbytes(120).hex().encode(),), kind, 1, 0, 0o644) for _ in range(200)) for _ in range(300)
    ]


needs_proc = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="the memory is read from /proc")


@needs_proc
@pytest.mark.parametrize("kind", [Kind.FILE, Kind.DIRECTORY])
@pytest.mark.parametrize("action", KEEPING)
def test_a_listing_without_end_is_refused(tmp_path, action, kind):
    """It goes on after the client has enough, too, whatever that asks for."""
    outcome = client(tmp_path, KEEPING[action], played(lambda: itertools.cycle(long_names(kind))))
    if action == "walk":
        assert outcome.raised == "TooLarge"
    else:
        assert int(outcome.code) in (ExitCode.FAILED, ExitCode.NO_SPACE, ExitCode.PROTOCOL)
        assert "too large to be kept in memory" in outcome.errors
    assert outcome.most > 2, "what was measured is not it"
    assert outcome.most <= MOST_MIB


@needs_proc
@pytest.mark.parametrize("kind", [Kind.FILE, Kind.DIRECTORY])
@pytest.mark.parametrize("action", STREAMING)
def test_a_listing_that_is_used_as_it_comes_takes_little(tmp_path, action, kind):
    """More than the memory that it may take, and then the server is gone."""
    parts = itertools.islice(itertools.cycle(long_names(kind)), 700)
    outcome = client(tmp_path, STREAMING[action], played(lambda: parts))
    assert outcome.raised == "ConnectionLost" or outcome.code == str(int(ExitCode.CONNECTION_LOST)), outcome.errors[
        -500:
    ]
    assert outcome.most > 2, "what was measured is not it"
    assert outcome.most <= MOST_MIB


@needs_proc
def test_files_without_end_are_added_up_and_not_kept(tmp_path):
    parts = itertools.islice(itertools.cycle(long_names(Kind.FILE)), 700)
    outcome = client(tmp_path, "main('du', URL + '/top')", played(lambda: parts))
    assert outcome.code == str(int(ExitCode.CONNECTION_LOST))
    assert outcome.output == b""
    assert outcome.most <= MOST_MIB // 2


# --- honest listings --------------------------------------------------------------------------------------------------

COUNT = 300_000
# A copy keeps the same kind of list as a removal; so many show that it does.
FEWER = 100_000
FEWER_MIB = 24


def name_of(number):
    return b"IMG_2024-%06d-of-the-sea.jpg" % number


def ordinary_names(count):
    """Parts of a listing of so many files, in no order."""
    numbers = list(range(count))
    random.Random(7).shuffle(numbers)
    for start in range(0, count, 1000):
        yield tuple(Listed((name_of(number),), Kind.FILE, 1, 0, 0o644) for number in numbers[start : start + 1000])


HONEST = {
    "sum": "main('sum', URL + '/top')",
    "verify": "main('verify', '.', URL + '/top')",
    "rm": "main('rm', '-r', URL + '/top')",
    "cp": "main('cp', '-r', URL + '/top', URL + '/target')",
    "walk": (
        "print(*[(top, directories, len(files), len(set(files)), type(files) is list)"
        " for top, directories, files in remote().walk('top')])"
    ),
}


@needs_proc
@pytest.mark.parametrize("action", HONEST)
def test_a_large_directory_is_no_trouble(tmp_path, action):
    """The same with a million takes three times as long, and 20 MiB more."""
    count, most = (FEWER, FEWER_MIB) if action == "cp" else (COUNT, MOST_MIB)
    outcome = client(tmp_path, HONEST[action], played(lambda: ordinary_names(count), last=True))
    assert outcome.most <= most
    lines = outcome.output.splitlines()
    if action == "sum":
        assert outcome.code == "0"
        assert lines == [b"%b  top/%b" % (bytes(16).hex().encode(), name_of(number)) for number in range(count)]
    elif action == "verify":
        assert outcome.code == "1"
        assert lines == [b"missing here: " + name_of(number) for number in range(count)]
    elif action in ("rm", "cp"):
        assert outcome.code == "0"
    else:
        assert lines == [b"('top', [], %d, %d, False)" % (count, count)]


# --- kept names and entries -------------------------------------------------------------------------------------------


def add_all(names, given):
    for name in given:
        names.add(name)


def add_to_all(directories, entries):
    for directory in directories:
        directory.add(entries)


def test_what_is_kept_is_counted_and_bounded():
    budget = MemoryBudget(10_000, entries=1000)
    names = PackedNames(budget)
    with pytest.raises(TooLarge, match="too large to be kept"):
        add_all(names, (os.urandom(100) for _ in range(1000)))
    assert 0 < budget.nbytes <= 10_000
    assert len(list(names)) > 30
    assert (budget.nbytes, budget.entries) == (0, 0)
    names.clear()
    assert (budget.nbytes, budget.entries) == (0, 0)


def test_entries_are_bounded_however_little_they_take():
    budget = MemoryBudget(entries=1000)
    names = PackedNames(budget)
    add_all(names, [b"x"] * 1000)
    with pytest.raises(TooLarge):
        names.add(b"x")
    names.clear()
    assert (budget.nbytes, budget.entries) == (0, 0)


@pytest.mark.parametrize("count", [0, 1, 511, 512, 513, 5_000])
def test_names_come_back_as_they_went_in(count):
    budget = MemoryBudget()
    given = [b"%d" % number for number in range(count)]
    random.Random(count).shuffle(given)
    names, numbered = PackedNames(budget), SortedNames(budget)
    for name in given:
        names.add(name)
        numbered.add(name, int(name))
    assert budget.nbytes <= 400 * count
    assert list(names) == given
    assert list(numbered) == [(name, int(name)) for name in sorted(given)]
    assert (budget.nbytes, budget.entries) == (0, 0)


def test_parts_of_a_listing_are_merged_in_order(monkeypatch):
    monkeypatch.setattr(listings, "RUN_ENTRIES", 300)
    budget = MemoryBudget()
    numbered = SortedNames(budget)
    for number in random.Random(3).sample(range(2000), 2000):
        numbered.add(b"%04d" % number, number - 3)
    numbered.sort()
    assert budget.nbytes < 40_000
    assert list(numbered) == [(b"%04d" % number, number - 3) for number in range(2000)]
    assert (budget.nbytes, budget.entries) == (0, 0)


def test_a_sequence_of_names():
    names = NameSequence(bytes.decode)
    expected = [str(number) for number in range(1000)]
    for start in range(0, 1000, 300):
        names.pack([name.encode() for name in expected[start : start + 300]])
    assert list(names) == expected
    assert [names[place] for place in range(-1000, 1000)] == expected * 2
    assert names[5:900:7] == expected[5:900:7]
    assert "999" in names
    assert "1000" not in names
    assert list(reversed(names)) == expected[::-1]
    for outside in (1000, -1001):
        with pytest.raises(IndexError):
            names[outside]


def test_the_files_of_a_walk_are_counted_when_they_are_packed():
    budget = MemoryBudget(3 << 20)
    found = DirectoryNames(budget, bytes)
    with pytest.raises(TooLarge):  # noqa: PT012 - one of them raises it
        for _ in range(300_000):
            found.add(os.urandom(16), is_directory=False)
    found.close()
    assert budget.nbytes == 0


def test_a_listing_that_goes_on_when_it_was_cancelled_ends_the_session():
    listing = replies.ListingReply()
    part = Entries(id=1, entries=(Listed((b"a",), Kind.FILE),))
    assert not listing(part)
    listing.drop()
    for _ in range(replies.UNWANTED_PARTS):
        assert not listing(part)
    assert not listing.entries
    with pytest.raises(ProtocolError, match="continued a cancelled"):
        listing(part)


def test_a_get_keeps_little_of_each_directory():
    """Of a thousand directories that are listed and wait, as in a tree that was made for it."""
    budget = MemoryBudget(2 << 20)
    directories = [RemoteDirectory((b"x",), (b"x",), b"x", budget=budget) for _ in range(1000)]
    entries = tuple(Listed((os.urandom(120).hex().encode(),), Kind.FILE) for _ in range(100))
    with pytest.raises(TooLarge):
        add_to_all(directories, entries)
    for directory in directories:
        directory.forget()
    assert (budget.nbytes, budget.entries) == (0, 0)
