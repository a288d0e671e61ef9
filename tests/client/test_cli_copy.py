"""`secftp get` and `secftp put` against a real server: results, messages and exit codes."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading

import pytest

from secftp.errors import ExitCode
from secftp.keys import read_key_file, write_key_file
from secftp.session import retry
from tests.support.command_line import client_and_server, ended, started, terminal
from tests.support.cutting import cutting
from tests.support.serving import DEADLINE, HOST, client_command, digest_of, environment, listing, server_process, until

PATTERN = random.Random(5).randbytes(6_000_001)
LARGE = 6_000_001
ODD = [b"bad\xff", b"new\nline", b"\x1b[2J", b"back\\slash", b"x" * 255, "umläut".encode(), b"-r", b" ", b"%41"]
PIPES = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}


@pytest.fixture
def here(tmp_path, monkeypatch):
    directory = tmp_path / "here"
    directory.mkdir()
    monkeypatch.chdir(directory)
    return directory


def fill(directory, files):
    """Make files, by name and contents, and directories, by a name with a slash at its end."""
    for name, contents in files.items():
        path = os.path.join(os.fsencode(directory), os.fsencode(name))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if not path.endswith(b"/"):
            with open(path, "wb") as file:
                file.write(contents)


def tree(directory):
    """All that is in a directory: contents by name, None for directories."""
    directory = os.fsencode(directory)
    found = {}
    for at, directories, files in os.walk(directory):
        found |= {os.path.relpath(os.path.join(at, name), directory): None for name in directories}
        for name in files:
            with open(os.path.join(at, name), "rb") as file:
                found[os.path.relpath(os.path.join(at, name), directory)] = file.read()
    return found


TREE = {"a": b"1", "b/c": b"22", "b/d/e": PATTERN[:100_000], "empty/": b"", **{b"odd/" + name: name for name in ODD}}
WAYS = ["put", "get"]


@pytest.fixture
def copy(secftp, here, root):
    """Copy `name` one way or the other: where it comes from, where it goes to, and a function that does it."""

    def ends(way):
        return (here, root) if way == "put" else (root, here)

    def run(way, name, *options, to=""):
        places = [name, f"//{to}"] if way == "put" else [f"//{name}", to or "."]
        return secftp(way, *options, *places)

    run.ends = ends
    return run


# --- contents ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("size", [0, 100, LARGE])
def test_a_file(copy, way, size):
    source, target = copy.ends(way)
    fill(source, {"name": PATTERN[:size]})
    result = copy(way, "name").succeed()
    assert tree(target) == {b"name": PATTERN[:size]}
    digest = digest_of(PATTERN[:size]).hex()
    done = "Sent" if way == "put" else "Fetched"
    assert re.fullmatch(rf"{done} 1 file, \S+ k?M?B(?: in .*)?, xxh128:{digest}\.\n", result.errors)


@pytest.mark.parametrize("way", WAYS)
def test_a_directory_with_every_odd_name(copy, way):
    source, target = copy.ends(way)
    fill(source / "top", TREE)
    copy(way, "top").succeed()
    assert tree(target / "top") == tree(source / "top")
    assert listing(target)[0] == "top"


@pytest.mark.parametrize("way", WAYS)
def test_permissions_and_times_are_kept_unless_said_otherwise(copy, way):
    source, target = copy.ends(way)
    fill(source, {"top/a": b"1"})
    for name in ("top/a", "top"):
        os.chmod(source / name, 0o750)
        os.utime(source / name, ns=(10**18, 10**18 + 7))
    copy(way, "top").succeed()
    for name in ("top/a", "top"):
        status = os.stat(target / name)
        assert (status.st_mode & 0o777, status.st_mtime_ns) == (0o750, 10**18 + 7), name
    copy(way, "top", "--no-preserve", to="other").succeed()
    assert os.stat(target / "other/a").st_mtime_ns > 10**18 + 7


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("to", "place"), [("", "a"), ("new", "new"), ("folder", "folder/a"), ("folder/", "folder/a"), ("made/", "made/a")]
)
def test_destinations_are_as_cps(copy, way, to, place):
    source, target = copy.ends(way)
    fill(source, {"a": b"1"})
    fill(target, {"folder/": b""})
    copy(way, "a", to=to).succeed()
    assert (target / place).read_bytes() == b"1"


@pytest.mark.parametrize("way", WAYS)
def test_what_is_left_out(copy, way):
    source, target = copy.ends(way)
    fill(source, {"top/a.c": b"1", "top/b.o": b"2", "top/sub/c.o": b"3", "top/skip/d.c": b"4"})
    copy(way, "top", "--exclude", "*.o", "--exclude", "skip").succeed()
    assert {name for name, data in tree(target).items() if data is not None} == {b"top/a.c"}
    copy(way, "top", "--include", "[ad].c", to="other").succeed()
    assert {name for name, data in tree(target / "other").items() if data is not None} == {b"a.c", b"skip/d.c"}


@pytest.mark.parametrize("way", WAYS)
def test_what_is_there_already(copy, way):
    source, target = copy.ends(way)
    fill(source, {"top/a": b"new", "top/b": b"new"})
    fill(target, {"top/a": b"old"})
    os.utime(target / "top" / "a", (0, 0))
    result = copy(way, "top", "--no-clobber").succeed()
    assert "1 skipped: it already exists" in result.errors
    assert tree(target / "top") == {b"a": b"old", b"b": b"new"}
    assert "1 skipped: it has the same size and time" in copy(way, "top", "--update").succeed().errors
    assert tree(target / "top") == {b"a": b"new", b"b": b"new"}


@pytest.mark.parametrize("way", WAYS)
def test_a_dry_run_changes_nothing_and_names_everything(copy, way):
    source, target = copy.ends(way)
    fill(source / "top", TREE)
    result = copy(way, "top", "--dry-run")
    assert result.code == ExitCode.OK
    shown = sorted(result.output.decode().splitlines())
    assert len(shown) == len(TREE) - 1
    assert "top/b/d/e" in shown
    assert "top/odd/bad\\xff" in shown
    assert f"Would {'send' if way == 'put' else 'fetch'} {len(TREE) - 1} files, " in result.errors
    assert listing(target) == []


def test_several_sources(secftp, here, root):
    fill(here, {"a": b"1", "b/c": b"2", "into/": b""})
    secftp("put", "a", "b", "//").succeed()
    assert listing(root) == ["a", "b", "b/c"]
    secftp("get", "//a", "//b", "into").succeed()
    assert listing(here / "into") == ["a", "b", "b/c"]


def test_symlinks_and_special_files(secftp, here, root):
    fill(here, {"top/a": b"1"})
    os.symlink("a", here / "top/link")
    os.mkfifo(here / "top/fifo")
    result = secftp("put", "top", "//").succeed()
    (note,) = (line for line in result.errors.splitlines() if line.startswith("Note: "))
    assert note.startswith("Note: 1 symlink and 1 special file were left out: top/")
    assert listing(root / "top") == ["a"]
    secftp("put", "--follow", "top", "//").succeed()
    assert listing(root / "top") == ["a", "link"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ["xxh128", "sha256", "blake3", "md5"])
def test_every_checksum(copy, way, kind):
    source, _ = copy.ends(way)
    fill(source, {"name": b"contents"})
    result = copy(way, "name", "--checksum", kind).succeed()
    assert f"{kind}:{digest_of(b'contents', kind).hex()}." in result.errors


# --- how it ends ------------------------------------------------------------------------------------------------------


def test_what_is_not_there(secftp, here, root):
    secftp("put", "nothing", "//").expect(ExitCode.LOCAL_FILE, "No such file: nothing")
    secftp("get", "//nothing").expect(ExitCode.NOT_FOUND, "nothing: no such file or directory")
    fill(here, {"a": b"1"})
    secftp("put", "a", "//nowhere/a").expect(ExitCode.NOT_FOUND, "no such directory on the server")
    fill(root, {"a": b"1"})
    secftp("get", "//a", "nowhere/a").expect(ExitCode.LOCAL_FILE)
    secftp("get", "//a", "//a", "a").expect(ExitCode.LOCAL_FILE, "Not a directory: a")
    secftp("get", "//a", "//a", "b").expect(ExitCode.LOCAL_FILE, "No such directory: b")
    secftp("put", os.devnull, "//").expect(ExitCode.LOCAL_FILE, f"Not a regular file: {os.devnull}")


@pytest.mark.parametrize(
    "command",
    [["put", "dangling", "//"], ["put", "--dry-run", "dangling", "//"], ["verify", "dangling", "//a"]],
    ids=" ".join,
)
def test_a_source_that_is_a_symlink_to_nothing_is_called_so(secftp, here, root, command):
    fill(root, {"a": b"1"})
    os.symlink("nothing", here / "dangling")
    result = secftp(*command).expect(ExitCode.LOCAL_FILE, "Dangling symlink: dangling")
    assert "Create the target of the symlink" in result.errors


@pytest.mark.parametrize("way", WAYS)
def test_the_rest_goes_on(secftp, here, root, way):
    fill(here if way == "put" else root, {"a": b"1", "b": b"2"})
    given = ["no", "a", "nothing", "b", "//"] if way == "put" else ["//no", "//a", "//nothing", "//b", "."]
    result = secftp(way, *given).expect(ExitCode.FAILED, "2 failures, reported above.")
    assert re.findall(r"^secftp: (?:No such file: )?(no|nothing)\b", result.errors, re.MULTILINE) == ["no", "nothing"]
    assert "2 failed.\n" in result.errors
    assert listing(root) == listing(here) == ["a", "b"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("way", WAYS)
def test_what_can_not_be_read(copy, way):
    source, target = copy.ends(way)
    fill(source, {"top/a": b"1", "top/b": b"2"})
    os.chmod(source / "top/a", 0)
    copy(way, "top").expect(ExitCode.FAILED, "One failure, reported above.")
    assert listing(target / "top") == ["b"]


def test_a_quiet_copy_says_nothing(secftp, here):
    fill(here, {"a": b"1"})
    assert secftp("put", "-q", "a", "//").succeed().errors == ""
    assert secftp("get", "-q", "//a", "b").succeed().errors == ""


# --- for programs -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_events_of_a_copy(copy, way):
    source, _ = copy.ends(way)
    fill(source / "top", TREE)
    result = copy(way, "top", "--progress", "json").succeed()
    events = list(map(json.loads, result.errors.splitlines()))
    by_kind = {}
    for event in events:
        by_kind.setdefault(event.pop("event"), []).append(event)
    files = len(TREE) - 1
    size = sum(map(len, TREE.values()))
    assert by_kind["planned"] == [{"files": files, "bytes": size}]
    assert len(by_kind["started"]) == len(by_kind["finished"]) == files
    ended = by_kind["ended"][0]
    assert (ended["files"], ended["bytes"], ended["failed"]) == (files, size, 0)
    assert events[-1] is ended


@pytest.mark.parametrize("way", WAYS)
def test_a_failure_as_events(copy, way):
    result = copy(way, "nothing", "--progress", "json")
    events = list(map(json.loads, result.errors.splitlines()))
    assert result.code == events[-1]["exit_code"] == (ExitCode.LOCAL_FILE if way == "put" else ExitCode.NOT_FOUND)
    assert [event["event"] for event in events if event["event"] != "planned"] == ["failed", "ended", "error"]


def test_no_server_as_an_event(secftp, here):
    with cutting(secftp.server.port) as proxy:
        pass
    result = secftp("get", "--progress", "json", f"secftp://{HOST}:{proxy.port}/x")
    (event,) = map(json.loads, result.errors.splitlines())
    assert (event["event"], event["exit_code"], result.code) == ("error", 3, 3)


# --- connections that are lost ----------------------------------------------------------------------------------------


@pytest.fixture
def quickly(monkeypatch):
    monkeypatch.setattr(retry, "FIRST_PAUSE", 0.01)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.usefixtures("quickly")
def test_a_large_file_goes_on_over_another_connection(secftp, here, root, way):
    source, target = (here, root) if way == "put" else (root, here)
    fill(source, {"name": PATTERN})
    with cutting(secftp.server.port, 4_000_000, 200) as proxy:
        url = f"secftp://{HOST}:{proxy.port}/name"
        given = ["name", url] if way == "put" else [url]
        result = secftp(way, "--retries", "5", "--progress", "json", *given).succeed()
        events = list(map(json.loads, result.errors.splitlines()))
        assert [event["attempt"] for event in events if event["event"] == "retrying"] == [1, 2]
        assert proxy.accepted == 3
        assert proxy.passed < 4_000_000 + LARGE - 1_000_000
    assert tree(target) == {b"name": PATTERN}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.usefixtures("quickly")
def test_a_directory_goes_on_over_another_connection(secftp, here, root, way):
    source, target = (here, root) if way == "put" else (root, here)
    fill(source / "top", {f"{number % 7}/{number}": PATTERN[number : 2 * number] for number in range(1000)})
    with cutting(secftp.server.port, 100_000, 100_000, 30_000) as proxy:
        url = f"secftp://{HOST}:{proxy.port}/"
        given = ["top", url] if way == "put" else [f"{url}top", "."]
        result = secftp(way, "--retries", "9", *given).succeed()
        assert result.errors.count("Retrying in ") == 3
        assert "(3 of 9)" in result.errors
    assert tree(target) == tree(source)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.usefixtures("quickly")
def test_without_luck_it_says_how_to_go_on(secftp, here, root, way):
    source = here if way == "put" else root
    fill(source, {"name": PATTERN})
    with cutting(secftp.server.port, 4_000_000, 100_000, 100_000) as proxy:
        url = f"secftp://{HOST}:{proxy.port}/name"
        result = secftp(way, "--retries", "2", *(["name", url] if way == "put" else [url]))
    assert result.code == ExitCode.CONNECTION_LOST
    assert re.search(rf"To go on: \S+.* {way} --resume .*{re.escape(url)}\n\Z", result.errors)


def test_a_busy_server_is_waited_for(here, root, tmp_path, capfdbinary, monkeypatch):
    """Such as one that does not know yet that the session before this one was lost."""
    fill(here, {"name": b"1"})
    with client_and_server(tmp_path, capfdbinary, max_clients=1) as client:
        before = client.server.session(key=read_key_file(tmp_path / "key"))
        before.stat(())

        def pause(*_):
            before.close()
            until(lambda: not client.server.server._shared.registry.all(), "the place is free")
            return 0

        monkeypatch.setattr(retry.Retries, "_pause", pause)
        result = client("put", "--retries", "1", "name", "//").succeed()
    assert result.errors.startswith("The server has too many clients. Retrying in 0.0 s (1 of 1).\n")
    assert tree(root) == {b"name": b"1"}


@pytest.mark.usefixtures("quickly")
def test_standard_output_goes_on_behind_what_is_out(secftp, here, root):
    fill(root, {"name": PATTERN})
    with cutting(secftp.server.port, 4_000_000, 1_500_000) as proxy:
        result = secftp("get", "--retries", "2", f"secftp://{HOST}:{proxy.port}/name", "-")
    result.succeed(PATTERN)
    assert f"xxh128:{digest_of(PATTERN).hex()}" in result.errors


@pytest.mark.usefixtures("quickly")
def test_standard_output_never_mixes_two_files(secftp, here, root, monkeypatch):
    fill(root, {"name": PATTERN})
    with cutting(secftp.server.port, 4_000_000) as proxy:
        monkeypatch.setattr(retry.Retries, "_pause", lambda *_: os.truncate(root / "name", 10) or 0)
        result = secftp("get", "--retries", "2", f"secftp://{HOST}:{proxy.port}/name", "-")
    assert (result.code, "the file has changed since" in result.complaint) == (ExitCode.FAILED, True)
    assert PATTERN.startswith(result.output)


# --- the standard streams ---------------------------------------------------------------------------------------------


def url_of(client, name):
    return f"secftp://{HOST}:{client.server.port}/{name}"


def options(client):
    return ["--key-file", client._key_file]


def test_through_pipes(secftp, here, root):
    with started(here, "put", *options(secftp), "-", url_of(secftp, "name"), keyed=False, **PIPES) as process:
        result = ended(process, PATTERN).succeed()
    assert f"xxh128:{digest_of(PATTERN).hex()}." in result.errors
    assert tree(root) == {b"name": PATTERN}
    secftp("get", "//name", "-").succeed(PATTERN)


def test_a_stream_with_events(secftp, here, root):
    fill(root, {"name": PATTERN})
    result = secftp("get", "--progress", "json", "--checksum", "sha256", "//name", "-").succeed(PATTERN)
    events = [json.loads(line) for line in result.errors.splitlines()]
    assert [event["event"] for event in events if event["event"] != "progress"] == [
        "planned",
        "started",
        "finished",
        "ended",
    ]
    assert events[-1]["checksum"] == digest_of(PATTERN, "sha256").hex()


def test_what_can_not_go_through_a_stream(secftp, here, root):
    fill(root, {"folder/a": b"1"})
    secftp("get", "//folder/", "-").expect(ExitCode.REFUSED, "a directory can't be written to standard output")
    secftp("get", "//folder", "-").expect(ExitCode.REFUSED, "it is a directory")
    secftp("get", "//nothing", "-").expect(ExitCode.NOT_FOUND)
    for option in ("--resume", "--update", "--dry-run", "--include=x", "--exclude=x", "--no-overwrite"):
        words = f"{option.partition('=')[0]} can't be used with -"
        secftp("get", option, "//folder/a", "-").expect(ExitCode.USAGE, words)


def test_a_stream_that_is_closed(secftp, here):
    for redirected, places in (("<&-", ["-", url_of(secftp, "x")]), (">&-", [url_of(secftp, "x"), "-"])):
        verb = "put" if places[0] == "-" else "get"
        command = client_command(verb, *options(secftp), *places)
        done = subprocess.run(
            ["sh", "-c", f'exec "$@" {redirected}', "sh", *command],
            cwd=here,
            env=environment(here),
            stderr=subprocess.PIPE,
            timeout=DEADLINE,
            check=False,
        )
        assert done.returncode == ExitCode.USAGE
        assert re.fullmatch(rb"secftp: Standard \w+ is closed\.\n  hint: Name a file instead of -.*\n", done.stderr)


def test_a_limit_holds_for_streams(secftp, here, root):
    import time

    fill(root, {"name": PATTERN[:600_000]})
    began = time.monotonic()
    secftp("get", "--limit", "1M", "//name", "-").succeed(PATTERN[:600_000])
    assert time.monotonic() - began > 0.3


# --- at a terminal ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_ctrl_c_tells_how_to_go_on_and_that_goes_on(secftp, here, root, way):
    """What was typed at a terminal is broken off there, and the command that is shown does the rest."""
    source, target = (here, root) if way == "put" else (root, here)
    fill(source / "top", {"large": PATTERN, "small": b"1"})
    url = url_of(secftp, "top" if way == "get" else "")
    places = ["top", url] if way == "put" else [url, "."]
    command = [way, "--limit", "1M", *options(secftp), *places]
    with (
        terminal() as (slave, screen),
        started(here, *command, keyed=False, controlling=slave, stdin=slave, stdout=slave, stderr=slave) as process,
    ):
        screen.wait_for(r"large.*\n.*\d\d %  .*/s .* left .*of 2 files")
        screen.type("\x03")
        shown = screen.wait_for(
            r"secftp: Interrupted\. (\d of 2 files are complete) \(.*\)\.\r\n  hint: To go on: (.+)\r$"
        )
        assert process.wait(DEADLINE) == ExitCode.INTERRUPTED
        screen.hang_up()
    secftp.server.done(1)
    words = shown[2].replace("--limit 1M", "")
    assert f"{way} --resume --update --force " in words
    script = f"{words} --progress json"
    path = os.path.dirname(os.path.abspath(subprocess.sys.executable))
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=here,
        env=environment(here, PATH=f"{path}:{os.environ['PATH']}"),
        stderr=subprocess.PIPE,
        timeout=DEADLINE,
        check=True,
    )
    events = [json.loads(line) for line in done.stderr.splitlines()]
    (resumed,) = (event["bytes"] for event in events if event["event"] == "resumed")
    assert resumed > 0
    assert tree(target) == tree(source)


def test_a_terminal_gets_no_binary(secftp, here, root):
    fill(root, {"name": b"\x1b[2J", "text": b"plain\n"})
    for name, code in (("name", ExitCode.USAGE), ("text", ExitCode.OK)):
        with (
            terminal() as (slave, screen),
            started(
                here,
                "get",
                *options(secftp),
                url_of(secftp, name),
                "-",
                keyed=False,
                stdin=subprocess.DEVNULL,
                stdout=slave,
                stderr=subprocess.PIPE,
            ) as process,
        ):
            result = ended(process)
            screen.hang_up()
        assert result.code == code
        assert "\x1b" not in screen.text
    assert "plain" in screen.text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_other_signals_end_it_the_same_way(secftp, here, root, number):
    fill(here, {"name": PATTERN})
    command = ["put", "--limit", "1M", "--progress", "json", *options(secftp), "name", url_of(secftp, "")]
    with started(here, *command, keyed=False, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL) as process:
        lines = []
        for line in process.stderr:
            lines.append(json.loads(line))
            if lines[-1]["event"] == "progress":
                process.send_signal(number)
        assert process.wait(DEADLINE) == 128 + number
    assert lines[-1]["event"] == "interrupted"
    assert lines[-1]["exit_code"] == 128 + number
    assert " put --resume " in lines[-1]["resume"]


def test_ctrl_c_at_the_prompt_for_the_key_says_no_more_than_that(here):
    with (
        terminal() as (slave, screen),
        started(
            here, "put", "a", f"secftp://{HOST}:1/", keyed=False, controlling=slave, stdin=slave, stderr=slave
        ) as process,
    ):
        screen.wait_for("Key for ")
        screen.type("\x03")
        assert process.wait(DEADLINE) == ExitCode.INTERRUPTED
        screen.hang_up()
    assert "secftp: Interrupted.\r\n" in screen.text
    assert "hint" not in screen.text


def test_the_key_is_asked_for_once(here, tmp_path):
    """However often the connection is made anew."""
    from tests.support.command_line import SECRET, SECRET_KEY
    from tests.support.serving import serving

    (tmp_path / "root").mkdir()
    fill(here, {"name": PATTERN})
    with (
        serving(tmp_path / "root", key=SECRET_KEY) as server,
        cutting(server.port, 4_000_000) as proxy,
        terminal() as (slave, screen),
        started(
            here,
            *("put", "--retries", "3", "name", f"secftp://{HOST}:{proxy.port}/"),
            keyed=False,
            controlling=slave,
            stdin=slave,
            stdout=slave,
            stderr=slave,
        ) as process,
    ):
        screen.wait_for(rf"Key for {HOST}:{proxy.port}: ")
        screen.type(SECRET + "\n")
        screen.wait_for(r"Retrying in .* \(1 of 3\)\.")
        screen.wait_for(r"Sent 1 file, 6\.0 MB")
        assert process.wait(DEADLINE) == ExitCode.OK
        screen.hang_up()
    assert screen.text.count("Key for ") == 1
    assert tree(tmp_path / "root") == {b"name": PATTERN}


@contextlib.contextmanager
def deadline(process, seconds=6 * DEADLINE):
    """The deadline of a caller that reads the output of a process until its end."""
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


@pytest.mark.exhaustive
@pytest.mark.parametrize("way", WAYS)
def test_a_server_that_is_killed_and_started_again(here, tmp_path, way):
    """The client waits for it, and goes on with what it had."""
    root = tmp_path / "root"
    root.mkdir()
    source, target = (here, root) if way == "put" else (root, here)
    fill(source, {"top/large": PATTERN * 6, "top/small": b"1"})  # more than the sockets in between hold
    write_key_file(tmp_path / "key")
    # An address of its own, where there are such: at the usual one another connection may take the port meanwhile.
    host = "127.41.0.1" if sys.platform == "linux" else HOST
    serve = ("--root", root, "--key-file", tmp_path / "key", "--host", host)
    with server_process(here, "0", *serve) as server:
        port = server.port
        url = f"secftp://{host}:{port}/"
        places = ["top", url] if way == "put" else [f"{url}top", "."]
        command = [
            way,
            "--limit",
            "12M",
            "--retries",
            "60",
            "--progress",
            "json",
            "--key-file",
            tmp_path / "key",
            *places,
        ]
        with started(here, *command, keyed=False, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL) as process:
            events = map(json.loads, process.stderr)
            assert any(event["event"] == "progress" for event in events)
            server.signal(signal.SIGKILL)
            server.wait()
            with server_process(here, str(port), *serve) as again, deadline(process):
                assert again.port == port
                rest = [event["event"] for event in events]
                assert process.wait(DEADLINE) == ExitCode.OK
    assert "retrying" in rest
    assert rest[-1] == "ended"
    assert tree(target) == tree(source)


def test_ctrl_c_while_it_waits_to_try_again(here, tmp_path):
    with cutting(0) as proxy:
        pass
    fill(here, {"name": b"1"})
    url = f"secftp://{HOST}:{proxy.port}/name"
    with started(here, "put", "--retries", "9", "name", url, stderr=subprocess.PIPE) as process:
        assert b"Retrying" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        result = ended(process)
    assert result.code == ExitCode.INTERRUPTED
    assert result.errors.startswith("secftp: Interrupted. Nothing is complete yet.\n  hint: To go on: ")


def test_a_pattern_that_matched_nothing_is_told_at_the_end(secftp, tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.c").write_text("1")
    result = secftp("put", "--exclude", "*.oo", "--exclude", "x/\n", tmp_path / "src", "//")
    assert (result.code, result.output) == (0, b"")
    assert "Note: *.oo: no name matches this pattern.\n" in result.errors
    assert "Note: x/\\n: no name matches this pattern.\n" in result.errors
    result = secftp("put", "--progress", "json", "--exclude", "*.oo", tmp_path / "src", "//")
    events = [json.loads(line) for line in result.errors.splitlines()]
    assert {"event": "note", "name": "*.oo", "text": "no name matches this pattern"} in events
    assert "*.c" not in secftp("put", "--include", "*.c", tmp_path / "src", "//").errors
    assert "*.oo" not in secftp("put", "--exclude", "*.oo", tmp_path / "src", tmp_path / "nope", "//").errors
