"""`python -m secftp.client read` and `write` as processes against a real server."""

from __future__ import annotations

import os
import random
import re
import subprocess

import pytest

from secftp.errors import ExitCode
from secftp.keys import Key, read_key_file
from tests.support.command_line import SECRET, SECRET_KEY, ended, place, run, started, terminal
from tests.support.serving import HOST, client_command, digest_of, environment, listing, serving

PATTERN = random.Random(3).randbytes((3 << 20) + 7)
CIPHERS = ["none", "aes128", "aes256"]


def beginning(server, verb, cipher, *, key="(hidden)", filename="name", host=HOST):
    return (
        f"Client starting. Arguments:\n  host: {host}\n  port: {server.port}\n  command: {verb}\n"
        f"  filename: {filename}\n  cipher: {cipher}\n  key: {key}\n"
    )


@pytest.mark.parametrize("size", [0, len(PATTERN)])
@pytest.mark.parametrize("cipher", CIPHERS)
def test_through_pipes_there_and_back(home, root, cipher, size):
    """Standard output is the file and nothing but the file; standard error is the original's words and no others."""
    data, checksum = PATTERN[:size], digest_of(PATTERN[:size]).hex()
    with serving(root, key=SECRET_KEY) as server:
        result = run(home, "write", "name", place(server), cipher, stdin=data)
        result.succeed()
        assert result.errors == (
            beginning(server, "write", cipher) + f"Sending file...\nFile confirmed, checksum: xxh128:{checksum}\n"
        )
        assert (root / "name").read_bytes() == data
        result = run(home, "read", "name", place(server), cipher)
        result.succeed(data)
        assert result.errors == (
            beginning(server, "read", cipher) + f"Receiving file...\nFile confirmed, checksum: xxh128:{checksum}\n"
        )
    assert listing(root) == ["name"]


def test_named_files_at_this_end(home, root):
    (home / "in").write_bytes(PATTERN)
    (home / "out").write_bytes(b"old")
    with serving(root, key=SECRET_KEY) as server:
        run(home, "write", "name", place(server), "aes128", "-i", "in").succeed()
        result = run(home, "read", "name", place(server), "aes128", "-o", "out")
        result.succeed()
    assert (home / "out").read_bytes() == PATTERN
    assert listing(home) == ["in", "out"]


def test_redirected_files_from_where_they_stand(home, root):
    (home / "in").write_bytes(PATTERN)
    with serving(root, key=SECRET_KEY) as server:
        with open(home / "in", "rb") as source:
            source.seek(1000)
            run(home, "write", "name", place(server), "aes128", stdin=source.fileno()).succeed()
        with open(home / "out", "wb") as target:
            target.write(b"before")
            target.flush()
            result = run(home, "read", "name", place(server), "aes128", stdin=subprocess.DEVNULL, stdout=target)
            assert result.code == ExitCode.OK
    assert (root / "name").read_bytes() == PATTERN[1000:]
    assert (home / "out").read_bytes() == b"before" + PATTERN[1000:]


@pytest.mark.parametrize("dash", [(), ("-i", "-")], ids=["nothing", "-i -"])
def test_two_commands_joined_by_a_pipe(home, root, dash):
    (root / "from").write_bytes(PATTERN)
    with (
        serving(root, key=SECRET_KEY) as server,
        started(
            home, "read", "from", place(server), "aes256", stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as reader,
    ):
        written = run(home, "write", "to", place(server), "none", *dash, stdin=reader.stdout.fileno())
        assert (written.code, reader.wait()) == (ExitCode.OK, ExitCode.OK)
    assert (root / "to").read_bytes() == PATTERN


ORDERS = [
    ["--quiet", "--timeout", "20", "read", "name", "PLACE", "aes128"],
    ["read", "--quiet", "name", "--timeout", "20", "PLACE", "aes128"],
    ["read", "name", "PLACE", "--timeout=20", "aes128", "-q"],
    ["read", "name", "PLACE", "aes128", SECRET, "--quiet", "--timeout", "20"],
    ["read", "name", "PLACE", "aes128", "--quiet", "--timeout", "20", SECRET],
    ["read", "-q", "name", "PLACE", "aes128", "--", SECRET],
    ["read", "-q", "--key-file", "key", "name", "PLACE", "aes128"],
    ["read", "name", "PLACE", "aes128", "-q", "--key-file", "key"],
]


@pytest.mark.parametrize("arguments", ORDERS, ids=" ".join)
def test_options_before_between_and_after(home, root, arguments):
    (root / "name").write_bytes(b"contents")
    (home / "key").write_text(SECRET + "\n")
    (home / "key").chmod(0o600)
    with serving(root, key=SECRET_KEY) as server:
        given = [place(server) if argument == "PLACE" else argument for argument in arguments]
        keyed = SECRET not in given and "--key-file" not in given
        result = run(home, *given, keyed=keyed)
    assert (result.code, result.output, result.errors) == (ExitCode.OK, b"contents", "")


def test_a_key_on_the_command_line_is_hidden_and_noted(home, root):
    (root / "name").write_bytes(b"contents")
    with serving(root, key=SECRET_KEY) as server:
        result = run(home, "read", "name", place(server), "aes128", SECRET, keyed=False)
    assert result.code == ExitCode.OK
    assert "  key: (hidden)\n" in result.errors
    assert "other users of this machine can see a key on the command line" in result.errors


def test_over_ipv6(home, root):
    with serving(root, key=SECRET_KEY, host="::1") as server:
        run(home, "write", "name", place(server, "::1"), "aes128", stdin=b"contents").succeed()
        result = run(home, "read", "name", place(server, "::1"), "aes128")
        result.succeed(b"contents")
        assert result.errors.startswith(beginning(server, "read", "aes128", host="::1"))
        server.done(2)
        assert "Client connected: ::1" in server.log.text


def test_a_host_by_name(home, root):
    (root / "name").write_bytes(b"contents")
    with serving(root, key=SECRET_KEY) as server:
        run(home, "read", "name", place(server, "localhost"), "aes128").succeed(b"contents")


@pytest.mark.parametrize("cipher", CIPHERS)
@pytest.mark.parametrize("how", ["no key for none", "--no-key", "--no-key over SECFTP_KEY"])
def test_anonymous(home, root, cipher, how):
    if how == "no key for none" and cipher != "none":
        cipher = "none"  # a cipher that hides anything wants a key, or to be told that there is none
    (root / "name").write_bytes(b"contents")
    options = [] if how == "no key for none" else ["--no-key"]
    with serving(root, key=SECRET_KEY, anonymous=True) as server:
        result = run(home, "read", "name", place(server), cipher, *options, keyed="SECFTP_KEY" in how)
        result.succeed(b"contents")
        assert result.errors.startswith(beginning(server, "read", cipher, key="none (anonymous)"))


def test_none_with_the_key_is_keyed(home, root):
    (root / "name").write_bytes(b"contents")
    with serving(root, key=SECRET_KEY) as server:
        run(home, "read", "name", place(server), "none").succeed(b"contents")


@pytest.mark.parametrize("kind", ["xxh128", "sha256", "blake3", "md5"])
def test_every_checksum(home, root, kind):
    with serving(root, key=SECRET_KEY) as server:
        for result in (
            run(home, "write", "name", place(server), "aes128", "--checksum", kind, stdin=PATTERN),
            run(home, "read", "name", place(server), "aes128", "--checksum", kind),
        ):
            assert result.code == ExitCode.OK, (result.errors, server.log.text)
            assert result.errors.endswith(f"File confirmed, checksum: {kind}:{digest_of(PATTERN, kind).hex()}\n")


def test_directories_odd_names_and_a_leading_slash(home, root):
    (root / "a").mkdir()
    name = "ä \x1b[31m\u202e\n"
    with serving(root, key=SECRET_KEY) as server:
        result = run(home, "write", f"/a/{name}", place(server), "aes128", stdin=b"contents")
        assert result.code == ExitCode.OK
        assert f"  filename: {'/a/ä'} \\x1b[31m\\u202e\\n\n" in result.errors
        run(home, "read", f"a/{name}", place(server), "aes128").succeed(b"contents")
        raw = os.fsencode(str(root)) + b"/\xff\xfe"
        with open(raw, "wb") as file:
            file.write(b"no text")
        run(home, "read", os.fsdecode(b"\xff\xfe"), place(server), "aes128").succeed(b"no text")
    assert (root / "a" / name).read_bytes() == b"contents"


def test_no_clobber_at_both_ends(home, root):
    (root / "name").write_bytes(b"there")
    (home / "here").write_bytes(b"here")
    with serving(root, key=SECRET_KEY) as server:
        run(home, "write", "-n", "name", place(server), "aes128", stdin=PATTERN).expect(ExitCode.EXISTS)
        run(home, "read", "-n", "name", place(server), "aes128", "-o", "here").expect(ExitCode.EXISTS)
        run(home, "write", "-n", "new", place(server), "aes128", stdin=b"new").succeed()
        run(home, "read", "-n", "name", place(server), "aes128", "-o", "fresh").succeed()
    assert (root / "name").read_bytes() == b"there"
    assert (root / "new").read_bytes() == b"new"
    assert (home / "here").read_bytes() == b"here"
    assert (home / "fresh").read_bytes() == b"there"


# --- terminals --------------------------------------------------------------------------------------------------------


def test_text_may_go_to_a_terminal(home, root):
    (root / "name").write_text("plain text, ä\n")
    with serving(root, key=SECRET_KEY) as server, terminal() as (slave, screen):
        run(home, "read", "name", place(server), "aes128", stdout=slave).succeed()
        screen.hang_up()
        assert screen.wait_for("plain text, ä")


def test_what_a_terminal_would_obey_does_not_go_to_it_unasked(home, root):
    (root / "name").write_bytes(b"text\x1b]0;owned\x07")
    with serving(root, key=SECRET_KEY) as server:
        with terminal() as (slave, screen):
            result = run(home, "read", "name", place(server), "aes128", stdout=slave)
            screen.hang_up()
        result.expect(ExitCode.USAGE, "standard output is a terminal")
        assert screen.text == ""
        with terminal() as (slave, screen):
            run(home, "read", "name", place(server), "aes128", "-o", "-", stdout=slave).succeed()
            assert screen.wait_for("\x1b]0;owned\x07")


def test_a_terminal_is_not_sent_unasked(home, root):
    with serving(root, key=SECRET_KEY) as server, terminal() as (slave, _):
        result = run(home, "write", "name", place(server), "aes128", stdin=slave)
        result.expect(ExitCode.USAGE, "Standard input is a terminal")
        server.server.stop()
    assert server.log.text == "", "the server does not even hear of it"
    assert listing(root) == []


@pytest.mark.parametrize("typed", [SECRET, "wrong"], ids=["right", "wrong"])
def test_without_a_key_the_terminal_is_asked_while_standard_input_is_data(home, root, typed):
    with serving(root, key=SECRET_KEY) as server, terminal() as (slave, screen):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        arguments = ("write", "name", place(server), "aes128")
        with started(home, *arguments, keyed=False, controlling=slave, **pipes) as client:
            screen.wait_for(f"Key for {HOST}:{server.port}: ")
            screen.type(typed + "\n")
            result = ended(client, b"contents")
        screen.hang_up()
        assert typed not in screen.text
        if typed == SECRET:
            assert result.code == ExitCode.OK
            assert (root / "name").read_bytes() == b"contents"
        else:
            result.expect(ExitCode.KEY, "did not prove this key")
            assert listing(root) == []


def test_progress_is_drawn_on_a_terminal_only(home, root):
    """A read that goes on until the bar is there; it is on standard error, and standard output is the file still."""
    with open(root / "huge", "wb") as file:
        file.truncate(1 << 33)
    with (
        serving(root, key=SECRET_KEY) as server,
        terminal() as (slave, screen),
        started(home, "read", "huge", place(server), "none", stdout=subprocess.PIPE, stderr=slave) as client,
    ):
        while not re.search(r"\r +\d+ %.* of 8\.6 GB .*/s", screen.text):
            assert client.stdout.read(1 << 20).count(0) == 1 << 20


# --- keys -------------------------------------------------------------------------------------------------------------


def test_keygen_makes_keys_that_both_sides_take(home, root):
    printed = run(home, "keygen", keyed=False)
    assert (printed.code, printed.errors) == (ExitCode.OK, "")
    made = run(home, "keygen", "--file", "key", keyed=False)
    assert (made.code, made.output) == (ExitCode.OK, b"")
    text = printed.output.decode().removesuffix("\n")
    for key, options in [(Key.from_text(text), [text]), (read_key_file(home / "key"), ["--key-file", "key"])]:
        (root / "name").write_bytes(b"contents")
        with serving(root, key=key) as server:
            run(home, "read", "name", place(server), "aes128", *options, keyed=False).succeed(b"contents")
    run(home, "keygen", "--file", "key", keyed=False).expect(ExitCode.EXISTS)


def test_help_tells_every_exit_code(home):
    result = run(home, "--help")
    assert (result.code, result.errors) == (ExitCode.OK, "")
    for code in set(ExitCode) - {ExitCode.INTERRUPTED, ExitCode.HUNG_UP, ExitCode.TERMINATED}:
        assert re.search(rf"\b{int(code)} [a-z]", result.output.decode()), code
    assert "128 and above" in result.output.decode()


def test_the_installed_commands_are_the_modules(home):
    for name, module in (("secftp", "secftp.client"), ("secftpd", "secftp.server")):
        script = os.path.join(os.path.dirname(client_command()[0]), name)
        runs = [[script, "--version"], [client_command()[0], "-m", module, "--version"]]
        shown = [
            subprocess.run(command, env=environment(home), capture_output=True, text=True, timeout=20, check=True)
            for command in runs
        ]
        assert shown[0].stdout == shown[1].stdout != ""
        assert [one.stderr for one in shown] == ["", ""], "python -m warns when the package imports its entry"
