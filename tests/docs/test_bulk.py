"""docs/how-to/bulk.md: its commands are run as they stand, but for the number of shards: each is a process."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from secftp.transfer.results import FIELDS
from tests.support.command_line import SECRET, SECRET_KEY, place
from tests.support.copying import contents, make
from tests.support.pages import blocks
from tests.support.serving import DEADLINE, environment, serving

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "bulk.md"
SHARDS = 3
FILES = {
    **{b"%d/%d" % (number % 3, number): b"%d" % number for number in range(30)},
    b"no \xff utf-8": b"u",
    b".h": b"",
}


def script(word, language="sh"):
    """The one block with a word in it."""
    (found,) = (text for text in blocks(PAGE, language) if word in text)
    for eight in ("seq 8", "/8", "1-8", "completions: 8"):
        found = found.replace(eight, eight.replace("8", str(SHARDS)))
    return found


@pytest.fixture
def shell(root, home):
    """A function that runs a script where `data` is, with variables."""
    make(home / "data", FILES)
    (home / "key").write_text(SECRET)
    (home / "key").chmod(0o600)
    with serving(root, key=SECRET_KEY) as server:

        def run(text, **changes):
            path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
            text = text.replace("host:8888", place(server))
            command = ["sh", "-ec", text]
            variables = environment(home, PATH=path, SECFTP_KEY_FILE=str(home / "key"), **changes)
            done = subprocess.run(
                command, cwd=home, env=variables, capture_output=True, text=True, timeout=DEADLINE * 3, check=False
            )
            assert done.returncode == 0, done.stdout + done.stderr
            return done.stdout

        yield run


def results(home, pattern="results-*.jsonl"):
    lines = [json.loads(line) for file in home.glob(pattern) for line in file.read_text().splitlines()]
    return sorted(line["result"] for line in lines)


def test_a_loop_and_a_second_time(shell, root, home):
    for expected in ("copied", "unchanged"):
        shell(script("for i in"))
        assert contents(root / "data") == FILES
        assert results(home).count(expected) == len(FILES)


def test_xargs_and_verify(shell, root, home):
    shell(script("xargs -P 4 -I {} \\"))
    assert contents(root / "data") == FILES
    assert results(home) == ["copied"] * len(FILES)
    shell(script("secftp verify"))
    assert results(home, "verified-*.jsonl") == ["verified"] * len(FILES)


@pytest.mark.skipif(shutil.which("parallel") is None, reason="GNU parallel is not installed")
def test_gnu_parallel(shell, root, home):
    shell(script("parallel -j"))
    assert contents(root / "data") == FILES
    assert results(home) == ["copied"] * len(FILES)


def test_slurm(shell, root, home):
    text = script("#SBATCH")
    first, last = re.search(r"--array=(\d+)-(\d+)", text).groups()
    for number in range(int(first), int(last) + 1):
        shell(text, SLURM_ARRAY_TASK_ID=str(number), SLURM_ARRAY_TASK_COUNT=last)
    assert contents(root / "data") == FILES
    assert results(home) == ["copied"] * len(FILES)


def test_kubernetes(shell, root, home):
    text = script("kind: Job", "yaml")
    (count,) = re.findall(r"completions: (\d+)", text)
    command = " ".join(re.search(r"- >-\n((?: {14}.*\n)+)", text)[1].split())
    os.rename(home / "data", root / "data")
    for number in range(int(count)):
        shell(command, JOB_COMPLETION_INDEX=str(number))
    assert contents(home / "data") == FILES
    assert results(home) == ["copied"] * len(FILES)


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")
def test_what_failed_is_copied_from_its_list(shell, root, home):
    make(root / "data", {b"1/1/in the way": b"", b"2/2/in the way": b""})
    shell(f"set +e\n{script('for i in')}\ntrue")
    for name in ("1/1", "2/2"):
        shutil.rmtree(root / "data" / name)
    shell(script("jq -r"))
    assert (home / "failed.txt").read_text().splitlines() == ["1/1", "2/2"]
    assert (root / "data" / "1" / "1").read_bytes() == b"1"


def test_the_table_has_all_fields():
    table = re.findall(r"^\| (`.*?) \|", PAGE.read_text(), re.MULTILINE)
    assert [name for row in table for name in re.findall(r"`(\w+)`", row)] == list(FIELDS)
