"""What a client says of a line that loses packets, as the kernel of this machine tells it."""

from __future__ import annotations

import json
import os

from bench.line.emulator import Conditions

# About 12 segments per round trip, so that the files below take more than ten seconds.
LOSSY = Conditions(delay=0.06, rate=100e6, queue=2_000_000, loss=0.012, seed=5)


def test_a_slow_put_over_a_lossy_line_gets_a_hint(far):
    (far.local / "file").write_bytes(os.urandom(2 * 2**20))
    far.line.set(LOSSY)
    _, said = far.run("put", "-v", "--streams", "1", "--congestion", "reno", far.local / "file", far.url("file"))
    assert "congestion control reno" in said
    assert "--streams 8" in said.splitlines()[-1], said
    assert said.count("hint") == 1


def test_programs_are_told_the_round_trip_and_the_retransmits(far):
    (far.local / "file").write_bytes(os.urandom(2**19))
    far.line.set(LOSSY)
    _, said = far.run("put", "--progress", "json", "--congestion", "reno", far.local / "file", far.url("file"))
    events = [json.loads(line) for line in said.splitlines()]
    (ended,) = (event for event in events if event["event"] == "ended")
    assert 0.12 <= ended["round_trip"] < 0.15
    assert ended["retransmits"] >= 1
    assert ended["congestion"] == "reno"
