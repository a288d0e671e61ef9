"""Kills and errors injected with strace, at each relevant system call: the first, the second, to the last.

Each call fails only with errors that its manual page documents.
"""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from secftp.errors import SecftpError
from tests.faults.processes import Ended, Nursery, Strace
from tests.faults.scenario import SCENARIOS, Place, Scenario
from tests.support.serving import get, put, server_process, session, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.prove import Figures
    from tests.support.serving import ServerProcess

# What fails, and how. EINTR is given to calls that are not restarted by the kernel with a signal handler in place.
ERRORS = {
    "openat": ("EMFILE", "ENOSPC", "EACCES", "ENOMEM", "EINTR"),
    "write": ("EIO", "EINTR"),
    "pwrite64": ("ENOSPC", "EIO", "EINTR"),
    "pwritev": ("ENOSPC", "EIO", "EINTR", "EDQUOT"),
    "pwritev2": ("ENOSPC", "EIO", "EINTR"),
    "pread64": ("EIO",),
    "preadv": ("EIO", "EINTR"),
    "copy_file_range": ("EIO", "ENOSPC", "EXDEV", "EINVAL", "EOPNOTSUPP", "EINTR"),
    "fsync": ("EIO", "ENOSPC"),
    "fdatasync": ("EIO",),
    "syncfs": ("EIO",),
    "rename": ("EIO", "ENOSPC"),
    "renameat": ("EIO", "ENOSPC"),
    "renameat2": ("EIO", "ENOSPC", "EINVAL", "ENOSYS"),
    "linkat": ("EIO", "EMLINK", "ENOSPC"),
    "unlinkat": ("EIO", "EACCES"),
    "unlink": ("EIO",),
    "mkdirat": ("ENOSPC", "EIO"),
    "ftruncate": ("EIO",),
    "fallocate": ("ENOSPC", "EOPNOTSUPP"),
    "fchmod": ("EPERM", "EIO"),
    "utimensat": ("EPERM", "EIO"),
    "newfstatat": ("EIO", "ENOMEM"),
    "fstat": ("EIO",),
    "flock": ("ENOLCK", "EINTR"),
    "getdents64": ("EIO",),
    "close": ("EIO",),
    "sendto": ("ECONNRESET", "EPIPE", "EINTR", "ENOBUFS"),
    "sendmsg": ("ECONNRESET", "EPIPE", "EINTR"),
    "recvfrom": ("ECONNRESET", "EINTR", "ENOMEM"),
    "accept4": ("EMFILE", "ECONNABORTED", "ENOBUFS"),
    "connect": ("ECONNREFUSED", "ETIMEDOUT", "ENETUNREACH"),
    "socket": ("EMFILE", "ENOBUFS"),
    "setsockopt": ("ENOBUFS",),
    "epoll_ctl": ("ENOMEM",),
    "fcntl": ("EINVAL",),
    "dup": ("EMFILE",),
    "clone3": ("EAGAIN",),
    "clone": ("EAGAIN",),
}
REMOVING = frozenset({"unlinkat", "unlink"})
KILLED = (
    *("openat", "write", "pwrite64", "pwritev", "pwritev2", "copy_file_range", "fsync", "fdatasync", "syncfs"),
    *("rename", "renameat", "renameat2", "linkat", "unlinkat", "unlink", "mkdirat", "ftruncate", "fchmod", "utimensat"),
    *("close", "sendto", "sendmsg", "recvfrom", "preadv", "getdents64"),
)


class Fault(NamedTuple):
    """One call that goes wrong: `error` empty is SIGKILL before it is made."""

    call: str
    error: str
    nth: int

    @property
    def expression(self) -> str:
        what = f"error={self.error}" if self.error else "signal=SIGKILL"
        return f"inject={self.call}:{what}:when={self.nth}"

    def __str__(self) -> str:
        return f"{self.call} #{self.nth} {self.error or 'killed'}"


class Counters:
    """Points tried, points that were not reached that time, and what was wrong."""

    def __init__(self) -> None:
        self.points: Counter[str] = Counter()
        self.missed = 0
        self.left = 0  # unfinished files in a user's own directory, where a client was killed; the next get sweeps
        self.internal = 0  # sessions that the server ended with the code of an unexpected error
        self.violations: list[str] = []

    def wrong(self, where: str, what: str) -> None:
        self.violations.append(f"{where}: {what}")
        print(f"  VIOLATION {where}: {what}", flush=True)


