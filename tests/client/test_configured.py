"""The user's file of hosts in command lines: which of several values counts, and where the key comes from."""

from __future__ import annotations

import os
import sys

import pytest

from secftp.client import key_ahead
from secftp.client.__main__ import main
from secftp.client.commands.cp import parse as parse_cp
from secftp.client.commands.get import parse as parse_get
from secftp.client.commands.ls import parse as parse_ls
from secftp.client.commands.put import parse as parse_put
from secftp.client.commands.read import parse as parse_read
from secftp.client.key import choose_key, find_key
from secftp.errors import KeyFormatError, UsageError
from secftp.transport.connect import Network
from secftp.url import Endpoint, Url
from tests.support.recorded_password import material, recorded

__all__ = ["recorded"]

TEXT = "the-cat-sat-on-the-mat"
OTHER = "a-dog-was-there-too"
CONFIG = """
[default]
cipher = "aes128"
timeout = 20
retries = 3
[hosts.nas]
url = "secftp://me@nas.example:9000/backup/"
cipher = "none"
timeout = 30
connect-timeout = 5
limit-rate = "20K"
streams = 2
[hosts.other]
url = "secftp://other.example"
name = "joe"
"""


@pytest.fixture(autouse=True)
def nothing_given(monkeypatch, tmp_path):
    """No key in the environment, no terminal to ask at."""
    monkeypatch.setattr("secftp.client.key.TERMINAL", str(tmp_path / "no terminal"))
    monkeypatch.setattr(key_ahead._Begun, "guess", None)
    monkeypatch.setattr(key_ahead._Begun, "config", None)
    monkeypatch.setattr("secftp.system.forbid_dumps", lambda: None)


@pytest.fixture
def configure(tmp_path, monkeypatch):
    """Write the file of hosts."""

    def write(text):
        path = tmp_path / "config.toml"
        path.write_text(text)
        path.chmod(0o600)
        monkeypatch.setenv("SECFTP_CONFIG", str(path))
        return path

    return write


def url(*path, host="nas.example", port=9000, name="me", slash=False):
    return Url(host, port, name, (b"backup", *path) if host == "nas.example" else path, slash or not path)


def test_without_a_file_nothing_is_different():
    connection = parse_ls(["nas:a"]).connection
    assert connection.endpoint == Endpoint("nas", 8888, "")
    assert (connection.cipher, connection.timeout, connection.connect_timeout) == ("aes256", 60.0, None)


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("nas:", url()),
        ("nas:a", url(b"a")),
        ("joe@nas:a/", url(b"a", name="joe", slash=True)),
        ("nas:/a", url()._replace(path=(b"a",), trailing_slash=False)),
        ("secftp://nas/a", url()._replace(path=(b"a",), trailing_slash=False)),
        ("secftp://nas", url()._replace(path=())),
        ("secftp://nas:7/a", url()._replace(path=(b"a",), port=7, trailing_slash=False)),
        ("secftp://nas:8888/a", url()._replace(path=(b"a",), port=8888, trailing_slash=False)),
        ("secftp://ann@nas/a", url()._replace(path=(b"a",), name="ann", trailing_slash=False)),
        ("other:a", url(b"a", host="other.example", port=8888, name="joe")),
        ("third:a", url(b"a", host="third", port=8888, name="")),
        ("secftp://nas.example:9000/a", url()._replace(path=(b"a",), name="", trailing_slash=False)),
    ],
)
def test_a_name_in_the_file_is_the_server_of_its_url(configure, word, found):
    configure(CONFIG)
    options = parse_ls([word])
    assert options.urls == (found,)
    assert options.connection.endpoint == found.endpoint


