"""The C program of session.c under sanitizers, valgrind and ctgrind, and gcc's analyzer on csrc."""

from __future__ import annotations

import shlex
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import TYPE_CHECKING

import build_ffi
from tests.prove import TOP, WORK

if TYPE_CHECKING:
    from tests.prove import Figures

HERE = Path(__file__).parent
BUILT = WORK / "sanitize"
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"]
# What every build of an extension needs: the tests' core has functions with names of libcrypto's, for itself alone.
BASIC = ["-std=c11", "-g", "-fvisibility=hidden"]
# The product's own optimization: what a compiler makes of a comparison is part of what is judged.
PRODUCT = ["-std=c11", "-O3", "-g"]
FOUND = 9  # valgrind's status when it found something


def compile_program(name: str, marks: str, *flags: str) -> Path:
    """session.c with csrc and one of the two files of marks, as an executable."""
    BUILT.mkdir(parents=True, exist_ok=True)
    program = BUILT / name
    seams = [] if marks == "secrets.c" else [TOP / build_ffi.SEAMS]
    include_dirs, library_dirs = build_ffi.openssl_directories()
    command = [
        "gcc",
        *flags,
        *(f"-I{directory}" for directory in (TOP / "csrc", HERE, *include_dirs)),
        *(TOP / source for source in build_ffi.SOURCES),
        *seams,
        HERE / "session.c",
        HERE / marks,
        *(f"-L{directory}" for directory in library_dirs),
        *("-lcrypto", "-ldl", "-rdynamic", "-o", program),
    ]
    subprocess.run(command, check=True)
    return program


def run(command: list[object]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)


def sanitizers(figures: Figures) -> None:
    """AddressSanitizer, its leak finder, and UndefinedBehaviorSanitizer."""
    program = compile_program("plain-sanitized", "plain.c", "-std=c11", "-O1", "-g", *SANITIZERS)
    planted = run([program, "planted"])
    done = run([program])
    awake = planted.returncode != 0 and "heap-buffer-overflow" in planted.stderr
    good = awake and done.returncode == 0 and done.stderr == ""
    if done.stderr:
        print(done.stderr)
    figures.section("sanitized program", good=good, calls=_calls(done), planted_fault_found=awake)


def valgrind(figures: Figures) -> None:
    """Memcheck, which sees what is written inside libcrypto, too; every block must have been freed."""
    program = compile_program("plain", "plain.c", *PRODUCT)
    memcheck = ["valgrind", "--quiet", f"--error-exitcode={FOUND}"]
    planted = run([*memcheck, program, "planted"])
    done = run([*memcheck, "--leak-check=full", "--show-leak-kinds=all", "--errors-for-leak-kinds=all", program])
    awake = planted.returncode == FOUND and "Invalid read" in planted.stderr
    if done.stderr:
        print(done.stderr)
    figures.section(
        "valgrind",
        good=awake and done.returncode == 0,
        calls=_calls(done),
        reports=0 if done.returncode == 0 else "some",
    )


def secrets(figures: Figures) -> None:
    """Memcheck once more, every secret undefined: a branch or an address in our C that depends on one is a report."""
    program = compile_program("secrets", "secrets.c", *PRODUCT)
    report = BUILT / "secrets.xml"
    memcheck = ["valgrind", f"--error-exitcode={FOUND}", f"--suppressions={HERE / 'secrets.supp'}"]
    planted = run([*memcheck, "--quiet", program, "planted"])
    done = run([*memcheck, "--xml=yes", f"--xml-file={report}", program])
    root = ET.parse(report).getroot()
    ours = len(root.findall("error"))
    theirs = sum(int(pair.findtext("count", "0")) for pair in root.iterfind("suppcounts/pair"))
    awake = planted.returncode == FOUND and "marks_planted" in planted.stderr
    if ours:
        print(run([*memcheck, "--quiet", program]).stderr[:20000])
    figures.section(
        "secrets",
        good=awake and done.returncode == 0 and ours == 0 and theirs > 0,
        calls=_calls(done),
        reports_in_our_C=ours,
        reports_inside_libcrypto=theirs,
        planted_branch_found=awake,
    )


def analyzer(figures: Figures) -> None:
    """gcc -fanalyzer, at -O0: it loses its way in inlined code. A file with a leak in it must be found first."""
    include_dirs, _ = build_ffi.openssl_directories()
    command = ["gcc", "-std=c11", "-O0", "-fanalyzer", "-Werror", "-c", "-o", "/dev/null"]
    command += [f"-I{directory}" for directory in (TOP / "csrc", *include_dirs)]
    leaky = BUILT / "leaky.c"
    BUILT.mkdir(parents=True, exist_ok=True)
    leaky.write_text("#include <stdlib.h>\nint f(int n);\nint f(int n) { char *p = malloc(9); return p && n; }\n")
    awake = "analyzer-malloc-leak" in run([*command, leaky]).stderr
    failed = []
    for source in [*build_ffi.SOURCES, build_ffi.SEAMS]:
        done = run([*command, TOP / source])
        if done.returncode != 0:
            failed.append(source)
            print(done.stderr)
    figures.section(
        "gcc -fanalyzer", good=awake and not failed, files=len(build_ffi.SOURCES) + 1, files_with_findings=len(failed)
    )


def _calls(done: subprocess.CompletedProcess[str]) -> int:
    if done.returncode not in (0, FOUND):
        print(shlex.join(map(str, done.args)), "ended with", done.returncode, done.stderr[-4000:])
    words = done.stdout.split()
    return int(words[-1]) if words else 0
