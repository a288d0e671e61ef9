"""`--log FILE`: a line for each run, whatever its end, without a word that may be a key."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
import threading
import time

import pytest

from secftp.client import run_log
from secftp.client.__main__ import main
from secftp.client.commands import COMMANDS
from secftp.client.run_log import RunLog
from secftp.client.terminal import Terminal
from secftp.errors import ExitCode, SecftpError
from tests.support.command_line import SECRET, SECRET_KEY, ended, place, started
from tests.support.serving import serving, until

KEY = "hunter2-and-more"
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d"
PIPES = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}


@pytest.fixture
def log(tmp_path):
    return tmp_path / "log"


def test_a_copy(secftp, tmp_path, log):
    (tmp_path / "a").write_bytes(b"12345")
    for _ in range(2):
        assert secftp("put", "--log", log, tmp_path / "a", "//x y").code == 0
    lines = log.read_text().splitlines()
    url = re.escape(secftp.url("x y").replace(" ", "%20"))
    form = rf"{TIME} put {url} exit=0 files=1 bytes=5 failed=0 checksum=xxh128:\w{{32}} seconds=\d+\.\d"
    assert [bool(re.fullmatch(form, line)) for line in lines] == [True, True], lines
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_the_time_has_its_zone(log, monkeypatch):
    monkeypatch.setenv("TZ", "XXX-05:30")
    time.tzset()
    try:
        RunLog(str(log), "ls").write(0, {}, "")
    finally:
        monkeypatch.delenv("TZ")
        time.tzset()
    assert "+05:30 ls - exit=0 seconds=" in log.read_text()


def test_each_command_has_its_results(secftp, root, tmp_path, log):
    (root / "tree" / "sub").mkdir(parents=True)
    for name in ("a", "b", "sub/c"):
        (root / "tree" / name).write_bytes(b"123")
    (tmp_path / "here").mkdir()
    assert secftp("sum", "--log", log, "//tree").code == 0
    assert secftp("verify", "--log", log, tmp_path / "here", "//tree").code == 1
    assert secftp("get", "-q", "--log", log, "//tree", tmp_path / "copy").code == 0
    assert secftp("get", "-q", "--log", log, "--dry-run", "//tree", tmp_path / "copy").code == 0
    assert secftp("mv", "--log", log, "//tree/a", "//tree/d").code == 0
    assert secftp("rm", "-r", "--log", log, "//tree").code == 0
    told = [line.split(" ", 1)[1] for line in log.read_text().splitlines()]
    url = re.escape(secftp.url("tree"))
    for line, form in zip(
        told,
        [
            rf"sum {url} exit=0 files=3 failed=0 seconds=\S+",
            rf"verify {url} exit=1 differences=3 files=0 failed=0 seconds=\S+",
            rf"get {url} exit=0 files=3 bytes=9 failed=0 seconds=\S+",
            rf"get {url} exit=0 files=3 bytes=9 failed=0 dry_run=yes seconds=\S+",
            rf"mv {url}/d exit=0 urls=2 seconds=\S+",
            rf"rm {url} exit=0 entries=5 failed=0 seconds=\S+",
        ],
        strict=True,
    ):
        assert re.fullmatch(form, line), line


def test_a_failure_has_its_sentence(secftp, log):
    secftp("get", "--log", log, '//no"thing%0A')
    line = log.read_text()
    assert line.count("\n") == 1
    assert re.search(r' exit=6 .*error="no\\"thing\\n: no such file or directory\."$', line.strip()), line


def test_what_a_terminal_would_obey_is_escaped(log, capfd):
    terminal = Terminal()
    terminal.log = RunLog(str(log), "get")
    terminal.complain(SecftpError('A\n"b" \x1b[2J'))
    terminal.log_result(1)
    assert log.read_text().endswith(' error="A\\n\\"b\\" \\x1b[2J"\n')
    capfd.readouterr()


def test_of_several_failures_the_first_is_told(secftp, root, log):
    (root / "a").write_bytes(b"")
    secftp("sum", "--log", log, "//no", "//a", "//nor")
    assert re.search(
        r' exit=1 urls=3 files=1 failed=2 seconds=\S+ error="no: no such file or directory\."', log.read_text()
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_a_usage_error_is_told_without_the_words(command, log, capfd):
    assert main([command, KEY, "--xyzzy", "--log", str(log), KEY, KEY]) == ExitCode.USAGE
    line = log.read_text()
    assert re.fullmatch(rf'{TIME} {command} - exit=2 seconds=\S+ error="Unknown option\."\n', line)
    assert KEY not in line
    capfd.readouterr()


@pytest.mark.parametrize(
    "words",
    [
        [KEY],
        ["--log-file", KEY],
        ["ls", f"secftp://joe:{KEY}@127.0.0.1/"],
        ["read", "name", "127.0.0.1:1", KEY],
        ["read", "name", KEY, "aes128"],
        ["read", "name", "127.0.0.1:1", "aes128", KEY],
        ["write", "name", "127.0.0.1:1", "aes128", KEY],
        ["write", "name", "127.0.0.1:1", "aes128", "--name", "joe", "--", KEY],
        ["read", "name", "127.0.0.1:1", "aes128", KEY, "--key-file", KEY],
        ["put", "--cipher", KEY, "a", "secftp://127.0.0.1:1/"],
        ["put", "--key-file", KEY, "a", "secftp://127.0.0.1:1/"],
    ],
)
def test_a_key_is_never_in_it(words, log, capfd):
    assert main(["--log", str(log), *words]) != 0
    line = log.read_text()
    assert line.count("\n") == 1
    if "--key-file" not in words:  # where it is the name of a file
        assert KEY not in line
    assert KEY not in capfd.readouterr().err or "--key-file" in words


def test_where_a_positional_command_has_been(log, capfd):
    assert main(["read", "--log", str(log), "a b/c", "joe@127.0.0.1:1", "aes128", KEY]) == ExitCode.UNREACHABLE
    assert " read secftp://joe@127.0.0.1:1/a%20b/c exit=3 seconds=" in log.read_text()
    capfd.readouterr()


@pytest.mark.parametrize("name", ["", "-"])
def test_it_has_a_name(name, capfd):
    assert main(["keygen", f"--log={name}"]) == ExitCode.USAGE
    assert "--log requires the name of a file" in capfd.readouterr().err


def test_what_can_not_be_opened_is_told_before_anything_is_done(secftp, root, tmp_path):
    (tmp_path / "a").write_bytes(b"1")
    for name in (tmp_path, tmp_path / "no" / "log"):
        secftp("put", "--log", name, tmp_path / "a", "//").expect(ExitCode.LOCAL_FILE, "can't be written")
    assert os.listdir(root) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only Linux has /dev/full, which is what is tested here")
def test_what_can_not_be_written_in_the_end_is_told(secftp, tmp_path):
    (tmp_path / "a").write_bytes(b"1")
    result = secftp("put", "-q", "--log", "/dev/full", tmp_path / "a", "//")
    assert result.errors == "secftp: The log /dev/full can't be written: no space left on device.\n"
    assert result.code == 0


def test_a_log_that_was_rotated_meanwhile(log, tmp_path):
    run = RunLog(str(log), "put")
    log.rename(tmp_path / "log.1")
    run.write(0, {"files": 1}, "")
    assert log.read_text().endswith(" put - exit=0 files=1 seconds=0.0\n")
    assert (tmp_path / "log.1").read_text() == ""


def test_a_line_is_one_write_at_the_end_of_the_file(log, monkeypatch):
    writes = []
    write = os.write
    monkeypatch.setattr(run_log.os, "write", lambda file, data: writes.append(data) or write(file, data))
    runs = [RunLog(str(log), "put") for _ in range(20)]
    threads = [threading.Thread(target=run.write, args=(1, {}, "x" * 5000)) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = log.read_bytes().splitlines(keepends=True)
    assert sorted(lines) == sorted(writes)
    assert len(lines) == len(runs)
    assert max(map(len, lines)) < 1200


@pytest.mark.parametrize(("number", "words"), [(signal.SIGTERM, "Terminated."), (signal.SIGINT, "Interrupted.")])
def test_a_signal(home, root, log, number, words):
    with (
        serving(root, key=SECRET_KEY) as server,
        started(home, "put", "--log", log, "-", f"secftp://{place(server)}/name", **PIPES) as process,
    ):
        process.stdin.write(bytes(1 << 20))
        process.stdin.flush()
        until(lambda: os.listdir(root), "a partial file")
        process.send_signal(number)
        result = ended(process)
    assert result.code == 128 + number
    line = log.read_text()
    assert re.search(rf' exit={128 + number} files=0 bytes=\d+ seconds=\S+ error="{words}"\n$', line), line
    assert SECRET not in line
