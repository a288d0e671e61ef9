"""Completion of names at servers, as the shells show it, and without a question in any case."""

from __future__ import annotations

import ast
import contextlib
import os
import pty
import re
import select
import shutil
import signal
import stat
import subprocess
import sys
import time

import pytest

from secftp.client.__main__ import main
from secftp.client.completion import cache, remote
from secftp.client.completion.quoting import quote, split_line
from secftp.keys import read_key_file, write_key_file
from tests.support.serving import serving

pytestmark = pytest.mark.exhaustive

BASH, ZSH, FISH = (shutil.which(shell) for shell in ("bash", "zsh", "fish"))
NAMES = [
    "plain", "two words", "it's", 'a"b', "a$HOME", "a`id`", "$(touch pwned)", "back\\slash", "new\nline", "tab\there",
    "bang!bang", "semi;colon", "a&b", "star*", "-rf", "~tilde", "#hash", "esc\x1b[2J", "日本", "co:lon", "x@y", "p=q",
    "{a,b}", "[x]", "q?", "<in>", "é",
]  # fmt: skip
RAW = b"raw\xff"


def numbered():
    """The names, each with another beginning."""
    return [b"%02d%s" % (number, name) for number, name in enumerate([*map(str.encode, NAMES), RAW])]


SOME = [name for name in numbered() if re.search(rb"[ '\"$`\\\n!\xff]", name)]


# --- words of a line --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("opened", ["", "'", '"', "$'"])
def test_what_is_quoted_is_read_as_the_same_by_bash(opened):
    if BASH is None:
        pytest.skip("there is no bash")
    for name in [*NAMES, RAW.decode("utf-8", "surrogateescape"), "".join(map(chr, range(1, 128)))]:
        word = opened + quote(name, opened) + opened[-1:]
        text = f"printf %s nas:{word}".encode("utf-8", "surrogateescape")
        done = subprocess.run([BASH, "--norc", "-c", text], capture_output=True, timeout=20, check=True)
        assert (done.stdout, done.stderr) == (b"nas:" + name.encode("utf-8", "surrogateescape"), b"")
        line = split_line(f"secftp ls nas:{word}")
        assert (line.words, line.last, line.is_known) == (("secftp", "ls"), f"nas:{name}", True)
        line = split_line(f"secftp ls nas:{opened}{quote(name, opened)}")
        assert (line.last, line.quote) == (f"nas:{name}", opened)


@pytest.mark.parametrize(
    ("line", "words", "last", "is_known"),
    [
        ("", (), "", True),
        ("secftp ", ("secftp",), "", True),
        ("cd x && secftp ls a", ("secftp", "ls"), "a", True),
        ("x | (secftp ls a", ("secftp", "ls"), "a", True),
        ("secftp ls 2> err a", ("secftp", "ls", "2"), "a", True),
        ("secftp ls > nas:a", ("secftp", "ls"), "nas:a", False),
        ("secftp ls $HOME", ("secftp", "ls"), "$HOME", False),
        ('secftp ls "`id`', ("secftp", "ls"), "`id`", False),
        ("secftp ls '$x", ("secftp", "ls"), "$x", True),
        ("secftp ls 'a b'\\ c\"d", ("secftp", "ls"), "a b cd", True),
        ("secftp ls \\", ("secftp", "ls"), "", True),
        ("secftp ls $'a\\x", ("secftp", "ls"), "a", True),
    ],
)
def test_lines(line, words, last, is_known):
    found = split_line(line)
    assert (found.words, found.last, found.is_known) == (words, last, is_known)


