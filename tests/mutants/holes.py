"""Mutants of sparse files: what a peer may leave out, what is left of it on the disk, and what is not a hole."""

from __future__ import annotations

from tests.mutants.mutant import Mutant, mutant

CODEC = "tests/protocol/test_codec.py"
STATE = "tests/protocol/test_state.py"
PEERS = "tests/protocol/test_model_peers.py"
FILES = "tests/storage/test_holes.py"
COPIES = "tests/transfer/test_sparse.py"
QUOTA = "tests/server/test_quota.py"

MACHINE = "secftp/protocol/state.py"
SINK = "secftp/storage/sink.py"
HOLES = "secftp/storage/holes.py"

MUTANTS: list[Mutant] = [
    # --- what may come ---
    mutant("hole-of-any-size", "secftp/protocol/limits.py", "Meta(ge=1, le=MAX_HOLE)", "Meta(ge=1, le=MAX_SIZE)", CODEC),
    mutant("hole-although-unasked", MACHINE, "file.may_have_holes and pending.holes", "pending.holes", STATE),
    mutant("hole-without-the-capability", MACHINE, "file.may_have_holes and pending.holes", "file.may_have_holes", STATE),
    mutant("hole-that-does-not-count", MACHINE, "        self.total += size\n        if self.is_refused", "        if self.is_refused", STATE),
    mutant("hole-thrown-away-for-nothing", MACHINE, "max(0, size - HOLE_DRAIN)", "size", STATE),
    mutant("hole-thrown-away-as-if-it-travelled", MACHINE, "        if self.is_refused:\n            most", "        if self.total < 0:\n            most", STATE),
    mutant("holes-sent-although-unasked", "secftp/server/requests/read.py", "                holes=holes,\n", "", PEERS),
    mutant("holes-sent-to-any-server", "secftp/transport/file_data.py", " and channel.may_send_holes:", ":", COPIES),
    mutant("hole-not-hashed", "secftp/transport/file_data.py", "        _hash(self._digest, zeros(size), size)\n", "", COPIES),
    mutant("hole-sent-before-the-capability-is-known", "secftp/session/pipeline.py", " or source.is_sparse)", ")", COPIES),
    mutant("hole-taken-for-slow", "secftp/server/connection.py", "data.saved + data.holes)", "data.saved)", COPIES),
    mutant("hole-hashed-for-who-has-left", "secftp/transport/file_data.py", " and channel.peer_has_left():", " and False:", COPIES),
    # --- what is a hole ---
    mutant("unknown-taken-for-a-hole", HOLES, "            begin, position = position, end\n", "            begin = position = end\n", FILES),
    mutant("file-without-holes-searched", HOLES, "  # a system without SEEK_HOLE\n        return Extent(False, end)", "\n        return Extent(True, end)", FILES),
    mutant("end-taken-for-data", HOLES, "        if error.errno == errno.ENXIO:", "        if error.errno == errno.EPERM:", FILES, COPIES),
    mutant("block-judged-by-three-bytes", HOLES, "    return bytes(block) == (_ZERO_BLOCK if size == BLOCK else _ZERO_BLOCK[:size])\n", "    return True\n", FILES),
    mutant("search-without-an-end", HOLES, "_SHORT_HOLES: Final = 64", "_SHORT_HOLES: Final = 1 << 30", FILES),
    # --- what is left of it ---
    mutant("last-hole-lost", SINK, "                self._end_hole()\n", "", FILES),
    mutant("last-hole-of-a-partial-lost", SINK, " or self._ends_in_hole:\n                    os.ftruncate", ":\n                    os.ftruncate", FILES),
    mutant("data-after-a-hole-cut-off", SINK, "        self._size += transfer_all(self._write, buffers)\n        self._ends_in_hole = False\n", "        transfer_all(self._write, buffers)\n", FILES),
    mutant("hole-over-other-bytes", SINK, "            self._write_data_at(zeros(end - begin), begin)\n", "            pass\n", FILES),
    mutant("hole-over-one-byte-takes-its-size", SINK, "            self._write_data_at(zeros(end - begin), begin)\n", "            self._write_data_at(zeros(size), at)\n", FILES),
    mutant("hole-cuts-off-what-follows", SINK, "        if os.fstat(self._fd).st_size < self._extent:\n            os.ftruncate(self._fd, self._extent)", "        if os.fstat(self._fd).st_size < self._extent:\n            os.ftruncate(self._fd, at + size)", FILES),
    mutant("zeros-written-although-unwanted", SINK, "        elif self._options.sparse:\n            from secftp.storage.holes import split_zeros\n", "        elif self._size < 0:\n            from secftp.storage.holes import split_zeros\n", COPIES),
    mutant("copy-fills-holes", "secftp/storage/copy.py", "end = 0 if source.is_sparse else size", "end = size", FILES, COPIES),
    mutant("size-taken-for-space", SINK, "size - self._options.holes", "size", FILES),
    mutant("hole-counted-as-space", "secftp/server/quota.py", "            if not is_hole:\n", "            if count:\n", QUOTA),
    mutant("hole-without-a-size", "secftp/server/quota.py", "        self._size += count\n        try:\n", "        self._size += 0 if is_hole else count\n        try:\n", QUOTA),
    mutant("resumed-at-the-first-hole", "secftp/transfer/download.py", "if item.resume is None and isinstance(sink, ResumedFileSink):", "if isinstance(sink, ResumedFileSink):", COPIES),
]  # fmt: skip
