"""Build script of the extension for tests: `python -m tests.seamed.build`, from the top directory."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

import build_ffi

HERE = Path(__file__).parent

if __name__ == "__main__":
    build_ffi.COMPILE_ARGS += ["-include", f"{HERE}/failing.h"]
    builder = build_ffi.core_builder(
        "_core_seamed",
        seams="tests/seamed/seams.c",
        declared=build_ffi.declarations(HERE / "seamed.h"),
        included='#include "tests/seamed/seamed.h"\n',
        base=f"{build_ffi.TOP}/",
        include=(str(build_ffi.TOP),),
    )
    # Objects and a generated file are built elsewhere: nothing but the extension belongs beside the tests.
    # A caller that needs the objects afterwards (gcov) names a directory for them.
    with contextlib.ExitStack() as stack:
        scratch = os.environ.get("SEAMED_SCRATCH") or stack.enter_context(tempfile.TemporaryDirectory())
        built = Path(builder.compile(tmpdir=scratch))
        # In one step, and as a new file: another run may have the old one loaded.
        beside = HERE / f"{built.name}.{os.getpid()}"
        shutil.copy(built, beside)
        beside.replace(HERE / built.name)
