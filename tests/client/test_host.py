"""`secftp host`: the command line, its output, and entries that are used afterwards."""

from __future__ import annotations

import json
import os

import pytest

from secftp.client.commands.host import parse
from secftp.errors import UsageError
from secftp.hosts.config import read_config
from tests.support.command_line import main


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A file of hosts that is not there yet."""
    path = tmp_path / "mine" / "hosts.toml"
    monkeypatch.setenv("SECFTP_CONFIG", str(path))
    return path


@pytest.fixture
def call(capfd):
    def call(*arguments):
        code = main(list(arguments))
        out, err = capfd.readouterr()
        return code, out, err

    return call


def test_an_entry_is_added_changed_listed_and_removed(own, call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    add = ["host", "add", "nas", "secftp://me@nas.example:9000/backup", "--key-file", "nas.key"]
    assert call(*add) == (0, "", f"Added nas to {own}.\n")
    assert call(*add) == (0, "", f"nas is unchanged in {own}.\n")
    assert call("host", "add", "nas", "secftp://me@nas.example:9000/backup", "--streams=4", "--timeout", "9")[0] == 0
    code, out, err = call("host", "list", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out) == {
        "name": "nas", "url": "secftp://me@nas.example:9000/backup", "key": "file",
        "key_file": str(tmp_path / "nas.key"),
        "cipher": None, "limit_rate": None, "streams": "4", "retries": None, "connect_timeout": None, "timeout": "9",
        "key_name": "me",
    }  # fmt: skip
    assert "streams = 4\ntimeout = 9\n" in own.read_text()
    assert call("host", "remove", "nas") == (0, "", f"Removed nas from {own}.\n")
    assert call("host", "remove", "nas") == (0, "", f"There was no host nas in {own}.\n")
    assert call("host", "list", "--json") == (0, "", "")
    assert call("host", "list") == (0, "", "There are no hosts yet. Add one: secftp host add NAME URL\n")
    assert call("-q", "host", "add", "nas", "secftp://nas") == (0, "", "")


def test_arguments_of_a_key_command_are_in_no_repr(own, call):
    words = ["add", "nas", "secftp://nas", "--key-command", "show sesame"]
    assert "sesame" not in repr(parse(words))
    assert "sesame" not in repr(parse(["test", *words[1:2], *words[3:]]))
    assert call("host", *words)[0] == 0
    assert "sesame" in own.read_text()
    assert "sesame" not in repr(read_config(str(own)))
    assert "sesame" not in "".join(call("host", "list")[1:]) + "".join(call("host", "list", "--json")[1:])


def test_no_file_is_made_where_others_could_replace_it(own, call):
    own.parent.mkdir(parents=True, exist_ok=True)
    own.parent.chmod(0o777)
    code, out, err = call("host", "add", "nas", "secftp://nas")
    assert (code, out) == (2, "")
    assert "can be written by other users" in err
    assert os.listdir(own.parent) == []


def test_a_list_shows_no_characters_that_a_terminal_obeys(own, call):
    strange = "a\n\x1b]0;title\a\u202e"
    for field in ("--name", "--keyring", "--key-file"):
        assert call("host", "add", f"nas{field[2:]}", "secftp://nas", field, strange)[0] == 0
    code, out, err = call("host", "list")
    assert (code, len(out.splitlines()), err) == (0, 3, "")
    assert out.replace("\n", "").isprintable()
    assert out.count(r"a\n\x1b]0;title\x07\u202e") == 3


def test_a_source_of_the_key_takes_the_place_of_another(own, call):
    call("host", "add", "nas", "secftp://nas", "--key-command", "pass show 'my nas'")
    assert 'key-command = ["pass", "show", "my nas"]' in own.read_text()
    assert call("host", "list")[1] == "nas  secftp://nas/  key-command=pass\n"
    call("host", "add", "nas", "secftp://nas", "--keyring", "me")
    assert call("host", "list")[1] == "nas  secftp://nas/  keyring=me\n"
    assert json.loads(call("host", "list", "--json")[1])["key"] == "keyring"
    call("host", "add", "nas", "secftp://nas")
    assert call("host", "list")[1] == "nas  secftp://nas/  keyring=me\n"


def test_an_entry_is_used(secftp, own, capfdbinary, tmp_path):
    assert main(["host", "add", "nas", secftp.url("backup"), "--key-file", str(tmp_path / "key")]) == 0
    assert secftp("mkdir", "//backup").code == 0
    (tmp_path / "note").write_text("hello")
    assert main(["put", "-q", str(tmp_path / "note"), "nas:"]) == 0
    assert main(["get", "-q", "nas:note", str(tmp_path / "copy")]) == 0
    assert (tmp_path / "copy").read_text() == "hello"
    capfdbinary.readouterr()
    assert main(["ls", "nas:", "nas:/backup", "secftp://nas/backup"]) == 0
    assert capfdbinary.readouterr().out.decode().count("note\n") == 3
    assert main(["host", "test", "nas", "--count"]) == 2
    assert main(["host", "test", "nas", "--json", "--cipher", "aes128"]) == 0
    assert json.loads(capfdbinary.readouterr().out)["cipher"] == "aes128"
    assert main(["host", "test", "nas", "--anonymous"]) == 7
    assert main(["read", "backup/note", "nas", "aes256"]) == 0
    assert capfdbinary.readouterr().out == b"hello"


def test_a_test_of_no_entry_is_no_lookup_of_a_name(own, call):
    call("host", "add", "nas", "secftp://nas")
    code, out, err = call("host", "test", "nsa")
    assert (code, out) == (6, "")
    assert "Did you mean nas?" in err


def test_a_name_with_control_characters_is_refused(own, call):
    assert call("host", "add", "a\x1bb", "secftp://nas")[0] == 2
    assert not own.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Required arguments are missing"),
        (["lst"], "The action must be"),
        (["add", "nas"], "Required arguments are missing"),
        (["add", "nas", "secftp://nas", "x"], "Too many arguments"),
        (["list", "x"], "Too many arguments"),
        (["remove"], "Required arguments are missing"),
        (["list", "--timeout", "5"], "--timeout has no meaning for list"),
        (["remove", "nas", "--key-file", "k"], "--key-file has no meaning for remove"),
        (["add", "nas", "secftp://nas", "--anonymous"], "--anonymous has no meaning for add"),
        (["add", "nas", "secftp://nas", "--key-fd", "3"], "--key-fd has no meaning for add"),
        (["test", "nas", "--streams", "3"], "--streams has no meaning for test"),
        (["add", "nas", "secftp://nas", "--key-command", "'"], "--key-command must be"),
        (["add", "nas", "secftp://nas", "--key-file", "a", "--keyring", "b"], "mutually exclusive"),
    ],
)
def test_what_makes_no_sense(arguments, words):
    with pytest.raises(UsageError, match=words) as caught:
        parse(arguments)
    assert caught.value.hint


def test_what_is_wrong_in_the_file_is_told_by_every_action(own, call):
    own.parent.mkdir()
    own.write_text("[hosts.nas\n")
    own.chmod(0o600)
    for arguments in (["list"], ["add", "nas", "secftp://nas"], ["remove", "nas"], ["test", "nas"]):
        code, out, err = call("host", *arguments)
        assert (code, out) == (2, "")
        assert "line 1" in err
    assert own.read_text() == "[hosts.nas\n"


def test_a_file_that_is_named_and_missing_is_an_error_only_where_it_is_used(own, call):
    assert call("ls", "nas:")[0] == 2
    assert call("host", "list")[0] == 0
    os.environ["SECFTP_CONFIG"] = os.devnull
    assert call("host", "list")[0] == 0
