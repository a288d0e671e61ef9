"""A sync whose connection is lost at any stage: it goes on over the next one, and everything is done once."""

from __future__ import annotations

import pytest

from secftp.client.__main__ import main
from secftp.errors import ExitCode
from secftp.keys import write_key_file
from secftp.keys.files import read_key_file
from secftp.session import retry
from tests.support.losing import losing
from tests.support.serving import HOST, serving
from tests.sync.test_command import NEW, OLD, attributes, tree, write

STAGES = {
    "listing": ("Client requesting listing: dst", "Listing sent"),
    "making the trash": ("make directory: dst/.trash-secftp ", "Directory made"),
    "renaming": ("rename: dst/old name to: dst/new name", "Renamed"),
    "moving to the trash": ("rename: dst/gone/a to:", "Renamed"),
    "removing a directory": ("remove: dst/gone", "Removed"),
    "attributes of a directory": ("set attributes: dst/sub", "Attributes set"),
    "attributes of a file": ("set attributes: dst/mode", "Attributes set"),
    "attributes of a renamed file": ("set attributes: dst/new name", "Attributes set"),
    "copying": ("write filename: dst/big", "File confirmed"),
    "replacing a large file": ("write filename: dst/replaced", "File confirmed"),
    "replacing a small file": ("write filename: dst/changed", "File confirmed"),
}


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(retry, "FIRST_PAUSE", 0.01)
    source, target = tmp_path / "src", tmp_path / "root" / "dst"
    write(source / "sub" / "new", "new")
    write(source / "big", "b" * 50_000)
    write(source / "replaced", "r" * 50_000, NEW)
    write(source / "changed", "changed", NEW)
    write(source / "mode", "mode", OLD, 0o600)
    write(source / "new name", "what was renamed")
    write(target / "replaced", "older")
    write(target / "changed", "older")
    write(target / "mode", "mode", OLD, 0o644)
    write(target / "old name", "what was renamed", OLD - 9 * 10**9)
    for name in "abc":
        write(target / "gone" / name, f"gone {name}")
    write_key_file(tmp_path / "key")
    return tmp_path


def run(place, port, *options):
    words = [f"{place / 'src'}/", f"secftp://{HOST}:{port}/dst/"]
    return main(["sync", "--key-file", str(place / "key"), "--delete", *options, *words])


@pytest.mark.parametrize("stage", STAGES)
def test_a_sync_goes_on(place, stage, capfd):
    begin, done = STAGES[stage]
    source, target = place / "src", place / "root" / "dst"
    with serving(place / "root", key=read_key_file(place / "key")) as server, losing(server.port) as way:
        begun = []

        def has_begun():
            if not begun and begin in server.log.text:
                begun.append(server.log.text.index(begin))
            return bool(begun)

        way.cut_when(lambda: has_begun() and done in server.log.text[begun[0] :], after=has_begun)
        code = run(place, way.port, "--retries", "3")
        errors = capfd.readouterr().err
        assert code == ExitCode.OK, errors
        assert "changed meanwhile" not in errors
    trash = {"TRASH/gone": None} | {f"TRASH/gone/{name}": f"gone {name}" for name in "abc"}
    assert tree(target) == tree(source) | trash
    wanted = attributes(source)
    assert {name: known for name, known in attributes(target).items() if name in wanted} == wanted


@pytest.mark.parametrize("stage", STAGES)
def test_without_retries_the_same_command_does_the_rest(place, stage, capfd):
    begin, _ = STAGES[stage]
    source, target = place / "src", place / "root" / "dst"
    with serving(place / "root", key=read_key_file(place / "key")) as server, losing(server.port) as way:
        way.cut_when(lambda: begin in server.log.text, after=lambda: begin in server.log.text)
        assert run(place, way.port) == ExitCode.CONNECTION_LOST
        assert run(place, way.port) == ExitCode.OK, capfd.readouterr().err
    found = tree(target)
    assert {name: text for name, text in found.items() if "TRASH" not in name} == tree(source)
    assert {text for name, text in found.items() if "TRASH/gone/" in name} == {f"gone {name}" for name in "abc"}
