"""The server process in operation: sources of keys, SIGHUP, logs, configuration file, service manager."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import re
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import types
from pathlib import Path

import psutil
import pytest

from secftp.errors import AuthenticationError, ExitCode, FileError, Forbidden, KeyFormatError, NotFound, Reason
from secftp.keys import Key, write_key_file
from secftp.protocol import End, ErrorCode, File, Ok, Read, Write, encode
from secftp.server.config import parse
from secftp.server.log import Log
from secftp.server.options import ServerLimits
from secftp.server.reload import Reloader
from secftp.storage import WriteOptions
from tests.support.serving import (
    DEADLINE,
    HOST,
    Hostile,
    Lines,
    MemorySource,
    digest_of,
    environment,
    get,
    listing,
    put,
    server_command,
    server_process,
    session,
    until,
    watched_server_command,
)

SECRET = "correct horse battery staple"


@pytest.fixture
def key(home):
    """A key file and its key."""
    write_key_file(home / "key")
    return _key(home / "key")


def _key(path):
    from secftp.keys import read_key_file

    return read_key_file(path)


def serve(home, root, *arguments, **options):
    return server_process(home, "0", "--host", HOST, "--root", root, *arguments, **options)


def run(home, *arguments, **changes):
    """A start that ends by itself: its exit code, output and errors."""
    done = subprocess.run(
        server_command(*arguments),
        env=environment(home, **changes),
        cwd=home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout, done.stderr


def no_keys_shown(*texts):
    assert not [word for word in SECRET.split() for text in texts if word in text]


def write(path, text, mode=0o600):
    path.write_text(text)
    path.chmod(mode)


# --- sources of keys --------------------------------------------------------------------------------------------------


def test_a_key_from_a_descriptor(home, root):
    reader, writer = os.pipe()
    os.write(writer, SECRET.encode() + b"\n")
    os.close(writer)
    command = server_command("0", "--host", HOST, "--root", root, "--key-fd", str(reader))
    process = subprocess.Popen(
        command, pass_fds=[reader], env=environment(home), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    os.close(reader)
    try:
        port = next(int(found[1]) for line in process.stdout if (found := re.search(r"on port (\d+)$", line)))
        with session(port, Key.from_text(SECRET)) as client:
            put(client, b"name", b"contents")
    finally:
        process.terminate()
        output, errors = process.communicate(timeout=DEADLINE)
    assert process.returncode == ExitCode.OK
    no_keys_shown(output, errors)
    assert listing(home) == [], "no key of the server's own is made"


@pytest.mark.parametrize("descriptor", ["99", "0"], ids=["none", "empty"])
def test_a_descriptor_without_a_key_is_an_error_and_never_anonymous(home, root, descriptor):
    code, output, errors = run(home, "0", "--root", root, "--key-fd", descriptor, "--anonymous")
    assert (code, output) == (ExitCode.KEY, "")
    assert re.fullmatch(r"secftpd: The key of descriptor \d+ .*\.\n(  hint: .*\n)?", errors), errors


@pytest.mark.parametrize("mode", [0o400, 0o440], ids=oct)
def test_a_credential_of_the_service_manager_s(home, root, tmp_path, mode):
    """Its group's bits are the mask of an access control list."""
    directory = tmp_path / "credentials"
    directory.mkdir()
    write(directory / "secftp.key", SECRET + "\n", mode)
    with serve(home, root, CREDENTIALS_DIRECTORY=str(directory)) as server:
        with session(server.port, Key.from_text(SECRET)) as client:
            put(client, b"name", b"contents")
        no_keys_shown(server.log.text)
    assert listing(home) == []


@pytest.mark.parametrize("mode", [0o444, 0o460], ids=oct)
def test_a_credential_that_others_may_read_or_write_is_refused(home, root, tmp_path, mode):
    write(tmp_path / "secftp.key", SECRET + "\n", mode)
    code, _, errors = run(home, "0", "--root", root, CREDENTIALS_DIRECTORY=str(tmp_path))
    assert code == ExitCode.KEY
    no_keys_shown(errors)


def test_with_named_keys_no_key_is_made(home, root, key):
    write(home / "keys.toml", '[me]\nkey-file = "key"\nrights = "full"\n')
    with serve(home, root, "--keys", home / "keys.toml") as server:
        with session(server.port, key, name="me") as client:
            put(client, b"name", b"contents")
        with pytest.raises(AuthenticationError):
            session(server.port, key)
        assert "Key:" not in server.log.text
    assert listing(home) == ["key", "keys.toml"]