def everywhere(figures: Figures, names: list[str]) -> None:
    """Each scenario, at either side, killed and with errors."""
    for scenario in SCENARIOS:
        if names and scenario.name not in names:
            continue
        for side in ("server", "client"):
            counters = Counters()
            with tempfile.TemporaryDirectory(prefix="secftp-faults-") as base, Nursery(Path(base)) as nursery:
                Try(scenario, side, Place(Path(base)), nursery, counters).all()
            figures.section(
                f"{scenario.name}, {side}",
                good=not counters.violations and counters.points.total() > 0,
                points=counters.points.total(),
                killed=counters.points["killed"],
                errors=counters.points["error"],
                not_reached=counters.missed,
                left_by_killed_clients_and_swept_by_the_next=counters.left,
                sessions_ended_as_internal_error=counters.internal,
                violations=len(counters.violations),
            )


class Try:
    """All faults of one scenario at one side."""

    def __init__(self, scenario: Scenario, side: str, place: Place, nursery: Nursery, counters: Counters) -> None:
        self.scenario = scenario
        self.side = side
        self.place = place
        self.nursery = nursery
        self.counters = counters
        self.where = ""
        self._removal_fails = False
        self._seen = 0  # of the server's log

    def all(self) -> None:
        """Count the calls of a run without a fault, then let each fail."""
        counts = self.count()
        kills = [Fault(call, "", nth) for call in KILLED for nth in range(1, counts[call] + 1)]
        errors = [
            Fault(call, error, nth)
            for call, kinds in ERRORS.items()
            for nth in range(1, counts[call] + 1)
            for error in kinds
        ]
        if self.side == "client":
            with self.serving() as server:
                for fault in (*kills, *errors):
                    self.guarded(self.at_client, server, fault)
            return
        for fault in kills:
            with self.serving() as server:
                self.guarded(self.at_server, server, fault)
        while errors:
            # A server must outlive every error; one that did not is replaced, and told of.
            with self.serving() as server:
                while errors and server.process.poll() is None:
                    self.guarded(self.at_server, server, errors.pop(0))

    def guarded(self, step: Callable[[ServerProcess, Fault], None], server: ServerProcess, fault: Fault) -> None:
        """What never comes, and what fails for an honest client, is a violation like any other."""
        try:
            step(server, fault)
        except (AssertionError, SecftpError) as problem:
            self.wrong(f"{type(problem).__name__}: {problem}")

    @contextlib.contextmanager
    def serving(self, *, warm: bool = True) -> Iterator[ServerProcess]:
        """A server that has served a session: what Python imports late is there. The files are laid out before."""
        if warm:
            self.scenario.lay_out(self.place)
        arguments = ["0", "--host", "127.0.0.1", "--root", self.place.served, "--key-file", self.place.key]
        with server_process(self.place.base, *arguments, watched=True) as server:
            if warm:
                self.nursery.client(self.prepared(server)).run()
            self._seen = 0
            yield server

    def prepared(self, server: ServerProcess) -> list[str]:
        """Everything as it was before; the command that is to be given."""
        self.scenario.lay_out(self.place)
        if self.scenario.prepare_online is not None:
            self.scenario.prepare_online(self.place, server.port)
            served = self.place.served
            until(lambda: any(path.name.startswith(".secftp-part-") for path in served.iterdir()), "a partial is kept")
        return self.scenario.command(self.place, server.port)

    def run(self, server: ServerProcess, *expressions: str) -> tuple[Ended, Strace]:
        """The command, with strace at one side."""
        client = self.nursery.client(self.prepared(server))
        pid = server.pid if self.side == "server" else client.pid
        with Strace(pid, self.place.base / "strace", *expressions) as strace:
            ended = client.run()
            if self.side == "server":
                # What the server does after the client's end belongs to it; that it tells of it may be what fails.
                with contextlib.suppress(AssertionError):
                    until(lambda: server.process.poll() is not None or self._is_done(server), "the session is over", 2)
        return ended, strace

    def _is_done(self, server: ServerProcess) -> bool:
        fresh = server.log.text[self._seen :]
        return fresh.count("Done.") >= max(1, fresh.count("Client connected"))

    def count(self) -> Counter[str]:
        """How often each call is made where nothing goes wrong."""
        with self.serving() as server:
            self._seen = len(server.log.text)
            ended, strace = self.run(server, "trace=all")
            assert ended.status == 0, ended.errors
            assert self.scenario.look(self.place) == ([], True), self.scenario.look(self.place)
        return strace.counts()

    def inject(self, server: ServerProcess, fault: Fault) -> Ended | None:
        """The command with this fault; None when the fault did not come: threads divide the calls as they like."""
        self.where = f"{self.scenario.name}, {self.side}, {fault}"
        self._removal_fails = fault.call in REMOVING and bool(fault.error)
        self._seen = len(server.log.text)
        ended, strace = self.run(server, f"trace={fault.call}", fault.expression)
        if not strace.hit:
            self.counters.missed += 1
            return None
        self.counters.points["error" if fault.error else "killed"] += 1
        return ended

    def wrong(self, what: str) -> None:
        self.counters.wrong(self.where, what)

    # --- at the server ------------------------------------------------------------------------------------------------

    def at_server(self, server: ServerProcess, fault: Fault) -> None:
        ended = self.inject(server, fault)
        if ended is None:
            return
        self.check_client(ended)
        if not fault.error:
            until(lambda: server.process.poll() is not None, "the server is killed")
            with self.serving(warm=False) as another:
                self.check_again(another)
        elif server.process.poll() is not None:
            self.wrong(f"the server is gone: {server.errors.text[-300:]}")
        else:
            self.check_serves(server)

    # --- at the client ------------------------------------------------------------------------------------------------

    def at_client(self, server: ServerProcess, fault: Fault) -> None:
        ended = self.inject(server, fault)
        if ended is None:
            return
        if fault.error:
            self.check_client(ended)
        else:
            if ended.status != -signal.SIGKILL:
                self.wrong(f"ended with {ended.status}")
            for what in self.scenario.look(self.place)[0]:
                self.wrong(what)
            self._count_local()
        self.check_again(server)
        self.check_serves(server)

    def _count_local(self) -> None:
        """What a killed client was writing stays until the next one works there; `check_again` sees that it is gone."""
        self.counters.left += sum(
            name.startswith(str(self.place.local)) for name in self.scenario.leftovers(self.place)
        )

    # --- what must be -------------------------------------------------------------------------------------------------

    def check_client(self, ended: Ended) -> None:
        """What is there against what the client said."""
        wrong, all_new = self.scenario.look(self.place)
        for what in wrong:
            self.wrong(what)
        if ended.status is None:
            self.wrong("the client hangs")
        elif ended.status == 0 and not all_new:
            self.wrong("confirmed what is not there")
        elif ended.status != 0 and not ended.errors.strip():
            self.wrong(f"the client says nothing and ends with {ended.status}")
        if "Traceback" in ended.errors:
            self.wrong(f"a traceback: {ended.errors[-1500:]}")

    def check_serves(self, server: ServerProcess) -> None:
        """Other clients are served, nothing is left behind, no unexpected error happened."""
        with session(server.port) as other:
            put(other, b"honest", b"honest" * 100)
            if get(other, b"honest") != b"honest" * 100:
                self.wrong("the server does not serve others any more")
        self.check_leftovers()
        self.counters.internal += server.log.text[self._seen :].count("Internal error")
        if "Traceback" in server.errors.text:
            self.wrong(f"a traceback: {server.errors.text[-1500:]}")

    def check_leftovers(self) -> None:
        try:
            until(lambda: not self._leftovers(), "nothing is left", 5)
        except AssertionError:
            self.wrong(f"left behind: {self._leftovers()}")

    def _leftovers(self) -> list[str]:
        """What is left. A complete file keeps its temporary name as a second one if that can't be removed."""
        found = self.scenario.leftovers(self.place)
        return [name for name in found if not (self._removal_fails and os.stat(name).st_nlink > 1)]

    def check_again(self, server: ServerProcess) -> None:
        """The same command succeeds, and no unfinished file is left."""
        ended = self.nursery.client(self.scenario.command(self.place, server.port)).run()
        wrong, all_new = self.scenario.look(self.place)
        if ended.status != 0 or wrong or not all_new:
            self.wrong(f"the command given again ended with {ended.status}: {wrong} {ended.errors[-500:]}")
        self.check_leftovers()
