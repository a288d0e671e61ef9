"""Processes of other programs for tests: started on free ports, waited for, shown when a test fails, ended by their id.

What a process prints goes to a file, so that nothing has to read it meanwhile. A process ends with the test run,
whatever way that ends: the death of its parent is a signal to it. The parent is the thread that started it, so
processes are started by the main one.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from tests.support.serving import DEADLINE, HOST, until

_SHOWN = 12_000  # characters of a process's output, the last ones
_BESIDE_PATH = "/usr/sbin:/sbin:/usr/local/sbin"  # where servers are, which an ordinary user's PATH leaves out


def program(name):
    """The path of an installed program; the test fails without it, as `make test-machines` installs it."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:{_BESIDE_PATH}")
    if found is None:
        pytest.fail(f"{name} is not installed; make test-machines installs it where it can", pytrace=False)
    return found


def free_port():
    """A port that is free now; another process may take it."""
    with socket.create_server((HOST, 0)) as listener:
        return listener.getsockname()[1]


class Process:
    """A running program, with what it has printed."""

    def __init__(self, name, popen, output):
        self.name = name
        self.popen = popen
        self.pid = popen.pid
        self.output = output

    @property
    def text(self):
        """What it has printed so far, both streams."""
        return self.output.read_text("utf-8", "backslashreplace")

    @property
    def runs(self):
        return self.popen.poll() is None

    def wait_for(self, pattern, count=1, seconds=DEADLINE):
        """The `count`-th match of a pattern in what it prints, once it is there."""

        def found():
            matches = list(re.finditer(pattern, self.text, re.MULTILINE))
            if len(matches) >= count:
                return matches[count - 1]
            assert self.runs, f"{self.name} ended ({self.popen.returncode}) without {pattern!r}:\n{self.text}"
            return None

        return until(found, f"{self.name} says {pattern!r}; it said:\n{self.text}", seconds)

    def signal(self, number):
        self.popen.send_signal(number)

    def wait(self, seconds=DEADLINE):
        """The exit code."""
        return self.popen.wait(seconds)

    def kill(self):
        """End it as a power failure would, and wait until it is gone."""
        self.popen.kill()
        return self.wait()

    def end(self):
        """End it as an administrator would, or by force after a while."""
        if self.runs:
            self.popen.terminate()
            try:
                self.wait()
            except subprocess.TimeoutExpired:
                self.popen.kill()
        return self.wait()


class Processes:
    """All processes of a scope, ended with it in the reverse order."""

    def __init__(self, directory):
        self._directory = Path(directory)
        self._stack = contextlib.ExitStack()
        self.started = []

    def start(self, name, *command, env=None, cwd=None, stdin=subprocess.DEVNULL, **options):
        """Start a program; `env` is its whole environment, and `options` go to Popen."""
        output = self._directory / f"{len(self.started)}-{name}.log"
        with open(output, "wb") as file:
            popen = subprocess.Popen(
                [*_ends_with_parent(), *map(os.fspath, command)],
                stdin=stdin,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=env,
                cwd=cwd or self._directory,
                start_new_session=True,
                **options,
            )
        process = Process(name, popen, output)
        self.started.append(process)
        self._stack.callback(process.end)
        return process

    def close(self):
        self._stack.close()

    def sections(self):
        """What each process has printed that still runs or has failed, for the report of a test that failed."""
        for process in self.started:
            if process.popen.poll() == 0:
                continue
            state = "runs" if process.runs else f"ended with {process.popen.returncode}"
            yield f"output of {process.name} (process {process.pid}, {state})", process.text[-_SHOWN:]


every_scope = []  # the `Processes` that are open, for the report of a test that fails


@contextlib.contextmanager
def opened_processes(directory):
    """Processes of a scope; what they print goes to files in the directory, and is shown when a test fails."""
    found = Processes(directory)
    every_scope.append(found)
    try:
        yield found
    finally:
        found.close()
        every_scope.remove(found)


def _ends_with_parent():
    """A command that starts another one so that it is killed when its parent dies; none where the system has none."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", signal.Signals.SIGKILL.name[3:]] if setpriv else []


def answers(port):
    """Whether something accepts connections there."""
    try:
        socket.create_connection((HOST, port), timeout=DEADLINE).close()
    except ConnectionRefusedError:
        return False
    return True