def test_what_a_named_key_may_not_do_is_said_to_its_holder_and_not_to_others(home, root):
    """The key of a backup or a drop-box, as the documentation has it: the server's own sentence is about the server."""
    (root / "name").write_bytes(b"contents")
    (root / "box").mkdir()
    write(
        home / "keys.toml",
        f'[box]\nkey = "{SECRET}"\nrights = "drop-box"\n[look]\nkey = "{SECRET}"\nrights = ["list"]\n',
    )
    with serve(home, root, "--keys", home / "keys.toml", "--anonymous") as server:
        secret = Key.from_text(SECRET)
        with session(server.port, secret, name="box") as client:
            for what, reason in (
                (lambda: client.remove((b"name",)), Reason.MAY_NOT_DELETE),
                (lambda: list(client.list(())), Reason.MAY_NOT_LIST),
                (lambda: get(client, b"name"), Reason.MAY_NOT_READ),
                (lambda: client.set_attributes((b"name",), mode=0o600), Reason.MAY_NOT_OVERWRITE),
                (lambda: put(client, b"name", b"other"), Reason.MAY_NOT_OVERWRITE),
            ):
                with pytest.raises(FileError, match="this key may not") as caught:
                    what()
                assert caught.value.reason == reason
        with session(server.port, secret, name="look") as client, pytest.raises(Forbidden) as caught:
            client.make_directory((b"other",))
        assert caught.value.reason == Reason.MAY_NOT_WRITE
        with session(server.port, None) as client, pytest.raises(Forbidden) as caught:
            client.make_directory((b"other",))
        assert caught.value.reason is None


def test_no_key_is_in_the_environment_of_the_process(home, root):
    with serve(home, root, SECFTP_KEY=SECRET) as server:
        assert server.port
        # What Python took out is still on the stack of the process; what counts is what a child would get.
        assert psutil.Process(server.pid).children() == []
    from secftp.server import keyring

    os.environ["SECFTP_KEY"] = SECRET
    try:
        from secftp.server.config import parse

        keyring.Keyring(parse(["0"]), None, None, None)
        assert "SECFTP_KEY" not in os.environ
    finally:
        os.environ.pop("SECFTP_KEY", None)


def test_the_file_of_keys_is_never_beneath_the_root(home, root, key):
    write(root / "keys.toml", '[me]\nkey-file = "../home/key"\nrights = "full"\n')
    code, _, errors = run(home, "0", "--root", root, "--keys", root / "keys.toml")
    assert (code, "is below the served directory" in errors) == (ExitCode.KEY, True)


def test_no_key_file_of_a_named_key_s_is_beneath_the_root(home, root):
    """A client could read it, or replace it."""
    write_key_file(root / "key")
    for place in (root / "key", "link"):
        (home / "link").unlink(missing_ok=True)
        (home / "link").symlink_to(root / "key")
        write(home / "keys.toml", f'[me]\nkey-file = "{place}"\nrights = "full"\n')
        code, _, errors = run(home, "0", "--root", root, "--keys", home / "keys.toml")
        assert (code, "is below the served directory" in errors) == (ExitCode.KEY, True)


@pytest.mark.parametrize("directory", ["none", "link", "file", "link/below"])
def test_a_directory_of_a_key_s_that_can_not_be_used_is_an_error_at_the_start(home, root, key, directory):
    (root / "file").write_bytes(b"")
    (root / "link").symlink_to(home)
    write(home / "keys.toml", f'[me]\nkey-file = "key"\nfolder = "{directory}"\nrights = "full"\n')
    code, _, errors = run(home, "0", "--root", root, "--keys", home / "keys.toml")
    assert (code, f"The directory {directory} of the key me can't be used" in errors) == (ExitCode.KEY, True), errors


# --- SIGHUP -----------------------------------------------------------------------------------------------------------


def test_sighup_reads_the_keys_again_and_drops_no_session(home, root, key):
    write_key_file(home / "other")
    write(home / "keys.toml", '[me]\nkey-file = "key"\nrights = "full"\n')
    (root / "in").mkdir()
    with serve(home, root, "--keys", home / "keys.toml") as server, session(server.port, key, name="me") as client:
        put(client, b"name", b"contents")
        write(home / "keys.toml", '[you]\nkey-file = "other"\nfolder = "in"\nrights = "full"\n')
        server.signal(signal.SIGHUP)
        server.log.wait_for(r"The keys were reloaded\.")
        assert get(client, b"name") == b"contents"
        with pytest.raises(AuthenticationError):
            session(server.port, key, name="me")
        with session(server.port, _key(home / "other"), name="you") as other:
            put(other, b"theirs", b"contents")
            with pytest.raises(NotFound):
                get(other, b"name")
            # Its directory's descriptor stays open until it is gone, however often the keys are read.
            for count in range(2, 6):
                server.signal(signal.SIGHUP)
                server.log.wait_for(r"The keys were reloaded\.", count)
            assert get(other, b"theirs") == b"contents"
    assert listing(root) == ["in", "in/theirs", "name"]


