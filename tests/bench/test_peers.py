"""Arithmetic and parsers of the benchmarks, and their child processes, none of which stays running."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from bench.peers import __main__ as program
from bench.peers import commands, least, machine, packages, servers, settings, streams, table, targets
from bench.peers.__main__ import _chosen
from bench.peers.commands import Contender, streams_name
from bench.peers.directories import (
    Directories,
    directories,
    file_name,
    make_source,
    parse_size,
    same_content,
    size_name,
)
from bench.peers.failure import BenchError, reason
from bench.peers.measure import ROUNDS_MIN, Samples, measure
from bench.peers.process import descendants, parse_peak, run, serving

GIB, MIB, KIB = 1 << 30, 1 << 20, 1 << 10
GCM = "scp aes128-gcm"


def sampled(name, way, *seconds, size=GIB, peak=None, cpu=()):
    contender = Contender(name, way, size, (), Path("source"), None)
    return Samples(contender, peak, list(seconds), list(cpu))


# --- sizes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1KiB", KIB),
        ("64 MiB", 64 * MIB),
        ("1gib", GIB),
        ("1000", 1000),
        ("1 B", 1),
        ("1 M", 10**6),
        ("1.5 GiB", 3 * GIB // 2),
    ],
)
def test_sizes_are_read(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "0", "0 GiB", "-1", "1 MB", "1.5.5 GiB", "1 I", "KiB", "1 KiB x", "1" * 16])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError):
        parse_size(text)


def test_sizes_are_named_in_the_largest_unit_that_is_whole():
    assert [size_name(size) for size in (1, KIB, 1536, MIB, 3 * GIB)] == ["1 B", "1 KiB", "1536 B", "1 MiB", "3 GiB"]
    assert file_name(64 * MIB) == "64MiB.bin"


# --- the table and the ratios ---------------------------------------------------------------------------------------


def test_the_table_has_medians_rates_and_ratios():
    measured = [
        sampled("secftp aes128", "write", 1.0, 5.0, 1.1, peak=27 * MIB),
        sampled("scp aes128-gcm", "write", 2.2, 2.2, 2.1),
        sampled("cp", "copy", 0.5, 0.55, 0.6, cpu=[0.4, 0.465, 0.47]),
    ]
    title, _, header, *rows = table.table(GIB, measured).splitlines()
    assert "1 GiB" in title
    assert "3 rounds" in title
    assert header.split()[:5] == ["way", "program", "time", "min", "max"]
    assert [row.split() for row in rows] == [
        ["write", "secftp", "aes128", "1.100", "s", "1.000", "s", "5.000", "s", "976", "1.00", "-", "27"],
        ["write", "scp", "aes128-gcm", "2.200", "s", "2.100", "s", "2.200", "s", "488", "0.50", "-", "-"],
        ["copy", "cp", "0.550", "s", "0.500", "s", "0.600", "s", "1952", "2.00", "0.465", "s", "-"],
    ]


def test_cpu_time_is_told_only_where_both_ends_are_known():
    """A client alone would look better than it is."""
    half = sampled("rsync daemon, clear", "write", 1.0, cpu=[0.5])
    whole = sampled("the floor", "write", 1.0, cpu=[0.5, 0.7, 0.6])
    assert (half.median_cpu, whole.median_cpu) == (None, 0.6)
    assert table.figures(GIB, [half, whole]).cpu == {("the floor", "write"): 0.6}


def start(seconds):
    return table.Figures(KIB, {}, {("secftp aes128", way): seconds for way in ("write", "read")})


def test_the_least_is_the_floor_with_crypto_and_hash(monkeypatch):
    monkeypatch.setattr(least, "crypto_seconds", lambda size: 0.4 * size / MIB)
    cpu = {("the floor", "write"): 0.6, ("secftp aes128", "write"): 1.2, ("secftp aes128", "read"): 1.21}
    kept, missed = least.verdicts(table.Figures(MIB, {}, cpu), start(0.1))
    assert (kept.is_met, missed.is_met) == (True, False), "1.10 and 1.11 times 0.6 + 0.4"
    assert "The least is 1.000" in kept.words
    assert "Without start-up 1.11 times the least, with it 1.21" in missed.words
    assert (kept.line()[-6:], missed.line()[-9:]) == (": met.", ": MISSED.")


def test_without_the_floor_or_without_ours_there_is_no_verdict():
    assert least.verdicts(table.Figures(MIB, {}, {("secftp aes128", "read"): 2.0}), start(0.1)) == []
    assert least.verdicts(table.Figures(MIB, {}, {("the floor", "write"): 2.0}), start(0.1)) == []


def test_crypto_takes_some_time_for_each_byte():
    assert 0 < least.crypto_seconds(MIB) < least.crypto_seconds(GIB)


def streamed(*cpu, times=(1.0, 1.0)):
    names = [(streams_name(count), "write") for count in commands.STREAMS]
    return table.Figures(GIB, dict(zip(names, times, strict=False)), dict(zip(names, cpu, strict=False)))


@pytest.mark.parametrize(
    ("figures", "met"),
    [
        (streamed(1.0, 1.1, 1.05, 1.0), [True, True]),
        (streamed(1.0, 1.1, 1.05, 1.11), [False, True]),
        (streamed(1.11, 1.1, 1.0, 1.1), [False, True]),
        (streamed(1.0, 1.0, 1.0, 1.0, times=(1.0, 1.03)), [True, True]),
        (streamed(1.0, 1.0, 1.0, 1.0, times=(1.0, 1.04)), [True, False]),
        (streamed(1.0, times=(1.0,)), []),
    ],
)
def test_streams_cost_the_same_by_cpu_time_and_two_are_no_slower_than_one(figures, met):
    assert [verdict.is_met for verdict in streams.verdicts(figures)] == met


@pytest.mark.parametrize(("missed", "code"), [(0, 0), (1, 3)])
def test_a_bound_that_is_missed_is_an_exit_code(monkeypatch, capsys, missed, code):
    monkeypatch.setattr(program, "_compare", lambda options: missed)
    assert program.main([]) == code
    assert capsys.readouterr().err == ("peers: bounds that are missed: 1\n" if missed else "")


def test_a_file_of_one_part_has_no_streams(tmp_path):
    (tmp_path / "small").write_bytes(bytes(KIB))
    assert list(commands.secftp_streams(None, None, tmp_path / "small", None)) == []


def test_small_files_have_milliseconds_and_no_rate():
    (row,) = table.table(KIB, [sampled("secftp aes128", "read", 0.05, size=KIB)]).splitlines()[3:]
    assert row.split() == ["read", "secftp", "aes128", "50.0", "ms", "50.0", "ms", "50.0", "ms", "-", "1.00", "-", "-"]


def test_columns_are_aligned():
    assert table.aligned([("a", "b", "c"), ("long", "x", "100")]) == "a     b    c\nlong  x  100"


def outcomes(size, *measured):
    return {
        (outcome.target.ours, outcome.target.other, outcome.way): outcome
        for outcome in targets.outcomes(table.figures(size, measured))
    }


def test_large_files_are_judged_by_their_rates():
    found = outcomes(
        GIB,
        sampled("secftp aes128", "write", 1.0),
        sampled("secftp aes256", "write", 1.2),
        sampled("secftp none", "write", 0.7),
        sampled(GCM, "write", 2.6),
        sampled("cp", "copy", 0.6),
        sampled("iperf3, one stream", "stream", 0.35),
    )
    against_scp = found["secftp aes128", GCM, "write"]
    assert against_scp.measured == pytest.approx(2.6)
    assert against_scp.met is True
    assert found["secftp aes256", GCM, "write"].measured == pytest.approx(2.6 / 1.2)
    assert found["secftp aes128", "secftp none", "write"].met is False
    assert found["secftp aes128", "cp", "write"].measured == pytest.approx(0.6)
    assert found["secftp none", "iperf3, one stream", "write"].met is True


def test_small_files_are_judged_by_their_times():
    found = outcomes(
        KIB,
        sampled("secftp aes128", "write", 0.06, size=KIB),
        sampled(GCM, "write", 0.1, size=KIB),
        sampled("secftp aes128", "read", 0.07, size=KIB),
        sampled(GCM, "read", 0.1, size=KIB),
    )
    assert {key[2]: outcome.measured for key, outcome in found.items()} == pytest.approx({"write": 0.6, "read": 0.7})
    assert [outcome.met for outcome in found.values()] == [True, False]


def test_what_was_not_measured_is_said_and_not_dropped():
    figures = table.figures(GIB, [sampled("secftp aes128", "write", 1.0)])
    (row,) = (
        row
        for row in targets.rows(figures)
        if "scp" in row[1] and row[1].startswith("secftp aes128 /") and "write" in row[2]
    )
    assert row[3:] == ("-", "at least 2.5", "not measured")
    assert len(targets.rows(figures)) == sum(len(target.ways) for target in targets.TARGETS if not target.small)


# --- output of programs and the system ------------------------------------------------------------------------------


def test_iperf3_is_asked_for_what_was_received():
    said = json.dumps({"end": {"sum_sent": {"bits_per_second": 9e9}, "sum_received": {"bits_per_second": 8e9}}})
    assert commands.parse_iperf3(said) == 1e9


@pytest.mark.parametrize(
    "said",
    [
        "",
        "[]",
        "{}",
        '{"end": {}}',
        '{"error": "unable to connect"}',
        '{"end": {"sum_received": {"bits_per_second": 0}}}',
        '{"end": {"sum_received": {"bits_per_second": "fast"}}}',
    ],
)
def test_iperf3_without_a_rate_is_a_failure(said):
    with pytest.raises(BenchError, match="iperf3"):
        commands.parse_iperf3(said)


def test_peak_memory_is_read_from_the_status_of_a_process():
    assert parse_peak("Name:\tssh\nVmPeak:\t  9000 kB\nVmHWM:\t    8192 kB\nVmRSS:\t 4096 kB\n") == 8 * MIB
    assert parse_peak("Name:\tzombie\nState:\tZ (zombie)\n") is None


def test_the_processor_is_described_without_naming_the_machine():
    cpuinfo = "processor\t: 0\nmodel name\t: Some  CPU @ 3 GHz\nflags\t\t: fpu aes sha_ni vaes\n"
    assert machine.cpu_model(cpuinfo) == "Some CPU @ 3 GHz"
    assert machine.cpu_features(cpuinfo) == ["aes", "vaes", "sha_ni"]
    assert machine.cpu_features("Features\t: fp asimd aes pmull sha2\n") == ["aes", "pmull", "sha2"]
    assert machine.cpu_features("") == []
    assert machine.short_release("6.1.0-18-cloud-amd64") == "6.1"
    assert os.uname().nodename not in " ".join(machine.facts().values()).split()


def test_a_reason_is_the_last_line_that_is_no_hint():
    assert reason("first\n  secftp: no such file.\n  hint: look again\n\n") == "secftp: no such file."
    assert reason("\n") == "no message"


def test_packages_are_named_once():
    assert packages.needed_packages(["scp", "sftp", "rsync", "unknown"]) == ["openssh-client", "rsync"]
    assert packages.first_line("\n  rsync   version 3  protocol 32\nmore") == "rsync version 3 protocol 32"


def test_the_installer_parses():
    assert subprocess.run(["sh", "-n", packages.INSTALLER], check=False).returncode == 0


def test_settings_stay_on_loopback_and_in_their_directories(tmp_path):
    places = Directories(tmp_path / "a source", tmp_path / "a target", tmp_path / "own")
    sshd = settings.sshd(2222, places.own / "host", places.own / "user")
    nginx = settings.nginx(4433, places, places.own / "cert", places.own / "key")
    assert "ListenAddress 127.0.0.1\n" in sshd
    assert "PasswordAuthentication no\n" in sshd
    assert "listen 127.0.0.1:4433 ssl;" in nginx
    assert f'root "{places.source}";' in nginx
    assert f"path = {places.target}\nread only = no" in settings.rsyncd(places)


def test_every_secftp_command_names_its_file_both_ways(tmp_path):
    source = make_source(tmp_path, KIB)
    places = Directories(tmp_path, tmp_path / "target", tmp_path)
    ours = servers.Secftp(None, "127.0.0.1:1", tmp_path / "key")
    found = list(commands.secftp(ours, ours, source, places))
    assert [(item.name, item.way) for item in found[:4]] == [
        ("secftp none", "write"),
        ("secftp none", "read"),
        ("secftp none, pipe", "write"),
        ("secftp none, pipe", "read"),
    ]
    assert len(found) == 12
    assert all(item.size == KIB and item.target == places.target / source.name for item in found)


# --- processes ------------------------------------------------------------------------------------------------------


def test_a_run_is_timed_and_heard(tmp_path):
    result = run(["sh", "-c", "echo out; echo err >&2"], tmp_path / "log", limit_seconds=20)
    assert 0 < result.seconds < 20
    assert result.output == "out\nerr\n"


def test_a_failed_run_tells_why(tmp_path):
    with pytest.raises(BenchError, match=r"^sh ended with exit code 3: no route$"):
        run(["sh", "-c", "echo no route; exit 3"], tmp_path / "log", limit_seconds=20)
    with pytest.raises(BenchError, match=r"can't be run: No such file"):
        run([str(tmp_path / "nothing")], tmp_path / "log", limit_seconds=20)


def test_a_late_run_is_ended_with_all_that_it_started(tmp_path):
    child = tmp_path / "child"
    start = time.monotonic()
    with pytest.raises(BenchError, match="timeout after"):
        run(["sh", "-c", f"sleep 60 & echo $! >{child}; wait"], tmp_path / "log", limit_seconds=0.5)
    assert time.monotonic() - start < 30
    wait_until_gone(int(child.read_text()))


def test_a_server_is_stopped_with_its_children_whatever_happens(tmp_path):
    pids = []

    def serve_until_interrupted():
        script = "setsid sleep 60 & echo ready $!; wait"
        with serving(["sh", "-c", script], tmp_path / "log", lambda said: "ready" in said) as server:
            pids.extend([server.pid, int(server.log().split()[1])])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        serve_until_interrupted()
    assert len(pids) == 2
    for pid in pids:
        wait_until_gone(pid)


def test_a_server_that_ends_at_once_is_a_failure(tmp_path):
    with (
        pytest.raises(BenchError, match="did not start: port taken"),
        serving(["sh", "-c", "echo port taken; exit 1"], tmp_path / "log", lambda _: False),
    ):
        pass


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="only Linux tells the children of a process")
def test_descendants_are_found(tmp_path):
    with serving(["sh", "-c", "sleep 60 & echo $!; wait"], tmp_path / "log", bool) as server:
        assert int(server.log()) in descendants(server.pid)


def wait_until_gone(pid):
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
            # A zombie waits for its parent and does nothing more.
            if " Z" in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2][:3]:
                return
        except (ProcessLookupError, FileNotFoundError):
            return
        time.sleep(0.01)
    pytest.fail(f"process {pid} is still there")


# --- measuring ------------------------------------------------------------------------------------------------------


@pytest.fixture
def copy(tmp_path):
    """Makes a contender that runs a shell script with $0, the source, and $1, the target."""
    source = make_source(tmp_path, KIB)
    target = tmp_path / "copied"
    return lambda name, script: Contender(name, "copy", KIB, commands.shell(script, source, target), source, target)


def test_each_contender_runs_once_a_round_in_an_order_of_its_own(tmp_path, copy):
    log = tmp_path / "turns"
    contenders = [copy(name, f'cp "$0" "$1"; printf {name} >>{log}') for name in "abc"]
    measured = measure(contenders, tmp_path / "log", rounds=3, deadline=time.monotonic() + 60, leave_out=pytest.fail)
    turns = log.read_text()
    rounds = [turns[start : start + 3] for start in range(0, len(turns), 3)]
    assert [sorted(turn) for turn in rounds] == [list("abc")] * 4  # the first is the warm-up
    assert len(set(rounds[1:])) > 1
    assert [(samples.contender.name, len(samples.seconds)) for samples in measured] == [(name, 3) for name in "abc"]


def test_only_chosen_programs_run(copy):
    contenders = [copy(name, "true") for name in ("secftp none", "secftp aes128", "scp", "cp")]
    assert [one.name for one in _chosen(contenders, ["secftp", "cp"])] == ["secftp none", "secftp aes128", "cp"]
    assert _chosen(contenders, None) == contenders


def test_after_the_deadline_there_are_only_the_fewest_rounds(tmp_path, copy):
    contenders = [copy("a", 'cp "$0" "$1"')]
    (samples,) = measure(contenders, tmp_path / "log", rounds=50, deadline=0, leave_out=pytest.fail)
    assert len(samples.seconds) == ROUNDS_MIN


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("echo no server; exit 1", "sh ended with exit code 1: no server"),
        (":", "expected 1024 bytes, received none"),
        ('head -c 5 "$0" >"$1"', "expected 1024 bytes, received 5"),
        ('tr "\\0-\\377" "\\1-\\377\\0" <"$0" >"$1"', "the received file differs from the sent one"),
    ],
)
def test_a_peer_that_fails_is_left_out_and_secftp_is_not(tmp_path, copy, script, why):
    left_out = []
    contenders = [copy("good", 'cp "$0" "$1"'), copy("bad", script)]
    options = {"rounds": 1, "deadline": 0, "leave_out": lambda *told: left_out.append(told)}
    measured = measure(contenders, tmp_path / "log", **options)
    assert [samples.contender.name for samples in measured] == ["good"]
    assert left_out == [("bad, copy", why)]
    with pytest.raises(BenchError, match="secftp none, copy: "):
        measure([copy("secftp none", script)], tmp_path / "log", **options)


def test_a_program_may_tell_its_own_seconds(tmp_path):
    contender = Contender("own", "stream", KIB, ("echo", "8"), tmp_path, None, float)
    (samples,) = measure([contender], tmp_path / "log", rounds=2, deadline=0, leave_out=pytest.fail)
    assert samples.seconds == [8.0, 8.0]
    assert samples.median == 8.0


def test_the_directories_are_there_and_then_gone():
    with directories(KIB) as places:
        source = make_source(places.source, KIB)
        other = make_source(places.target, KIB)
        assert source.stat().st_size == KIB
        assert same_content(source, source)
        assert not same_content(source, other)
    assert not any(place.exists() for place in places)
