"""The C programs of the benchmarks, compiled into build/bench/ when their source is newer."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from bench.peers.failure import BenchError
from bench.peers.machine import TOP
from bench.peers.packages import find

SOURCES = Path(__file__).parent
PROGRAMS = TOP / "build" / "bench"


def build(source: Path) -> str:
    """Return the path of the compiled program; raises `BenchError` without a compiler."""
    if find("cc") is None:
        raise BenchError("cc not installed")
    program = PROGRAMS / source.stem
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        PROGRAMS.mkdir(parents=True, exist_ok=True)
        fresh = program.with_name(f"{source.stem}-{os.getpid()}")
        command = ["cc", "-std=c11", "-O2", "-Wall", "-Wextra", "-o", str(fresh), str(source)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BenchError(f"{source.name} can't be compiled: {done.stderr.strip()[:500]}")
        fresh.replace(program)
    return str(program)