def test_reading_keys_again_and_again_holds_no_descriptors(home, root, key):
    (root / "in").mkdir()
    write(home / "keys.toml", '[me]\nkey-file = "key"\nfolder = "in"\nrights = "full"\n')
    with serve(home, root, "--keys", home / "keys.toml", watched=True) as server:
        assert server.port
        process, held = psutil.Process(server.pid), []
        for count in range(1, 13):
            server.signal(signal.SIGHUP)
            server.log.wait_for(r"The keys were reloaded\.", count)
            held.append(process.num_fds())
        assert max(held[6:]) <= max(held[:6]), held


def test_a_handshake_under_way_at_sighup_becomes_a_session_like_any_other(home, root, key):
    """It has been granted a directory that no session uses yet."""
    (root / "in").mkdir()
    (root / "in" / "name").write_bytes(b"contents")
    write(home / "keys.toml", '[me]\nkey-file = "key"\nfolder = "in"\nrights = "full"\n')
    with serve(home, root, "--keys", home / "keys.toml") as server, Hostile(server.port, key, name="me") as client:
        server.signal(signal.SIGHUP)
        server.log.wait_for(r"The keys were reloaded\.")
        client.welcome()
        client.send(Read(id=1, path=(b"name",)))
        assert isinstance(client.receive(), File)


def test_what_fails_in_an_unforeseen_way_at_sighup_keeps_no_later_one_from_being_heeded(monkeypatch):
    failures = [ZeroDivisionError(), KeyFormatError("no key")]
    keyring = types.SimpleNamespace(load=lambda _options: (_ for _ in ()).throw(failures.pop(0)))
    lines = Lines()
    options = parse(["0"])
    reloader = Reloader(options, Log(lines), keyring, lambda: options)
    reloader.server = object()
    for told in ("Internal error: ZeroDivisionError", "The keys were not changed: no key"):
        reloader()
        reloader.wait()
        lines.wait_for(told)


@pytest.mark.parametrize(
    "broken",
    ["", "[me", f'[me]\nkey = "{SECRET}"\nrights = [["read"]]\n', f'[me]\nkey = "{SECRET}"\nrights = "rite"\n', None],
)
def test_a_broken_file_keeps_the_keys_there_were_and_says_so(home, root, key, broken):
    write(home / "keys.toml", '[me]\nkey-file = "key"\nrights = "full"\n')
    with serve(home, root, "--keys", home / "keys.toml") as server:
        assert server.port
        if broken is None:
            (home / "keys.toml").chmod(0o644)
        else:
            write(home / "keys.toml", broken)
        server.signal(signal.SIGHUP)
        server.log.wait_for(r"The keys were not changed: The keys file .*\.$")
        with session(server.port, key, name="me") as client:
            put(client, b"name", b"contents")
        no_keys_shown(server.log.text)


def test_the_default_key_s_file_is_read_again_too(home, root, key):
    with serve(home, root, "--key-file", home / "key") as server:
        assert server.port
        write(home / "key", SECRET)
        server.signal(signal.SIGHUP)
        server.log.wait_for(r"The keys were reloaded\.")
        with session(server.port, Key.from_text(SECRET)) as client:
            put(client, b"name", b"contents")


def test_sighup_ends_nothing(home, root):
    with serve(home, root, "--anonymous-write") as server:
        assert server.port
        for _ in range(50):
            server.signal(signal.SIGHUP)
        with session(server.port, None) as client:
            put(client, b"name", b"contents")
        server.signal(signal.SIGTERM)
        assert server.wait() == ExitCode.OK
        assert server.errors.text == ""


# --- the log ----------------------------------------------------------------------------------------------------------


