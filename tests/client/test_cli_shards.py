"""`--shard` and `--results` on the command line: of `put`, `get` and `verify`, and refused elsewhere."""

from __future__ import annotations

import base64
import json
import os
import signal

import pytest

from secftp.errors import ExitCode
from secftp.transfer.shards import shard_of
from tests.support.command_line import SECRET_KEY, place, started
from tests.support.copying import ODD_NAMES, contents, look, make
from tests.support.serving import digest_of, serving, until

FILES = {**{name: name for name in ODD_NAMES}, **{b"sub/%d" % n: b"%d" % n for n in range(30)}, b"e/": b"", b".h": b"1"}
THERE = {name: data for name, data in FILES.items() if not name.endswith(b"/")}


@pytest.fixture
def here(tmp_path):
    make(tmp_path / "here" / "src", FILES)
    return tmp_path / "here"


def results(path):
    """The names of a file of results with what became of each, in order."""
    found = []
    for text in path.read_bytes().splitlines(keepends=True):
        assert text.endswith(b"\n")
        fields = json.loads(text)
        encoded = fields.get("path_base64")
        found.append((fields["path"].encode() if encoded is None else base64.b64decode(encoded), fields["result"]))
    return found


def test_three_jobs_there_and_back(secftp, here, root, tmp_path):
    for number in (1, 2, 3):
        sent = secftp("put", "--shard", f"{number}/3", "--results", here / "sent", here / "src", "//to/")
        assert sent.succeed().errors.startswith("Sent ")
    assert sorted(results(here / "sent")) == sorted((name, "copied") for name in THERE)
    assert contents(root / "to" / "src") == THERE
    for number in (1, 2, 3):
        secftp("get", f"--shard={number}/3", f"--results={here / 'got'}", "//to/src", f"{here}/back/").succeed()
    assert sorted(results(here / "got")) == sorted((name, "copied") for name in THERE)
    assert look(here / "back" / "src") == look(here / "src")
    for number in (1, 2, 3):
        verified = secftp("verify", "--shard", f"{number}/3", "--results", here / "same", here / "src", "//to/src")
        verified.succeed()
    assert sorted(results(here / "same")) == sorted((name, "verified") for name in THERE)


def test_verify_finds_each_difference_in_its_shard(secftp, here, root):
    secftp("put", here / "src", "//").succeed()
    (root / "src" / "sub" / "1").write_bytes(b"x")
    (root / "src" / "sub" / "2").unlink()
    (here / "src" / "sub" / "3").unlink()
    (root / "src" / "sub" / "4").write_bytes(b"l" * 100_000)
    expected = {b"sub/1": "differs", b"sub/2": "missing_there", b"sub/3": "missing_here", b"sub/4": "differs"}
    printed = []
    for number in (1, 2, 3):
        mine = {name for name in expected if shard_of(tuple(name.split(b"/")), 3) == number}
        verified = secftp("verify", "--shard", f"{number}/3", "--results", here / "found", here / "src", "//src")
        assert verified.code == (ExitCode.FAILED if mine else ExitCode.OK)
        printed += verified.output.splitlines()
    assert len(printed) == 4
    found = dict(results(here / "found"))
    assert len(results(here / "found")) == len(found) == len(THERE)
    assert {name: result for name, result in found.items() if result != "verified"} == expected


def test_what_only_one_side_has_as_a_directory_differs_in_every_shard(secftp, here, root):
    secftp("put", here / "src", "//").succeed()
    (here / "src" / "more").mkdir()
    (here / "src" / "kind").write_bytes(b"1")
    (root / "src" / "kind").mkdir()
    for number in (1, 2):
        verified = secftp("verify", "--shard", f"{number}/2", "--results", here / f"r{number}", here / "src", "//src")
        assert verified.code == ExitCode.FAILED
        found = dict(results(here / f"r{number}"))
        assert (found[b"more"], found[b"kind"]) == ("missing_there", "kind_differs")


def test_verify_of_one_file(secftp, here, root):
    make(root, {b"f": b"1"})
    make(here, {b"f": b"1"})
    numbers = [shard_of((b"f",), 2), 3 - shard_of((b"f",), 2)]
    for number in numbers:
        secftp("verify", "--shard", f"{number}/2", "--results", here / "r", here / "f", "//f").succeed()
    (line,) = (here / "r").read_text().splitlines()
    fields = json.loads(line)
    assert fields.pop("seconds") > 0
    assert fields == {
        "path": "f", "result": "verified", "size": 1, "digest": digest_of(b"1").hex(), "algorithm": "xxh128"
    }  # fmt: skip
    (root / "f").write_bytes(b"2")
    assert secftp("verify", "--results", here / "r", here / "f", "//f").code == ExitCode.FAILED
    assert results(here / "r")[1:] == [(b"f", "differs")]


