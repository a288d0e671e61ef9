"""Limits in the operators' guide against the product: name, option, default and log line of each."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from secftp.keys.named import PRESETS
from secftp.protocol import Right
from secftp.server.config import parse
from secftp.server.options import ServerLimits
from secftp.server.parser import make_parser
from tests.server.test_metrics import LIMITS as NAMES
from tests.server.test_options import LIMITS as OPTIONS

TOP = Path(__file__).resolve().parents[2]
GUIDE = (TOP / "docs" / "operators.md").read_text()
TABLE = GUIDE.partition("## Limits")[2].partition("\n## ")[0]
ROWS = {
    cells[0].strip("` "): [cell.strip() for cell in cells[1:]]
    for line in TABLE.splitlines()
    if line.startswith("| `")
    for cells in [line.strip("|").split("|")]
}
SOURCES = "".join(path.read_text() for path in (TOP / "secftp" / "server").rglob("*.py"))


def test_every_limit_has_its_row():
    assert set(ROWS) == NAMES


def test_every_option_of_a_limit_is_there_with_its_default():
    told = {}
    for option, default, *_ in ROWS.values():
        names = re.findall(r"`--([\w-]+)`", option)
        told |= dict(zip(names, re.findall(r"\d+|off|half", default), strict=False))
    assert set(told) == {name.replace("_", "-") for name in OPTIONS}
    for option, default in told.items():
        value = getattr(ServerLimits(), option.replace("-", "_"))
        by_itself = {"max_clients_per_source": "half", "max_clients_per_key": "half", "max_anonymous": "half"}
        none = by_itself.get(option.replace("-", "_"), "off")
        assert default == (none if value is None else f"{value:g}"), option


@pytest.mark.parametrize("name", sorted(NAMES))
def test_the_line_in_the_guide_is_the_line_in_the_log(name):
    found = re.findall(rf'(?:\b(?:limit|_tell)\(|SlotLimit\.\w+: \()\s*"{name}",\s*(f?)"([^"]*)"', SOURCES)
    assert found, "no such line"
    for formatted, text in found:
        pattern = re.escape(text)
        if formatted:
            pattern = re.sub(r"\\\{.*?\\\}", r"[\\w. /]+", pattern)
        assert re.fullmatch(pattern, ROWS[name][-1]), text


def test_what_the_guide_names_is_there(tmp_path, monkeypatch):
    monkeypatch.delenv("SECFTP_KEY", raising=False)
    options = {name for action in make_parser()._actions for name in action.option_strings}
    mentioned = set(re.findall(r"`(?:secftpd )?(--[\w-]+)", GUIDE))
    assert mentioned - options == set()
    for right in (*Right, *PRESETS):
        assert f"`{right}`" in GUIDE
    (config,) = re.findall(r"```toml\n(# /etc/secftp/server\.toml\n.*?)```", GUIDE, re.DOTALL)
    path = tmp_path / "server.toml"
    path.write_text(config)
    path.chmod(0o600)
    assert parse(["--config", str(path)]).limits.min_free == 5 << 30


def test_the_keys_in_the_guide_can_be_read(tmp_path):
    from secftp.keys import write_key_file
    from secftp.keys.named import read_keys

    (keys,) = re.findall(r"```toml\n(# /etc/secftp/keys\.toml.*?)```", GUIDE, re.DOTALL)
    for name in ("backup.key", "scanner.key"):
        write_key_file(tmp_path / name)
    path = tmp_path / "keys.toml"
    path.write_text(keys)
    path.chmod(0o600)
    assert {name: entry.folder for name, entry in read_keys(path).items()} == {
        "backup": (b"backup",),
        "scanner": (b"incoming", b"scans"),
    }