def test_a_log_file_is_opened_again(home, root):
    log, moved = home / "log", home / "log.1"
    log.write_text("before\n")
    with serve(home, root, "--anonymous-write", "--log-file", log) as server:
        until(lambda: "Serving the directory" in log.read_text(), "it has started")
        port = int(re.search(r"on port (\d+)$", log.read_text(), re.MULTILINE)[1])
        log.rename(moved)
        with session(port, None) as client:
            put(client, b"first", b"contents")
            server.signal(signal.SIGHUP)
            until(lambda: log.exists() and "was reopened" in log.read_text(), "it is opened again")
            put(client, b"second", b"contents")
        until(lambda: "filename: second" in log.read_text(), "it is written into")
        server.signal(signal.SIGTERM)
        assert server.wait() == ExitCode.OK
        assert server.log.text == ""
    assert moved.read_text().startswith("before\n!! ")
    assert "filename: first" in moved.read_text()
    assert "filename: second" not in moved.read_text()
    assert log.read_text().endswith(": Stopped.\n")
    assert stat.S_IMODE(log.stat().st_mode) & 0o137 == 0


def test_a_log_file_that_can_not_be_opened_again_stays_where_it_is(home, root):
    log = home / "log"
    with serve(home, root, "--anonymous", "--log-file", log) as server:
        until(lambda: log.exists() and "Serving" in log.read_text(), "it has started")
        log.rename(home / "log.1")
        log.symlink_to(home / "elsewhere")
        server.signal(signal.SIGHUP)
        until(lambda: "The log file was not changed" in (home / "log.1").read_text(), "it says so")
    assert not (home / "elsewhere").exists()


@pytest.mark.parametrize(
    "kind", ["beneath the root", "a link", "a FIFO", "a directory", "a directory that is not there"]
)
def test_a_log_file_that_is_none(home, root, kind):
    path = home / "log"
    if kind == "beneath the root":
        path = root / "log"
    elif kind == "a link":
        path.symlink_to(home / "elsewhere")
    elif kind == "a FIFO":
        os.mkfifo(path)
    elif kind == "a directory":
        path.mkdir()
    else:
        path = home / "none" / "log"
    code, _, errors = run(home, "0", "--root", root, "--anonymous", "--log-file", path)
    assert code in (ExitCode.USAGE, ExitCode.KEY)
    assert re.match(r"secftpd: The log file ", errors)
    assert not (home / "elsewhere").exists()


@pytest.mark.exhaustive
def test_a_log_without_a_reader_delays_neither_clients_nor_the_end(home, root):
    """Like `secftpd 8888 | less`, or a terminal that was stopped."""
    reader, writer = os.pipe()
    process = subprocess.Popen(
        server_command("0", "--host", HOST, "--root", root, "--anonymous-write"),
        stdin=subprocess.DEVNULL,
        stdout=writer,
        env=environment(home),
        cwd=home,
    )
    os.close(writer)
    try:
        said = b""
        while not (port := re.search(rb"on port (\d+)\n", said)):
            said += os.read(reader, 1000)
        for number in range(250):  # some 600 bytes of lines for each: more than a pipe holds
            with session(int(port[1]), None) as client:
                put(client, b"name", b"%d" % number)
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE) == ExitCode.OK
    finally:
        process.kill()
        process.wait()
        rest = b""
        while chunk := os.read(reader, 65536):
            rest += chunk
        os.close(reader)
    assert (root / "name").read_bytes() == b"249"
    assert rest.count(b"Done.") < 250, "the pipe held all of it: this test shows nothing"


def events(text):
    return [json.loads(line) for line in text.splitlines()]


