"""Attack scenarios of `make bench-load`: a success, too few admitted clients, an unknown name."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bench import lockouts
from bench.attacks import Repeated
from secftp.crypto import Mode, Password, Suite
from secftp.transport import Credentials

pytestmark = [
    pytest.mark.exhaustive,
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all of 127.0.0.0/8 as its own"),
]


def test_a_scenario_is_played_and_told():
    command = [sys.executable, "-m", "bench.lockouts", "--attempts", "1", "one-address"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 of 1 legitimate clients admitted within 30 s: median 0." in done.stdout
    assert "128 sessions" in done.stdout


def test_too_few_clients_are_a_failure(monkeypatch, capsys):
    """Clients with another key are never admitted."""
    monkeypatch.setattr(lockouts, "keyed", lambda *_: Credentials(Password.random(), Suite.AES128, Mode.KEYED))
    quiet = lockouts.Scenario("no attack", (), lambda _: Repeated(0, 0.0, lambda: "nothing"), lockouts.elsewhere)
    monkeypatch.setattr(lockouts, "EVERY_SECONDS", 0.01)
    assert not lockouts.play(quiet, 2)
    assert "0 of 2 legitimate clients admitted within 30 s (TOO FEW): none" in capsys.readouterr().out


def test_no_such_scenario(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["lockouts", "none"])
    with pytest.raises(SystemExit):
        lockouts.main()
    assert "unknown scenario: none" in capsys.readouterr().err
