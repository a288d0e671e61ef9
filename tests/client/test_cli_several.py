"""Partial failures: exit code 1 and a line for each; a single failure keeps its exit code."""

from __future__ import annotations

import json
import os

import pytest

from secftp.errors import ExitCode
from tests.support.command_line import client_and_server

# Of each verb: operands of which all are good, and one that fails, with the code that it has alone.
TARGET = {"get": ["here/"], "mv": ["//into"], "cp": ["//into"], "put": ["//into/"]}
GOOD = {
    "get": ["//a", "//b"],
    "put": ["here/a", "here/b"],
    "ls": ["//a", "//d"],
    "stat": ["//a", "//d"],
    "sum": ["//a", "//d"],
    "rm": ["//a", "//b"],
    "mkdir": ["//new", "//newer"],
    "cp": ["//a", "//b"],
    "mv": ["//a", "//b"],
}
BAD = {
    "get": ("//nope", ExitCode.NOT_FOUND),
    "put": ("here/nope", ExitCode.LOCAL_FILE),
    "ls": ("//nope", ExitCode.NOT_FOUND),
    "stat": ("//nope", ExitCode.NOT_FOUND),
    "sum": ("//nope", ExitCode.NOT_FOUND),
    "rm": ("//nope", ExitCode.NOT_FOUND),
    "mkdir": ("//d", ExitCode.EXISTS),
    "cp": ("//nope", ExitCode.NOT_FOUND),
    "mv": ("//nope", ExitCode.NOT_FOUND),
}
VERBS = sorted(GOOD)


@pytest.fixture
def secftp(tmp_path, capfdbinary, monkeypatch):
    with client_and_server(tmp_path, capfdbinary) as client:
        monkeypatch.chdir(tmp_path)
        for name in ("root/a", "root/b", "root/d/c", "root/into/", "here/a", "here/b"):
            place = tmp_path / name
            (place if name.endswith("/") else place.parent).mkdir(parents=True, exist_ok=True)
            if not name.endswith("/"):
                place.write_text(name)
        yield client


def call(secftp, verb, operands, *options):
    return secftp(verb, *options, *operands, *TARGET.get(verb, []))


@pytest.mark.parametrize("verb", VERBS)
def test_all_good(secftp, verb):
    assert call(secftp, verb, GOOD[verb]).code == ExitCode.OK


@pytest.mark.parametrize("verb", VERBS)
def test_the_only_operand_keeps_its_code(secftp, verb):
    bad, code = BAD[verb]
    result = call(secftp, verb, [bad])
    assert result.code == code
    assert result.errors.count("secftp: ") == 1


@pytest.mark.parametrize("first", [True, False], ids=["bad first", "bad last"])
@pytest.mark.parametrize("verb", VERBS)
def test_one_of_several_is_1_and_told(secftp, verb, first):
    bad, good = BAD[verb][0], GOOD[verb]
    result = call(secftp, verb, [bad, *good] if first else [*good, bad])
    result.complaint  # noqa: B018 - the last sentence has a hint
    assert result.code == ExitCode.FAILED
    assert "One failure, reported above." in result.errors
    assert "Everything else was done." in result.errors
    assert bad.rpartition("/")[2] in result.errors.split("\n")[0]


@pytest.mark.parametrize("verb", VERBS)
def test_all_of_several_are_1_and_nothing_is_said_to_be_done(secftp, verb):
    bad = BAD[verb][0]
    other = {"mkdir": "//into"}.get(verb, f"{bad}2")
    result = call(secftp, verb, [bad, other])
    assert result.code == ExitCode.FAILED
    assert result.errors.count("secftp: ") == 3
    assert "2 failures, reported above." in result.errors
    assert "Everything else was done." not in result.errors


@pytest.mark.parametrize("verb", ["get", "put"])
def test_a_directory_without_files_and_one_that_is_missing(secftp, verb):
    """Nothing is counted as copied then, and one of several failed all the same."""
    os.mkdir("here/empty")
    os.mkdir("root/empty")
    empty = {"get": "//empty", "put": "here/empty"}[verb]
    result = call(secftp, verb, [empty, BAD[verb][0]])
    assert (result.code, "One failure, reported above." in result.errors) == (ExitCode.FAILED, True)


@pytest.mark.parametrize("verb", ["get", "put"])
def test_programs_are_told_the_same(secftp, verb):
    result = call(secftp, verb, [*GOOD[verb], BAD[verb][0]], "--progress", "json")
    events = [json.loads(line) for line in result.errors.splitlines()]
    assert result.code == events[-1]["exit_code"] == ExitCode.FAILED
    assert [event["exit_code"] for event in events if event["event"] == "failed"] == [BAD[verb][1]]


def test_a_part_of_one_tree_is_one_of_several_in_every_verb(secftp, tmp_path):
    """A file in a tree that fails beside others that don't: 1, whichever verb."""
    (tmp_path / "here").joinpath("d").mkdir()
    (tmp_path / "here" / "d" / "a").write_text("a")
    # A directory where the file of that name would go.
    (tmp_path / "here" / "d" / "c").mkdir()
    (tmp_path / "root" / "d" / "a").write_text("a")
    assert secftp("get", "//d", "here").code == ExitCode.FAILED
    assert secftp("put", "here/d", "//").code == ExitCode.FAILED
    assert secftp("verify", "here/d", "//d").code == ExitCode.FAILED


def test_missing_names_that_need_not_be_there_are_no_failure(secftp):
    secftp("rm", "-f", "//nope", "//a").succeed()
    secftp("mkdir", "-p", "//d", "//new").succeed()