def test_json_is_one_object_an_event_and_has_all_that_happened(home, root, key):
    write(home / "keys.toml", '[me]\nkey-file = "key"\nrights = "full"\n')
    weird = b"\xff\n\x1b[2J"
    with serve(home, root, "--keys", home / "keys.toml", "--log-format", "json") as server:
        port = int(server.log.wait_for(r"on port (\d+)")[1])
        with session(port, key, name="me") as client:
            put(client, b"name", b"contents")
            assert get(client, b"name") == b"contents"
            with pytest.raises(NotFound):
                get(client, weird)
            client.rename((b"name",), (b"to",))
            client.copy((b"to",), (b"copy",))
        server.log.wait_for("disconnected")
        with pytest.raises(AuthenticationError):
            session(port, Key.from_secret(bytes(31) + b"\x05"), name="me")
        server.log.wait_for("wrong_key")
        server.signal(signal.SIGTERM)
        assert server.wait() == ExitCode.OK
        text = server.log.text
    assert text.isascii()
    found = events(text)
    for event in found:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["time"])
        assert event["level"] in ("info", "warning")
    mine = [event for event in found if event.get("session") == 1]
    assert [event["event"] for event in mine] == [
        *("connected", "handshake"),
        *("operation",) * 5,
        "disconnected",
    ]
    assert {event["peer"].rpartition(":")[0] for event in mine} == {HOST}
    assert [event["name"] for event in mine[1:]] == ["me"] * 7
    assert (mine[1]["result"], mine[1]["cipher"]) == ("ok", "aes128")
    wrote, read, failed, renamed, copied = mine[2:7]
    checksum = digest_of(b"contents").hex()
    for done, operation in ((wrote, "write"), (read, "read")):
        assert (done["operation"], done["path"], done["bytes"], done["checksum"], done["result"]) == (
            *(operation, "name", 8, checksum),
            "ok",
        )
        assert 0 <= done["seconds"] < DEADLINE
    assert (failed["operation"], failed["result"]) == ("read", str(ErrorCode.NOT_FOUND))
    assert (failed["path"], failed["path_base64"]) == (r"\xff\n\x1b[2J", "/wobWzJK")
    assert (renamed["operation"], renamed["path"], renamed["to"]) == ("rename", "name", "to")
    assert (copied["operation"], copied["path"], copied["to"], copied["bytes"]) == ("copy", "to", "copy", 8)
    assert [event["result"] for event in found if event["event"] == "handshake"] == ["ok", "wrong_key"]


def test_json_of_level_debug_has_the_lines_for_people_too(home, root):
    with serve(home, root, "--anonymous-write", "--log-format", "json", "--log-level", "debug") as server:
        port = int(server.log.wait_for(r"on port (\d+)")[1])
        with session(port, None) as client:
            put(client, b"name", b"contents")
        server.log.wait_for("disconnected")
        texts = [event["text"] for event in events(server.log.text) if event["event"] == "message"]
    assert any(text.startswith("Client requested to write filename: name") for text in texts)


def test_at_level_warning_only_what_needs_attention_is_logged(home, root):
    with serve(
        home, root, "--anonymous-write", "--log-level", "warning", "--max-file-size", "4", watched=True
    ) as server:
        (listening,) = until(
            lambda: [
                found for found in psutil.Process(server.pid).net_connections() if found.status == psutil.CONN_LISTEN
            ],
            "it listens",
        )
        with session(listening.laddr.port, None) as client:
            put(client, b"name", b"four")
            with contextlib.suppress(Exception):
                put(client, b"large", b"large")
        server.log.wait_for("A file is larger than a client may write: the limit is 4 B")
        lines = server.log.text.splitlines()
    assert [line for line in lines if "Running as root" not in line and "is larger" not in line] == []


# --- a configuration --------------------------------------------------------------------------------------------------


def test_a_configuration_is_what_a_command_line_is(home, root, key):
    write(home / "keys.toml", '[me]\nkey-file = "key"\nrights = "full"\n')
    write(
        home / "server.toml",
        'port = 0\nhost = ["127.0.0.1"]\nroot = "../root"\nkeys = "keys.toml"\nread-only = true\n'
        'anonymous = false\nciphers = ["aes256", "none"]\nmin-free = "1k"\ngrace = 1.5\nmode-mask = "0750"\n',
        0o644,
    )
    with server_process(home, "--config", home / "server.toml") as server:
        assert server.port
        assert f"Serving the directory {root}" in server.log.wait_for("Serving the directory .*$")[0]
    assert run(home, "--config", home / "server.toml", "--check-config")[:2] == (
        ExitCode.OK,
        "The configuration is in order.\n",
    )


