"""Command line of `make mutants`: `python -m tests.mutants [NAME...] [--jobs N] [--no-suite] [--only-check]`."""

from __future__ import annotations

import argparse
import ast
import concurrent.futures
import os
import queue
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

from tests.mutants import (
    admission,
    asyncio_client,
    backups,
    buckets,
    client_side,
    compression,
    copies,
    core,
    files,
    fsspec,
    holes,
    hosts,
    importing,
    keys,
    lines,
    liveness,
    loops,
    objects,
    processes,
    programs,
    proxies,
    reading,
    reasons,
    reload,
    renames,
    repeats,
    resources,
    roots,
    server_ends,
    shards,
    shared_state,
    sharing,
    space,
    store,
    streams,
    sync,
    times,
    upload_parts,
    uploads,
    usage,
    watching,
    wire,
)
from tests.mutants.worker import SECONDS, SUITE_SECONDS, Broken, Unchanged, Worker, noticed
from tests.prove import TOP, Figures

if TYPE_CHECKING:
    from tests.mutants.mutant import Mutant

MUTANTS: list[Mutant] = [
    *core.MUTANTS,
    *wire.MUTANTS,
    *backups.MUTANTS,
    *buckets.MUTANTS,
    *compression.MUTANTS,
    *holes.MUTANTS,
    *copies.MUTANTS,
    *files.MUTANTS,
    *roots.MUTANTS,
    *fsspec.MUTANTS,
    *lines.MUTANTS,
    *liveness.MUTANTS,
    *loops.MUTANTS,
    *processes.MUTANTS,
    *objects.MUTANTS,
    *programs.MUTANTS,
    *proxies.MUTANTS,
    *reading.MUTANTS,
    *keys.MUTANTS,
    *hosts.MUTANTS,
    *resources.MUTANTS,
    *reload.MUTANTS,
    *renames.MUTANTS,
    *repeats.MUTANTS,
    *admission.MUTANTS,
    *asyncio_client.MUTANTS,
    *importing.MUTANTS,
    *reasons.MUTANTS,
    *client_side.MUTANTS,
    *server_ends.MUTANTS,
    *shards.MUTANTS,
    *shared_state.MUTANTS,
    *sharing.MUTANTS,
    *space.MUTANTS,
    *store.MUTANTS,
    *streams.MUTANTS,
    *sync.MUTANTS,
    *times.MUTANTS,
    *upload_parts.MUTANTS,
    *uploads.MUTANTS,
    *usage.MUTANTS,
    *watching.MUTANTS,
]
LEAST = 400


class Verdict(NamedTuple):
    """What became of a mutant: killed, by its tests or by the suite; or survived; `how` is for the table."""

    mutant: Mutant
    killed: bool
    how: str
    seconds: float


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
            elif file.endswith(".py") and not _is_python(path.read_text().replace(old, new)):
                problems.append(f"{mutant.name}: {file} is no Python any more, so that anything would notice")
        problems += [f"{mutant.name}: no test {name}" for name in mutant.tests if _is_missing(name)]
    return problems


def _is_python(text: str) -> bool:
    try:
        ast.parse(text)
    except SyntaxError:
        return False
    return True


def _is_missing(argument: str) -> bool:
    return argument.startswith("tests/") and not (TOP / argument.partition("::")[0]).exists()


def try_one(worker: Worker, unchanged: Unchanged, mutant: Mutant, *, suite: bool) -> Verdict:
    """Let one mutant live in a worker's copy, and see who notices."""
    began = time.monotonic()

    def judge() -> str | None:
        how = noticed(worker.kill, unchanged, mutant.tests, SECONDS)
        if how is None and suite:
            how = noticed(worker.kill, unchanged, ("tests",), SUITE_SECONDS)
            how = how and f"only by the suite: {how}"
        return how

    killed = False
    try:
        how = worker.with_mutant(mutant, judge)
        killed = how is not None
    except Broken as problem:  # the others are tried all the same
        how = f"PROVES NOTHING: {problem}"
    return Verdict(mutant, killed, how or "SURVIVED", time.monotonic() - began)


def run(mutants: list[Mutant], jobs: int, figures: Figures, *, suite: bool) -> None:
    """All of them, in as many copies at a time; prints the table."""
    workers: queue.Queue[Worker] = queue.Queue()
    for number in range(jobs):
        workers.put(Worker(number))
    unchanged = Unchanged(lambda: Worker(-1).kill)

    def one(mutant: Mutant) -> Verdict:
        worker = workers.get()
        try:
            return try_one(worker, unchanged, mutant, suite=suite)
        finally:
            workers.put(worker)

    verdicts = []
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for done in concurrent.futures.as_completed([pool.submit(one, mutant) for mutant in mutants]):
            verdict = done.result()
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
    parser.add_argument("--no-suite", action="store_true", help="don't run the whole suite at a survivor")
    parser.add_argument("--only-check", action="store_true", help="only check that every patch applies")
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
        print(f"mutants: all {len(MUTANTS)} apply")
        return 0
    figures = Figures("mutants", keep=bool(options.names))
    run(chosen, options.jobs, figures, suite=not options.no_suite)
    return figures.close()


if __name__ == "__main__":
    sys.exit(main())
