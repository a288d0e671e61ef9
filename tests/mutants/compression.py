"""Mutants of compression: what a peer may send compressed, what it may cost, and what is compressed at all."""

from __future__ import annotations

from tests.mutants.mutant import Mutant, mutant

CODEC = "tests/protocol/test_codec.py"
STATE = "tests/protocol/test_state.py"
FRAMES = "tests/transport/test_compression.py"
SENDER = "tests/transport/test_compressed_data.py"
COPIES = "tests/transfer/test_compression.py"
COMMANDS = "tests/client/test_cli_compress.py"

DECODER = "secftp/protocol/codec.py"
MACHINE = "secftp/protocol/state.py"
LIBRARY = "secftp/transport/compression.py"
CHOICE = "secftp/transport/compressed_data.py"

MUTANTS: list[Mutant] = [
    # --- what may come ---
    mutant("compressed-at-any-ratio", DECODER, "min(MAX_CLEAR, MAX_RATIO * nbytes)", "MAX_CLEAR", CODEC),
    mutant("compressed-of-any-size", DECODER, "min(MAX_CLEAR, MAX_RATIO * nbytes)", "MAX_RATIO * nbytes", CODEC),
    mutant("compressed-nothing", DECODER, "return 1 <= clear_size <= min(", "return clear_size <= min(", CODEC),
    mutant("compressed-although-unasked", MACHINE, "file.may_be_compressed and pending.compression", "pending.compression", STATE),
    mutant("compressed-without-the-capability", MACHINE, "file.may_be_compressed and pending.compression", "file.may_be_compressed", STATE),
    mutant("compressed-beyond-the-announced-size", MACHINE, "            raise ProtocolError(f\"{message.TYPE.name} is not allowed for this file.\")\n        if file.total > file.limit:\n", "            raise ProtocolError(f\"{message.TYPE.name} is not allowed for this file.\")\n        if file.total < 0:\n", STATE),
    mutant("compressed-counted-as-sent", MACHINE, "file.total += message.clear_size", "file.total += len(message.frame)", STATE),
    # --- what it decompresses to ---
    mutant("frame-of-another-size", LIBRARY, " or head.decompressed_size != clear_size", "", FRAMES),
    mutant("frame-with-a-window-at-will", LIBRARY, "if _window_size(frame) > MAX_CLEAR:", "if _window_size(frame) < 0:", FRAMES),
    mutant("frame-that-does-not-end", LIBRARY, " or not decompressor.eof", "", FRAMES),
    mutant("frame-with-more-behind-it", LIBRARY, " or decompressor.unused_data", "", FRAMES),
    mutant("session-goes-on-after-a-bad-frame", "secftp/transport/incoming.py", "            clear = decompress(frame, message.clear_size)\n        except ProtocolError:\n            self._state.refuse()\n", "            clear = decompress(frame, message.clear_size)\n        except ProtocolError:\n", SENDER),
    # --- what is compressed ---
    mutant("compressed-whatever-it-saves", LIBRARY, "return frame_size <= clear_size - clear_size // 8", "return frame_size <= clear_size", SENDER),
    mutant("noise-tried-again-and-again", CHOICE, "max(2 * self._skipped, _SKIPPED_BYTES)", "_SKIPPED_BYTES", SENDER),
    mutant("noise-tried-never-again", CHOICE, "            self._skipped = 0\n", "            self._skipped = _SKIPPED_MAX\n", SENDER),
    mutant("noise-tried-without-a-sample", CHOICE, "not self._sample_shrinks(min(limit, _SKIPPED_BYTES))", "limit < 0", SENDER),
    mutant("text-among-noise-not-found", CHOICE, "        return count >= _LEAST_BYTES and shrinks(", "        return count < 0 and shrinks(", SENDER),
    mutant("zeros-beyond-the-ratio", CHOICE, " or len(clear) > MAX_RATIO * len(frame):", ":", SENDER),
    mutant("compressed-for-any-server", "secftp/transport/file_data.py", "if compress is not None and channel.may_compress:", "if compress is not None:", SENDER),
    mutant("server-compresses-as-it-is-told", "secftp/server/requests/read.py", "min(request.compress, SERVER_LEVEL)", "request.compress", COPIES),
    mutant("compressed-file-taken-for-slow", "secftp/server/connection.py", "(0 if data is None else data.saved + data.holes)", "(0 if data is None else data.holes)", COPIES),
    mutant("compression-although-forbidden", "secftp/server/server.py", "compression and is_installed()", "is_installed()", COPIES, COMMANDS),
    mutant("session-stays-compressed", "secftp/transfer/compression.py", "        pipeline.compress = None  #", "        pass  #", COPIES),
    mutant("pipe-sent-before-the-capability-is-known", "secftp/session/pipeline.py", "            self.await_welcome()  # which", "            pass  # which", COMMANDS),
    mutant("rate-of-what-is-not-sent", "secftp/transfer/upload_large.py", "transfer.pipeline.channel.sent_of(done - before)", "done - before", COPIES),
    mutant("savings-of-streams-lost", "secftp/transfer/engine.py", "            self.data.add(streams.data.nbytes, streams.data.saved)\n", "", COPIES),
    mutant("library-looked-for-too-late", "secftp/client/copying.py", "        require()\n", "        pass\n", COMMANDS),
    mutant("small-files-compressed-although-unasked", LIBRARY, "    if not wanted:\n        raise ProtocolError(\"Compressed files", "    if wanted is None:\n        raise ProtocolError(\"Compressed files", COPIES),
    mutant("small-files-of-more-sizes-than-files", "secftp/protocol/requests.py", "if len(self.clear_sizes) > len(self.files):", "if len(self.files) < 0:", "tests/protocol/test_bounds.py"),
    mutant("small-files-told-more-sizes-than-files", "secftp/protocol/replies.py", "if len(self.clear_sizes) > len(self.files):", "if len(self.files) < 0:", "tests/protocol/test_bounds.py"),
    mutant("small-files-compressed-for-any-server", "secftp/transfer/upload.py", "if self.pipeline.compress is None or not session.can(Capability.ZSTD):", "if self.pipeline.compress is None:", COPIES),
    mutant("small-files-compressed-whatever-it-saves", LIBRARY, "if shrinks(size, len(frame)) else", "if frame else", COPIES),
    mutant("small-files-counted-in-the-rate-of-others", "secftp/transfer/upload.py", "            self.pipeline.channel.take_saved()  #", "            pass  #", COPIES),
]  # fmt: skip