# --- what is offered --------------------------------------------------------------------------------------------------


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A server whose host `nas` the user's file names, with names of all kinds; the environment of the user."""
    root = tmp_path / "root"
    for directory in ("odd", "same"):
        (root / directory).mkdir(parents=True)
    for name in numbered():
        (root / "odd" / os.fsdecode(name)).write_bytes(b"")
    for name in ("a b1", "a b2", "a$c", "z"):
        (root / "same" / name).write_bytes(b"")
    (root / "backup" / "sub dir").mkdir(parents=True)
    (root / "backup" / "one.txt").write_bytes(b"")
    (root / ".hidden").mkdir()
    write_key_file(tmp_path / "key")
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "SECFTP_CONFIG", "SECFTP_KEY_FILE", "SECFTP_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    (tmp_path / "run").mkdir(mode=0o700)
    (tmp_path / "home" / ".config" / "secftp").mkdir(parents=True)
    monkeypatch.setattr(remote, "_end_in_time", lambda: None)  # this process goes on
    with serving(root, key=read_key_file(tmp_path / "key")) as server:
        config = tmp_path / "home" / ".config" / "secftp" / "config.toml"
        config.write_text(
            f'[hosts.nas]\nurl = "secftp://127.0.0.1:{server.port}/"\nkey-file = "{tmp_path}/key"\n'
            f'[hosts.tape]\nurl = "secftp://127.0.0.1:{server.port}/backup"\nkey-file = "{tmp_path}/key"\n'
            f'[hosts.asks]\nurl = "secftp://127.0.0.1:{server.port}/"\nkey-command = ["touch", "{tmp_path}/asked"]\n'
            f'[hosts.ring]\nurl = "secftp://127.0.0.1:{server.port}/"\nkeyring = "joe"\n'
            f'[hosts.keyless]\nurl = "secftp://127.0.0.1:{server.port}/"\n'
        )
        config.chmod(0o600)
        server.directory = tmp_path
        yield server


def offered(last, *words):
    return remote.complete(["ls", *words], last).words


@pytest.mark.usefixtures("place")
def test_hosts():
    assert offered("n") == ["nas:"]
    assert offered("joe@ta") == ["joe@tape:"]
    assert offered("") == ["asks:", "keyless:", "nas:", "ring:", "tape:"]
    assert offered("./n") == offered("x") == []


def test_names(place):
    assert offered("nas:") == ["nas:backup/", "nas:odd/", "nas:same/"]
    assert offered("nas:.") == ["nas:.hidden/"]
    assert offered("nas:/b") == ["nas:/backup/"]
    assert offered("nas:backup/") == ["nas:backup/one.txt", "nas:backup/sub dir/"]
    assert offered("tape:o") == ["tape:one.txt"]
    assert offered("nas:nothing/") == offered("nas:backup/x") == []
    assert offered("nas:odd/09") == ["nas:odd/09tab\there"]
    url = f"secftp://127.0.0.1:{place.port}/"
    assert offered(url, f"--key-file={place.directory}/key") == [f"{url}{name}/" for name in ("backup", "odd", "same")]
    assert offered(f"{url}backup/sub%20", "--key-file", f"{place.directory}/key") == [f"{url}backup/sub%20dir/"]
    assert offered("secftp://127.0") == []


@pytest.mark.parametrize("last", ["asks:", "ring:", "keyless:"])
def test_nothing_that_asks_is_used(place, last):
    assert offered(last) == []
    assert not (place.directory / "asked").exists()
    assert offered("nas:", f"--key-command=touch {place.directory}/asked") == []
    assert offered("nas:", "--key-fd", "0") == []
    os.mkfifo(place.directory / "fifo")
    assert offered("nas:", "--key-file", str(place.directory / "fifo")) == []
    assert "Session" not in place.log.text


def test_one_request_for_many_key_presses(place):
    for last in ("nas:", "nas:b", "nas:ba", "nas:backup"):
        assert offered(last)
    assert place.log.text.count("listing") <= 1
    kept = place.directory / "run" / "secftp"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o700
    (file,) = kept.iterdir()
    os.utime(file, (0, 0))
    (place.directory / "root" / "new").write_bytes(b"")
    assert offered("nas:n") == ["nas:new"]
    assert len(list(kept.iterdir())) == 1


def test_what_fails_is_not_tried_again_at_once(place, monkeypatch):
    asked = []
    monkeypatch.setattr(remote, "_ask", lambda *_: asked.append(1) or 1 / 0)
    assert offered("nas:") == offered("nas:") == []
    assert len(asked) == 1


def test_a_directory_that_others_may_write_is_not_used(place, monkeypatch):
    (place.directory / "run" / "secftp").mkdir()
    (place.directory / "run" / "secftp").chmod(0o755)
    assert cache.directory(os.environ) is None
    assert offered("nas:b") == ["nas:backup/"]
    assert list((place.directory / "run" / "secftp").iterdir()) == []


def test_the_program_says_nothing_whatever_is_wrong(place, capfdbinary):
    config = place.directory / "home" / ".config" / "secftp" / "config.toml"
    config.write_text("[[[")
    assert main(["completion", "--remote", "zsh", "--", "nas:", "secftp", "ls"]) == 0
    assert capfdbinary.readouterr() == (b"", b"")


