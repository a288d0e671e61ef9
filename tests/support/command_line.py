"""The client as a process: command lines, their output and exit codes."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import threading

from secftp.client.__main__ import main
from secftp.keys import Key, read_key_file, write_key_file
from tests.support.serving import DEADLINE, HOST, Lines, client_command, environment, serving

SECRET = "correct horse battery staple"
SECRET_KEY = Key.from_text(SECRET)  # stretched once for all tests

# Takes the terminal that is its first argument for its own, and becomes the rest.
_LAUNCHER = (
    "import fcntl, os, sys, termios\n"
    "fcntl.ioctl(int(sys.argv[1]), termios.TIOCSCTTY, 0)\n"
    "os.execv(sys.argv[2], sys.argv[2:])\n"
)


class Result:
    """How a command ended: its exit code, what it wrote to standard output (bytes) and to standard error (text)."""

    def __init__(self, code, output, errors, encoding="utf-8"):
        self.code = code
        self.output = output
        self.errors = errors.decode(encoding)
        assert "Traceback" not in self.errors, self.errors
        assert not [word for word in SECRET.split() if word in self.errors], "the key is shown"
        shown = self.errors.replace("\n", "").replace("\r", "")
        assert shown.isprintable(), f"standard error holds what a terminal would obey: {shown!r}"

    @property
    def complaint(self):
        """The one sentence of a failure; everything of the failure stands in it and its hint."""
        found = re.findall(r"^secftp: ([^\n]+)\n  hint: [^\n]+\n\Z", self.errors, re.MULTILINE)
        assert len(found) == 1, f"no sentence with a hint at the end of {self.errors!r}"
        return found[0]

    def succeed(self, output=b""):
        """Success, with this on standard output and no complaint on standard error."""
        assert (self.code, "secftp: " in self.errors) == (0, False), (self.code, self.errors)
        assert self.output == output
        return self

    def expect(self, code, words=""):
        """A failure with a code, a sentence with these words, and nothing on standard output."""
        assert (self.code, words in self.complaint) == (int(code), True), (self.code, self.errors)
        assert self.output == b""
        return self


def run(home, *arguments, stdin=b"", keyed=True, limit=None, **options):
    """Run the client without a terminal. The key is in the environment; `stdin` is bytes or a descriptor."""
    changes = {"SECFTP_KEY": SECRET} if keyed else {}
    changes.update(options.pop("changes", {}))
    command = client_command(*arguments)
    if limit is not None:  # in blocks of 512 bytes, as sh counts them
        command = ["sh", "-c", f'ulimit -f {limit}; exec "$@"', "sh", *command]
    given = {"input": stdin} if isinstance(stdin, bytes) else {"stdin": stdin}
    encoding = options.pop("encoding", "utf-8")  # that of the process's standard streams
    done = subprocess.run(
        command,
        stdout=options.pop("stdout", subprocess.PIPE),
        stderr=subprocess.PIPE,
        env=environment(home, **changes),
        cwd=home,
        timeout=options.pop("timeout", DEADLINE),
        check=False,
        start_new_session=True,  # no terminal to ask for a key
        **given,
        **options,
    )
    return Result(done.returncode, done.stdout or b"", done.stderr, encoding)


class Client:
    """The client, called in this process: quick, for what needs no process of its own. The server has its key."""

    def __init__(self, server, capture, key_file):
        self.server = server
        self._capture = capture
        self._key_file = os.fspath(key_file)

    def url(self, path=""):
        return f"secftp://{HOST}:{self.server.port}/{path}"

    def __call__(self, verb, *arguments):
        """Run a verb; an argument that begins with a slash and a slash is a path at the server."""
        given = [self.url(word[2:]) if word.startswith("//") else word for word in map(os.fspath, arguments)]
        code = main([verb, "--key-file", self._key_file, *given])
        return Result(code, *self._capture.readouterr())


@contextlib.contextmanager
def client_and_server(directory, capture, **options):
    """A `Client` and its server, which serves `directory / "root"`; `capture` is pytest's capfdbinary."""
    (directory / "root").mkdir(exist_ok=True)
    write_key_file(directory / "key")
    with serving(directory / "root", key=read_key_file(directory / "key"), **options) as server:
        yield Client(server, capture, directory / "key")


def place(server, host=HOST):
    return f"[{host}]:{server.port}" if ":" in host else f"{host}:{server.port}"


@contextlib.contextmanager
def terminal():
    """A pseudo-terminal: the descriptor that a command gets, and the `Lines` that appear on it, with `type`."""
    master, slave = os.openpty()
    screen = Lines()
    screen.type = lambda text: os.write(master, text.encode())
    reader = threading.Thread(target=_watch, args=(screen, master), name="screen")
    reader.start()
    closed = False

    def hang_up():
        nonlocal closed
        if not closed:
            closed = True
            os.close(slave)

    screen.hang_up = hang_up
    try:
        yield slave, screen
    finally:
        hang_up()
        reader.join(DEADLINE)
        os.close(master)


def _watch(screen, master):
    with contextlib.suppress(OSError):  # the last one hung up
        while chunk := os.read(master, 65536):
            screen.write(chunk.decode("utf-8", "backslashreplace"))
    screen.finish()


@contextlib.contextmanager
def started(home, *arguments, keyed=True, controlling=None, environ=None, **options):
    """A client that runs while the test looks; killed at the end if it still does. `controlling`: its terminal."""
    changes = ({"SECFTP_KEY": SECRET} if keyed else {}) | options.pop("changes", {})
    command = client_command(*arguments)
    if controlling is not None:
        command = [sys.executable, "-c", _LAUNCHER, str(controlling), *command]
        options["pass_fds"] = [controlling]
    process = subprocess.Popen(
        command, env=environ or environment(home, **changes), cwd=home, start_new_session=True, **options
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()


def ended(process, stdin=None):
    """The result of a client that was started with pipes."""
    output, errors = process.communicate(stdin, timeout=DEADLINE)
    return Result(process.returncode, output or b"", errors or b"")
