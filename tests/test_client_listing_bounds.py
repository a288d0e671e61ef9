"""What a client keeps of a listing without end is bounded."""

from __future__ import annotations

import subprocess
import sys

import pytest

from secftp.keys import Key
from secftp.messages import Entries, Info, Kind, List, Listed, Ok, Remove, Stat, Sum, Welcome
from secftp.messages.schema import Limits
from secftp.session.held import HELD_BYTES, Held, Some, cost
from tests.serving import DEADLINE, environment, fake_server

MOST_MIB = 64
TEXT = "correct horse battery staple"
WELCOME = Welcome(
    version=1,
    software="hostile",
    capabilities=("ranges", "stat", "list", "change", "sum", "resume", "many"),
    limits=Limits(requests=64, keepalive=15, idle=60),
)
# Runs what it is given with the growth of its memory bounded, and tells the most that it took beyond the start.
PROBE = """
import resource, sys
def now():
    with open("/proc/self/status") as file:
        return int(next(line for line in file if line.startswith("VmRSS")).split()[1])
import secftp, secftp.client.__main__ as program, secftp.client.verify, secftp.client.sums, secftp.client.listing
import secftp.client.change, secftp.copy.get, secftp.session, secftp.api.client
before = now()
try:
    code = {action}
finally:
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print("MOST", (most - before) // 1024, file=sys.stderr)
"""


def endless(kind, recursive):
    """A server that answers every LIST with long names, until nobody takes them or very many have been sent."""

    def play(wire):
        wire.send(WELCOME)
        number = 0
        while (request := wire.receive()) is not None:
            if isinstance(request, Stat):
                wire.send(Info(id=request.id, kind=Kind.FOLDER, size=0, mtime_ns=0, mode=0o755))
            elif isinstance(request, List):
                for _ in range(900):  # names of 45 MB, which are 110 MB as objects of Python
                    entries = []
                    for _ in range(200):
                        number += 1
                        name = b"%0250d" % number
                        path = (b"d", name) if recursive and request.recursive else (name,)
                        entries.append(Listed(path, kind, 1, 0, 0o644))
                    try:
                        wire.send(Entries(id=request.id, entries=tuple(entries)))
                    except OSError:
                        return
                wire.send(Entries(id=request.id, entries=(), last=True))
                return
            elif isinstance(request, Remove | Sum):
                wire.send(Ok(id=request.id, size=1, digest=bytes(16)))

    return play


ACTIONS = {
    "ls": "program.main(['ls', '-R', URL])",
}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the memory is read from /proc")
@pytest.mark.parametrize("kind", [Kind.FILE, Kind.FOLDER])
@pytest.mark.parametrize("action", ACTIONS)
def test_an_endless_listing_does_not_fill_the_memory(tmp_path, action, kind):
    with fake_server(guarded(endless(kind, recursive=False)), Key.from_text(TEXT)) as port:
        url = f"secftp://127.0.0.1:{port}" + ("" if action in ("walk", "scandir") else "/top")
        code = PROBE.replace("{action}", ACTIONS[action].replace("URL", repr(url)))
        process = subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env=environment(tmp_path, SECFTP_KEY=TEXT),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=6 * DEADLINE,
            check=False,
        )
    (most,) = [int(line.split()[1]) for line in process.stderr.decode().splitlines() if line.startswith("MOST ")]
    assert most <= MOST_MIB, process.stderr.decode()[-2000:]


def guarded(play):
    def run(wire):
        try:
            play(wire)
        except (OSError, AssertionError):
            return  # the client has gone

    return run


def test_what_is_kept_is_counted_and_released():
    held = Held(1000)
    held.keep(b"x" * 300)
    held.keep(b"y" * 200)
    with pytest.raises(Exception, match="more than can be kept"):
        held.keep(b"z")
    held.release(b"x" * 300)
    held.keep(b"z")
    assert HELD_BYTES < MOST_MIB << 20


def test_some_entries_end_by_number_or_by_bytes():
    entries = [Listed((b"x" * 200,) * 3, Kind.FILE) for _ in range(10)]
    by_number = Some(entries, 3, 1 << 20)
    assert len(list(by_number)) == 3
    assert by_number.is_more
    by_bytes = Some(entries, 100, 2 * cost(entries[0]))
    assert len(list(by_bytes)) == 2
    assert by_bytes.is_more
    whole = Some(entries, 100, 1 << 20)
    assert len(list(whole)) == 10
    assert not whole.is_more