def test_it_is_over_after_a_while(tmp_path):
    """A server that does not answer."""
    import socket

    listener = socket.create_server(("127.0.0.1", 0))
    with contextlib.closing(listener):
        url = f"secftp://127.0.0.1:{listener.getsockname()[1]}/"
        done = subprocess.run(
            [sys.executable, "-m", "secftp.client", "completion", "--remote", "zsh", "--", url, "secftp", "ls"],
            env={**os.environ, "SECFTP_KEY": "a b c d", "HOME": str(tmp_path)},
            capture_output=True,
            timeout=20,
            check=False,
        )
    assert (done.stdout, done.stderr) == (b"", b"")


# --- the shells -------------------------------------------------------------------------------------------------------


class Shell:
    """An interactive shell, with what it writes."""

    def __init__(self, command, environment, directory):
        self.is_slow = command[0] != BASH  # what is typed before its prompt is lost
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.chdir(directory)
            os.execve(command[0], command, environment)
        self.shown = b""

    def type(self, text):
        os.write(self.terminal, text.encode())

    def wait(self, pattern, seconds=20):
        end = time.monotonic() + seconds
        while not (found := re.search(pattern, self.shown)):
            assert time.monotonic() < end, self.shown
            if select.select([self.terminal], [], [], 0.05)[0]:
                self.shown += os.read(self.terminal, 65536)
        self.shown = self.shown[found.end() :]
        return found

    def idle(self):
        """Wait until it reads what is typed: it has written its prompt, and nothing since."""
        while select.select([self.terminal], [], [], 0.5)[0]:
            self.shown += os.read(self.terminal, 65536)

    def result(self, line):
        """What the program gets of a line in which tabulators are typed."""
        if self.is_slow:
            self.idle()
        self.type(f"{line}\n")
        return ast.literal_eval(self.wait(rb"GOT (\[[^\n]*\]) END")[1].decode())

    def close(self):
        os.close(self.terminal)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


@contextlib.contextmanager
def shell(name, place):
    """A shell. In its path are `secftp`, which completes as it does and else prints its arguments, and `secftpd`."""
    bin_directory = place.directory / "bin"
    bin_directory.mkdir()
    told = 'import os, sys; print("GOT", [os.fsencode(word) for word in sys.argv[1:]], "END", flush=True)'
    (bin_directory / "secftp").write_text(
        f'#!/bin/sh\ncase $1 in\ncompletion) exec {sys.executable} -m secftp.client "$@" ;;\n'
        f"*) exec {sys.executable} -c '{told}' \"$@\" ;;\nesac\n"
    )
    (bin_directory / "secftpd").write_text(f"#!/bin/sh\nexec {sys.executable} -c '{told}' \"$@\"\n")
    for program in bin_directory.iterdir():
        program.chmod(0o755)
    work = place.directory / "work"
    work.mkdir()
    (work / "nature.txt").write_bytes(b"")
    environment = {
        "PATH": f"{bin_directory}:/usr/bin:/bin", "HOME": os.environ["HOME"], "TERM": "dumb", "LC_ALL": "C.UTF-8",
        "XDG_RUNTIME_DIR": os.environ["XDG_RUNTIME_DIR"], "PS1": "READY> ", "INPUTRC": "/dev/null",
        "PYTHONPATH": os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))),
    }  # fmt: skip
    command = {
        "bash": [BASH, "--norc", "--noprofile", "-i"],
        "zsh": [ZSH, "-f", "-i"],
        "fish": [FISH, "--no-config", "-i"],
    }[name]
    running = Shell(command, environment, work)
    try:
        yield running
    finally:
        running.close()


@pytest.fixture
def bash(place):
    if BASH is None:
        pytest.skip("there is no bash")
    with shell("bash", place) as running:
        running.type('eval "$(secftp completion bash)"; bind "set bell-style none"; echo do""ne\n')
        running.wait(b"done\r\n")
        yield running


def test_bash_completes_hosts_and_files(bash, place):
    assert bash.result("secftp ls na\tba\ton\t") == [b"ls", b"nas:backup/one.txt"]
    assert bash.result("secftp put nat\tnas\tb\t") == [b"put", b"nature.txt", b"nas:backup/"]
    assert bash.result("secftp put na\tt\t") == [b"put", b"nature.txt"]
    assert bash.result("secftp rm joe@ta\tx") == [b"rm", b"joe@tape:x"]
    assert bash.result("secftp --vers\t") == [b"--version"]
    url = f"secftp://127.0.0.1:{place.port}/"
    key = f"--key-file {place.directory}/key"
    assert bash.result(f"secftp get {key} {url}ba\ts\t nat\t")[-2:] == [
        f"{url}backup/sub%20dir/".encode(),
        b"nature.txt",
    ]


