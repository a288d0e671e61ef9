"""examples/dask_copy.py: two workers copy a tree, a shard at a time, and what became of each file is collected."""

from __future__ import annotations

import importlib.util
import os
import pickle
import subprocess
import sys
from pathlib import Path

import distributed
import pytest

from tests.support.copying import contents, make
from tests.support.serving import environment

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "dask_copy.py"
FILES = {
    **{b"%d/%d" % (number % 5, number): b"%d" % number for number in range(100)},
    b"no \xff utf-8": b"1",
    b".h": b"",
}


@pytest.fixture
def top(tmp_path):
    return make(tmp_path / "here", FILES)


@pytest.fixture
def example(monkeypatch):
    """The example as a module, whose functions workers import by its name."""
    monkeypatch.syspath_prepend(str(EXAMPLE.parent))
    spec = importlib.util.spec_from_file_location(EXAMPLE.stem, EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


def run(tmp_path, top, remote, *options, code=0):
    done = subprocess.run(
        [sys.executable, EXAMPLE, top, remote.of("copy"), "--shards", "5", *options],
        env=environment(tmp_path),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


def test_a_tree_is_copied_by_two_workers_and_then_only_what_is_missing(tmp_path, top, remote):
    (remote.root / "copy").mkdir()
    key = ["--key-file", remote.options["key_file"]]
    total = sum(map(len, FILES.values()))
    assert run(tmp_path, top, remote, *key).stdout == f"{len(FILES)} files copied, {total} bytes, 0 failed\n"
    assert contents(remote.root / "copy") == FILES
    (remote.root / "copy" / "2" / "2").unlink()
    assert run(tmp_path, top, remote, *key).stdout == "1 files copied, 1 bytes, 0 failed\n"


def test_failures_are_collected(tmp_path, top, remote):
    make(remote.root / "copy", {b"3/3/x": b"in the way", b"4/4/x": b"in the way"})
    done = run(tmp_path, top, remote, "--key-file", remote.options["key_file"], code=1)
    assert done.stdout.endswith(" 2 failed\n")
    assert sorted(line.partition(":")[0] for line in done.stderr.splitlines() if line[:2] in ("3/", "4/")) == [
        "3/3",
        "4/4",
    ]
    assert len(contents(remote.root / "copy")) == len(FILES)


def test_a_wrong_key_ends_it(tmp_path, top, remote, wrong_key):
    done = run(tmp_path, top, remote, "--key-file", wrong_key, code=1)
    assert "did not prove this key" in done.stderr


def test_no_task_has_the_key(example, top, remote, monkeypatch):
    (remote.root / "copy").mkdir()
    text = Path(remote.options["key_file"]).read_text().strip()
    sent = []
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        submit = client.submit

        def watched(*arguments, **options):
            sent.append(pickle.dumps((arguments, options)))
            return submit(*arguments, **options)

        monkeypatch.setattr(client, "submit", watched)
        found = list(example.copy(client, top, remote.of("copy"), remote.options["key_file"], 3))
    assert len(found) == len(FILES)
    assert len(sent) == 3
    assert not any(text.encode() in each for each in sent)
    assert all(os.fsencode(remote.options["key_file"]) in each for each in sent)
