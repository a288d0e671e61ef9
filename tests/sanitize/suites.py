"""The suite under the sanitizers, and the core's tests under valgrind, in a copy with cores built for that."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.prove import Tree
from tests.sanitize.programs import BASIC, FOUND, SANITIZERS

if TYPE_CHECKING:
    from tests.prove import Figures

HERE = Path(__file__).parent

# What drives the core: CI runs these.
CORE = [
    "tests/crypto/test_adversarial.py",
    "tests/crypto/test_failures.py",
    "tests/crypto/test_known_answers.py",
    "tests/crypto/test_named.py",
    "tests/crypto/test_objects.py",
    "tests/crypto/test_refusals.py",
    "tests/crypto/test_vectors.py",
    "tests/protocol/test_handshake.py",
    "tests/protocol/test_model.py",
]
# What can't run so: they measure memory or time, install, or are about other things than the product.
NOT_SANITIZED = [
    "tests/bench/test_peers.py",
    "tests/bench/test_report.py",
    "tests/client/test_cli_memory.py",
    "tests/crypto/test_installation.py",
    "tests/test_makefile.py",
    "tests/test_layers.py",
]
UNDER_VALGRIND = ["tests/crypto/test_vectors.py", "tests/crypto/test_objects.py", "tests/crypto/test_named.py"]

# Reads far beyond an object of cffi's, through the product's own core.
PLANTED = """
from secftp.crypto import binding
short = binding.ffi.new("uint8_t[]", 8)
out = binding.ffi.new("secftp_password **")
binding.lib.secftp_password_from_secret(short, out)
"""


def _library(name: str) -> str:
    return subprocess.run(
        ["gcc", f"-print-file-name={name}"], capture_output=True, text=True, check=True
    ).stdout.strip()


def _sanitized(name: str) -> tuple[Tree, dict[str, str]]:
    tree = Tree(name)
    tree.build([*BASIC, "-O1", *SANITIZERS], link="-fsanitize=address,undefined")
    return tree, {
        "LD_PRELOAD": f"{_library('libasan.so')} {_library('libubsan.so')}",
        "PYTHONMALLOC": "malloc",
        # CPython keeps much until its end; leaks of the core are looked for by the C program and by the seamed core.
        "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1",
        "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    }


def suite(figures: Figures, *, core_only: bool) -> None:
    """pytest under both sanitizers; any report ends its process, and so fails its test."""
    tree, environment = _sanitized("sanitized-core" if core_only else "sanitized")
    planted = tree.run([sys.executable, "-c", PLANTED], **environment)
    awake = "heap-buffer-overflow" in planted.stderr
    chosen = CORE if core_only else [f"--ignore={name}" for name in NOT_SANITIZED] + ["tests"]
    done = pytest_in(tree, chosen, environment)
    figures.section(
        "core tests, sanitized" if core_only else "suite, sanitized",
        good=awake and done.returncode == 0,
        planted_fault_found=awake,
        **_counts(done),
    )


def valgrind(figures: Figures) -> None:
    """The core's tests in a Python under memcheck; what Python does to itself is suppressed, what it does to us not."""
    tree = Tree("valgrind")
    tree.build([*BASIC, "-O2"])
    memcheck = [
        "valgrind",
        "--quiet",
        f"--error-exitcode={FOUND}",
        f"--suppressions={HERE / 'python.supp'}",
    ]
    planted = tree.run([*memcheck, sys.executable, "-c", PLANTED], PYTHONMALLOC="malloc")
    awake = planted.returncode == FOUND and "Invalid read" in planted.stderr
    done = pytest_in(tree, UNDER_VALGRIND, {"PYTHONMALLOC": "malloc"}, memcheck)
    figures.section(
        "core tests, valgrind", good=awake and done.returncode == 0, planted_fault_found=awake, **_counts(done)
    )


def pytest_in(
    tree: Tree, chosen: list[str], environment: dict[str, str], before: list[str] | None = None
) -> subprocess.CompletedProcess[Any]:
    """Run tests in a copy; `before` is what Python runs under. What failed is shown."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:benchmark", *chosen]
    done = tree.run([*(before or []), *command], **environment)
    if done.returncode != 0:
        print(done.stdout[-20000:], done.stderr[-20000:], f"pytest ended with {done.returncode}")
    return done


def _counts(done: subprocess.CompletedProcess[Any]) -> dict[str, int]:
    """The numbers of pytest's closing line."""
    found = dict.fromkeys(("passed", "failed", "skipped"), 0)
    lines = [line for line in done.stdout.splitlines() if re.search(r"\d+ (passed|failed|error)", line)]
    for number, word in re.findall(r"(\d+) (passed|failed|skipped)", lines[-1] if lines else ""):
        found[word] = int(number)
    return found
