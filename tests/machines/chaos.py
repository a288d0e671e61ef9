"""Many clients at once against several servers that fail, and what has to be true of them all the time.

Invariants: a file that is visible is whole, and one that was sent; a file that a client was told is complete is there,
with the digest that the client was told; every command ends with success.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter
from typing import NamedTuple

from secftp import connect
from secftp.errors import ConnectionLost, NotFound, ServerBusy, ServerUnreachable, TransferTimeout
from tests.machines.contents import digest
from tests.support.serving import environment

_TICK = 0.02  # seconds


class Command(NamedTuple):
    """A command of the client, and what it has to come to.

    `files`: the digest of each file by the name that the client reports. `where`: the directory in which these names
    are, of the store for `put`, a path of this machine for `get`. `may_skip`: a file of that name may be there already.
    """

    verb: str
    arguments: tuple
    files: dict
    where: object
    may_skip: bool = False


class Run:
    """A client that runs, or has ended."""

    def __init__(self, process, command):
        self.process = process
        self.command = command
        self._read = 0
        self._rest = b""
        self._events = []

    @property
    def events(self):
        with open(self.process.output, "rb") as file:
            file.seek(self._read)
            data = file.read()
        self._read += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._events += [json.loads(line) for line in lines if line.startswith(b"{")]
        return self._events

    def named(self, event):
        return [found for found in self.events if found["event"] == event]

    @property
    def share(self):
        """How much of it is done, as far as is known."""
        seen = [found for found in self.named("progress") if found["bytes_planned"]]
        return seen[-1]["bytes"] / seen[-1]["bytes_planned"] if seen else 0.0


class Worker:
    """A client after the other: the commands of an iterator, until it is exhausted."""

    def __init__(self, commands):
        self._commands = iter(commands)
        self.run = None
        self.runs = []

    def step(self, start):
        """Start the next command if none runs; return whether one does."""
        if self.run is not None and self.run.process.runs:
            return True
        command = next(self._commands, None)
        if command is None:
            return False
        self.run = start(command)
        self.runs.append(self.run)
        return True


class Watcher:
    """Looks at a store all the time, with pauses: as another program, and through the servers."""

    def __init__(self, contents, url, key_file, pause):
        self._pause = pause
        self.violations = []
        self.counts = Counter()
        self._allowed = {}  # the digests that a file may have, by its name in the store
        self._contents = contents
        self._url = url
        self._key_file = key_file
        self._seen = set()
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._guarded, args=(look,), name="watcher")
            for look in (self._look_at_store, self._look_through_servers)
        ]

    def allow(self, name, *digests):
        self._allowed.setdefault(name, set()).update(digests)

    def _guarded(self, look):
        while not self._over.is_set():
            try:
                look()
            except Exception as problem:  # noqa: BLE001 - the test fails with it
                self.violations.append(f"{look.__name__}: {type(problem).__name__}: {problem}")
                return
            self._over.wait(self._pause)

    def _look_at_store(self):
        for name, version in self._contents.versions().items():
            if (name, version) not in self._seen:
                data = self._contents.read(name)
                if data is not None:
                    self._check("the store", name, digest(data))
                    self.counts["files read from the store"] += 1
                    self._seen.add((name, version))
        self.counts["listings of the store"] += 1

    def _check(self, where, name, found):
        if found not in self._allowed.get(name, ()):
            self.violations.append(f"{where}: {name} has contents that were never sent")

    def _look_through_servers(self):
        try:
            with connect(self._url, key_file=self._key_file, timeout=10) as remote:
                while not self._over.is_set():
                    self._look_once(remote)
                    self._over.wait(self._pause)
        except (ConnectionLost, ServerBusy, ServerUnreachable, TransferTimeout):
            self.counts["losses while looking"] += 1

    def _look_once(self, remote):
        entries = [entry for entry in remote.scandir("/", recursive=True) if entry.is_file()]
        self.counts["listings through servers"] += 1
        names = [entry.path.lstrip("/") for entry in entries]
        for name in names:
            if name not in self._allowed:
                self.violations.append(f"a server lists {name}, which was never sent")
        turn = self.counts["listings through servers"]
        for name in names[turn % 5 :: max(1, len(names) // 5)]:
            try:
                data = remote.read_bytes("/" + name)
            except NotFound:
                self.violations.append(f"a server listed {name} and then has not got it")
                continue
            self._check("a server", name, digest(data))
            self.counts["files read through servers"] += 1

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive(), "a watcher hangs"


class Chaos:
    """Workers side by side, and what happens to their servers meanwhile."""

    def __init__(self, processes, home, url, key_file, watcher, *, retries=8):
        self._processes = processes
        self._home = home
        self._url = url
        self._key_file = key_file
        self._watcher = watcher
        self._retries = retries
        self.workers = []
        self.counts = Counter()

    def _start(self, command):
        if command.verb == "put":
            for name, found in command.files.items():
                self._watcher.allow(f"{command.where}/{name}", found)
        process = self._processes.start(
            f"secftp-{command.verb}",
            *(sys.executable, "-P", "-m", "secftp.client", command.verb),
            *("--progress", "json", "--retries", str(self._retries), "--key-file", self._key_file, "--timeout", "20"),
            *command.arguments,
            env=environment(self._home),
        )
        return Run(process, command)

    def run(self, workers, disasters, seconds):
        """Run all commands; `disasters` is a generator that gets one step in each turn, and says what it waits for."""
        self.workers = workers
        waits_for = "nothing yet"
        end = time.monotonic() + seconds
        busy = True
        while busy or waits_for is not None:
            busy = sum(worker.step(self._start) for worker in workers) > 0
            if waits_for is not None:
                waits_for = next(disasters, None)
            if not busy and waits_for is not None:
                raise AssertionError(f"the clients are done before {waits_for}")
            assert time.monotonic() < end, f"not done: {[run.command.arguments for run in self.running()]}, {waits_for}"
            time.sleep(_TICK)

    def running(self):
        return [worker.run for worker in self.workers if worker.run is not None and worker.run.process.runs]

    @property
    def runs(self):
        return [run for worker in self.workers for run in worker.runs]

    # --- what it came to ----------------------------------------------------------------------------------------------

    def check(self, read):
        """Return what is wrong; `read` returns the contents of a file of the store, None for a missing one."""
        wrong = []
        for run in self.runs:
            wrong += self._check_run(run, read)
        self.counts["transfers"] = len(self.runs)
        return wrong

    def _check_run(self, run, read):
        command = run.command
        what = f"{command.verb} {command.arguments[-2:]} (process {run.process.pid})"
        if (code := run.process.popen.returncode) != 0:
            yield f"{what} ended with {code}: {[run.named('failed'), run.named('error')]}"
        confirmed = {event["name"]: event["checksum"] for event in run.named("finished")}
        skipped = {event["name"] for event in run.named("skipped")}
        self.counts["retries"] += len(run.named("retrying"))
        self.counts["resumed"] += len(run.named("resumed"))
        self.counts["confirmed files"] += len(confirmed)
        self.counts["skipped files"] += len(skipped)
        for name, told in confirmed.items():
            data = read(f"{command.where}/{name}") if command.verb == "put" else (command.where / name).read_bytes()
            if data is None:
                yield f"{what}: {name} was confirmed and is not there"
            elif told != digest(data) and not command.may_skip:
                yield f"{what}: {name} was confirmed with another digest"
            elif told != command.files.get(name):
                yield f"{what}: {name} was confirmed with a digest that it never had"
        if skipped and not command.may_skip:
            yield f"{what}: skipped {sorted(skipped)}, which no other client writes"
        if missing := command.files.keys() - confirmed.keys() - skipped:
            yield f"{what}: nothing was said of {sorted(missing)[:5]} and {len(missing)} in all"
