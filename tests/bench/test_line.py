"""The comparison over an emulated line: what it says where no line can be made, and its arithmetic."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from bench.line import __main__ as program
from bench.line import contenders, emulator, goals, measure, scenarios, table
from bench.line.contenders import LARGE, SECFTP, SMALL, TEXT, TREE, Job
from bench.line.emulator import Conditions
from bench.line.goals import Goal
from bench.line.measure import Samples
from bench.peers import directories
from bench.peers.failure import BenchError
from tests.line import __main__ as tests


def test_without_root_one_line_says_so(monkeypatch, capsys):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert program.main(["--no-install"]) == program.UNAVAILABLE == 77
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert "needs root" in said.err


def test_the_tests_over_it_say_so_too(monkeypatch, capsys):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert tests.main([]) == 77
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert said.err.startswith("test-line: ")
    assert "needs root" in said.err


def test_without_tun_one_line_says_so(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(emulator, "TUN", tmp_path / "tun")
    assert program.main(["--no-install"]) == 77
    assert "tun" in capsys.readouterr().err


# --- what is tried, and how often -----------------------------------------------------------------------------------


class Way:
    """A line that is none: what was set, and connections that are pretended."""

    def __init__(self):
        self.seeds = []

    def set(self, conditions):
        self.seeds.append(conditions.seed)

    def connections(self):
        return len(self.seeds)


def job(way, file, name, *command, source=None, target=None):
    return Job(way, file, name, command, source, target)


def lines():
    return {one.name: one for one in scenarios.scenarios(program._parser().parse_args([]))}


def tried(line, *jobs):
    return [one for one in jobs if lines()[line].wants(one)]


def measured(tmp_path, chosen, **options):
    left_out = []
    samples = measure.measure(
        Way(),
        lines()["no loss"],
        chosen,
        tmp_path / "log",
        **{"rounds": 3, "deadline": time.monotonic() + 60, "leave_out": lambda *why: left_out.append(why)} | options,
    )
    return samples, left_out


def copying(tmp_path, name, *, script='cp "$0" "$1"'):
    source, target = tmp_path / "source", tmp_path / name
    source.write_bytes(b"abc")
    return job("put", SMALL, name, "/bin/sh", "-c", script, str(source), str(target), source=source, target=target)


def test_the_line_of_the_goals_is_the_default():
    clean, bbr, slow, reno = lines().values()
    assert clean.conditions == Conditions(delay=0.05, rate=400e6, queue=4_000_000)
    assert bbr.conditions == reno.conditions == Conditions(delay=0.05, rate=400e6, queue=4_000_000, loss=0.001)
    assert (clean.congestion, bbr.congestion, reno.congestion) == ("bbr", "bbr", "reno")
    assert slow.conditions.rate == 100e6


def test_each_line_has_its_jobs():
    large, small, tree, text = (job("put", file, SECFTP) for file in (LARGE, SMALL, TREE, TEXT))
    one, compressed, bbr = (
        job("put", LARGE, name) for name in (contenders.ONE_STREAM, contenders.COMPRESSED, contenders.WITH_BBR)
    )
    everything = (large, small, tree, text, one, compressed, bbr)
    assert tried("no loss", *everything) == [large, small, tree, one]
    assert tried("0.1 % loss, bbr", *everything) == [large, one]
    assert tried("0.1 % loss, reno", *everything) == [large, bbr]
    assert tried("slow", *everything) == [large, text, compressed]


def test_every_round_has_its_own_seed_and_a_fresh_target(tmp_path):
    samples, left_out = measured(tmp_path, [copying(tmp_path, "one"), copying(tmp_path, "two")])
    assert [len(one.seconds) for one in samples] == [3, 3]
    assert left_out == []
    assert max(one.connections for one in samples) == 6


def test_a_peer_that_fails_is_left_out_and_ours_is_an_error(tmp_path):
    samples, left_out = measured(
        tmp_path, [copying(tmp_path, "scp", script="echo no >&2; exit 3"), copying(tmp_path, "cp")]
    )
    assert [one.job.program for one in samples] == ["cp"]
    assert left_out == [("scp, put 1 KiB", "sh ended with exit code 3: no")]
    with pytest.raises(BenchError, match="secftp, put 1 KiB: sh ended with exit code 3"):
        measured(tmp_path, [copying(tmp_path, SECFTP, script="exit 3")])


def test_a_peer_that_delivers_something_else_is_left_out(tmp_path):
    samples, left_out = measured(tmp_path, [copying(tmp_path, "scp", script='echo other >"$1"')])
    assert samples == []
    assert left_out == [("scp, put 1 KiB", "what arrived is not what was sent")]


def test_what_takes_long_is_run_once(tmp_path, monkeypatch):
    monkeypatch.setattr(measure, "LONG_SECONDS", 0.0)
    ((one,), _) = measured(tmp_path, [copying(tmp_path, "scp")])
    assert len(one.seconds) == 1


def test_after_the_deadline_everything_has_been_measured_once(tmp_path):
    samples, _ = measured(tmp_path, [copying(tmp_path, "one"), copying(tmp_path, "two")], deadline=time.monotonic())
    assert [len(one.seconds) for one in samples] == [1, 1]


def test_the_text_is_text_of_the_size_asked_for():
    text = contenders.text(3_000_000)
    assert len(text) == 3_000_000
    assert b"import" in text[:100_000]
    assert b"import" in text[-100_000:]


# --- arithmetic -----------------------------------------------------------------------------------------------------


def test_the_table_has_medians_ratios_and_connections():
    rows = [
        Samples(job("put", LARGE, "scp"), [6.0, 9.0, 7.0], 1),
        Samples(job("put", LARGE, SECFTP), [3.5], 4),
        Samples(job("put", SMALL, "scp"), [1.0], 1),
    ]
    title, _, header, *shown = table.table(lines()["0.1 % loss, reno"], rows).splitlines()
    assert "100 ms round trip, 400 Mb/s, queue of 4 MB, reno" in title
    assert header.split()[:2] == ["job", "program"]
    assert [row.split() for row in shown] == [
        ["put", "64", "MiB", "secftp", "3.50", "3.50", "3.50", "1.00", "1", "4"],
        ["put", "64", "MiB", "scp", "7.00", "6.00", "9.00", "2.00", "3", "1"],
        ["put", "1", "KiB", "scp", "1.00", "1.00", "1.00", "-", "1", "1"],
    ]


MEDIANS = {("0.1 % loss, reno", "put x", SECFTP): 20.0, ("0.1 % loss, reno", "put x", "scp"): 110.0}


@pytest.mark.parametrize(
    ("goal", "figure", "is_met"),
    [
        (Goal(", reno", "put x", at_most=20), 20.0, True),
        (Goal(", reno", "put x", at_most=19), 20.0, False),
        (Goal(", reno", "put x", "scp", at_least=5.5), 5.5, True),
        (Goal(", reno", "put x", "scp", at_least=5.6), 5.5, False),
        (Goal(", reno", "put x", "scp", at_most=0.2), 20 / 110, True),
        (Goal(", reno", "put x", "scp", at_most=0.18), 20 / 110, False),
        (Goal(", reno", "put x", SECFTP, at_least=0.1, program="scp"), 20 / 110, True),
    ],
)
def test_a_goal_is_met_at_its_bound(goal, figure, is_met):
    assert goal.measured(MEDIANS) == pytest.approx(figure)
    assert goal.is_met(goal.measured(MEDIANS)) is is_met


def test_a_goal_without_its_figures_is_not_measured():
    for goal in (Goal(", bbr", "put x", at_most=1), Goal(", reno", "put y", "scp", at_least=1)):
        assert goal.measured(MEDIANS) is None
    assert Goal(", reno", "put x", "rsync", at_least=1).measured(MEDIANS) is None
    assert goals.listing({}).count("not measured") == len(goals.GOALS)
    assert "met" in goals.listing(MEDIANS, [Goal(", reno", "put x", at_most=20)])


def test_every_goal_is_about_a_line_and_a_job_that_exist():
    files = (LARGE, SMALL, TREE, TEXT)
    jobs = {f"{way} {file}" for way in ("put", "get") for file in files} | {f"verify {TREE}"}
    for goal in goals.GOALS:
        assert [name for name in lines() if name.endswith(goal.line)], goal
        assert goal.job in jobs


# --- leftovers of a run that was killed -----------------------------------------------------------------------------


def test_leftovers_are_removed_and_what_is_in_use_is_not(tmp_path, monkeypatch):
    monkeypatch.setattr(directories, "YOUNG_SECONDS", -1.0)
    used, left, other = (tmp_path / f"{directories.PREFIX}{name}" for name in ("used", "left", "other"))
    for made in (used, left, other.with_name("other")):
        (made / "below").mkdir(parents=True)
    held = directories.lock(used)
    try:
        directories.remove_leftovers(tmp_path)
        assert {path.name for path in tmp_path.iterdir()} == {used.name, "other"}
    finally:
        os.close(held)
    directories.remove_leftovers(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_a_directory_that_is_being_made_is_left_alone(tmp_path):
    (tmp_path / f"{directories.PREFIX}young").mkdir()
    directories.remove_leftovers(tmp_path)
    assert len(list(tmp_path.iterdir())) == 1


def test_the_lock_ends_with_its_process(tmp_path, monkeypatch):
    monkeypatch.setattr(directories, "YOUNG_SECONDS", -1.0)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    script = (
        "import os, pathlib, signal\n"
        "from bench.peers import directories\n"
        "directories.TMPFS = pathlib.Path('/nonexistent')\n"
        "with directories.directories(1): os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=program.machine.TOP, check=False)
    assert len(list(tmp_path.iterdir())) == 3
    directories.remove_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == []
