"""Output in locales and encodings that lack characters: nothing fails, and every name stays unambiguous."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from tests.support.command_line import run, started, terminal
from tests.support.serving import DEADLINE, environment, server_command, server_process

KEY = "k\N{LATIN SMALL LETTER E WITH ACUTE}y of \N{CJK UNIFIED IDEOGRAPH-65E5}"
# One of each: within Latin-1 and beyond, beyond the BMP, no UTF-8, and what looks like an escape.
NAMES = ["n\u00e9", "n\u65e5\u672c", "n\U0001f600", "n\udcff", r"n\xe9", r"n\u00e9"]
NEW = "n\u00fc\u65e5"
C = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
KINDS = {
    "ASCII stream": {"PYTHONIOENCODING": "ascii:strict"},
    "Latin-1 stream": {"PYTHONIOENCODING": "latin-1"},
    "C": {"LC_ALL": "C", **C},
    "Latin-1 locale": {"LC_ALL": "en_US.ISO-8859-1", **C},
}
_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8})|(\\))")


def unescaped(line, encoding):
    """The bytes of a name that was shown."""
    shown, name, at = line.decode(encoding), b"", 0
    for found in _ESCAPE.finditer(shown):
        byte, *code, backslash = found.groups()
        name += shown[at : found.start()].encode()
        name += (
            bytes.fromhex(byte)
            if byte
            else backslash.encode()
            if backslash
            else chr(int("".join(filter(None, code)), 16)).encode()
        )
        at = found.end()
    return name + shown[at:].encode()


class Place:
    """A server and a client in one environment."""

    def __init__(self, home, changes, encoding, server):
        self.home, self.changes, self.encoding, self.server = home, {"SECFTP_KEY": KEY, **changes}, encoding, server
        self.at = f"127.0.0.1:{server.port}"

    def url(self, name=""):
        return f"secftp://{self.at}/{name}"

    def __call__(self, *words, code=0, **options):
        words = [self.url(word[2:]) if word.startswith("//") else word for word in words]
        done = run(self.home, *words, keyed=False, changes=self.changes, encoding=self.encoding, **options)
        assert b"foresee" not in done.output
        assert "foresee" not in done.errors
        assert done.code == code, done.errors
        return done


@pytest.fixture(params=KINDS)
def place(request, tmp_path):
    changes = dict(KINDS[request.param])
    if "locale" in request.param:
        if not shutil.which("localedef"):
            pytest.skip("there is no localedef to make a Latin-1 locale with")
        subprocess.run(
            ["localedef", "-i", "en_US", "-f", "ISO-8859-1", tmp_path / "en_US.ISO-8859-1"],
            check=True,
            timeout=DEADLINE,
        )
        changes["LOCPATH"] = os.fspath(tmp_path)
    encoding = "latin-1" if "Latin" in request.param else "ascii"
    (tmp_path / "root" / "d").mkdir(parents=True)
    (tmp_path / "home").mkdir()
    for name in NAMES:
        (tmp_path / "root" / "d" / name).write_bytes(os.fsencode(name))
    arguments = ["0", "--host", "127.0.0.1", "--root", tmp_path / "root"]
    with server_process(tmp_path, *arguments, SECFTP_KEY=KEY, **changes) as server:
        yield Place(tmp_path / "home", changes, encoding, server)
        assert server.errors.text == ""


def test_listings_name_every_name_exactly(place):
    shown = place("ls", "//d").output.splitlines()
    assert sorted(unescaped(line, place.encoding) for line in shown) == sorted(map(os.fsencode, NAMES))
    place("ls", "-lR", "//")
    for name in NAMES:
        first = place("stat", "//d/" + name.replace("%", "%25")).output.splitlines()[0]
        assert unescaped(first, place.encoding) == b"d/" + os.fsencode(name)
    rows = map(json.loads, place("ls", "--json", "//d").output.splitlines())
    assert {row["path"] for row in rows if "path_base64" not in row} == {name for name in NAMES if name != "n\udcff"}


@pytest.mark.exhaustive
def test_sums_are_bytes(place):
    expected = set()
    for name in map(os.fsencode, NAMES):
        sign = b"\\" if b"\\" in name else b""
        line = sign + hashlib.sha256(name).hexdigest().encode() + b"  d/" + name.replace(b"\\", rb"\\")
        expected.add(line)
    assert set(place("sum", "//d").output.splitlines()) == expected


@pytest.mark.exhaustive
def test_copies_there_and_back(place):
    place("get", "//d", "c" + NEW)
    assert sorted(os.listdir(os.fsencode(place.home / ("c" + NEW)))) == sorted(map(os.fsencode, NAMES))
    dry = place("put", "--dry-run", "c" + NEW, "//t").output.splitlines()
    assert {unescaped(line, place.encoding).partition(b"/")[2] for line in dry} == set(map(os.fsencode, NAMES))
    place("put", "--progress", "json", "c" + NEW, f"//{NEW}/")
    place("verify", "c" + NEW, f"//{NEW}/c{NEW}")
    (place.home / ("c" + NEW) / NEW).write_bytes(b"more")
    differs = place("verify", "c" + NEW, f"//{NEW}/c{NEW}", code=1).output
    assert unescaped(differs.rstrip(b"\n"), place.encoding) == f"missing there: {NEW}".encode()
    one = place("verify", f"c{NEW}/{NEW}", f"//d/{NAMES[0]}", code=1).output
    assert unescaped(one.rstrip(b"\n"), place.encoding) == f"differs: c{NEW}/{NEW}".encode()


@pytest.mark.exhaustive
def test_one_file_and_changes(place):
    place("write", NEW, place.at, "aes128", stdin=b"bytes")
    place("write", "x" + NEW, place.at, "none", "-i", "missing" + NEW, code=13)
    assert place("read", NEW, place.at, "aes256").output == b"bytes"
    place("read", NEW, place.at, "aes256", "-o", NEW)
    assert (place.home / NEW).read_bytes() == b"bytes"
    place("mv", f"//{NEW}", f"//2{NEW}")
    place("mkdir", f"//3{NEW}")
    place("mkdir", f"//3{NEW}", code=8)
    place("rm", f"//2{NEW}", f"//3{NEW}", code=1)  # the second is a directory
    place("rm", "-r", f"//3{NEW}")
    place("keygen", "--file", "k" + NEW)
    place.server.log.wait_for(r"requested to make directory: 3n(\\u00fc|\xfc|\\xfc)\\u65e5")


ERRORS = [
    (6, "stat", f"//{NEW}"),
    (6, "get", f"//{NEW}", "."),
    (6, "get", "--progress", "json", f"//{NEW}", "."),
    (6, "ls", "--json", f"//{NEW}"),
    (13, "put", NEW, "//"),
    (4, "ls", "--key-file", NEW, "//"),
    (4, "ls", "--name", NEW, "//"),
    (3, "ls", "secftp://b\u00fccher.invalid/"),
    (2, "ls", f"ftp://{NEW}"),
    (2, "get", "//@", "--limit", NEW),
    (2, NEW),
    (2, "ls", f"--{NEW}", "//"),
    (7, "stat", "//d/.."),
    (7, "stat", "//.secftp-x"),
]


def test_errors(place):
    for code, *words in ERRORS:
        done = place(*words, code=code)
        assert done.errors.strip()
        if "json" in words or "--json" in words:
            assert json.loads(done.errors.splitlines()[-1])["exit_code"] == code


@pytest.mark.exhaustive
def test_help_and_scripts(place):
    for verb in (
        "get",
        "put",
        "ls",
        "stat",
        "rm",
        "cp",
        "mv",
        "mkdir",
        "sum",
        "verify",
        "read",
        "write",
        "keygen",
        "completion",
    ):
        assert b"usage" in place(verb, "--help").output
    for shell in ("bash", "fish"):
        assert b"secftp" in place("completion", shell).output
    assert place("--version").output.startswith(b"secftp")


@pytest.mark.exhaustive
def test_what_a_server_says_of_its_start(place):
    home = place.home
    (home / "config.toml").write_text(f'root = "{NEW}"\nport = 0\nhost = "127.0.0.1"\n')
    (home / "config.toml").chmod(0o600)
    (home / NEW).mkdir()

    def start(*arguments, code):
        done = subprocess.run(
            server_command(*arguments),
            env=environment(home, **{**place.changes, "SECFTP_KEY": ""}),
            cwd=home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=DEADLINE,
            check=False,
        )
        assert b"Traceback" not in done.stderr
        assert (done.returncode, bool(done.stderr)) == (code, code != 0), done.stderr

    start("--help", code=0)
    start("0", "--root", "x" + NEW, code=6)
    start("0", f"--{NEW}", code=2)
    start("--config", "x" + NEW, code=2)
    start("--config", "config.toml", "--check-config", code=4)  # SECFTP_KEY is empty


@pytest.mark.exhaustive
def test_named_keys_and_configurations_with_such_names(place, tmp_path):
    place("keygen", "--file", "k" + NEW)
    served = tmp_path / ("s" + NEW)
    (served / NEW).mkdir(parents=True)
    home = place.home
    (home / "keys.toml").write_text(f'["{NEW}"]\nkey-file = "k{NEW}"\nfolder = "{NEW}"\nrights = "full"\n')
    (home / "config.toml").write_text(
        f'root = "../s{NEW}"\nkeys = "keys.toml"\nport = 0\nhost = "127.0.0.1"\nlog-file = "l{NEW}"\n'
    )
    for name in ("config.toml", "keys.toml"):
        (home / name).chmod(0o600)
    changes = {name: value for name, value in place.changes.items() if name != "SECFTP_KEY"}
    with server_process(home, "--config", "config.toml", **changes) as server:
        port = _port(home / ("l" + NEW), server)
        url = f"secftp://127.0.0.1:{port}/"
        place("put", "--key-file", "k" + NEW, "--name", NEW, "config.toml", url)
        place("ls", "--key-file", "k" + NEW, url.replace("//", f"//{NEW}@"))
        place("read", "--key-file", "k" + NEW, "config.toml", f"{NEW}@127.0.0.1:{port}", "aes128")
    assert os.listdir(served / NEW) == ["config.toml"]


def _port(log, server):
    from tests.support.serving import until

    def found():
        assert server.process.poll() is None, server.errors.text
        return log.exists() and re.search(r"on port (\d+)", log.read_text())

    return int(until(found, "the log's first line")[1])


@pytest.mark.exhaustive
def test_bars_and_prompts(place):
    (place.home / NEW).mkdir()
    for number in range(3):
        (place.home / NEW / f"{NEW}{number}").write_bytes(bytes(300_000))
    changes = {**environment(place.home), **place.changes, "TERM": "xterm"}
    with terminal() as (slave, screen):
        command = ("put", "--limit", "900K", NEW, place.url())
        options = {"stdin": subprocess.DEVNULL, "stdout": slave, "stderr": slave}
        with started(place.home, *command, environ=changes, **options) as process:
            assert process.wait(DEADLINE) == 0
        screen.hang_up()
        screen.wait_for("Sent 3 files")
    assert "Traceback" not in screen.text
    del changes["SECFTP_KEY"]
    with terminal() as (slave, screen):
        command = ("ls", "secftp://b\u00fccher.invalid/")
        with started(place.home, *command, environ=changes, controlling=slave, stderr=slave) as process:
            screen.wait_for("Key for b")
            screen.type("a key\n")
            assert process.wait(DEADLINE) == 3
        screen.hang_up()
        screen.wait_for("can't be found")
    assert "Traceback" not in screen.text


PROGRAM = r"""
import os, sys, tempfile
import secftp

new, key, root, here = "n\u00e9\u65e5", "k\u00e9y \u65e5", tempfile.mkdtemp(), tempfile.mkdtemp()
with secftp.Server(root, key, log=print) as server, secftp.connect(server.url, key=key) as remote:
    remote.mkdir(new)
    remote.write_text(new + "/" + new, "x")
    assert os.listdir(os.fsencode(root)) == [new.encode()]
    assert remote.listdir() == [new]
    assert [entry.name for entry in remote.scandir(new)] == [new]
    assert [names for _, *names in remote.walk("")] == [[[new], []], [[], [new]]]
    remote.get(new, here + "/copy")
    assert os.listdir(os.fsencode(here + "/copy")) == [new.encode()]
    remote.put(here + "/copy", new)
    remote.replace(new + "/" + new, new + "/2" + new)
    try:
        remote.stat(new + "/" + new)
    except FileNotFoundError as problem:
        print(problem)
    else:
        raise AssertionError
    remote.rmtree(new)
    print(repr(remote), remote.url)
for arguments in ({"key_file": "missing" + new}, {"key": ""}):
    try:
        secftp.connect("secftp://" + new + "@127.0.0.1:1/" + new, **arguments)
    except secftp.KeyFormatError as problem:
        assert new in str(problem) or arguments == {"key": ""}
    else:
        raise AssertionError
