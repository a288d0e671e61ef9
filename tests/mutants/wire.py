"""Mutants of the handshake, the messages, keys and texts in Python."""

from __future__ import annotations

from tests.mutants.mutant import Mutant, mutant

HANDSHAKE = "tests/protocol/test_handshake.py"
BOUNDS = "tests/protocol/test_bounds.py"
CODEC = "tests/protocol/test_codec.py"
STATE = "tests/protocol/test_state.py"
KEY_FILES = "tests/keys/test_files.py"
KEY_TEXT = "tests/keys/test_text.py"
TEXT = "tests/test_text.py"

SIDES = "secftp/protocol/handshake.py"
DECODER = "secftp/protocol/codec.py"
PATHS = "secftp/protocol/limits.py"
MACHINE = "secftp/protocol/state.py"
FILES = "secftp/keys/files.py"
KEYS = "secftp/keys/text.py"

MUTANTS = [
    mutant("decoders-made-by-two-threads", "secftp/protocol/message.py", "        with _MAKING:\n", "        if True:\n", "tests/protocol/test_decoders.py"),
    # --- the handshake ---
    Mutant(
        "bytes-before-the-finish",
        (
            (SIDES, "if len(buffer) > SERVER_HELLO_BYTES:", "if len(buffer) < 0:"),
            (SIDES, "self._exchange.finish(bytes(buffer))", "self._exchange.finish(bytes(buffer[:SERVER_HELLO_BYTES]))"),
        ),
        (HANDSHAKE,),
    ),
    mutant("failed-side-goes-on", SIDES, "            event = self._advance()\n        except BaseException:\n            self._over = True\n", "            event = self._advance()\n        except BaseException:\n", HANDSHAKE),
    mutant("failed-server-goes-on", SIDES, "            self._exchange = ServerExchange(password, self._hello)\n        except BaseException:\n            self._over = True\n", "            self._exchange = ServerExchange(password, self._hello)\n        except BaseException:\n", HANDSHAKE),
    mutant("established-side-goes-on", SIDES, "        self._over = isinstance(event, Established)\n", "", HANDSHAKE),
    mutant("refused-client-goes-on", SIDES, "        self._over = True\n        suite, mode", "        suite, mode", HANDSHAKE),
    mutant("second-challenge", SIDES, "self._exchange is not None or ", "", HANDSHAKE),
    mutant("reserved-bytes-in-a-hello", SIDES, "if any(buffer[_RESERVED]):", "if False:", HANDSHAKE),
    mutant("name-with-a-nul", SIDES, "    if b\"\\0\" in raw:\n        return None\n", "", HANDSHAKE),
    mutant("frames-with-the-finish-lost", SIDES, "bytes(self._buffer[CLIENT_FINISH_BYTES:])", 'b""', HANDSHAKE),
    mutant("refusal-shown-as-sent", SIDES, "    except (ValueError, KeyError):\n        message, hint", "    except KeyError:\n        message, hint", HANDSHAKE),
    # --- messages ---
    mutant("message-of-any-length", DECODER, "    if len(payload) > form.longest:\n        raise ProtocolError(", "    if len(payload) < 0:\n        raise ProtocolError(", BOUNDS, CODEC),
    mutant("message-the-wrong-way", DECODER, "    if direction not in form.directions:", "    if not form.directions:", CODEC),
    mutant("message-with-other-flags", DECODER, "    if flags != form.flags:", "    if flags < form.flags:", CODEC),
    mutant("field-given-twice", DECODER, "        unique = len(fields) == _announced(payload)\n", "        unique = True\n", CODEC, "tests/protocol/test_fuzz.py"),
    mutant("limit-given-twice", DECODER, "            unique = unique and len(_FIELDS.decode(inner)) == _announced(memoryview(inner))\n", "            unique = unique and bool(inner)\n", CODEC),
    mutant("nested-17-levels-deep", DECODER, "        if len(enclosing) == levels:\n", "        if len(enclosing) > levels:\n", CODEC),
    mutant("unknown-fields-nested-at-will", DECODER, "        if name not in form.fields or (", "        if (", CODEC),
    mutant("further-elements-nested-at-will", DECODER, " or (name in form.parts and not _is_outlined(form.parts[name], raw))", "", CODEC),
    mutant("ping-with-a-payload", DECODER, "        if len(payload):\n", "        if len(payload) < 0:\n", CODEC, BOUNDS),
    mutant("parents-in-a-path", PATHS, 'if b"." in path or b".." in path:', 'if b"." in path:', BOUNDS, CODEC),
    mutant("slash-in-a-name", PATHS, 'if joined.count(b"/") >= len(path) or b"\\0" in joined:', 'if b"\\0" in joined:', BOUNDS, CODEC),
    mutant("nul-in-a-name", PATHS, ' or b"\\0" in joined:', ":", BOUNDS, CODEC),
    mutant("name-of-256-bytes", PATHS, "max(map(len, path)) > MAX_COMPONENT", "max(map(len, path)) > MAX_COMPONENT + 1", BOUNDS, CODEC, "tests/storage/test_names.py"),
    mutant("path-of-4097-bytes", PATHS, "if len(joined) + 1 > MAX_PATH:", "if len(joined) > MAX_PATH:", BOUNDS, CODEC),
    mutant("slash-in-one-of-many-names", PATHS, '    if joined.count(b"/") >= len(names) or b"', '    if not names or b"', BOUNDS),
    mutant("nul-in-one-of-many-names", PATHS, 'len(names) or b"\\0" in joined or not', "len(names) or not", BOUNDS),
    mutant("parents-in-one-of-many-paths", PATHS, " or not _NO_NAMES.isdisjoint(names) or not all(paths):", " or not all(paths):", BOUNDS),
    mutant("no-name-in-one-of-many-paths", PATHS, " or not all(paths):", ":", BOUNDS),
    mutant("one-of-many-names-of-256-bytes", PATHS, "is_valid = longest <= MAX_COMPONENT and", "is_valid =", BOUNDS),
    mutant("one-of-many-paths-of-65-names", PATHS, " and deepest <= MAX_COMPONENTS and", " and", BOUNDS),
    mutant("one-of-many-paths-of-4097-bytes", PATHS, " and (longest + 1) * deepest <= MAX_PATH\n", "\n", BOUNDS),
    mutant("path-of-65-names", "secftp/protocol/limits.py", "MAX_COMPONENTS = 64", "MAX_COMPONENTS = 65", BOUNDS, CODEC, "tests/docs/test_protocol.py"),
    mutant("refused-direction-goes-on", MACHINE, "        self.state = State.FAILED\n", "", STATE),
    mutant("more-data-than-announced", MACHINE, "            if total <= file.limit:\n", "            if total >= 0:\n", STATE),
    mutant("empty-data", MACHINE, "0 < nbytes <= MAX_DATA", "0 <= nbytes <= MAX_DATA", STATE, BOUNDS),
    mutant("end-of-another-size", MACHINE, "if message.size != file.total or ", "if ", STATE),
    mutant("pings-without-end", MACHINE, "if not self._pings.take(1, now):", "if self._pings is None:", STATE),
    mutant("ids-that-stay", MACHINE, "if request.id <= self._last_id:", "if request.id < self._last_id:", STATE),
    mutant("cancels-without-end", MACHINE, " or self._cancels > self._requests", "", STATE),
    mutant("one-request-too-many", MACHINE, "return len(self._queue) >= self.limit", "return len(self._queue) > self.limit", STATE),
    mutant("reply-to-another-request", MACHINE, "if not self._queue or self._queue[0].id != reply.id:", "if not self._queue:", STATE),
    mutant("reply-of-another-kind", MACHINE, "if type(reply) not in entry.kind.answers:", "if False:", STATE),
    mutant("confirmed-before-its-end", MACHINE, " and not entry.file.whole:", " and entry.file is None:", STATE),
    mutant("cut-taken-for-a-close", MACHINE, "        if self.state is not State.CLOSED:\n", "        if self.state is State.START:\n", STATE),
    mutant("welcome-twice", MACHINE, "            Ping: State.IDLE,\n            **{form.struct: State.READING", "            Ping: State.IDLE,\n            Welcome: State.IDLE,\n            **{form.struct: State.READING", STATE),
    mutant("file-without-its-state", MACHINE, "State.READING if form.opens_file else", "State.READING if form.answers else", STATE),
    # --- keys ---
    mutant("key-file-that-others-read", FILES, "    if status.st_mode & (forbidden & ~stat.S_IRGRP if for_the_group else forbidden):\n", "    if status.st_mode & 0:\n", KEY_FILES),
    mutant("key-file-that-any-group-reads", FILES, " != os.geteuid() and status.st_gid == os.getegid()", " != os.geteuid()", KEY_FILES),
    mutant("key-file-of-its-own-that-the-group-reads", FILES, "for_the_group = status.st_uid == 0 != os.geteuid() and", "for_the_group = 0 != os.geteuid() and", KEY_FILES),
    mutant("key-file-that-the-group-writes", FILES, "forbidden & ~stat.S_IRGRP if", "forbidden & ~stat.S_IRWXG if", KEY_FILES),
    mutant("key-file-of-another-user", FILES, "if status.st_uid not in (os.geteuid(), 0):", "if status.st_uid == -1:", KEY_FILES),
    mutant("key-from-a-device", FILES, "if not stat.S_ISREG(status.st_mode) and not (pipe", "if stat.S_ISSOCK(status.st_mode) and not (pipe", KEY_FILES),
    mutant("key-file-replaced", "secftp/keys/create.py", "os.link(temporary, path)", "os.replace(temporary, path); open(temporary, 'x').close()", KEY_FILES),
    mutant("key-file-of-blanks", FILES, "    if is_blank(text):\n", "    if text is None:\n", KEY_FILES),
    mutant("damaged-key-file", FILES, "len(secret) != _SECRET_BYTES or binascii.b2a_base64(secret, newline=False) != encoded", "len(secret) != _SECRET_BYTES", KEY_FILES),
    mutant("key-in-the-served-directory", FILES, "reached = exposure.has_file(path)", "reached = exposure.is_root(os.fsdecode(path))", KEY_FILES),
    mutant("check-character-ignored", KEYS, " or symbols[-1] != check_symbol(symbols[:-1])", "", KEY_TEXT),
    mutant("empty-key-accepted", KEYS, "    if not text:\n", "    if text is None:\n", KEY_TEXT),
    mutant("key-not-normalised", KEYS, 'return unicodedata.normalize("NFC", text)', "return text", KEY_TEXT),
    # --- what people see ---
    mutant("control-characters-shown", "secftp/text.py", "    if text.isascii() and text.isprintable() and ", "    if text.isascii() and ", TEXT),
    mutant("frames-beyond-one-call-forgotten", "secftp/crypto/frames.py", "        self._is_new = self._count[0] == SMALL_FRAMES", "        self._is_new = False", "tests/crypto/test_frames.py"),
    mutant("opened-again-without-new-bytes", "secftp/crypto/frames.py", "        if not self._is_new:\n            return []\n", "", "tests/crypto/test_frames.py"),
    mutant("forged-frame-forgotten", "secftp/crypto/frames.py", "        start = self._start\n        binding.check(", "        self._is_new, start = False, self._start\n        binding.check(", "tests/crypto/test_frames.py"),
]  # fmt: skip
