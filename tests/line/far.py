"""A server at one end of a line, and commands of the client at the other."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys

from bench.line.emulator import CLIENT, SERVER
from bench.peers import servers
from tests.support.serving import DEADLINE

CLIENT_PROGRAM = [sys.executable, "-P", "-m", "secftp.client"]


class Far:
    """`line` is the line, `root` the directory that is served, `local` one for the client."""

    def __init__(self, line, root, local, key, place):
        self.line = line
        self.root = root
        self.local = local
        self.place = place
        self._key = key

    def url(self, name=""):
        return f"secftp://{self.place}/{name}"

    def command(self, verb, *arguments):
        """The words of a client at this end."""
        return [*self.line.inside(CLIENT), *CLIENT_PROGRAM, verb, "--key-file", str(self._key), *map(str, arguments)]

    def run(self, verb, *arguments, stdin=b"", code=0, deadline=3 * DEADLINE):
        """Run a command that has to end with `code`; its standard output, and what it wrote to standard error."""
        done = subprocess.run(
            self.command(verb, *arguments),
            input=stdin,
            capture_output=True,
            check=False,
            timeout=deadline,
            env={**os.environ, "HOME": str(self.local)},
        )
        errors = done.stderr.decode(errors="replace")
        assert done.returncode == code, (done.returncode, errors)
        assert "Traceback" not in errors, errors
        return done.stdout, errors


@contextlib.contextmanager
def far_server(line, directory, *options):
    """A `Far` with directories of its own in `directory`; `options` go to the server."""
    root, local, key = directory / "root", directory / "local", directory / "key"
    for made in (root, local):
        made.mkdir()
    subprocess.run([*CLIENT_PROGRAM, "keygen", "--file", str(key)], check=True, capture_output=True)
    with servers.secftp(
        root, key, directory / "server.log", *options, address=SERVER, inside=line.inside(SERVER)
    ) as server:
        yield Far(line, root, local, key, server.place)