"""


@pytest.mark.parametrize("kind", ["C", "ASCII stream"])
def test_a_program(tmp_path, kind):
    environ = environment(
        tmp_path, **(KINDS[kind] | {"PYTHONIOENCODING": "ascii:backslashreplace", "TMPDIR": os.fspath(tmp_path)})
    )
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, env=environ, capture_output=True, timeout=DEADLINE, check=False)
    assert done.returncode == 0, done.stderr.decode()


# --- usage errors for programs ----------------------------------------------------------------------------------------

USAGE = [
    ("put", "--progress", "json", "--limit", "5MB", "x", "//"),
    ("put", "--limit", "5MB", "x", "//", "--progress", "json"),
    ("put", "--progress=json", "x"),
    ("get", "--progress", "json"),
    ("get", "--progress", "none", "--progress", "json", "--bogus", "//x"),
    ("get", "--progress", "json", "--retries", "-1", "//x"),
    ("get", "--progress", "json", "--cipher", "rot13", "//x"),
    ("get", "--progress", "json", "ftp://x"),
    ("get", "--progress", "json", "-n", "//x", "-"),
    ("ls", "--json"),
    ("ls", "--json", "--bogus", "//"),
    ("ls", "--json=x", "--json", "//"),
    ("stat", "--json", "x"),
    ("gett", "--progress", "json", "//x"),
    ("--progress", "json"),
    ("rm", "--json", "//x"),
]


@pytest.mark.parametrize("words", USAGE)
def test_usage_errors_for_programs(tmp_path, words):
    words = ["secftp://127.0.0.1:1/" + word[2:] if word.startswith("//") else word for word in words]
    done = run(tmp_path, *words)
    assert done.code == 2
    (event,) = map(json.loads, done.errors.splitlines())
    assert event["event"] == "error"
    assert event["exit_code"] == 2
    assert event["message"]
    assert event["hint"]


@pytest.mark.parametrize(
    "words",
    [
        ("put", "--limit", "5MB", "x", "//"),
        ("put", "--progress", "json", "--progress", "none", "--limit", "5MB", "x", "//"),
        ("get", "--limit", "5MB", "--", "--json"),
    ],
)
def test_usage_errors_for_people(tmp_path, words):
    assert run(tmp_path, *words).expect(2)


@pytest.mark.exhaustive
def test_several_failures_for_programs(place):
    done = place("ls", "--json", f"//{NEW}", "//d", "//none", code=1)
    events = [json.loads(line) for line in done.errors.splitlines()]
    assert [event["event"] for event in events] == ["failed", "failed", "error"]
    assert [event["exit_code"] for event in events] == [6, 6, 1]
    assert len(done.output.splitlines()) == len(NAMES)