def test_every_value_comes_from_the_command_line_or_the_entry_or_the_default(configure):
    configure(CONFIG)
    given = ["--cipher", "aes256", "--timeout", "60", "--connect-timeout", "60", "--retries", "0", "--streams", "1"]
    settings = parse_put([*given, "--limit-rate", "1", "--name", "ann", "x", "nas:"]).settings
    connection = settings.connection
    assert (connection.cipher, connection.timeout, connection.connect_timeout) == ("aes256", 60.0, 60.0)
    assert (settings.retries, settings.copy.streams, settings.copy.limit_rate) == (0, 1, 1)
    assert connection.endpoint.name == "ann"
    settings = parse_put(["x", "nas:"]).settings
    connection = settings.connection
    assert (connection.cipher, connection.timeout, connection.connect_timeout) == ("none", 30.0, 5.0)
    assert (settings.retries, settings.copy.streams, settings.copy.limit_rate) == (3, 2, 20_000)
    settings = parse_put(["x", "secftp://third/"]).settings
    connection = settings.connection
    assert (connection.cipher, connection.timeout, connection.connect_timeout) == ("aes128", 20.0, None)
    assert (settings.retries, settings.copy.streams, settings.copy.limit_rate) == (3, None, None)


def test_what_a_command_has_no_option_for_is_left_out(configure):
    configure(CONFIG)
    assert parse_cp(["nas:a", "nas:b"]).settings.retries == 3
    settings = parse_put(["-", "nas:a"]).settings
    assert (settings.copy.streams, settings.copy.limit_rate) == (None, 20_000)
    with pytest.raises(UsageError, match="--streams can't be used with -"):
        parse_put(["-", "nas:a", "--streams", "2"])
    assert parse_get(["nas:a", "-"]).settings.copy.streams is None


def test_one_host_at_a_time(configure):
    configure(CONFIG)
    assert parse_ls(["nas:a", "secftp://me@nas.example:9000/b"]).urls[1].path == (b"b",)
    for words in (["nas:a", "other:a"], ["nas:a", "joe@nas:a"], ["nas:a", "secftp://nas:7/a"]):
        with pytest.raises(UsageError):
            parse_ls(words)


def test_a_name_alone_is_told_what_it_lacks(configure):
    configure(CONFIG)
    with pytest.raises(UsageError) as caught:
        parse_ls(["nas"])
    assert "nas:" in caught.value.hint


def test_an_anonymous_session_takes_no_name_from_the_file(configure):
    configure(CONFIG)
    assert choose_key(parse_ls(["--anonymous", "nas:"]).connection) is None
    with pytest.raises(UsageError, match="key name"):
        choose_key(parse_ls(["--anonymous", "me@nas:"]).connection)


def test_read_and_write_know_the_names_too(configure):
    configure(CONFIG)
    for place, endpoint in (
        ("nas", Endpoint("nas.example", 9000, "me")),
        ("ann@nas", Endpoint("nas.example", 9000, "ann")),
        ("nas:7", Endpoint("nas.example", 7, "me")),
        ("third:7", Endpoint("third", 7, "")),
    ):
        connection = parse_read(["f", place, "aes256"]).connection
        assert (connection.endpoint, connection.cipher) == (endpoint, "aes256")
    assert parse_read(["f", "nas", "none"]).connection.timeout == 30.0
    assert parse_read(["f", "third:7", "none"]).connection.timeout == 20.0
    with pytest.raises(UsageError, match="HOST:PORT"):
        parse_read(["f", "third", "none"])


@pytest.mark.parametrize("text", ["[hosts.nas\n", "[hosts.nas]\nurl = 1\n"])
def test_a_file_that_is_wrong_ends_every_command_that_connects(configure, text):
    configure(text)
    for words in (["nas:a"], ["secftp://third/"]):
        with pytest.raises(UsageError, match="The file"):
            parse_ls(words)


def test_a_file_that_others_may_write_is_not_used(configure):
    configure(CONFIG).chmod(0o666)
    with pytest.raises(UsageError, match="can be written by other users"):
        parse_ls(["secftp://third/"])


def test_a_name_that_is_nearly_one_of_the_file_is_told(configure, capfd, monkeypatch):
    configure(CONFIG)

    def not_found(*_, **__):
        raise OSError(-2, "Name or service not known")

    monkeypatch.setattr(sys.modules[Network.__module__], "resolve", not_found)
    for words, code in (
        (["ls", "nsa:"], 4),
        (["ls", "secftp://nsa/"], 4),
        (["ls", "--anonymous", "nsa:"], 3),
        (["ping", "nsa:"], 3),
        (["read", "f", "nsa:1", "aes128"], 4),
        (["read", "f", "nsa:1", "aes128", "--anonymous"], 3),
    ):
        assert main(words) == code
        assert "Did you mean nas, which is in the file of hosts?" in capfd.readouterr().err
    assert main(["ls", "--anonymous", "secftp://example.org/"]) == 3
    assert "Did you mean" not in capfd.readouterr().err


