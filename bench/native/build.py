"""Build script of the extension for benchmarks: `python -m bench.native.build`, from the top directory."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from cffi import FFI

import build_ffi

HERE = Path(__file__).parent


def builder() -> FFI:
    """Return the builder for csrc/lanes.c and native.c, with the compiler flags of the product."""
    include_dirs, library_dirs = build_ffi.openssl_directories()
    build_ffi.require_headers(include_dirs)
    ffi = FFI()
    ffi.cdef(build_ffi.declarations(HERE / "native.h"))
    ffi.set_source(
        "_native",
        '#include "native.h"\n',
        sources=[str(build_ffi.TOP / "csrc" / "lanes.c"), str(HERE / "native.c")],
        include_dirs=[str(HERE), str(build_ffi.TOP / "csrc"), *include_dirs],
        library_dirs=library_dirs,
        libraries=["crypto"],
        extra_compile_args=build_ffi.COMPILE_ARGS,
    )
    return ffi


if __name__ == "__main__":
    # Intermediate files are built in a temporary directory, so that only the extension is placed beside the sources.
    with tempfile.TemporaryDirectory() as scratch:
        built = Path(builder().compile(tmpdir=scratch))
        shutil.move(built, HERE / built.name)
