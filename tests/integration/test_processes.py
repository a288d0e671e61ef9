"""Privileges that a server and a client give up before they read from the network or load a key."""

from __future__ import annotations

import contextlib
import os
import pwd
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from secftp.errors import Forbidden, UsageError
from secftp.server import run
from tests.support.command_line import SECRET
from tests.support.serving import DEADLINE, HOST, environment, server_process, session

FOREIGN_GROUP = 54321  # a group of no user, but of root for the time of a test
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


# --- groups -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def open_root():
    """A directory to serve that every user can reach. Those of pytest are closed by each other run that starts."""
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        root = Path(directory) / "root"
        root.mkdir()
        yield root


@contextlib.contextmanager
def more_groups(*groups):
    """What is started in this block is in these groups, too."""
    before = os.getgroups()
    os.setgroups([*before, *groups])
    try:
        yield
    finally:
        os.setgroups(before)


def groups_of(pid):
    """The supplementary groups of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("Groups:")]
    return {int(group) for group in line.split()[1:]}


@needs_root
def test_a_user_that_root_becomes_has_no_group_of_roots(tmp_path, open_root):
    """A file that only root's group may read is no file for the server any more."""
    nobody = pwd.getpwnam("nobody")
    secret = open_root / "secret"
    secret.write_bytes(b"x")
    os.chown(secret, 0, FOREIGN_GROUP)
    secret.chmod(0o640)
    with more_groups(0, FOREIGN_GROUP):
        arguments = ("0", "--host", HOST, "--root", open_root, "--anonymous", "--user", "nobody")
        with server_process(tmp_path, *arguments) as server, session(server.port, None) as client:
            assert groups_of(server.pid) == set(os.getgrouplist("nobody", nobody.pw_gid))
            with pytest.raises(Forbidden):
                client.read((b"secret",), None)


def test_groups_go_before_the_user_that_may_change_them(monkeypatch):
    """As root or not: the order in which a process gives up what it has, and the names it does so with."""
    calls = []
    entry = pwd.getpwuid(os.getuid())
    monkeypatch.setattr(os, "getuid", lambda: entry.pw_uid + 1)
    monkeypatch.setattr(os, "initgroups", lambda *given: calls.append(("initgroups", *given)))
    monkeypatch.setattr(os, "setgid", lambda *given: calls.append(("setgid", *given)))
    monkeypatch.setattr(os, "setuid", lambda *given: calls.append(("setuid", *given)))
    monkeypatch.setattr("secftp.system.forbid_dumps", lambda: calls.append(("forbid_dumps",)))
    monkeypatch.setenv("HOME", "/elsewhere")
    monkeypatch.setenv("XDG_STATE_HOME", "/elsewhere")
    run.drop_privileges(entry.pw_name)
    assert calls == [
        ("initgroups", entry.pw_name, entry.pw_gid),
        ("setgid", entry.pw_gid),
        ("setuid", entry.pw_uid),
        ("forbid_dumps",),
    ]
    assert (os.environ["HOME"], "XDG_STATE_HOME" in os.environ) == (entry.pw_dir, False)


@pytest.mark.parametrize("failing", ["initgroups", "setgid", "setuid"])
def test_a_step_that_fails_ends_the_start(monkeypatch, failing):
    """A process that kept one of root's powers would have all of them."""

    def fail(*_):
        raise PermissionError(1, "Operation not permitted")

    entry = pwd.getpwuid(os.getuid())
    monkeypatch.setattr(os, "getuid", lambda: entry.pw_uid + 1)
    for step in ("initgroups", "setgid", "setuid"):
        monkeypatch.setattr(os, step, fail if step == failing else lambda *_: None)
    with pytest.raises(UsageError, match="Only root"):
        run.drop_privileges(entry.pw_name)


# --- core dumps -------------------------------------------------------------------------------------------------------

# A process can't be asked what it would have been allowed: its limits may be 0 from the start, for good.
_RECORDED = """
import resource
asked = []
resource.setrlimit = lambda *what: asked.append(what)
from secftp import system
system.forbid_dumps()
assert asked == [(resource.RLIMIT_CORE, (0, 0))], asked
"""


def test_the_limit_of_core_dumps_is_lowered_for_good(tmp_path):
    """Both the limit and what it may be raised to; see also `tests/integration/test_memory_dumps.py`."""
    done = subprocess.run(
        [sys.executable, "-c", _RECORDED], env=environment(tmp_path), capture_output=True, timeout=DEADLINE, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_server_can_not_dump_core(tmp_path):
    with server_process(tmp_path, "0", "--host", HOST, "--root", tmp_path, SECFTP_KEY=SECRET) as server:
        assert server.port
        assert resource.prlimit(server.pid, resource.RLIMIT_CORE) == (0, 0)