def test_the_command_line_and_the_environment_come_before_the_configuration(home, root, key, monkeypatch):
    from secftp.server.config import parse

    monkeypatch.delenv("SECFTP_KEY", raising=False)
    config = home / "server.toml"
    write(config, 'port = 1\nhost = ["::1", "127.0.0.1"]\nmax-clients = 7\nidle = 30\nkey-file = "key"\n')
    options = parse(["--config", str(config)])
    assert (options.port, options.hosts, options.limits.max_clients) == (1, ["::1", "127.0.0.1"], 7)
    assert (options.limits.idle, options.key_file) == (30, str(home / "key"))
    options = parse(["2", "--config", str(config), "--host", "192.0.2.1", "--max-clients", "8"])
    assert (options.port, options.hosts, options.limits.max_clients) == (2, ["192.0.2.1"], 8)
    assert options.limits.idle == 30
    assert parse(["2", "sesame", "--config", str(config)]).key_file is None
    assert parse(["--config", str(config), "--key-fd", "5"]).key_file is None
    monkeypatch.setenv("SECFTP_KEY", "sesame")
    assert parse(["--config", str(config)]).key_file is None
    assert parse(["--config", str(config), "--key-file", "x"]).key_file == "x"
    monkeypatch.setenv("SECFTP_KEY_FILE", "of the environment")
    assert parse(["--config", str(config)]).key_file is None
    monkeypatch.delenv("SECFTP_KEY")
    for arguments, file in (
        (["--config", str(config)], "of the environment"),
        (["2"], "of the environment"),
        (["--config", str(config), "--key-file", "x"], "x"),
        (["2", "sesame"], None),
        (["2", "--key-fd", "5"], None),
    ):
        monkeypatch.setenv("SECFTP_KEY_FILE", "of the environment")
        assert parse(arguments).key_file == file
        assert "SECFTP_KEY_FILE" not in os.environ


BROKEN_CONFIGS = {
    "no TOML": "port = ",
    "not UTF-8": b"\xff",
    "an unknown option": "no-such-option = 1",
    "a configuration": 'config = "x"',
    "a check": "check-config = true",
    "a key": f'key = "{SECRET}"',
    "a number too high": "port = 70000",
    "a flag with a value": 'read-only = "yes"',
    "a value that is a flag": "root = true",
    "a table": "[root]\nx = 1",
    "a time": "root = 2020-01-01",
    "a cipher that is none": 'ciphers = ["rot13"]',
    "a size that is none": 'min-free = "much"',
    "permissions that are none": 'mode-mask = "rwx"',
    "permissions as a number": "mode-mask = 0o640",
    "permissions as digits": "mode-mask = 640",
    "two keys": 'key-file = "key"\nkey-fd = 3',
}


@pytest.mark.parametrize("case", BROKEN_CONFIGS)
def test_a_configuration_that_can_not_be_right_is_one_sentence(home, root, case):
    text = BROKEN_CONFIGS[case]
    config = home / "server.toml"
    config.write_bytes(text if isinstance(text, bytes) else text.encode())
    code, output, errors = run(home, "0", "--root", root, "--anonymous", "--config", config)
    assert (code, output) == (ExitCode.USAGE, "")
    assert re.fullmatch(r"secftpd: [^\n]*\.\n(  hint: [^\n]*\n)?", errors), errors
    no_keys_shown(errors)


@pytest.mark.parametrize("kind", ["missing", "others may write it", "a FIFO"])
def test_a_configuration_that_is_not_trusted(home, root, kind):
    config = home / "server.toml"
    if kind == "others may write it":
        write(config, "", 0o666)
    elif kind == "a FIFO":
        os.mkfifo(config, 0o600)
    assert run(home, "0", "--root", root, "--anonymous", "--config", config)[0] == ExitCode.USAGE


def test_a_check_finds_what_a_start_would(home, root, key):
    write(home / "keys.toml", '[me]\nkey-file = "none"\nrights = "full"\n')
    arguments = ["0", "--root", root, "--check-config"]
    assert run(home, *arguments, "--keys", home / "keys.toml")[0] == ExitCode.KEY
    assert run(home, *arguments, "--key-file", home / "none")[0] == ExitCode.KEY
    assert run(home, "0", "--root", root / "none", "--check-config")[0] == ExitCode.NOT_FOUND
    assert run(home, *arguments, "--key-file", home / "key")[0] == ExitCode.OK


def test_without_a_port_it_does_not_start(home, root):
    code, _, errors = run(home, "--root", root, "--anonymous")
    assert (code, "The port is missing." in errors) == (ExitCode.USAGE, True)


