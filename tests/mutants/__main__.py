"""`python -m tests.mutants [NAME...] [--jobs N] [--list] [--only-check]`: what `make mutants` runs."""

from __future__ import annotations

import argparse
import concurrent.futures
import os
import queue
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from tests.mutants import admission, alive, core, files, keys, processes, repeats, resources, wire
from tests.prove import TOP, Figures, Tree

if TYPE_CHECKING:
    from tests.mutants.mutant import Mutant

MUTANTS: list[Mutant] = [
    *core.MUTANTS,
    *wire.MUTANTS,
    *files.MUTANTS,
    *alive.MUTANTS,
    *processes.MUTANTS,
    *keys.MUTANTS,
    *resources.MUTANTS,
    *repeats.MUTANTS,
    *admission.MUTANTS,
]
LEAST = 60
SECONDS = 120  # for the tests that should kill one; a mutant that hangs is dead
SUITE_SECONDS = 600  # for the whole suite, at a survivor
# Quick to build; what the optimizer makes of the code is the business of `make sanitize`.
FLAGS = ["-std=c11", "-O0", "-fvisibility=hidden"]
# pytest's own statuses.
PASSED, FAILED, BROKEN, NO_TESTS = 0, 1, 2, 5


class Verdict(NamedTuple):
    """What became of a mutant: killed, by its tests or by the suite; or survived; `how` is for the table."""

    mutant: Mutant
    killed: bool
    how: str
    seconds: float


class Broken(Exception):
    """A mutant that proves nothing: it can't be applied, does not build, or its tests are not there."""


def check(mutants: list[Mutant]) -> list[str]:
    """Why any of them can't be applied to the checkout as it is."""
    problems = []
    names = [mutant.name for mutant in mutants]
    problems += [f"{name}: the name is there twice" for name in {name for name in names if names.count(name) > 1}]
    for mutant in mutants:
        for file, old, new in mutant.edits:
            path = TOP / file
            count = path.read_text().count(old) if path.exists() else 0
            if count != 1 or old == new:
                problems.append(f"{mutant.name}: stands {count} times in {file}, not once: {old!r}")
        problems += [f"{mutant.name}: no test {name}" for name in mutant.tests if _is_missing(name)]
    return problems


def _is_missing(argument: str) -> bool:
    return argument.startswith("tests/") and not (TOP / argument.partition("::")[0]).exists()


# A copy without any mutant, made when it is needed.
_UNCHANGED: list[Worker] = []
_CLEAN = threading.Lock()


class Worker:
    """One copy of the checkout, in which one mutant after another lives."""

    def __init__(self, number: int) -> None:
        self.tree = Tree(f"mutants-{number}")
        self.tree.build(FLAGS)
        self._stale: list[str] = []  # sources that are not what the cores were built from

    def try_one(self, mutant: Mutant) -> Verdict:
        began = time.monotonic()
        before = {file: (self.tree.path / file).read_text() for file, _, _ in mutant.edits}
        try:
            for file, old, new in mutant.edits:
                path = self.tree.path / file
                path.write_text(path.read_text().replace(old, new))
            self._stale += [file for file in before if file.startswith("csrc/")]
            self._build(mutant)
            how = self.kill(mutant.tests, SECONDS)
            if how is None:
                how = self._suite()
            return Verdict(mutant, how is not None, how or "SURVIVED", time.monotonic() - began)
        finally:
            for file, text in before.items():
                (self.tree.path / file).write_text(text)
            self._stale = [file for file in before if file.startswith("csrc/")]

    def _suite(self) -> str | None:
        """How the whole suite noticed, if it did; what fails without a mutant as well, or only once, noticed nothing."""
        left_out: list[str] = []
        while True:
            how = self.kill(("tests", *(f"--deselect={test}" for test in left_out)), SUITE_SECONDS)
            if how is None or "::" not in how:
                return how and f"only by the suite: {how}"
            with _CLEAN:
                if not _UNCHANGED:
                    _UNCHANGED.append(Worker(-1))
                is_it = _UNCHANGED[0].kill((how,), SECONDS) is None and self.kill((how,), SECONDS) is not None
                if is_it:
                    return f"only by the suite: {how}"
            left_out.append(how)

    def _build(self, mutant: Mutant) -> None:
        try:
            for file in dict.fromkeys(self._stale):
                self.tree.rebuild(file, FLAGS)
        except subprocess.CalledProcessError:
            raise Broken(f"{mutant.name} does not build") from None

    def kill(self, tests: tuple[str, ...], seconds: float) -> str | None:
        """How these tests ended if they noticed, else None."""
        own_tool = tests[0] == "-m"
        command = list(tests) if own_tool else ["-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
        try:
            done = self.tree.run([sys.executable, *command], timeout=seconds)
        except subprocess.TimeoutExpired:
            return "it hangs"
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


def baseline(worker: Worker, mutants: list[Mutant]) -> None:
    """Every named test passes without a mutant, or its failing proves nothing."""
    tests = sorted({name for mutant in mutants for name in mutant.tests if name.startswith("tests/")})
    how = worker.kill(tuple(tests), SUITE_SECONDS)
    if how is not None and "::" in how:
        # On a busy machine a deadline may pass; what fails by itself, too, is broken.
        how = worker.kill((how,), SUITE_SECONDS) or worker.kill(tuple(tests), SUITE_SECONDS)
    if how is not None:
        raise Broken(f"without a mutant, this fails already: {how}")


def run(mutants: list[Mutant], jobs: int, figures: Figures) -> None:
    """All of them, in as many copies at a time; prints the table."""
    workers: queue.Queue[Worker] = queue.Queue()
    for number in range(jobs):
        workers.put(Worker(number))
    first = workers.get()
    baseline(first, mutants)
    workers.put(first)

    def one(mutant: Mutant) -> Verdict:
        worker = workers.get()
        try:
            return worker.try_one(mutant)
        finally:
            workers.put(worker)

    verdicts = []
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for verdict in pool.map(one, mutants):
            verdicts.append(verdict)
            print(f"  {verdict.mutant.name:45} {verdict.seconds:5.1f} s  {verdict.how}", flush=True)
    survivors = [verdict.mutant.name for verdict in verdicts if not verdict.killed]
    elsewhere = [verdict.mutant.name for verdict in verdicts if verdict.how.startswith("only by the suite")]
    if elsewhere:
        print(f"  named tests did not notice: {', '.join(elsewhere)}")
    figures.section(
        "mutants" if len(verdicts) == len(MUTANTS) else "some of the mutants",
        good=not survivors,
        tried=len(verdicts),
        killed=len(verdicts) - len(survivors),
        survived=len(survivors),
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="which; a beginning is enough (default: all)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="copies at a time")
    parser.add_argument("--only-check", action="store_true", help="only see whether each can be applied")
    options = parser.parse_args()
    chosen = [m for m in MUTANTS if not options.names or m.name.startswith(tuple(options.names))]
    problems = check(MUTANTS)
    for problem in problems:
        print(problem)
    if problems or len(MUTANTS) < LEAST or not chosen:
        print(
            f"mutants: {len(problems)} of {len(MUTANTS)} can't be applied: the code has moved on, the list must follow"
        )
        return 1
    if options.only_check:
        print(f"mutants: all {len(MUTANTS)} can be applied")
        return 0
    figures = Figures("mutants", keep=bool(options.names))
    try:
        run(chosen, options.jobs, figures)
    except Broken as problem:
        print(f"mutants: {problem}")
        return 1
    return figures.close()


if __name__ == "__main__":
    sys.exit(main())
