"""Starts servers by fork from a process that has loaded all they need: killing many of them takes no time.

Run as a program: each line of the standard input is a JSON list of arguments of `secftpd` and the file for its output;
the answer is the id of its process. Nothing has begun a thread before the fork. All servers end with the standard
input.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys


class Nursery:
    """The process, for tests; `start` returns the id of a new server, whose end is not to be waited for."""

    def __init__(self, processes, directory, env):
        self._directory = directory
        self._count = 0
        self._reading, writing = os.pipe()
        reading, self._writing = os.pipe()
        try:
            self.process = processes.start(
                "nursery",
                *(sys.executable, "-P", "-c", "from tests.machines.nursery import run; run()"),
                env={**env, "PYTHONPATH": os.pathsep.join([os.getcwd(), env.get("PYTHONPATH", "")])},
                stdin=reading,
                pass_fds=[writing],
            )
        finally:
            os.close(reading)
        os.write(self._writing, b"%d\n" % writing)
        os.close(writing)
        self._answers = os.fdopen(self._reading)

    def start(self, *arguments):
        self._count += 1
        log = self._directory / f"server-{self._count}.log"
        log.touch()
        os.write(self._writing, json.dumps([str(log), *map(os.fspath, arguments)]).encode() + b"\n")
        return int(self._answers.readline()), log

    def close(self):
        os.close(self._writing)
        self._answers.close()


def run():
    """Load what servers need, then start one for each line."""
    import obstore.store  # noqa: F401

    from secftp.server import __main__ as server
    from secftp.server import server as _engine  # noqa: F401
    from secftp.storage import objects  # noqa: F401

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    answers = int(sys.stdin.readline())
    started = []
    for line in sys.stdin:
        log, *arguments = json.loads(line)
        child = os.fork()
        if not child:
            _serve(server, log, answers, arguments)
        started.append(child)
        os.write(answers, b"%d\n" % child)
    for child in started:
        # One that is dead is waited for by the system, and its number may be another process's by now.
        with contextlib.suppress(ChildProcessError, ProcessLookupError):
            os.waitpid(child, os.WNOHANG)
            os.kill(child, signal.SIGKILL)


def _serve(server, log, answers, arguments):
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.close(answers)
    output = os.open(log, os.O_WRONLY | os.O_APPEND)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    code = 70
    try:
        code = server.main(arguments) or 0
    finally:
        os._exit(code)
