"""The units for systemd, as far as its own tools can look at them without a systemd that runs."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from secftp.server.options import parse

UNITS = Path(__file__).resolve().parent.parent / "contrib" / "systemd"
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


def test_its_command_line_is_one(monkeypatch):
    monkeypatch.setenv("LISTEN_FDS", "1")
    (command,) = re.findall(r"^ExecStart=(.*)$", SERVICE, re.MULTILINE)
    program, *arguments = command.replace("%S", "/var/lib").replace(" $SECFTPD_OPTIONS", "").split()
    assert program.endswith("/secftpd")
    options = parse(arguments)
    assert (options.root, options.port, options.limits.min_free) == ("/var/lib/secftp", None, 256 << 20)
    (stop,) = re.findall(r"^TimeoutStopSec=(\d+)$", SERVICE, re.MULTILINE)
    assert int(stop) > options.grace + 10, "systemd must not kill what is about to end by itself"


def test_the_key_is_the_credential_that_the_server_looks_for():
    from secftp.server.keyring import CREDENTIAL

    assert f"LoadCredential={CREDENTIAL}:" in SERVICE