# --- the key ----------------------------------------------------------------------------------------------------------

KEYS = """
[default]
key-command = ["echo", "of-the-default"]
[hosts.nas]
url = "secftp://nas.example"
key-command = ["echo", "of-the-entry"]
[hosts.other]
url = "secftp://other.example"
[hosts.broken]
url = "secftp://broken.example"
key-command = ["false"]
"""


def key_of(*arguments):
    return material(choose_key(parse_ls(list(arguments)).connection)())[1].decode()


def test_the_key_comes_from_the_first_that_has_one(configure, tmp_path, monkeypatch, recorded):
    configure(KEYS)
    for name in ("option", "variable"):
        (tmp_path / name).write_text(f"of-the-file-of-the-{name}\n")
        (tmp_path / name).chmod(0o600)
    assert key_of("nas:") == "of-the-entry"
    assert key_of("other:") == key_of("secftp://third/") == "of-the-default"
    for option, key in (
        (["--key-file", str(tmp_path / "option")], "of-the-file-of-the-option"),
        (["--key-command", "echo 'of the option'"], "of the option"),
    ):
        monkeypatch.setenv("SECFTP_KEY", "of-the-variable")
        monkeypatch.setenv("SECFTP_KEY_FILE", str(tmp_path / "variable"))
        assert key_of("nas:", *option) == key
        assert "SECFTP_KEY" not in os.environ
        assert "SECFTP_KEY_FILE" not in os.environ
    monkeypatch.setenv("SECFTP_KEY", "of-the-variable")
    monkeypatch.setenv("SECFTP_KEY_FILE", str(tmp_path / "variable"))
    assert key_of("nas:") == "of-the-variable"
    monkeypatch.setenv("SECFTP_KEY_FILE", str(tmp_path / "variable"))
    assert key_of("nas:") == "of-the-file-of-the-variable"


@pytest.mark.parametrize("cipher", ["none", "aes256"])
@pytest.mark.parametrize(
    "arguments",
    [["broken:"], ["nas:", "--key-command", "false"], ["nas:", "--key-fd", "9999"], ["nas:", "--key-file", "/none"]],
)
def test_a_source_that_fails_is_an_error_and_never_anonymous(configure, arguments, cipher):
    """And never another source."""
    configure(KEYS)
    with pytest.raises(KeyFormatError):
        choose_key(parse_ls([*arguments, "--cipher", cipher]).connection, none_is_anonymous=True)()


def test_a_configured_key_is_not_asked_for_and_not_left_out_for_the_cipher_none(configure, recorded):
    configure(KEYS)
    obtain = choose_key(parse_read(["f", "nas:1", "none"]).connection, none_is_anonymous=True)
    assert material(obtain()) == ("text", b"of-the-entry")
    assert choose_key(parse_read(["f", "nas:1", "none", "--anonymous"]).connection) is None


def test_the_key_of_a_descriptor_or_a_pipe_is_read_once(recorded, tmp_path):
    for option in ("--key-fd", "--key-file"):
        reading, writing = os.pipe()
        os.write(writing, f"{TEXT}\n".encode())
        os.close(writing)
        place = str(reading) if option == "--key-fd" else f"/dev/fd/{reading}"
        obtain = find_key(parse_ls([option, place, "secftp://nas/"]).connection)
        assert material(obtain()) == ("text", TEXT.encode())
        if option == "--key-file":
            os.close(reading)


@pytest.mark.parametrize("text", ["", "-1", "x", "1.0", "\u0663", "99999999"])
def test_a_descriptor_is_a_number(text):
    with pytest.raises(UsageError, match="--key-fd must be"):
        parse_ls([f"--key-fd={text}", "secftp://nas/"])


