"""Worker: a copy of the checkout to which one mutant after another is applied, and the verdict of the tests.

A failing test has detected a mutant only if it passes without it: on a busy machine a deadline may be missed. So failed
tests are run again without the mutant, and a single failed test once more with it, since a test may fail by chance.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Protocol

from tests.prove import Tree

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.mutants.mutant import Mutant

SECONDS = 120  # for the tests that should kill one; a mutant that hangs is dead
SUITE_SECONDS = 600  # for the whole suite, at a survivor
# Quick to build; what the optimizer makes of the code is the business of `make sanitize`.
FLAGS = ["-std=c11", "-O0", "-fvisibility=hidden"]
HANGS = "it hangs"
# What failed for another reason than the mutant is left out, and the rest is run again; so often at the most.
CHANCES = 5
# pytest's own statuses.
PASSED, NO_TESTS = 0, 5


class Broken(Exception):
    """A mutant that proves nothing: it can't be applied, does not build, or its tests are not there."""


class Kill(Protocol):
    """How these tests ended if any failed, None if all of them passed."""

    def __call__(self, tests: tuple[str, ...], seconds: float) -> str | None: ...


class Worker:
    """One copy of the checkout."""

    def __init__(self, number: int) -> None:
        self.tree = Tree(f"mutants-{number}")
        self.tree.build(FLAGS)
        self._stale: list[str] = []  # sources that are not what the cores were built from

    def with_mutant(self, mutant: Mutant, then: Callable[[], str | None]) -> str | None:
        """What `then` returns, called while the mutant lives in this copy; raises `Broken` if it does not build."""
        before = {file: (self.tree.path / file).read_text() for file, _, _ in mutant.edits}
        try:
            for file, old, new in mutant.edits:
                path = self.tree.path / file
                path.write_text(path.read_text().replace(old, new))
            self._stale += [file for file in before if file.startswith("csrc/")]
            self._build(mutant)
            return then()
        finally:
            for file, text in before.items():
                (self.tree.path / file).write_text(text)
            self._stale = [file for file in before if file.startswith("csrc/")]

    def _build(self, mutant: Mutant) -> None:
        try:
            for file in dict.fromkeys(self._stale):
                self.tree.rebuild(file, FLAGS)
        except subprocess.CalledProcessError:
            raise Broken(f"{mutant.name} does not build") from None

    def kill(self, tests: tuple[str, ...], seconds: float) -> str | None:
        """How these tests ended if they noticed, else None. A test's name has `::` in it, nothing else has."""
        own_tool = tests[0] == "-m"
        command = list(tests) if own_tool else ["-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
        try:
            done = self.tree.run([sys.executable, *command], timeout=seconds)
        except subprocess.TimeoutExpired:
            return HANGS
        if own_tool:
            return None if done.returncode == 0 else "tests.sanitize"
        if done.returncode == NO_TESTS or "no tests ran" in done.stdout or "file or directory not found" in done.stderr:
            raise Broken(f"no test ran: {' '.join(tests)}")
        if done.returncode == PASSED:
            return None
        lines = [line for line in done.stdout.splitlines() if line.startswith(("FAILED ", "ERROR "))]
        if "InstallationError" in done.stdout + done.stderr:
            return "the self-test at the start"
        return lines[0].split(" - ")[0].split(" ", 1)[1] if lines else f"status {done.returncode}"


class Unchanged:
    """A copy without any mutant, made when it is first asked. What passed in it once is remembered."""

    def __init__(self, make: Callable[[], Kill]) -> None:
        self._make = make
        self._kill: Kill | None = None
        self._passed: set[tuple[str, ...]] = set()
        self._lock = threading.Lock()

    def passes(self, tests: tuple[str, ...], seconds: float) -> bool:
        """Whether these tests pass without a mutant."""
        with self._lock:
            if tests not in self._passed:
                if self._kill is None:
                    self._kill = self._make()
                if self._kill(tests, seconds) is not None:
                    return False
                self._passed.add(tests)
            return True


def noticed(kill: Kill, unchanged: Unchanged, tests: tuple[str, ...], seconds: float) -> str | None:
    """How these tests noticed the mutant that `kill` runs them with, None if they did not.

    What fails without the mutant as well, or passes when it is run again with it, is left out, and the others are run
    again. Raises `Broken` if that comes to no end.
    """
    left_out: tuple[str, ...] = ()
    for _ in range(CHANCES):
        how = kill((*tests, *left_out), seconds)
        if how is None:
            return None
        if "::" not in how:  # no single test: all of them are asked
            if unchanged.passes(tests, seconds):
                return how
            raise Broken(f"without a mutant, this fails as well ({how}): {' '.join(tests)}")
        if unchanged.passes((how,), seconds) and kill((how,), seconds) is not None:
            return how
        left_out += (f"--deselect={how}",)
    raise Broken(f"too many tests fail without a mutant, too, or by chance: {' '.join(left_out)}")
