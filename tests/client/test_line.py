"""What is said of the connections of a copy, and the hint after one that losses made slow."""

from __future__ import annotations

import json
import sys

import pytest

from secftp.client import copying, positional
from secftp.client.line import MANY_STREAMS, SLOW_SECONDS, describe, line_hint
from secftp.transport.tcp_info import TcpInfo
from tests.support.command_line import client_and_server
from tests.support.serving import HOST

MB = 10**6

# As measured over an emulated line: what the kernel told at the end, seconds, bytes.
LOSSY_PUT = TcpInfo(0.1, 0.1016, None, 7, 5802, 1, 0, 591_414, "reno"), 12.6, 8 * 2**20
LOSSY_GET = TcpInfo(0.10027, 0.1009, 0.1, 0, 2, 5794, 731, 14_441, "reno"), 12.0, 8 * 2**20
FAST_PUT = TcpInfo(0.1, 0.1006, None, 33, 34795, 1, 0, 9_576_746, "bbr"), 12.0, 12 * 13_790_000
FAST_GET = TcpInfo(0.1003, 0.118, 0.102, 0, 2, 34760, 22882, 14_429, "bbr"), 12.0, 12 * 12_390_000
FULL_PUT = TcpInfo(0.0202, 0.1223, None, 303, 11891, 1, 0, 2_410_602, "reno"), 12.0, 12 * 2_400_000
FULL_GET = TcpInfo(0.02019, 0.0203, 0.1202, 0, 2, 11587, 749, 71_735, "reno"), 12.0, 12 * 2_400_000
SHORT_QUEUE_PUT = TcpInfo(0.0202, 0.0294, None, 86, 11674, 1, 0, 1_861_366, "reno"), 12.0, 12 * 2_350_000
SHORT_QUEUE_GET = TcpInfo(0.0203, 0.0203, 0.0262, 0, 2, 11587, 719, 70_720, "reno"), 12.0, 12 * 2_340_000


def hint(info, seconds, nbytes, *, streams=1, sends=True, asked=1, bbr=True):
    return line_hint(info, streams, seconds, nbytes, sends=sends, asked=asked, bbr=bbr)


def test_losses_that_explain_the_rate_are_worth_a_hint():
    said = hint(*LOSSY_PUT)
    assert f"--streams {MANY_STREAMS}" in said
    assert "(--congestion bbr)" in said
    said = hint(*LOSSY_GET, sends=False)
    assert f"--streams {MANY_STREAMS}" in said
    assert "at the server (secftpd --congestion bbr)" in said


@pytest.mark.parametrize(
    ("measured", "sends"),
    [
        (FAST_PUT, True),
        (FAST_GET, False),
        (FULL_PUT, True),
        (FULL_GET, False),
        (SHORT_QUEUE_PUT, True),
        (SHORT_QUEUE_GET, False),
    ],
    ids=[
        "no slower for losses",
        "likewise get",
        "full line",
        "likewise get",
        "full with a short queue",
        "likewise get",
    ],
)
def test_losses_that_cost_nothing_are_not(measured, sends):
    assert hint(*measured, sends=sends) == ""


@pytest.mark.parametrize(
    "changed",
    [
        {"round_trip": None},
        {"round_trip": 0.004, "smoothed_round_trip": 0.004},
        {"retransmits": None},
        {"segments_sent": None},
        {"segments_sent": 0},
        {"retransmits": 4},
        {"segments_sent": 20_000},
        {"smoothed_round_trip": 0.13},
    ],
    ids=str,
)
def test_what_is_unknown_or_little_is_no_reason(changed):
    info, seconds, nbytes = LOSSY_PUT
    assert hint(info._replace(**changed), seconds, nbytes) == ""


def test_a_short_copy_gets_none():
    info, _, nbytes = LOSSY_PUT
    assert hint(info, SLOW_SECONDS - 0.1, nbytes) == ""
    assert hint(info, SLOW_SECONDS, nbytes)


@pytest.mark.parametrize("rate", [2_000, 50_000])
def test_a_copy_that_had_little_to_send_gets_none(rate):
    """A pipe or a disk was slow, and a line of any quality would have done."""
    info, seconds, _ = LOSSY_PUT
    assert hint(info, seconds, int(rate * seconds)) == ""


@pytest.mark.parametrize(
    ("asked", "streams", "named"),
    [(None, 1, False), (None, 4, True), (None, 8, False), (1, 1, True), (4, 4, True), (8, 8, False), (16, 3, False)],
)
def test_more_streams_are_named_where_they_can_be_had(asked, streams, named):
    info, seconds, nbytes = LOSSY_PUT
    said = hint(info, seconds, nbytes * streams, streams=streams, asked=asked)
    assert ("--streams" in said) == named
    assert "--congestion bbr" in said


@pytest.mark.parametrize(
    ("congestion", "bbr", "named"), [("bbr", True, False), ("cubic", False, False), ("cubic", True, True)]
)
def test_a_congestion_control_is_named_if_it_is_another_and_allowed(congestion, bbr, named):
    info, seconds, nbytes = LOSSY_PUT
    said = hint(info._replace(congestion=congestion), seconds, nbytes, bbr=bbr)
    assert ("--congestion" in said) == named
    assert "--streams" in said
    assert bool(hint(info._replace(congestion=congestion), seconds, nbytes, bbr=bbr, asked=8, streams=1)) == named


