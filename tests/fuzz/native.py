"""Build of the native targets, with a check that they are instrumented."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import build_ffi
from tests.prove import TOP, WORK

HERE = Path(__file__).parent / "native"
BUILT = WORK / "fuzz"
# One -fsanitize for each: joined by a comma, this compiler silently leaves AddressSanitizer out.
FLAGS = [
    "-std=gnu11",
    "-g",
    "-O1",
    "-fno-omit-frame-pointer",
    "-fsanitize=address",
    "-fsanitize=undefined",
    "-fsanitize-trap=undefined",
    "-fsanitize-coverage=inline-8bit-counters,pc-table,trace-cmp",
]
INSTRUMENTS = ("__asan_init", "__sanitizer_cov_8bit_counters_init")


def names() -> list[str]:
    """The native targets; `planted` is the control."""
    return sorted(path.stem for path in HERE.glob("*.c") if path.stem != "common")


def fuzzer_library() -> Path:
    """libFuzzer without a main, as atheris ships it."""
    spec = importlib.util.find_spec("atheris")
    assert spec is not None and spec.origin is not None, "pip install atheris"
    (found,) = [
        path
        for directory in (Path(spec.origin).parent, Path(spec.origin).parent.parent)
        for path in directory.glob("libclang_rt.fuzzer_no_main*.a")
    ]
    return found


def build(targets: list[str]) -> dict[str, Path]:
    """Each target as an executable. Raises CalledProcessError, after the compiler's words."""
    objects = BUILT / "objects"
    objects.mkdir(parents=True, exist_ok=True)
    core = [_compile(TOP / source, objects) for source in build_ffi.SOURCES]
    common = _compile(HERE / "common.c", objects)
    for path in core:
        _check_instruments(path)
    return {name: _link(name, [_compile(HERE / f"{name}.c", objects), *core, common]) for name in targets}


def _includes() -> list[str]:
    directories, _ = build_ffi.openssl_directories()
    return [f"-I{directory}" for directory in (TOP / "csrc", HERE, *directories)]


def _compile(source: Path, objects: Path) -> Path:
    target = objects / f"{source.parent.name}-{source.stem}.o"
    command = [sys.executable, "-m", "ziglang", "cc", *FLAGS, *_includes(), "-c", source, "-o", target]
    subprocess.run(command, check=True)
    return target


def _link(name: str, objects: list[Path]) -> Path:
    program = BUILT / name
    libraries = ["-lcrypto", "-lstdc++", "-lpthread", "-ldl", "-lm"]
    subprocess.run(["gcc", "-fsanitize=address", "-o", program, *objects, fuzzer_library(), *libraries], check=True)
    return program


def _check_instruments(path: Path) -> None:
    symbols = subprocess.run(["nm", path], capture_output=True, text=True, check=True).stdout
    missing = [word for word in INSTRUMENTS if word not in symbols]
    assert not missing, f"{path.name} was built without {missing}"