# --- descriptors ------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all of 127.0.0.0/8 as its own")
def test_with_few_descriptors_silent_connections_take_none_that_a_session_needs(home, root):
    command = watched_server_command("0", "--host", HOST, "--root", root, "--anonymous-write", "--max-clients", "4")
    process = subprocess.Popen(
        ["sh", "-c", 'ulimit -n 110; exec "$@"', "sh", *command],
        env=environment(home),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with contextlib.ExitStack() as stack:
        stack.callback(process.stdout.close)
        stack.callback(process.wait)
        stack.callback(process.kill)
        port = next(int(found[1]) for line in process.stdout if (found := re.search(r"on port (\d+)$", line)))
        reader = threading.Thread(target=process.stdout.read)
        reader.start()
        stack.callback(lambda: (process.terminate(), reader.join()))
        with session(port, None) as client:
            put(client, b"name", b"contents")
            for number in range(150):
                stack.enter_context(
                    socket.create_connection(
                        (HOST, port), timeout=DEADLINE, source_address=(f"127.2.0.{number + 1}", 0)
                    )
                )
            for number in range(20):
                put(client, b"%d" % number, b"contents")
                assert get(client, b"name") == b"contents"
            with session(port, None) as other:
                assert get(other, b"name") == b"contents"
        assert psutil.Process(process.pid).num_fds() < 110


def test_limits_fit_the_descriptors_there_are(monkeypatch):
    import resource

    for most, pending, waiting in [
        (1 << 20, 128, 1024),
        (1024, 16, 16),
        (2000, 128, 288),
        (resource.RLIM_INFINITY, 128, 1024),
    ]:
        monkeypatch.setattr(resource, "getrlimit", lambda _, most=most: (most, most))
        fitting = ServerLimits().within_descriptors()
        assert (fitting.max_pending, fitting.max_waiting, fitting.max_clients) == (pending, waiting, 256)


# --- users ------------------------------------------------------------------------------------------------------------

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@pytest.fixture
def open_root():
    """A directory to serve that every user can reach. Those of pytest are closed by each other run that starts."""
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        root = Path(directory) / "root"
        root.mkdir()
        yield root


@needs_root
def test_root_becomes_a_user_once_the_port_is_bound(home, open_root):
    root, nobody = open_root, pwd.getpwnam("nobody")
    os.chown(root, nobody.pw_uid, nobody.pw_gid)
    with serve(home, root, "--anonymous-write", "--user", "nobody") as server:
        with session(server.port, None) as client:
            put(client, b"name", b"contents")
        process = psutil.Process(server.pid)
        assert set(process.uids()) == {nobody.pw_uid}
        assert set(process.gids()) == {nobody.pw_gid}
        assert "Running as root" not in server.log.text
    assert (root / "name").stat().st_uid == nobody.pw_uid


@needs_root
def test_running_as_root_is_told_in_one_line(home, root):
    with serve(home, root, "--anonymous") as server:
        assert server.port
        assert server.log.text.count("Running as root") == 1


def test_a_user_that_is_none(home, root):
    code, _, errors = run(home, "0", "--root", root, "--anonymous", "--user", "no such user")
    assert (code, "There is no user" in errors) == (ExitCode.USAGE, True)


# --- a service manager ------------------------------------------------------------------------------------------------

_ACTIVATE = (
    "import os, sys\n"
    "os.dup2(int(sys.argv[1]), 3)\n"
    "if sys.argv[1] != '3':\n"
    "    os.close(int(sys.argv[1]))\n"
    "os.environ |= {'LISTEN_PID': str(os.getpid()), 'LISTEN_FDS': sys.argv[2]}\n"
    "os.execv(sys.argv[3], sys.argv[3:])\n"
)


@contextlib.contextmanager
def activated(home, listener, *arguments, count="1", **changes):
    """A server that is started with a socket, as systemd does it; killed in the end if it still runs."""
    process = subprocess.Popen(
        [sys.executable, "-c", _ACTIVATE, str(listener.fileno()), count, *watched_server_command(*arguments)],
        pass_fds=[listener.fileno()],
        env=environment(home, **changes),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def _started(process):
    return next(line for line in process.stdout if "Serving" in line)


def test_it_takes_the_sockets_that_it_is_given(home, root):
    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]
        with activated(home, listener, "--root", root, "--anonymous-write") as process:
            _started(process)
            with session(port, None) as client:
                put(client, b"name", b"contents")
            process.send_signal(signal.SIGTERM)
            assert process.wait(DEADLINE) == ExitCode.OK
    assert (root / "name").read_bytes() == b"contents"


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, "file", "local"])
def test_what_is_handed_over_and_is_no_listening_socket(home, root, kind):
    with contextlib.ExitStack() as stack:
        if kind == "file":
            handed = stack.enter_context(open(os.devnull, "rb"))
        elif kind == "local":
            handed = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            handed.bind(str(home / "socket"))
        else:
            handed = stack.enter_context(socket.socket(socket.AF_INET, kind))
        with activated(home, handed, "--root", root, "--anonymous") as process:
            assert "is not a listening TCP socket" in process.stdout.read()
            assert process.wait(DEADLINE) == ExitCode.USAGE


