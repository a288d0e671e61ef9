"""Mutants of SPACE: what can still be written, and what is told to whom."""

from __future__ import annotations

from tests.mutants.mutant import Mutant, mutant

SPACE = "tests/server/test_requests_space.py"

MUTANTS: list[Mutant] = [
    mutant("space-within-what-is-kept-free", "secftp/server/quota.py", "            available = max(0, available - (self._min_free or 0))\n", "            pass\n", SPACE),
    mutant("space-below-nothing", "secftp/server/quota.py", "            available = max(0, available - (self._min_free or 0))\n", "            available = abs(available - (self._min_free or 0))\n", SPACE),
    mutant("space-of-the-superuser", "secftp/storage/directories.py", "else status.f_bavail * unit", "else status.f_bfree * unit", SPACE),
    mutant("space-that-is-not-counted-is-none", "secftp/storage/directories.py", "    if status.f_blocks:\n", "    if True:\n", SPACE),
    mutant("space-that-may-not-be-written", "secftp/server/requests/space.py", "        available = files_available = 0\n", "        pass\n", SPACE),
    mutant("space-of-a-read-only-disk", "secftp/server/requests/space.py", "read_only = space.read_only or not rights.write", "read_only = not rights.write", SPACE),
    mutant("disk-is-told-to-whoever-may-write", "secftp/server/requests/space.py", "total=space.total if may_look else None", "total=space.total", SPACE),
    mutant("space-without-any-right", "secftp/server/requests/space.py", "        context.require(Right.LIST)\n", "        pass\n", SPACE),
    mutant("space-tells-whether-a-name-exists", "secftp/server/requests/space.py", "    if may_look and request.path:\n", "    if request.path:\n", SPACE),
    mutant("space-of-the-disk-above", "secftp/storage/directories.py", "    with _nearest_directory(root, path, len(path)) as directory:\n", "    with _nearest_directory(root, path, len(path) - 1) as directory:\n", SPACE),
    mutant("space-used-is-negative", "secftp/protocol/replies.py", "or self.free > self.total:", "or False:", SPACE),
]  # fmt: skip
