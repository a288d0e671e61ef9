"""Anonymous sessions only on request: every command, the Python API and fsspec."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

import secftp
from secftp.errors import ExitCode
from tests.support.command_line import SECRET, SECRET_KEY, place, run
from tests.support.serving import DEADLINE, HOST, environment, server_command, serving

pytestmark = pytest.mark.exhaustive

# What a verb needs beside the server's URL, which stands for each "//".
VERBS = {
    "get": ("get", "-q", "//name", "copy"),
    "get dry run": ("get", "-q", "--dry-run", "//name", "copy"),
    "get to a stream": ("get", "-q", "//name", "-"),
    "put": ("put", "-q", "local", "//new"),
    "put dry run": ("put", "-q", "--dry-run", "local", "//new"),
    "put from a stream": ("put", "-q", "-", "//new"),
    "put with retries": ("put", "-q", "--retries", "2", "local", "//new"),
    "ls": ("ls", "//"),
    "stat": ("stat", "//name"),
    "rm": ("rm", "//name"),
    "cp": ("cp", "-q", "//name", "//other"),
    "mv": ("mv", "//name", "//other"),
    "mkdir": ("mkdir", "//new"),
    "sum": ("sum", "//name"),
    "verify": ("verify", "-q", "local", "//name"),
}
# Ways in which a key is lost: variables, a file's contents (None: no file), and arguments.
LOST = {
    "empty variable": ({"SECFTP_KEY": ""}, b"", ()),
    "newline in the variable": ({"SECFTP_KEY": "\r\n"}, b"", ()),
    "blanks in the variable": ({"SECFTP_KEY": " \t "}, b"", ()),
    "invisible signs in the variable": ({"SECFTP_KEY": "\ufeff\u200b"}, b"", ()),
    "empty name of a file": ({}, b"", ("--key-file", "")),
    "no file": ({}, None, ("--key-file", "key")),
    "empty file": ({}, b"", ("--key-file", "key")),
    "file with a mark alone": ({}, b"\xef\xbb\xbf\r\n", ("--key-file", "key")),
    "file of blanks": ({}, b" \n \n", ("--key-file", "key")),
    "UTF-16": ({}, "a key".encode("utf-16"), ("--key-file", "key")),
    "directory": ({}, b"", ("--key-file", ".")),
    "pipe of a command": ({}, b"", ("--key-file", "/dev/stdin")),
    "the good variable, and a bad file": ({"SECFTP_KEY": SECRET}, None, ("--key-file", "key")),
}


@pytest.fixture
def server(tmp_path):
    """A server that takes everything from clients without a key, and a home beside it."""
    root, home = tmp_path / "root", tmp_path / "home"
    root.mkdir()
    home.mkdir()
    (root / "name").write_bytes(b"contents")
    (home / "local").write_bytes(b"contents")
    with serving(root, key=SECRET_KEY, anonymous_write=True) as found:
        found.home, found.url = home, f"secftp://127.0.0.1:{found.port}/"
        yield found


def words_of(verb, server):
    return [server.url + word[2:] if word.startswith("//") else word for word in VERBS[verb]]


def untouched(server):
    """The server heard nothing and has what it had."""
    assert "Client connected" not in server.log.text
    assert os.listdir(server.root) == ["name"]


@pytest.mark.parametrize("verb", VERBS)
def test_none_without_a_key_is_an_error(server, verb):
    result = run(server.home, *words_of(verb, server), "--cipher", "none", keyed=False, stdin=b"secret")
    result.expect(ExitCode.KEY, "neither authenticated nor encrypted")
    assert "--anonymous" in result.errors
    untouched(server)


def test_the_name_of_a_key_without_the_key(server):
    url = server.url.replace("//", "//joe@")
    run(server.home, "ls", "--cipher", "none", url, keyed=False).expect(ExitCode.KEY, "No key was given")
    run(server.home, "ls", "--no-key", url, keyed=False).expect(ExitCode.USAGE, "A key name was given")
    run(server.home, "read", "name", f"joe@{place(server)}", "none", keyed=False).expect(ExitCode.USAGE, "but no key")
    untouched(server)


@pytest.mark.parametrize("option", ["--no-key", "--anonymous"])
@pytest.mark.parametrize("verb", VERBS)
def test_an_anonymous_session_is_asked_for(server, verb, option):
    result = run(server.home, *words_of(verb, server), "--cipher", "none", option, keyed=False, stdin=b"contents")
    assert (result.code, result.errors) == (0, "")


def test_the_error_is_an_object_for_programs(server):
    for verb in ("get", "put", "get to a stream", "put from a stream"):
        words = words_of(verb, server)
        result = run(server.home, *words, "--progress", "json", "--cipher", "none", keyed=False)
        (line,) = result.errors.splitlines()
        assert json.loads(line)["exit_code"] == result.code == ExitCode.KEY
    untouched(server)


@pytest.mark.parametrize("how", LOST)
@pytest.mark.parametrize("verb", ["put", "ls", "read", "write"])
def test_a_lost_key_is_never_anonymous(server, verb, how):
    changes, contents, options = LOST[how]
    if contents is not None:
        (server.home / "key").write_bytes(contents)
        (server.home / "key").chmod(0o600)
    if verb in ("read", "write"):
        words = [verb, "name", place(server), "none"]
    else:
        words = [*words_of(verb, server), "--cipher", "none"]
    result = run(server.home, *words, *options, keyed=False, changes=changes)
    result.expect(ExitCode.KEY)
    untouched(server)


@pytest.mark.parametrize("quiet", [(), ("-q",)])
@pytest.mark.parametrize("verb", ["read", "write"])
def test_read_and_write_with_none_say_what_they_do(server, verb, quiet):
    words = [verb, "name", place(server), "none", *quiet]
    result = run(server.home, *words, keyed=False, stdin=b"contents").succeed(b"contents" if verb == "read" else b"")
    warnings = [line for line in result.errors.splitlines() if "neither authenticated nor encrypted" in line]
    assert len(warnings) == 1
    assert "--anonymous" in warnings[0]
    for more in (["--no-key"], ["--anonymous"], [SECRET.upper()[::-1]]):
        result = run(server.home, *words, *more, keyed=False, stdin=b"contents")
        assert "neither authenticated" not in result.errors


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"key": None},
        {"key": ""},
        {"key": "\n"},
        {"key": " \t"},
        {"key": None, "key_file": "missing"},
        {"key_file": ""},
        {"key_file": "."},
        {"key_file": "empty"},
        {"key": "", "anonymous": True},
        {"key": "x", "anonymous": True},
        {"key_file": "missing", "anonymous": True},
        {"anonymous": "false"},
        {"anonymous": "true"},
        {"anonymous": 1},
        {"anonymous": None},
    ],
)
def test_from_python(server, monkeypatch, arguments):
    monkeypatch.chdir(server.home)
    monkeypatch.setenv("SECFTP_KEY", SECRET)
    (server.home / "empty").touch(mode=0o600)
    with pytest.raises(secftp.SecftpError) as caught:
        secftp.connect(server.url, cipher="none", **arguments)
    assert isinstance(caught.value, secftp.UsageError | secftp.KeyFormatError)
    fsspec = pytest.importorskip("fsspec")
    fsspec.register_implementation("secftp", "secftp.api.filesystem.SecftpFileSystem", clobber=True)
    if arguments == {"anonymous": "true"}:
        return  # fsspec's configuration has nothing but texts: see the next test
    with pytest.raises(secftp.SecftpError):
        fsspec.open(f"{server.url}new", "wb", cipher="none", **arguments).open()
    untouched(server)


def test_from_the_configuration_of_fsspec(server):
    fs_module = pytest.importorskip("secftp.fsspec.filesystem")
    options = {"host": HOST, "port": str(server.port), "cipher": "none", "skip_instance_cache": True}
    for not_said in ("false", "", "0", "none", "tru"):
        with pytest.raises(secftp.SecftpError):
            fs_module.SecftpFileSystem(anonymous=not_said, **options).cat_file("name")
    untouched(server)
    fs = fs_module.SecftpFileSystem(anonymous="true", **options)
    assert fs.cat_file("name") == b"contents"
    fs.close()


def test_an_anonymous_session_from_python(server):
    with secftp.connect(server.url, anonymous=True, cipher="none") as remote:
        assert remote.read_bytes("name") == b"contents"


@pytest.mark.parametrize("option", ["anonymous", "anonymous_write"])
def test_a_server_in_python_is_anonymous_by_true_alone(tmp_path, option):
    for value in ("false", "no", 1, None):
        with pytest.raises(secftp.UsageError, match="True or False"):
            secftp.Server(tmp_path, **{option: value})
    with pytest.raises(secftp.KeyFormatError):
        secftp.Server(tmp_path, "", **{option: True})


@pytest.mark.parametrize("how", [how for how in LOST if how != "the good variable, and a bad file"])
def test_a_server_with_a_lost_key_does_not_start(tmp_path, how):
    changes, contents, options = LOST[how]
    (tmp_path / "root").mkdir()
    if contents is not None:
        (tmp_path / "key").write_bytes(contents)
        (tmp_path / "key").chmod(0o600)
    done = subprocess.run(
        server_command("0", "--host", "127.0.0.1", "--root", tmp_path / "root", "--anonymous-write", *options),
        env=environment(tmp_path, **changes),
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == ExitCode.KEY, done.stderr
    assert b"Traceback" not in done.stderr
    assert b"Listening" not in done.stdout
