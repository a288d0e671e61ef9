"""Servers of secftp as processes."""

from __future__ import annotations

import os
import sys

from tests.support.serving import HOST, environment


class Served:
    """A running secftpd: its port, key and process."""

    def __init__(self, process, key_file):
        self.process = process
        self.pid = process.pid
        self.key_file = key_file

    @property
    def log(self):
        """What it has printed."""
        return self.process.text

    @property
    def port(self):
        return int(self.process.wait_for(r"Listening @ \S+ on port (\d+)(?:$|\")")[1])

    @property
    def url(self):
        return f"secftp://{HOST}:{self.port}"

    def kill(self):
        """Kill -9."""
        self.process.kill()

    def end(self):
        return self.process.end()


def start_server(processes, home, key_file, root, *options, env=None, port=0, prefix=()):
    """Start a secftpd of a directory or of the URL of a bucket; `prefix` is a command that starts it (strace, say)."""
    process = processes.start(
        "secftpd",
        *prefix,
        *(sys.executable, "-P", "-m", "secftp.server", str(port), "--host", HOST),
        *("--key-file", key_file, "--root", os.fspath(root)),
        *options,
        env=environment(home, **(env or {})),
    )
    return Served(process, key_file)
