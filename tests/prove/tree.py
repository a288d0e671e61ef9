"""Copy of the checkout, in which sources can be changed and cores built with other flags.

It contains the files that git tracks or would add, including uncommitted changes, and no build products. The copy's
`secftp` is first on the path of everything that runs in it, since the environment's points to the checkout.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import build_ffi

TOP = Path(__file__).resolve().parents[2]
WORK = TOP / "build" / "prove"

# Run in a copy: the product's core and the tests' own, with other flags than build_ffi.py's.
_BUILD = """
import runpy, shutil, sys
import build_ffi
build_ffi.COMPILE_ARGS[:] = sys.argv[1:]
builder = build_ffi.core_builder("_core", seams=build_ffi.SEAMS, base=f"{build_ffi.TOP}/")
shutil.copy(builder.compile(tmpdir="objects/product"), "secftp")
sys.argv = ["tests.seamed.build"]
runpy.run_module("tests.seamed.build", run_name="__main__")
"""


class Tree:
    """One copy, beneath build/prove/. What was built in an earlier copy of that name is gone.

    `build` keeps its objects in the copy's directory objects/, for gcov.
    """

    def __init__(self, name: str) -> None:
        self.path = WORK / name
        shutil.rmtree(self.path, ignore_errors=True)
        for source in _files():
            target = self.path / source
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(TOP / source, target, follow_symlinks=False)

    def environment(self, **more: str) -> dict[str, str]:
        """The environment of everything that runs in this copy."""
        return {**os.environ, "PYTHONPATH": str(self.path), "PYTHONDONTWRITEBYTECODE": "1", **more}

    def build(self, flags: list[str], *, link: str = "", environment: dict[str, str] | None = None) -> None:
        """Build both cores in place. Raises CalledProcessError, after the compiler's words, if one does not build."""
        objects = self.path / "objects"
        done = self.run(
            [sys.executable, "-c", _BUILD, *flags],
            LDFLAGS=link,
            SEAMED_SCRATCH=str(objects / "seamed"),
            **(environment or {}),
        )
        if done.returncode != 0:
            sys.stderr.write(done.stdout + done.stderr)
            done.check_returncode()

    def rebuild(self, source: str, flags: list[str]) -> None:
        """Build both cores again after one file of csrc was changed: that file, and the links. As `build` otherwise."""
        include_dirs, library_dirs = build_ffi.openssl_directories()
        for core, more, target in (
            ("product", [], self.path / "secftp"),
            ("seamed", ["-include", "tests/seamed/failing.h"], self.path / "tests" / "seamed"),
        ):
            objects = sorted((self.path / "objects" / core).rglob("*.o"))
            (changed,) = [path for path in objects if str(path).endswith(f"/{Path(source).with_suffix('.o')}")]
            (module,) = target.glob("_core*.so")
            directories = [f"-I{directory}" for directory in (".", "csrc", *include_dirs)]
            self._must(["gcc", *flags, "-fPIC", *more, *directories, "-c", source, "-o", str(changed)])
            module.unlink()  # a new file: the old one may be loaded somewhere
            links = [*(f"-L{directory}" for directory in library_dirs), "-lcrypto", "-o", str(module)]
            self._must(["gcc", "-shared", *map(str, objects), *links])

    def _must(self, command: list[str]) -> None:
        done = self.run(command)
        if done.returncode != 0:
            sys.stderr.write(done.stdout + done.stderr)
            done.check_returncode()

    def run(
        self, command: list[str], *, timeout: float | None = None, text: bool = True, **environment: str
    ) -> subprocess.CompletedProcess[Any]:
        """Run a command in the copy, its output kept."""
        return subprocess.run(
            command,
            cwd=self.path,
            env=self.environment(**environment),
            capture_output=True,
            text=text,
            errors="replace" if text else None,
            check=False,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
        )

    def remove(self) -> None:
        """Take the copy away."""
        shutil.rmtree(self.path, ignore_errors=True)


def _files() -> list[str]:
    """The sources, relative to the top: what git would take; without git, all that no build makes."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=TOP,
        capture_output=True,
        check=False,
    )
    if listed.returncode == 0:
        return [name for name in os.fsdecode(listed.stdout).split("\0") if name and (TOP / name).is_file()]
    skipped = {".git", ".venv", "build", "dist", "__pycache__", ".hypothesis", ".benchmarks"}
    found = []
    for directory, directories, files in os.walk(TOP):
        directories[:] = [name for name in directories if name not in skipped and not name.startswith(".mypy")]
        found += [os.path.relpath(os.path.join(directory, name), TOP) for name in files if not name.endswith(".so")]
    return found
