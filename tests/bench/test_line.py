"""The comparison over an emulated line: what it says where no line can be made, and its arithmetic."""

from __future__ import annotations

import os

from bench.line import __main__ as program
from bench.line import emulator
from tests.line import __main__ as tests


def test_without_root_one_line_says_so(monkeypatch, capsys):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert program.main(["--no-install"]) == program.UNAVAILABLE == 77
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert "needs root" in said.err


def test_the_tests_over_it_say_so_too(monkeypatch, capsys):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert tests.main([]) == 77
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert said.err.startswith("test-line: ")
    assert "needs root" in said.err


def test_without_tun_one_line_says_so(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(emulator, "TUN", tmp_path / "tun")
    assert program.main(["--no-install"]) == 77
    assert "tun" in capsys.readouterr().err