@pytest.mark.parametrize("share", [0.0006, 0.001, 0.01, 0.05])
@pytest.mark.parametrize("round_trip", [0.01, 0.1, 0.3])
@pytest.mark.parametrize("streams", [1, 4])
def test_reno_gets_it_at_every_distance_and_loss(share, round_trip, streams):
    """Its rate follows from both."""
    window = 1.22 / share**0.5
    seconds = 60
    segments = int(streams * window * seconds / round_trip)
    info = TcpInfo(round_trip, round_trip, None, int(segments * share), segments, 1, 0, 0, "reno")
    assert hint(info, seconds, segments * 1448, streams=streams)


def test_what_is_described():
    assert describe(LOSSY_PUT[0], 1, sends=True) == (
        "One connection: round trip 100 ms, congestion control reno, 7 of 5802 segments sent again, "
        "0 of 1 received out of order."
    )
    assert describe(TcpInfo(round_trip=0.00005), 3, sends=True) == "3 connections: round trip 0.05 ms."
    assert describe(TcpInfo(round_trip=2.5), 1, sends=False) == "One connection: round trip 2.5 s."
    assert describe(TcpInfo(), 1, sends=True) == "One connection: this system tells no more."
    assert "congestion control reno (of this side), " in describe(LOSSY_GET[0], 1, sends=False)


# --- the commands -----------------------------------------------------------------------------------------------------


@pytest.fixture
def client(tmp_path, capfdbinary, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_bytes(b"contents" * 1000)
    with client_and_server(tmp_path, capfdbinary) as found:
        found("put", "-q", "file", "//file").succeed()
        yield found


COPIES = [("put", "file", "//copy"), ("get", "//file", "copy")]
WITH_PIPES = [*COPIES, ("get", "//file", "-")]


@pytest.mark.parametrize(("verb", "source", "target"), WITH_PIPES)
def test_verbose_says_what_the_connections_were_like(client, verb, source, target):
    said = client(verb, "-v", source, target).errors.splitlines()[-1]
    assert said.startswith("One connection: round trip ")
    assert "congestion control" in said
    assert "0 of " in said
    assert "One connection" not in client(verb, source, target).errors
    assert client(verb, "-v", "-q", source, target).errors == ""


@pytest.mark.parametrize(("verb", "source", "target"), WITH_PIPES)
def test_json_has_it_in_progress_and_at_the_end(client, monkeypatch, verb, source, target):
    from secftp.client import report_json

    monkeypatch.setattr(report_json, "INTERVAL_SECONDS", 0.0)
    done = client(verb, "--progress", "json", source, target)
    events = [json.loads(line) for line in done.errors.splitlines()]
    found = [event for event in events if event["event"] in ("progress", "ended")]
    assert {event["event"] for event in found} == {"progress", "ended"}
    for event in found:
        assert event["streams"] == 1
        assert 0 < event["round_trip"] < 10
        assert event["retransmits"] == 0
        assert event["congestion"]


class Slow:
    """Stands for the line: every copy takes long, and is said to be slowed down by losses."""

    def __init__(self, monkeypatch):
        monkeypatch.setattr(positional, "SLOW_SECONDS", 0.0)
        monkeypatch.setattr(copying, "SLOW_SECONDS", 0.0)
        self.asked = []

        def said(*arguments, **given):
            self.asked.append((arguments, given))
            return "Try it otherwise."

        monkeypatch.setattr("secftp.client.line.line_hint", said)


@pytest.mark.parametrize(("verb", "source", "target"), WITH_PIPES)
def test_a_slow_copy_gets_one_hint(client, monkeypatch, verb, source, target):
    slow = Slow(monkeypatch)
    said = client(verb, source, target).errors
    assert said.count("  hint: Try it otherwise.\n") == 1
    ((info, streams, seconds, nbytes), given), *rest = slow.asked
    assert rest == []
    assert (info.retransmits, streams, nbytes) == (0, 1, 8000)
    assert seconds > 0
    assert given["sends"] == (verb == "put")


@pytest.mark.parametrize("verb", ["read", "write"])
def test_so_does_one_through_a_pipe(client, monkeypatch, verb):
    slow = Slow(monkeypatch)
    local = ("-o", "copy") if verb == "read" else ("-i", "file")
    given = ("file", f"{HOST}:{client.server.port}", "aes128", *local)
    assert client(verb, *given).errors.splitlines()[-1] == "  hint: Try it otherwise."
    ((info, streams, seconds, nbytes), more), *rest = slow.asked
    assert rest == []
    assert info.congestion
    assert (info.retransmits, streams, nbytes) == (0, 1, 8000)
    assert seconds > 0
    assert (more["sends"], more["asked"]) == (verb == "write", None)
    assert "otherwise" not in client(verb, "-q", *given).errors


def test_a_quick_one_through_a_pipe_does_not_load_the_hints(client, monkeypatch):
    monkeypatch.setitem(sys.modules, "secftp.client.line", None)  # whose import fails
    client("read", "file", f"{HOST}:{client.server.port}", "aes128", "-o", "copy").succeed()


@pytest.mark.parametrize("option", [["-q"], ["--progress", "json"], ["--limit-rate", "1G"]], ids=" ".join)
@pytest.mark.parametrize(("verb", "source", "target"), COPIES)
def test_none_goes_to_programs_or_to_who_wants_quiet_or_a_limit(client, monkeypatch, verb, source, target, option):
    slow = Slow(monkeypatch)
    assert "otherwise" not in client(verb, *option, source, target).errors
    assert slow.asked == []


def test_a_quick_copy_asks_the_kernel_nothing(client, monkeypatch):
    from secftp.transport import tcp_totals

    asked = []
    monkeypatch.setattr(tcp_totals, "_together", lambda *given: asked.append(given))
    client("put", "file", "//copy").succeed()
    client("get", "//file", "copy2").succeed()
    assert asked == []
    client("get", "-v", "//file", "copy3")
    assert len(asked) >= 1, "this test sees nothing"
