"""Mutants of the asyncio client: what waits on the loop, local files in threads, what is cancelled."""

from __future__ import annotations

from tests.mutants.mutant import Mutant, mutant

COPYING = "tests/aio/test_copying.py"
LOCAL = "tests/aio/test_local.py"
PROCESSOR = "tests/aio/test_processor.py"

MUTANTS: list[Mutant] = [
    mutant("cancelled-job-is-left-behind", "secftp/aio/local.py", "                self._abandon(job)\n                raise\n", "                raise\n", LOCAL),
    mutant("cancelled-job-leaves-its-file-open", "secftp/aio/local.py", "        close = getattr(job.result, \"close\", None)\n", "        close = None\n", LOCAL),
    mutant("job-of-a-closed-coroutine-is-left-behind", "secftp/aio/local.py", "            while not job.is_over:\n                time.sleep(_POLL_SECONDS)\n", "            pass\n", LOCAL),
    mutant("threads-without-a-bound", "secftp/aio/local.py", "min(self._under_way, self._most)", "self._under_way", LOCAL),
    mutant("thread-for-each-job", "secftp/aio/local.py", "if self._threads < min(self._under_way, self._most):", "if self._threads < self._most:", LOCAL),
    mutant("threads-outlive-their-client", "secftp/aio/local.py", "        for _ in range(self._threads):\n            self._jobs.put(None)\n", "", LOCAL),
    mutant("items-before-a-failure-are-lost", "secftp/aio/local.py", "                yield from ahead\n                if problem is not None:\n                    raise problem\n", "                if problem is not None:\n                    raise problem\n                yield from ahead\n", LOCAL),
    # Either of the two is enough: nothing is asked about parts, and none are sent.
    Mutant("loop-waits-for-the-threads-of-parts", (("secftp/transfer/upload_files.py", "transfer.waits.may_block and session.can(Capability.UPLOADS)", "session.can(Capability.UPLOADS)"), ("secftp/transfer/preflight.py", "self._about_partials and waits.may_block and session", "self._about_partials and session")), (COPYING,)),
    mutant("small-files-read-one-by-one", "secftp/transfer/read_ahead.py", "            if each is not entry and each.there is None:\n                chosen.append(each)\n", "", COPYING),
    mutant("bytes-of-a-cancelled-wait-are-lost", "secftp/aio/stream.py", "                self._unread = bytes(view[: self._came])\n", "", "tests/aio/test_stream.py"),
    mutant("listing-packed-without-a-pause", "secftp/transfer/remote_tree.py", "                waits.pace()  # to pack them takes its time\n", "", f"{PROCESSOR}::test_a_listing_is_packed_with_pauses"),
]  # fmt: skip