def test_the_results_are_not_compared(secftp, here):
    secftp("put", here / "src", "//").succeed()
    secftp("verify", "--results", here / "src" / "results", here / "src", "//src").succeed()
    assert len(results(here / "src" / "results")) == len(THERE)


def test_a_failure_of_verify_has_a_line(secftp, here, root):
    secftp("put", here / "src", "//").succeed()
    os.rename(root / "src" / "sub", root / "sub")
    os.symlink("../sub", root / "src" / "sub")
    verified = secftp("verify", "--results", here / "r", here / "src", "//src")
    assert verified.code == ExitCode.FAILED
    assert dict(results(here / "r"))[b"sub"] == "missing_there"


@pytest.mark.parametrize("words", [("put", "here", "//to/"), ("get", "//src", "here"), ("verify", "here", "//src")])
@pytest.mark.parametrize("shard", ["0/2", "3/2", "x", "1", "1/0", "-1/2"])
def test_shards_that_are_none(secftp, words, shard):
    refused = secftp(words[0], f"--shard={shard}", *words[1:])
    assert (refused.code, refused.output) == (ExitCode.USAGE, b"")
    assert "A shard is I/N, with I from 1 to N" in refused.errors
    assert "hint: For example --shard 1/8." in refused.errors


@pytest.mark.parametrize("options", [("--shard", "1/2"), ("--delete", "--shard", "1/2"), ("--results", "r")])
def test_sync_has_neither(secftp, here, options):
    refused = secftp("sync", *options, here, "//to")
    assert refused.code == ExitCode.USAGE
    assert f"secftp sync has no option {options[-2]}." in refused.errors
    assert "get, put and verify" in refused.errors


@pytest.mark.parametrize("words", [("put", "-", "//f"), ("get", "//f", "-")])
@pytest.mark.parametrize("option", [("--shard", "1/2"), ("--results", "r")])
def test_standard_streams_have_neither(secftp, words, option):
    refused = secftp(words[0], *option, *words[1:])
    assert refused.code == ExitCode.USAGE
    assert f"{option[0]} can't be used with -." in refused.errors


@pytest.mark.parametrize("words", [("put", "src", "//to/"), ("get", "//src", "."), ("verify", "src", "//src")])
@pytest.mark.parametrize(
    ("file", "code"), [("-", ExitCode.USAGE), ("", ExitCode.USAGE), ("missing/r", ExitCode.LOCAL_FILE)]
)
def test_results_that_can_not_be_written(secftp, here, root, monkeypatch, words, file, code):
    monkeypatch.chdir(here)
    make(root / "src", FILES)
    refused = secftp(words[0], f"--results={file}", *words[1:])
    assert (refused.code, refused.output) == (code, b"")
    assert "hint: " in refused.errors


def test_a_full_disk_is_told(secftp, here):
    full = secftp("put", "--results", "/dev/full", here / "src", "//")
    assert full.code == ExitCode.NO_SPACE
    assert "The results file /dev/full can't be written: no space left on device." in full.errors
    assert secftp("verify", "--results", "/dev/full", here / "src", "//src").code == ExitCode.NO_SPACE


def test_a_job_that_is_killed_leaves_whole_and_true_lines(home, root):
    """What is said to be copied is there; the same command with --update copies the rest."""
    files = {b"%d" % number: os.urandom(200_000) for number in range(60)}
    make(home / "src", files)
    with serving(root, key=SECRET_KEY) as server:
        words = ["--results", "r", "src", f"secftp://{place(server)}/"]
        with started(home, "put", "--limit-rate", "3M", *words) as process:
            until(lambda: (home / "r").exists() and len(results(home / "r")) > 3, "some files are copied")
            process.send_signal(signal.SIGKILL)
            process.wait()
        before = results(home / "r")
        there = contents(root / "src")
        with started(home, "put", "--update", "--quiet", *words) as process:
            assert process.wait() == 0
    assert 3 < len(before) < len(files)
    assert all(there[name] == files[name] and result == "copied" for name, result in before)
    after = results(home / "r")[len(before) :]
    assert sorted(name for name, _ in after) == sorted(files)
    assert {name for name, result in after if result == "copied"} == files.keys() - there.keys()
    assert contents(root / "src") == files
