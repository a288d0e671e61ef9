"""Mutants of what servers share in Redis: guesses, sessions, tokens, and a Redis that is away."""

from __future__ import annotations

from tests.mutants.mutant import Mutant, mutant

GUESSES = "tests/server/shared/test_guesses.py"
SESSIONS = "tests/server/shared/test_sessions.py"
LINK = "tests/server/shared/test_link.py"
LINE = "tests/server/shared/test_line.py"
URL = "tests/server/shared/test_url.py"
_PACKAGE = "secftp/server/shared"

MUTANTS: list[Mutant] = [
    mutant("redis-may-trickle", "secftp/server/shared/line.py", "        self._sock.settimeout(seconds)\n\n    def _count", "        self._sock.settimeout(0.1)\n\n    def _count", LINE),
    mutant("redis-may-trickle-from-request-to-request", "secftp/server/shared/line.py", "        self._socket.begin(self._seconds)\n", "", LINE),
    mutant("redis-may-answer-without-end", "secftp/server/shared/line.py", "        if self._bytes > MOST_BYTES:", "        if False:", LINE),
    mutant("hellos-wait-for-other-servers-for-ever", "secftp/server/hello_queue.py", "            end = self._ends.setdefault(hello, end)\n", "            pass\n", GUESSES),
    # --- guesses ---
    mutant("redis-lets-clients-wait-for-ever", f"{_PACKAGE}/guesses.py", "min(seconds, self._limits.guess_delay)", "seconds", GUESSES),
    mutant("redis-lets-all-wait-for-ever", f"{_PACKAGE}/guesses.py", "min(seconds, 1 / self._limits.guess_rate)", "seconds", GUESSES),
    mutant("a-flood-asks-redis-at-once", f"{_PACKAGE}/guesses.py", "due + self._limits.guess_delay / SIDE_BY_SIDE", "due", GUESSES),
    mutant("nonsense-of-redis-ends-a-handshake", f"{_PACKAGE}/guesses.py", "        except MISUNDERSTOOD:\n", "        except ZeroDivisionError:\n", GUESSES),
    mutant("waits-of-all-servers-ignored", "secftp/server/hello_queue.py", "        if not answer.seconds:\n", "        if True:\n", GUESSES),
    mutant("an-empty-budget-is-asked-for-again-and-again", "secftp/server/hello_queue.py", "            self._held[hello.trusted] = now + answer.seconds\n", "", GUESSES),
    mutant("the-wait-for-others-begins-anew", "secftp/server/hello_queue.py", "        came = self._came.get(hello, now)\n", "        came = now\n", GUESSES),
    mutant("guesses-refunded-to-all-servers-twice", "secftp/server/hello_queue.py", "(receipt := self._receipts.pop(hello, None))", "(receipt := self._receipts.get(hello))", GUESSES),
    mutant("wrong-keys-refunded-to-all-servers", "secftp/server/hello_queue.py", "        self._receipts.pop(hello, None)\n        self._came.pop(hello, None)\n", "        self._came.pop(hello, None)\n", GUESSES),
    mutant("refunds-lost-with-redis", f"{_PACKAGE}/guesses.py", "            run(REFUND, (self._names.key(\"epoch\"), receipt.debt, receipt.budget), values)\n            self._refunds.popleft()\n", "            self._refunds.popleft()\n            run(REFUND, (self._names.key(\"epoch\"), receipt.debt, receipt.budget), values)\n", GUESSES),
    mutant("refunds-without-a-bound", f"{_PACKAGE}/guesses.py", "deque(maxlen=MOST_REFUNDS)", "deque()", GUESSES),
    # --- sessions ---
    mutant("a-session-too-many-for-all-servers", "secftp/server/registry.py", "            connection.refused_by = refused.limit\n", "", SESSIONS),
    mutant("refused-sessions-asked-about", "secftp/server/registry.py", "        if others is None or connection.refused_by is not None:\n", "        if others is None:\n", SESSIONS),
    mutant("slots-of-all-servers-never-freed", "secftp/server/registry.py", "        if swap is not None and self._others is not None:\n", "        if swap is None and self._others is not None:\n", SESSIONS),
    mutant("lent-slots-counted-twice", "secftp/server/registry.py", "refused = others.take(claim.counted, conditions, () if lender is None else lender.claim.counted)", "refused = others.take(claim.counted, conditions, ())", SESSIONS),
    mutant("refused-sessions-counted", f"{_PACKAGE}/slots.py", "                if found is not None and int(found) > 0:\n                    return conditions", "                if found is not None and int(found) > 0:\n                    self._add(fields, given)\n                    return conditions", SESSIONS),
    mutant("nonsense-of-redis-ends-a-session", f"{_PACKAGE}/slots.py", "            except MISUNDERSTOOD:\n", "            except ZeroDivisionError:\n", SESSIONS),
    mutant("sessions-without-redis-forgotten", f"{_PACKAGE}/slots.py", "            self._add(fields, given)\n", "            if found is not None:\n                self._add(fields, given)\n", SESSIONS),
    mutant("shares-not-counted-together", "secftp/server/session_limits.py", "found += [Condition(SlotLimit.SOURCE, (network, claim.key), times=1) for network in _sites(source)]", "pass", SESSIONS),
    # --- tokens ---
    mutant("unknown-changes-count-as-done", "secftp/server/requests/idempotency.py", "self._others is not None and self._others.get(token) is not None", "self._others is not None", SESSIONS),
    mutant("two-copies-with-one-token", f"{_PACKAGE}/tables.py", "            return False\n", "            return True\n", SESSIONS),
    mutant("claims-without-redis-refused", f"{_PACKAGE}/tables.py", "(self._link.server, self._life)) == 0:\n", "(self._link.server, self._life)) != 1:\n", SESSIONS),
    mutant("confirmed-files-told-too-late", "secftp/server/requests/idempotency.py", "            told, self._to_tell = self._to_tell, []\n            self._files.others.put(told)\n", "            self._to_tell = []\n", SESSIONS),
    mutant("devices-compared-across-machines", "secftp/server/requests/idempotency.py", "if self._files.others is None else self._store.identity(path)[1]", "if True else 0", SESSIONS),
    # --- a Redis that is away ---
    mutant("a-lost-redis-asked-by-every-client", f"{_PACKAGE}/link.py", "        with self._state:\n            self._up = False\n            self._beat_at", "        with self._state:\n            self._beat_at", LINK),
    mutant("redis-counts-as-there-before-it-is-told", f"{_PACKAGE}/link.py", "        self._tell(self.on_beat)\n        self._beat_at = 0.0", "        self._up = True\n        self._tell(self.on_beat)\n        self._beat_at = 0.0", LINK),
    mutant("every-failure-of-redis-logged", f"{_PACKAGE}/link.py", "        if not told:\n", "        if True:\n", LINK),
    mutant("redis-connected-to-again-and-again", f"{_PACKAGE}/link.py", "        is_due = time.monotonic() >= self._beat_at\n", "        is_due = True\n", LINK),
    mutant("a-wrong-password-at-the-start-ignored", f"{_PACKAGE}/link.py", "            if problem.is_refusal:\n", "            if False:\n", LINK),
    mutant("the-accept-loop-connects", f"{_PACKAGE}/line.py", "        if not self._is_open:", "        if False:", LINE),
    mutant("the-accept-loop-waits-for-redis", f"{_PACKAGE}/line.py", "            \"socket_timeout\": seconds,\n", "", LINE),
    # --- secrets ---
    mutant("what-redis-says-is-logged", f"{_PACKAGE}/line.py", "({type(problem).__name__})", "({problem})", LINE),
    mutant("failures-with-what-was-sent", f"{_PACKAGE}/line.py", "            self.close()\n            raise _failure(problem) from None\n\n    def run", "            self.close()\n            raise _failure(problem) from problem\n\n    def run", LINE),
    mutant("names-in-clear", f"{_PACKAGE}/names.py", "        return hashlib.blake2b(repr((kind, value)).encode(), digest_size=_BYTES, key=self._key).hexdigest()\n", "        return repr((kind, value))\n", SESSIONS),
    mutant("names-without-the-password", f"{_PACKAGE}/names.py", "digest_size=_BYTES, key=self._key)", "digest_size=_BYTES)", LINE),
    mutant("a-password-in-the-url", f"{_PACKAGE}/url.py", "    if parts.password is not None:\n", "    if False:\n", URL),
    mutant("the-url-of-redis-repeated", "secftp/server/parser.py", "        raise argparse.ArgumentTypeError(str(problem)) from None\n", "        raise problem\n", URL),
    mutant("the-password-of-redis-in-the-options", "secftp/server/options.py", "    shared_password: str | None = dataclasses.field(repr=False)\n", "    shared_password: str | None\n", URL),
]  # fmt: skip