@pytest.mark.parametrize("number", [1, 2])
def test_a_key_does_not_come_from_an_output(number):
    with pytest.raises(UsageError, match="can't be standard output or standard error"):
        parse_ls(["--key-fd", str(number), "secftp://nas/"])


@pytest.mark.parametrize("text", ["", "  ", "'pass", "a \\"])
def test_a_command_is_a_list_of_words(text):
    with pytest.raises(UsageError, match="--key-command must be"):
        parse_ls(["--key-command", text, "secftp://nas/"])


@pytest.mark.parametrize("option", ["--key-fd=3", "--key-command=x", "--key-file=k", "--anonymous"])
def test_one_source_at_most(option):
    for other in ("--key-fd=4", "--key-command=y", "--key-file=l", "--anonymous"):
        if other.partition("=")[0] != option.partition("=")[0]:
            with pytest.raises(UsageError, match="mutually exclusive"):
                parse_ls([option, other, "secftp://nas/"])
    with pytest.raises(UsageError, match="mutually exclusive"):
        parse_read(["f", "h:1", "none", TEXT, option])


def test_options_show_no_key(configure):
    configure(KEYS)
    assert "entry" not in repr(parse_ls(["nas:", "--key-command", "echo of-the-entry"]))


# --- ahead of all else ------------------------------------------------------------------------------------------------


@pytest.fixture
def threads(monkeypatch):
    started = []
    monkeypatch.setattr("_thread.start_new_thread", lambda function, arguments: started.append(function))
    return started


def test_the_key_file_of_an_entry_is_read_ahead(configure, tmp_path, threads):
    (tmp_path / "nas.key").write_text(TEXT)
    (tmp_path / "nas.key").chmod(0o600)
    path = configure('[hosts.nas]\nurl = "secftp://nas.example"\nkey-file = "nas.key"\n')
    for word in ("nas:a", "joe@nas:a", "secftp://nas/a"):
        key_ahead.begin(["ls", word], os.environ)
        assert len(threads) == 1
        assert key_ahead._Begun.config.path == str(path)
        obtain = choose_key(parse_ls([word]).connection)
        assert key_ahead._Begun.config is None
        begun = key_ahead._Begun.guess[1]
        assert obtain() is begun
        threads.clear()


def test_no_command_is_run_ahead_and_no_pipe_is_opened(configure, tmp_path, threads):
    mark = tmp_path / "mark"
    command = ["sh", "-c", f"echo x >> {mark}; echo {TEXT}"]
    configure(f'[hosts.nas]\nurl = "secftp://nas.example"\nkey-command = {command!r}\n')
    key_ahead.begin(["ls", "nas:"], os.environ)
    key_ahead.begin(["ls", "secftp://h/", "--key-command", f"touch {mark}"], os.environ)
    key_ahead.begin(["ls", "secftp://h/", "--key-fd=0"], os.environ)
    reading, writing = os.pipe()
    os.write(writing, TEXT.encode())
    key_ahead.begin(["ls", "secftp://h/", "--key-file", f"/dev/fd/{reading}"], os.environ)
    os.close(writing)
    assert os.read(reading, 100) == TEXT.encode()
    os.close(reading)
    assert not mark.exists()
    assert threads == []
    obtain = choose_key(parse_ls(["nas:"]).connection)
    assert not mark.exists()
    obtain()
    assert mark.read_text() == "x\n"


def test_the_file_of_the_variable_is_read_ahead(tmp_path, monkeypatch, threads):
    (tmp_path / "key").write_text(TEXT)
    (tmp_path / "key").chmod(0o600)
    monkeypatch.setenv("SECFTP_KEY_FILE", str(tmp_path / "key"))
    key_ahead.begin(["ls", "secftp://h/"], os.environ)
    assert len(threads) == 1
    assert choose_key(parse_ls(["secftp://h/"]).connection)() is not None
    assert key_ahead._Begun.guess is None


def test_a_file_that_is_wrong_is_not_reported_ahead(configure, threads):
    configure("[hosts.nas\n")
    key_ahead.begin(["ls", "nas:"], os.environ)
    assert threads == []
    with pytest.raises(UsageError):
        parse_ls(["nas:"])