@pytest.mark.parametrize("opened", ["", "'", '"'])
def test_bash_quotes_names(bash, opened):
    names = SOME if opened else numbered()
    words = "".join(f"{opened}nas:odd/{name[:2].decode()}\t" for name in names)
    assert bash.result(f"secftp ls {words}") == [b"ls", *(b"nas:odd/" + name for name in names)]


def test_bash_goes_on_where_names_differ(bash):
    assert bash.result("secftp ls nas:same/a\\ \t1") == [b"ls", b"nas:same/a b1"]
    assert bash.result("secftp ls nas:same/a\\$\t") == [b"ls", b"nas:same/a$c"]
    bash.type("secftp ls nas:same/a\t\t")
    bash.wait(rb"a b1\s+a b2\s+a\$c")
    assert bash.result("\\ b2") == [b"ls", b"nas:same/a b2"]


def test_bash_never_asks(bash, place):
    started = time.monotonic()
    for host in ("asks", "ring", "keyless"):
        assert bash.result(f"secftp ls {host}:\t") == [b"ls", f"{host}:".encode()]
    bash.type("echo over\n")
    bash.wait(b"over\r\n")
    assert not (place.directory / "asked").exists()
    assert time.monotonic() - started < 60


def test_what_is_typed_is_in_no_argument(bash, place):
    """It may be a key, and other users of the machine see the arguments of programs."""
    program = place.directory / "bin" / "secftp"
    program.write_text(program.read_text().replace("\n", f'\necho "$@" >>{place.directory}/arguments\n', 1))
    assert bash.result("secftp ls 3<<<sesame nas:ba\ton\t") == [b"ls", b"nas:backup/one.txt"]
    told = (place.directory / "arguments").read_text()
    assert "--remote bash" in told
    assert "sesame" not in told


def test_bash_completes_secftpd(bash):
    assert bash.result("secftpd --read\t--log-for\tj\t--root \t") == [
        b"--read-only",
        b"--log-format",
        b"json",
        b"--root",
    ]


def test_zsh(place):
    if ZSH is None:
        pytest.skip("there is no zsh")
    with shell("zsh", place) as zsh:
        zsh.type('autoload -U compinit; compinit -u -D; eval "$(secftp completion zsh)"; unsetopt beep; echo do""ne\n')
        zsh.wait(b"done\r\n")
        zsh.idle()
        assert zsh.result("secftp ls na\tba\ton\t") == [b"ls", b"nas:backup/one.txt"]
        assert zsh.result("secftp put nat\tnas\tb\t") == [b"put", b"nature.txt", b"nas:backup/"]
        words = "".join(f"nas:odd/{name[:2].decode()}\t" for name in SOME)
        assert zsh.result(f"secftp ls {words}") == [b"ls", *(b"nas:odd/" + name for name in SOME)]
        assert zsh.result("secftp ls asks:\t") == [b"ls", b"asks:"]
        assert zsh.result("secftpd --read\t--log-for\tj\t") == [b"--read-only", b"--log-format", b"json"]
    assert not (place.directory / "asked").exists()


def test_fish(place):
    if FISH is None:
        pytest.skip("there is no fish")
    with shell("fish", place) as fish:
        fish.type("secftp completion fish | source; secftp completion --server fish | source; echo do''ne\n")
        fish.wait(b"done\r\n")
        fish.idle()
        assert fish.result("secftp ls nas\tba\ton\t") == [b"ls", b"nas:backup/one.txt"]
        names = [name for name in SOME if b"\t" not in name]
        words = "".join(f"nas:odd/{name[:2].decode()}\t" for name in names)
        assert fish.result(f"secftp ls {words}") == [b"ls", *(b"nas:odd/" + name for name in names)]
        assert fish.result("secftp ls asks:\t") == [b"ls", b"asks:"]
        assert fish.result("secftpd --read\t--log-for\tj\t") == [b"--read-only", b"--log-format", b"json"]
    assert not (place.directory / "asked").exists()
