"""Command line of `make fuzz`: `python -m tests.fuzz [TARGET...] [--seconds N] [--jobs N] [--merge]`.

A crash is stored as build/prove/fuzz/crashes/TARGET-..., and the command that reproduces it is printed. With --merge,
inputs that reach new code are added to the corpus, smallest first.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.fuzz import native
from tests.prove import TOP, WORK, Figures

CORPUS = Path(__file__).parent / "corpus"
CRASHES = WORK / "fuzz" / "crashes"
PYTHON = [
    "py-hello",
    "py-reply",
    "py-proxy",
    "py-message",
    "py-compressed",
    "py-conversation",
    "py-path",
    "py-url",
    "py-remote",
    "py-hosts",
    "py-keyfile",
    "py-keytext",
    "py-map",
    "py-shown",
    "py-server",
    "py-client",
]
NATIVE = [name for name in native.names() if name != "planted"]
CONTROLS = ["planted", "py-planted"]
# Inputs are cut here; a session of more adds nothing but time.
LONGEST = {
    "frames": 4096,
    "py-server": 2048,
    "py-client": 1024,
    "py-message": 4096,
    "py-compressed": 4096,
    "py-keyfile": 2048,
}
SLOWEST = 25  # seconds for one input: more is a hang


class Outcome(NamedTuple):
    """What one run said at its end."""

    executions: int
    edges: int
    crashed: bool
    output: str


def run(target: str, programs: dict[str, Path], seconds: int, *, merge: bool = False) -> Outcome:
    """One target for so long, on its seeds; what it finds goes into a directory of its own."""
    command = [str(programs[target])] if target in programs else [sys.executable, "-m", "tests.fuzz.run_python", target]
    seeds = CORPUS / target
    with tempfile.TemporaryDirectory(prefix=f"fuzz-{target}-") as found:
        CRASHES.mkdir(parents=True, exist_ok=True)
        options = [
            f"-max_total_time={seconds}",
            f"-timeout={SLOWEST}",
            f"-max_len={LONGEST.get(target, 1024)}",
            f"-artifact_prefix={CRASHES}/{target}-",
            "-print_final_stats=1",
            "-rss_limit_mb=4096",
        ]
        directories = [found, *([str(seeds)] if seeds.is_dir() else [])]
        environment = {**os.environ, "PYTHONPATH": str(TOP), "ASAN_OPTIONS": "detect_leaks=1:quarantine_size_mb=64"}
        done = subprocess.run(
            [*command, *options, *directories],
            cwd=TOP,
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=seconds + 300,
        )
        output = done.stdout + done.stderr
        if merge and done.returncode == 0:
            subprocess.run(
                [*command, "-merge=1", str(seeds), found], cwd=TOP, env=environment, check=False, capture_output=True
            )
    return Outcome(
        _last(r"number_of_executed_units: (\d+)", output), _last(r"cov: (\d+)", output), done.returncode != 0, output
    )


def _last(pattern: str, output: str) -> int:
    found = re.findall(pattern, output)
    return int(found[-1]) if found else 0


def control(figures: Figures, programs: dict[str, Path]) -> None:
    """Both fuzzers must find what was planted for them."""
    for name in CONTROLS:
        outcome = run(name, programs, 20)
        found = outcome.crashed and (
            "heap-buffer-overflow" in outcome.output or "RuntimeError: planted" in outcome.output
        )
        for artifact in CRASHES.glob(f"{name}-*"):
            artifact.unlink()
        if not found:
            print(outcome.output[-3000:])
        figures.section(f"control {name}", good=found, planted_fault_found=found)


def fuzz(figures: Figures, target: str, outcome: Outcome) -> None:
    """Note one target's figures."""
    seeds = sum(1 for _ in (CORPUS / target).iterdir())
    if outcome.crashed:
        print(outcome.output[-6000:])
        print(f"again: the input lies in {CRASHES.relative_to(TOP)}/{target}-*")
    figures.section(
        target,
        good=not outcome.crashed and outcome.executions > seeds > 0,
        seeds=seeds,
        executions=outcome.executions,
        edges=outcome.edges,
        crashes=int(outcome.crashed),
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument(
        "targets", nargs="*", metavar="TARGET", help=f"of {', '.join([*NATIVE, *PYTHON])}; default: all"
    )
    parser.add_argument("--seconds", type=int, default=10, metavar="N", help="for each target (default: 10)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="targets at a time")
    parser.add_argument("--merge", action="store_true", help="keep what was found and reaches more, in the corpus")
    options = parser.parse_args()
    chosen = options.targets or [*NATIVE, *PYTHON]
    if unknown := set(chosen) - {*NATIVE, *PYTHON}:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    for target in chosen:
        assert any((CORPUS / target).glob("*")), f"the corpus of {target} is empty: python -m tests.fuzz.seeds"
    figures = Figures("fuzz", keep=bool(options.targets))
    shutil.rmtree(CRASHES, ignore_errors=True)
    programs = native.build([*NATIVE, "planted"])
    control(figures, programs)
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        runs = {target: pool.submit(run, target, programs, options.seconds, merge=options.merge) for target in chosen}
        for target, outcome in runs.items():
            fuzz(figures, target, outcome.result())
    return figures.close()


if __name__ == "__main__":
    sys.exit(main())
