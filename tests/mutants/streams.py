"""Mutants of parallel transfers: versions, the queue of parts, streams, downloads in parts."""

from __future__ import annotations

from tests.mutants.mutant import Mutant, mutant

VERSIONS = "tests/server/test_requests_versions.py"
PARTS = "tests/transfer/test_parts.py"
INTERVALS = "tests/test_intervals.py"

MUTANTS: list[Mutant] = [
    # --- versions ---
    mutant("another-version-is-sent", "secftp/server/requests/versions.py", "    if asked and (version is None or not hmac.compare_digest(version, asked)):\n", "    if asked and version is None:\n", VERSIONS),
    mutant("file-without-versions-is-sent", "secftp/server/requests/versions.py", "    if asked and (version is None or not hmac", "    if asked and (version is not None and not hmac", VERSIONS),
    mutant("sum-of-another-version", "secftp/server/requests/read.py", "        require_version(source, request.version)\n        size", "        size", VERSIONS),
    mutant("version-without-the-inode", "secftp/storage/source.py", "status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns", "status.st_size, status.st_mtime_ns", VERSIONS),
    mutant("version-without-the-time-of-change", "secftp/storage/source.py", "return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns", "return status.st_dev, 0, status.st_size, status.st_mtime_ns, 0", VERSIONS),
    mutant("version-by-a-known-key", "secftp/server/requests/versions.py", "_KEY: Final = os.urandom(32)", "_KEY: Final = bytes(32)", VERSIONS),
    # --- the queue of parts ---
    mutant("ranges-that-touch-stay-apart", "secftp/intervals.py", "first = bisect_left(self._ends, at)", "first = bisect_right(self._ends, at)", INTERVALS),
    mutant("part-given-back-twice", "secftp/transfer/parts.py", "            if part not in self._held:\n                return\n", "", PARTS),
    mutant("part-that-must-not-shrink-is-split", "secftp/transfer/parts.py", "if part.can_shrink and part.rest >=", "if part.rest >=", PARTS),
    mutant("split-part-keeps-its-end", "secftp/transfer/parts.py", "        part.end = middle\n", "", PARTS),
    mutant("part-given-back-is-lost", "secftp/transfer/parts.py", "            self._todo.add(middle, part.end)\n", "", PARTS),
    mutant("part-given-back-wakes-nobody", "secftp/transfer/parts.py", "            self._todo.add(middle, part.end)\n            self._changed.notify_all()\n", "            self._todo.add(middle, part.end)\n", PARTS),
]  # fmt: skip
