"""Builds `secftp._core`, the binding of csrc/ (cffi in API mode, linked dynamically against libcrypto).

The declarations are read from csrc/secftp.h, so a size or a code is written once, in C. `core_builder` is also what
the tests use to build their own extension with other seams; the product's is `ffibuilder`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from cffi import FFI

TOP = Path(__file__).resolve().parent
SEAMS = "csrc/seams.c"
SOURCES = [
    "csrc/client.c",
    "csrc/frames.c",
    "csrc/kdf.c",
    "csrc/lanes.c",
    "csrc/open.c",
    "csrc/p256.c",
    "csrc/password.c",
    "csrc/schedule.c",
    "csrc/seal.c",
    "csrc/self_test.c",
    "csrc/server.c",
]
# Warnings are errors in `make check` alone: a new compiler's new warning must not keep a user from installing.
COMPILE_ARGS = ["-std=c11", "-O3", "-fvisibility=hidden", "-fstack-protector-strong", "-D_FORTIFY_SOURCE=2"]

NO_HEADERS = """\
secftp needs the headers of OpenSSL 3.0 or newer to build its core, and {problem}.
  Debian, Ubuntu:  apt-get install libssl-dev
  Fedora, RHEL:    dnf install openssl-devel
  Alpine:          apk add openssl-dev
  macOS:           brew install openssl@3
Where they lie elsewhere, name the folder: OPENSSL_DIR=/path/to/openssl pip install ."""


def declarations(header: Path) -> str:
    """What cffi's parser understands of a header: no directives, no attributes."""
    text = re.sub(r"^#.*$", "", header.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return re.sub(r"\bSECFTP_CHECKED\b", "", text)


def openssl_folders() -> tuple[list[str], list[str]]:
    """Include and library folders beyond the compiler's own; empty where OpenSSL is the system's."""
    prefix = os.environ.get("OPENSSL_DIR", "")
    if not prefix and sys.platform == "darwin" and (brew := shutil.which("brew")):
        found = subprocess.run([brew, "--prefix", "openssl@3"], capture_output=True, text=True, check=False)  # noqa: S603
        prefix = found.stdout.strip()
    if not prefix:
        return [], []
    return [f"{prefix}/include"], [f"{prefix}/lib"]


def require_headers(include_dirs: list[str]) -> None:
    """Stop with one clear message, instead of a compiler's, when OpenSSL's headers are missing or too old."""
    compiler = os.environ.get("CC", "cc").split()
    probe = "#include <openssl/opensslv.h>\n#if OPENSSL_VERSION_NUMBER < 0x30000000L\n#error too old\n#endif\n"
    command = [*compiler, *(f"-I{folder}" for folder in include_dirs), "-E", "-"]
    try:
        result = subprocess.run(command, input=probe, capture_output=True, text=True, check=False)  # noqa: S603
    except OSError:
        sys.exit(NO_HEADERS.format(problem=f"a C compiler: {compiler[0]!r} can't be run"))
    if result.returncode != 0:
        old = "too old" in result.stderr
        sys.exit(NO_HEADERS.format(problem="those found are older" if old else "there are none"))


def core_builder(
    module: str, *, seams: str, declared: str = "", included: str = "", base: str = "", include: tuple[str, ...] = ()
) -> FFI:
    """The builder of one extension: csrc/ with the given seams, and further declarations if any.

    Paths are relative to the top, as setuptools wants them, unless `base` (ending with a slash) says from where.
    """
    include_dirs, library_dirs = openssl_folders()
    if "egg_info" not in sys.argv:
        require_headers(include_dirs)
    builder = FFI()
    builder.cdef(declarations(TOP / "csrc" / "secftp.h") + declared)
    builder.set_source(
        module,
        '#include "secftp.h"\n' + included,
        sources=[base + source for source in (*SOURCES, seams)],
        include_dirs=[base + "csrc", *include, *include_dirs],
        library_dirs=library_dirs,
        libraries=["crypto"],
        # setuptools can't see what a C file includes; without these a changed header would ship stale objects
        depends=[*(str(path.relative_to(TOP)) for path in sorted((TOP / "csrc").glob("*.h"))), "build_ffi.py"],
        extra_compile_args=COMPILE_ARGS,
    )
    return builder


if __name__ != "__main__":
    ffibuilder = core_builder("secftp._core", seams=SEAMS)
