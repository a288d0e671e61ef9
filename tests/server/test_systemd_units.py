"""The systemd units, verified with systemd's own tools, without a running systemd."""

from __future__ import annotations

import grp
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from secftp.errors import AuthenticationError
from secftp.keys import read_key_file
from secftp.server.config import parse
from tests.support.serving import HOST, get, put, server_process, session

UNITS = Path(__file__).resolve().parents[2] / "contrib" / "systemd"
SERVICE = (UNITS / "secftpd.service").read_text()
SCORE_MAX = 2.5

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")


def analyze(*arguments):
    done = subprocess.run(
        ["systemd-analyze", *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout + done.stderr


@needs_systemd
def test_systemd_understands_the_units(tmp_path):
    command = tmp_path / "secftpd"
    command.write_text("#!/bin/sh\n")
    command.chmod(0o755)
    (tmp_path / "secftpd.service").write_text(SERVICE.replace("/opt/secftp/bin/secftpd", str(command)))
    (tmp_path / "secftpd.socket").write_text((UNITS / "secftpd.socket").read_text())
    code, told = analyze("verify", tmp_path / "secftpd.service", tmp_path / "secftpd.socket")
    assert (code, [line for line in told.splitlines() if "secftpd" in line]) == (0, [])


@needs_systemd
def test_the_service_is_locked_up_well():
    _, told = analyze("security", "--offline=true", UNITS / "secftpd.service")
    found = re.search(r"Overall exposure level for secftpd\.service: ([\d.]+)", told)
    if found is None:
        pytest.skip("this systemd can't judge a unit that is not loaded")
    assert float(found[1]) <= SCORE_MAX


def configuration():
    return (UNITS / "server.toml").read_text()


def test_the_configuration_is_one_and_the_unit_gives_it_time(monkeypatch, tmp_path):
    monkeypatch.setenv("LISTEN_FDS", "1")
    (command,) = re.findall(r"^ExecStart=(.*)$", SERVICE, re.MULTILINE)
    assert command == "/opt/secftp/bin/secftpd --config /etc/secftp/server.toml $SECFTPD_OPTIONS"
    (tmp_path / "server.toml").write_text(configuration())
    options = parse(["--config", str(tmp_path / "server.toml")])
    assert (options.root, options.port, options.limits.min_free) == ("/var/lib/secftp", None, 256 << 20)
    assert options.key_file == str(tmp_path / "key")
    (stop,) = re.findall(r"^TimeoutStopSec=(\d+)$", SERVICE, re.MULTILINE)
    assert int(stop) > options.grace + 10, "systemd must not kill what is about to end by itself"


# --- the setup commands of the unit, in order -------------------------------------------------------------------------


class Machine:
    """The printed steps and what the unit does, in a private root: a directory that /etc, /opt and /var stand in."""

    def __init__(self, top):
        self.top = top
        self.user = pwd.getpwnam("nobody")
        self.group = grp.getgrgid(self.user.pw_gid).gr_name
        top.chmod(0o755)
        for directory in ("opt/secftp/bin", "etc/systemd/system", "var/lib/secftp"):
            (top / directory).mkdir(parents=True)
        for program in ("secftp", "secftpd"):
            name = {"secftp": "client", "secftpd": "server"}[program]
            path = top / "opt/secftp/bin" / program
            path.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m secftp.{name} "$@"\n')
            path.chmod(0o755)
        os.chown(top / "var/lib/secftp", self.user.pw_uid, self.user.pw_gid)  # StateDirectory=
        for name in ("secftpd.service", "secftpd.socket", "server.toml"):
            (top / name).write_text(self.here((UNITS / name).read_text()))

    def here(self, text):
        """A text with the paths and the user of this machine."""
        text = re.sub(r"(?<![\w.])/(etc|opt|var)/", rf"{self.top}/\1/", text)
        return re.sub(r"-g secftp\b|-R secftp\b", lambda found: f"{found[0][:2]} {self.group}", text)

    def steps(self):
        """The commands at the head of the unit, but for those that change the system or reach for an index."""
        head = SERVICE[: SERVICE.index("[Unit]")]
        steps = [line.removeprefix("#").strip() for line in head.splitlines() if line.startswith("#     ")]
        assert steps[0].startswith("python3 -m venv /opt/secftp")
        assert steps[1].startswith("useradd --system --user-group")
        assert steps[-1].startswith("systemctl daemon-reload")
        return [self.here(step) for step in steps[2:-1]]

    def follow(self):
        for step in self.steps():
            self.run(step)

    def run(self, command):
        done = subprocess.run(command, shell=True, cwd=self.top, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}: {done.stderr}"

    def key(self, name):
        """The key in a file in /etc/secftp, by a copy as its users have it: root itself takes none that groups read."""
        copy = self.top / f"{name}.copy"
        copy.touch(0o600)
        copy.write_bytes((self.top / "etc/secftp" / name).read_bytes())
        return read_key_file(copy)

    def start(self):
        """What ExecStart runs, which becomes the unit's user by itself, since no systemd does that for it.

        The port is its own: there is no socket to inherit.
        """
        configuration = self.top / "etc/secftp/server.toml"
        return server_process(
            self.top, "0", "--host", HOST, "--user", self.user.pw_name, "--config", os.fspath(configuration)
        )

    def check(self):
        """The command that docs/operators.md gives to try a configuration."""
        operators = (UNITS.parent.parent / "docs" / "operators.md").read_text()
        (command,) = re.findall(r"^    (/opt/secftp/bin/secftpd .*--check-config.*)$", operators, re.MULTILINE)
        return self.here(command).replace("--user secftp", f"--user {self.user.pw_name}") + " 0"


@pytest.fixture
def machine():
    # Not one of pytest's directories: each other run that starts closes those to other users.
    with tempfile.TemporaryDirectory() as top:
        yield Machine(Path(top))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can follow the steps and become another user")
def test_the_printed_steps_lead_to_a_server_that_reloads(machine):
    machine.follow()
    top = machine.top
    etc = top / "etc/secftp"
    found = {path.name: (path.owner(), path.group(), stat.S_IMODE(path.stat().st_mode)) for path in etc.iterdir()}
    mine = ("root", machine.group, 0o640)
    assert found == {"key": mine, "server.toml": mine}
    assert (etc.owner(), etc.group(), stat.S_IMODE(etc.stat().st_mode)) == ("root", machine.group, 0o750)
    key = machine.key("key")
    machine.run(machine.check())
    with machine.start() as server:
        with session(server.port, key) as client:
            put(client, b"name", b"contents")
        assert (top / "var/lib/secftp/name").owner() == machine.user.pw_name

        # A second key, by name, as docs/operators.md has it; then another default key; each with a reload.
        machine.run(f"{top}/opt/secftp/bin/secftp keygen --file {etc}/backup.key")
        (etc / "keys.toml").write_text('[backup]\nkey-file = "backup.key"\nrights = ["read", "list"]\n')
        (etc / "server.toml").write_text(machine.here(configuration()).replace("# keys =", "keys ="))
        machine.run(f"chgrp -R {machine.group} {etc} && chmod 640 {etc}/*")
        backup = machine.key("backup.key")
        server.signal(signal.SIGHUP)
        server.log.wait_for(r"The configuration was reloaded\.")
        with session(server.port, backup, name="backup") as client:
            assert get(client, b"name") == b"contents"

        (etc / "key").unlink()
        machine.run(f"{top}/opt/secftp/bin/secftp keygen --file {etc}/key")
        machine.run(f"chgrp -R {machine.group} {etc} && chmod 640 {etc}/*")
        server.signal(signal.SIGHUP)
        server.log.wait_for(r"The configuration was reloaded\.", 2)
        with session(server.port, machine.key("key")) as client:
            assert get(client, b"name") == b"contents"
        with pytest.raises(AuthenticationError):
            session(server.port, key)
