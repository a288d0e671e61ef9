"""Mutants of parallel transfers: versions, the queue of parts, streams, downloads in parts."""

from __future__ import annotations

from tests.mutants.mutant import Mutant, mutant

VERSIONS = "tests/server/test_requests_versions.py"
PARTS = "tests/transfer/test_parts.py"
INTERVALS = "tests/test_intervals.py"
STREAMS = "tests/transfer/test_streams.py"
GET = "tests/transfer/test_download_parts.py"
UNWANTED = "tests/transport/test_unwanted.py"

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
    mutant("part-that-must-not-shrink-is-split", "secftp/transfer/parts.py", "if part.can_shrink and (part.rest >=", "if (part.rest >=", PARTS),
    mutant("split-part-keeps-its-end", "secftp/transfer/parts.py", "        part.end = middle\n", "", PARTS),
    mutant("part-given-back-is-lost", "secftp/transfer/parts.py", "            self._todo.add(middle, part.end)\n", "", PARTS),
    mutant("part-given-back-wakes-no-stream", "secftp/transfer/parts.py", "            self._todo.add(middle, part.end)\n            self._changed.notify_all()\n", "            self._todo.add(middle, part.end)\n", PARTS),
    mutant("part-that-hangs-is-never-taken-over", "secftp/transfer/parts.py", " or (part.rest and part.moved < late))", ")", PARTS),
    mutant("part-without-the-end-of-its-reply-is-never-done", "secftp/transfer/parts.py", "            if part.can_shrink and not part.rest and part.moved < late:\n                self._release(part)  # all of it has come, but for the end of the reply\n", "            pass\n", PARTS),
    # --- downloads in parts ---
    mutant("parts-of-any-version", "secftp/transfer/part_streams.py", "            version=file.version,\n            additional", "            version=b\"\",\n            additional", GET),
    mutant("part-of-another-version-is-written", "secftp/transfer/file_in_parts.py", "        if file.version != mine.version:\n", "        if False:\n", GET),
    mutant("digest-goes-on-after-it-was-handed-over", "secftp/transfer/first_read.py", '            self._reading.drop(remote_failure(FileError, file.name, "the rest is not needed."))\n', "", f"{GET}::test_what_comes_after_the_first_request_has_left_the_rest_to_others_does_not_count"),
    mutant("digest-of-the-whole-is-not-compared", "secftp/transfer/download_parts.py", "        if hmac.compare_digest(file.digest, file.expected or b\"\"):\n", "        if file.digest:\n", GET),
    mutant("file-with-a-part-missing-is-committed", "secftp/transfer/download_parts.py", "            if file.queue.complete:\n", "            if file.queue.is_taken:\n", GET),
    mutant("lost-stream-keeps-its-part", "secftp/transfer/part_streams.py", "        for reply in self._replies:\n            reply.give_back()\n", "", GET),
    mutant("lost-stream-keeps-the-question-for-the-digest", "secftp/transfer/file_in_parts.py", "            self._file.drop_sum()\n\n    def _refused", "            pass\n\n    def _refused", GET),
    mutant("what-came-behind-a-gap-is-kept", "secftp/transfer/first_read.py", "            sink.keep_first(file.queue.prefix)\n", "            sink.keep_first(file.queue.transferred)\n", GET),
    mutant("loss-of-the-first-stream-ends-the-file", "secftp/transfer/download_parts.py", "        if not self._reads or not self.transfer.streams.promising:\n            raise lost\n", "        raise lost\n", GET),
    mutant("lost-question-for-the-digest-is-nobodys", "secftp/transfer/part_streams.py", "if any(file.queue.has_work() or file.needs_sum for", "if any(file.queue.has_work() for", GET),
    mutant("bytes-given-back-that-never-came", "secftp/transfer/file_in_parts.py", "self._file.queue.give_back(self._part, kept=self._part.position - self._part.at)", "self._file.queue.give_back(self._part, kept=self._part.end - self._part.at)", GET),
    mutant("file-is-closed-under-its-writers", "secftp/storage/part_writer.py", "            self._changed.wait_for(lambda: not self._users)\n", "", "tests/storage/test_part_writer.py"),
    mutant("written-after-the-end", "secftp/storage/part_writer.py", "            if self._is_over:\n", "            if False:\n", "tests/storage/test_part_writer.py"),
    # --- streams ---
    mutant("more-streams-than-the-server-allows", "secftp/transfer/streams.py", "    return max(1, min(wanted, allowed, MAX_STREAMS))\n", "    return max(1, min(wanted, MAX_STREAMS))\n", STREAMS),
    mutant("unknown-round-trip-is-a-long-one", "secftp/transfer/streams.py", "    elif round_trip is None or round_trip < _NEAR:\n", "    elif round_trip is not None and round_trip < _NEAR:\n", STREAMS),
    mutant("refused-stream-ends-the-copy", "secftp/transfer/streams.py", "        except (SecftpError, OSError):\n            pass  # refused", "        except ZeroDivisionError:\n            pass  # refused", GET, STREAMS),
    mutant("streams-are-left-behind", "secftp/transfer/streams.py", "        for stream in streams:\n            stream.join()\n\n    def finish", "        return\n\n    def finish", STREAMS),
    mutant("closed-streams-are-not-interrupted", "secftp/transfer/streams.py", "            for stream in streams:\n                stream.interrupt()\n", "", STREAMS),
    mutant("unwanted-connection-is-awaited", "secftp/transport/tcp_connect.py", "    if wanted is not None and not wanted():\n", "    if False:\n", UNWANTED),
    mutant("full-disk-seen-by-a-stream-keeps-parts", "secftp/transfer/file_in_parts.py", "answered = None if self._reply.is_refused else received", "answered = received", f"{GET}::test_a_full_disk_leaves_nothing_whichever_thread_meets_it"),
    mutant("full-disk-seen-by-the-copy-is-left-to-others", "secftp/transfer/first_read.py", "elif self._reading.is_refused:", "elif False:", f"{GET}::test_a_full_disk_leaves_nothing_whichever_thread_meets_it"),
]  # fmt: skip
