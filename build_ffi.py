"""Build script of `secftp._core`, the binding of csrc/ (cffi in API mode, dynamically linked to libcrypto).

The declarations are read from csrc/secftp.h, so sizes and codes are defined once, in C. `ffibuilder` builds the
extension of the product; the tests use `core_builder` to build theirs with other seams.
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
# Warnings are errors only in `make check`: a new warning of a new compiler must not break an installation.
COMPILE_ARGS = ["-std=c11", "-O3", "-fvisibility=hidden", "-fstack-protector-strong", "-D_FORTIFY_SOURCE=2"]

NO_HEADERS = """\
secftp needs the headers of OpenSSL 3.0 or newer to build its core, and {problem}.
  Debian, Ubuntu:  apt-get install libssl-dev
  Fedora, RHEL:    dnf install openssl-devel
  Alpine:          apk add openssl-dev
  macOS:           brew install openssl@3
If they are in another directory, name it: OPENSSL_DIR=/path/to/openssl pip install ."""


def declarations(header: Path) -> str:
    """Return the declarations of a header without directives and attributes, which cffi does not parse."""
    text = re.sub(r"^#.*$", "", header.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return re.sub(r"\bSECFTP_CHECKED\b", "", text)


def openssl_directories() -> tuple[list[str], list[str]]:
    """Return additional include and library directories; empty lists if OpenSSL is in the default ones."""
    prefix = os.environ.get("OPENSSL_DIR", "")
    if not prefix and sys.platform == "darwin" and (brew := shutil.which("brew")):
        found = subprocess.run([brew, "--prefix", "openssl@3"], capture_output=True, text=True, check=False)  # noqa: S603
        prefix = found.stdout.strip()
    if not prefix:
        return [], []
    return [f"{prefix}/include"], [f"{prefix}/lib"]


def require_headers(include_dirs: list[str]) -> None:
    """Exit with a message if there is no compiler, or if OpenSSL's headers are missing or too old."""
    compiler = os.environ.get("CC", "cc").split()
    probe = "#include <openssl/opensslv.h>\n#if OPENSSL_VERSION_NUMBER < 0x30000000L\n#error too old\n#endif\n"
    command = [*compiler, *(f"-I{directory}" for directory in include_dirs), "-E", "-"]
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
    """Return the builder of an extension from csrc/, the given seams, and any further declarations.

    Source paths are relative to the top directory, as setuptools requires, or to `base`, which ends with a slash.
    """
    include_dirs, library_dirs = openssl_directories()
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
        # setuptools does not track includes; without these a changed header would leave stale objects
        depends=[*(str(path.relative_to(TOP)) for path in sorted((TOP / "csrc").glob("*.h"))), "build_ffi.py"],
        extra_compile_args=COMPILE_ARGS,
    )
    return builder


if __name__ != "__main__":
    ffibuilder = core_builder("secftp._core", seams=SEAMS)