def test_sockets_for_another_process_are_none(home, root):
    code, _, errors = run(home, "--root", root, "--anonymous", LISTEN_PID="1", LISTEN_FDS="1")
    assert (code, "The port is missing." in errors) == (ExitCode.USAGE, True)


@pytest.mark.exhaustive
def test_a_restart_loses_no_client(home, root):
    """The socket stays open all the time: transfers of the old one end in peace, who comes meanwhile gets the new."""
    arguments = ["--root", root, "--anonymous-write", "--grace", "60"]
    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]
        with activated(home, listener, *arguments) as old:
            _started(old)
            with Hostile(port, None) as wire:
                wire.welcome()
                wire.frame(*encode(Write(id=1, path=(b"name",))))
                wire.queue_data(b"before, ")
                wire.flush()
                next(line for line in old.stdout if "requested to write" in line)
                old.send_signal(signal.SIGTERM)
                connections = psutil.Process(old.pid).net_connections
                until(
                    lambda: not [one for one in connections() if one.status == psutil.CONN_LISTEN],
                    "the old one accepts no connections any more",
                )
                waiting = socket.create_connection((HOST, port), timeout=DEADLINE)  # there is no server now
                with waiting, activated(home, listener, *arguments) as new:
                    _started(new)
                    with session(port, None) as client:
                        put(client, b"other", b"contents")
                    wire.queue_data(b"after")
                    wire.send(End(size=13, digest=digest_of(b"before, after")))
                    assert wire.receive() == Ok(id=1, size=13, digest=digest_of(b"before, after"))
                    assert wire.receive().code is ErrorCode.STOPPING
                    assert old.wait(DEADLINE) == ExitCode.OK
                    new.send_signal(signal.SIGTERM)
                    assert new.wait(DEADLINE) == ExitCode.OK
    assert listing(root) == ["name", "other"]


@pytest.mark.parametrize("abstract", [False, True], ids=["path", "abstract"])
def test_a_service_manager_is_told_of_the_start_and_the_end(home, root, tmp_path, abstract):
    place = f"@secftp-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    if abstract and sys.platform != "linux":
        pytest.skip("abstract addresses are Linux's")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + place[1:] if abstract else place)
        manager.settimeout(DEADLINE)
        with serve(home, root, "--anonymous", NOTIFY_SOCKET=place) as server:
            assert manager.recv(1000).decode().split("\n") == ["READY=1", f"STATUS=Listening on port {server.port}"]
            server.signal(signal.SIGTERM)
            assert manager.recv(1000).decode().split("\n")[0] == "STOPPING=1"
            assert server.wait() == ExitCode.OK


def test_a_service_manager_that_is_gone_is_no_trouble(home, root, tmp_path):
    with serve(home, root, "--anonymous", NOTIFY_SOCKET=str(tmp_path / "gone")) as server:
        assert server.port
        server.signal(signal.SIGTERM)
        assert server.wait() == ExitCode.OK


@pytest.mark.exhaustive
def test_grace_is_how_long_a_transfer_may_take_to_its_end(home, root):
    with serve(home, root, "--anonymous-write", "--grace", "0.1") as server, Hostile(server.port, None) as wire:
        wire.welcome()
        wire.send(Write(id=1, path=(b"name",)))
        server.log.wait_for("requested to write")
        server.signal(signal.SIGTERM)
        done = threading.Event()
        threading.Thread(target=lambda: (server.wait(), done.set())).start()
        assert done.wait(4.5), "five seconds are what it takes by itself"
    assert listing(root) == []


@pytest.mark.parametrize("way", ["command line", "configuration"])
def test_the_mask_bounds_the_permissions_that_clients_set(home, root, key, way):
    config = home / "server.toml"
    write(config, 'mode-mask = "0750"\n', 0o644)
    (root / "sub").mkdir()
    write(home / "keys.toml", '[sub]\nkey-file = "key"\nfolder = "sub"\nrights = "full"\n')
    given = ["--mode-mask", "750"] if way == "command line" else ["--config", config]
    options = ["--key-file", home / "key", "--keys", home / "keys.toml", *given]
    with serve(home, root, *options) as server:
        for name, place in (("", root), ("sub", root / "sub")):
            with session(server.port, key, name=name) as client:
                client.make_directory((b"d",), mode=0o777)
                client.write((b"d", b"f"), MemorySource(b"x"), WriteOptions(mode=0o666))
            assert [stat.S_IMODE((place / path).stat().st_mode) for path in ("d", "d/f")] == [0o750, 0o640]
