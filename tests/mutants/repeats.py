"""Mutants of what may be done again: directories made writable for a time, and leftovers of our own in the way."""

from __future__ import annotations

from tests.mutants.mutant import Mutant, mutant

READONLY = "tests/test_readonly_directories.py"

MUTANTS: list[Mutant] = [
    # --- directories made writable ---
    mutant("other-users-directory-opened", "secftp/storage/writable.py", "if mode & OWNER == OWNER or status.st_uid != os.geteuid():", "if mode & OWNER == OWNER:", READONLY),
    mutant("other-users-directory-restored", "secftp/storage/writable.py", "== mode | OWNER and status.st_uid == os.geteuid():", "== mode | OWNER:", READONLY),
    mutant("permissions-set-meanwhile-undone", "secftp/storage/writable.py", "if stat.S_IMODE(status.st_mode) == mode | OWNER and status", "if status", READONLY),
    mutant("opened-without-the-right", "secftp/server/requests/change.py", "    if request.fill and desk.rights.overwrite:\n", "    if request.fill:\n", READONLY),
    mutant("opened-for-every-removal", "secftp/server/requests/change.py", "if not request.tree or len(request.path)", "if len(request.path)", READONLY),
    mutant("session-leaves-directories-open", "secftp/server/session.py", "            self._desk.filling.close()\n", "            pass\n", READONLY),
    mutant("opened-directories-without-a-bound", "secftp/server/requests/filling.py", "        if len(self._modes) >= MOST_DIRECTORIES:\n", "        if len(self._modes) < 0:\n", READONLY),
    mutant("get-leaves-directories-open", "secftp/copy/get.py", "                self._writable.suspend(self._store)\n", "", READONLY),
]  # fmt: skip
