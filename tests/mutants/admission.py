"""Mutants of admission: keys in effect, delays after wrong keys, slots, queues."""

from __future__ import annotations

from tests.mutants.mutant import Mutant, mutant

QUEUES = "tests/server/test_hello_queue.py"
CONNECT = "tests/transport/test_connect.py"
ADMISSION = "tests/server/test_admission.py"
GENERATED = "tests/keys/test_generated.py"
THROTTLE = "tests/server/test_throttle.py"
SESSION_LIMITS = "tests/server/test_session_limits.py"
RELOAD = "tests/server/test_reload.py"
RESTART = "tests/server/test_restart.py"

MUTANTS: list[Mutant] = [
    # --- a proof counts against the keys of now ---
    mutant("stores-closed-before-the-keys-are-new", "secftp/server/reload.py", "        server.set_access(access)\n        self._keyring.retire(server.stores_in_use())\n", "        self._keyring.retire(server.stores_in_use())\n        server.set_access(access)\n", RELOAD),
    mutant("store-closed-under-a-new-session", "secftp/server/server.py", "        with self._access_lock:  # a store", "        if True:  # a store", RELOAD),
    mutant("proof-under-the-keys-of-then", "secftp/server/server.py", "            grant = self._shared.access.confirm(pending.hello, pending.grant)\n", "            grant = pending.grant\n", RELOAD),
    mutant("proof-of-another-key-of-that-name", "secftp/server/access.py", " or not now.password.is_same(challenged.password):", ":", RELOAD),
    mutant("rights-of-the-moment-of-the-hello", "secftp/server/access.py", "            return None\n        return now\n", "            return None\n        return challenged\n", RELOAD),
    mutant("revoked-proof-refunded", "secftp/server/admission.py", "            self._drop(pending, \"revoked\")\n        elif ", "            self._drop(pending, \"revoked\")\n        if ", RELOAD),
    mutant("passwords-compared-by-half", "csrc/password.c", "other->secret, SECFTP_SECRET_BYTES) == 0;", "other->secret, SECFTP_SECRET_BYTES / 2) == 0;", RELOAD),
    # --- guesses ---
    mutant("guesses-not-charged", "secftp/server/admission.py", "            self._queue.charge(pending, time.monotonic())\n", "            pass\n", ADMISSION),
    mutant("guesses-charged-after-what-may-fail", "secftp/server/admission.py", "        if charged:  # at once: whatever fails from here on, the client may know now whether its key is right\n            self._queue.charge(pending, time.monotonic())\n        self._watch(pending, self._challenged)\n", "        self._watch(pending, self._challenged)\n        if charged:\n            self._queue.charge(pending, time.monotonic())\n", ADMISSION),
    mutant("good-keys-not-refunded", "secftp/server/hello_queue.py", "            self._limiter.refund(hello.source, hello.charge, now)\n", "            pass\n", ADMISSION),
    mutant("good-keys-not-trusted", "secftp/server/hello_queue.py", "        self._limiter.trust(hello.source, now)\n", "", QUEUES),
    mutant("trusted-for-ever", "secftp/server/throttle.py", "proved is not None and now - proved <= TRUSTED_SECONDS", "proved is not None", THROTTLE),
    mutant("trusted-without-a-bound", "secftp/server/throttle.py", "            self._trusted.popitem(last=False)\n", "            pass\n", THROTTLE),
    mutant("guesses-without-delay", "secftp/server/throttle.py", "        return max(now, last + delay * (1 + waiting / SIDE_BY_SIDE))\n", "        return now\n", THROTTLE, ADMISSION),
    mutant("delays-side-by-side-without-a-bound", "secftp/server/throttle.py", " * (1 + waiting / SIDE_BY_SIDE))", ")", THROTTLE),
    mutant("those-that-wait-are-not-counted", "secftp/server/throttle.py", "        beyond = self.count(source, now) + waiting -", "        beyond = self.count(source, now) -", THROTTLE),
    mutant("a-pause-lets-all-in-at-once", "secftp/server/throttle.py", "        last, debt.last = debt.last, now\n", "        last = debt.last\n", THROTTLE),
    mutant("guesses-counted-without-end", "secftp/server/throttle.py", "        counted = self._forgive(debt, now).count < self._count_max\n", "        counted = self._forgive(debt, now).count >= 0\n", THROTTLE),
    mutant("proofs-pay-for-guesses-beyond-the-count", "secftp/server/throttle.py", "        if debt is None or not charge.counted:\n", "        if debt is None:\n", THROTTLE),
    mutant("guesses-laid-to-one-address-of-a-64", "secftp/server/fairness.py", "6: (0, 32, 48, 56, 64)", "6: (0, 32, 48, 56, 128)", QUEUES),
    mutant("a-48-counts-as-many", "secftp/server/fairness.py", "6: (0, 32, 48, 56, 64)", "6: (0, 64, 64, 64, 64)", QUEUES),
    mutant("guess-budget-without-end", "secftp/server/throttle.py", "        budget.spend(1, now)\n", "", THROTTLE),
    mutant("guess-budget-for-all-from-the-trusted", "secftp/server/throttle.py", "(min(delay, self._trusted_budget.delay(1, now)) if trusted else delay)\n", "min(delay, self._trusted_budget.delay(1, now))\n", THROTTLE),
    mutant("trusted-ones-wait-with-all", "secftp/server/hello_queue.py", "        for trusted in (True, False):\n", "        for trusted in (False, True):\n", QUEUES),
    mutant("a-proof-is-good-for-itself-alone", "secftp/server/hello_queue.py", "        for waiting in self._waiting.of(hello.source):\n", "        for waiting in ():\n", QUEUES),
    mutant("spent-on-those-who-have-left", "secftp/server/admission.py", "        if pending.stream.has_ended():", "        if False and pending.stream.has_ended():", ADMISSION),
    mutant("any-key-is-taken-for-a-generated-one", "secftp/server/access.py", "        self.guessable: Final = not all(generated)\n", "        self.guessable: Final = not any(generated)\n", GENERATED),
    mutant("a-passphrase-is-taken-for-a-generated-key", "secftp/keys/text.py", "    return layout == _LAYOUT and _generated(text) is not None\n", "    return _generated(text) is not None\n", GENERATED),
    mutant("any-secret-is-taken-for-a-generated-one", "secftp/keys/key.py", "    return hmac.compare_digest(secret[-_MARK_BYTES:], _mark(secret[:-_MARK_BYTES]))\n", "    return True\n", GENERATED),
    # --- queues and crowds ---
    mutant("handshake-without-a-deadline", "secftp/server/admission.py", "        while (pending := self._deadlines.take(now)) is not None:\n", "        while (pending := self._deadlines.take(0.0)) is not None:\n", ADMISSION),
    mutant("pending-without-a-bound", "secftp/server/admission.py", "if len(self._watched) >= self._limits.max_pending:", "if len(self._watched) < 0:", ADMISSION),
    mutant("silent-ones-without-a-bound", "secftp/server/admission.py", "if self._silent.count(pending.source) >= self._limits.max_pending_per_source:", "if self._silent.count(pending.source) < 0:", ADMISSION),
    mutant("challenged-ones-go-before-silent-ones", "secftp/server/admission.py", "            victim = full.victim() or self._silent.victim()\n", "            victim = self._challenged.victim() or self._silent.victim()\n", ADMISSION),
    mutant("silent-ones-always-go-first", "secftp/server/admission.py", "            victim = full.victim() or self._silent.victim()\n", "            victim = self._silent.victim() or self._challenged.victim()\n", ADMISSION),
    mutant("waiting-without-a-bound", "secftp/server/hello_queue.py", "        if len(self._waiting) >= self._limits.max_waiting:\n", "        if len(self._waiting) < 0:\n", QUEUES),
    mutant("waiting-of-a-source-without-a-bound", "secftp/server/hello_queue.py", "        if self._waiting.count(hello.source) >= self._limits.max_waiting_per_source:\n", "        if self._waiting.count(hello.source) < 0:\n", QUEUES, ADMISSION),
    mutant("anyone-goes-for-a-crowded-address", "secftp/server/hello_queue.py", "            return self._waiting.victim_of(hello.source)\n", "            return self._waiting.victim()\n", QUEUES),
    mutant("the-least-crowded-goes", "secftp/server/fairness.py", "        return max(sample, key=self._weight)\n", "        return min(sample, key=self._weight)\n", QUEUES),
    mutant("anyone-goes", "secftp/server/fairness.py", "[self._of_network[network] for network in member.source.networks]", "[0]", QUEUES),
    mutant("the-trusted-keep-all-others-out", "secftp/server/fairness.py", "member.trusted and self.count(member.source) <= PROTECTED_MAX", "member.trusted", QUEUES),
    mutant("the-trusted-go-as-others", "secftp/server/fairness.py", "member.trusted and self.count(member.source) <= PROTECTED_MAX", "False", QUEUES),
    mutant("one-queue-for-all-networks", "secftp/server/fairness.py", "            node.turns.move_to_end(key)\n", "", QUEUES),
    mutant("a-long-delay-is-a-lock-out", "secftp/server/hello_queue.py", "            self._timers.set(hello, due)\n", "            self._timers.set(hello, min(due, now + self._limits.waiting_seconds))\n            self._is_due.add(hello)\n            self._due[hello.trusted].add(hello)\n", QUEUES),
    # --- places ---
    mutant("anonymous-clients-take-all-places", "secftp/server/access.py", "contested=bool(self._grants)", "contested=False", SESSION_LIMITS, ADMISSION),
    mutant("one-key-takes-all-places", "secftp/server/access.py", "        contested = len(named) + (key is not None) > 1\n", "        contested = False\n", SESSION_LIMITS, ADMISSION),
    mutant("one-address-takes-all-places", "secftp/server/session_limits.py", "        if self._is_share_full(claim, free):\n", "        if False:\n", SESSION_LIMITS, ADMISSION),
    mutant("a-network-takes-all-places", "secftp/server/session_limits.py", " or self._is_network_full(claim, free):", ":", SESSION_LIMITS),
    mutant("a-48-takes-all-places", "secftp/server/session_limits.py", "    return [source.address] if source.site is None else [source.address, source.site]\n", "    return [source.address]\n", SESSION_LIMITS),
    mutant("places-tell-which-keys-there-are", "secftp/server/session_limits.py", "        if claim.key is not None and not proved:\n            return None\n", "", SESSION_LIMITS, ADMISSION),
    mutant("the-bound-of-a-key-is-never-asked", "secftp/server/registry.py", "self._slots.limit_for(connection.claim, proved=True)", "self._slots.limit_for(connection.claim, proved=False)", ADMISSION),
    # --- the client's patience ---
    mutant("the-notice-prolongs-the-handshake", "secftp/transport/connect.py", "        return min(self._notice, self._deadline) - now\n", "        return self._notice - now\n", CONNECT),
    mutant("a-handshake-is-given-up-after-ten-seconds", "secftp/transport/connect.py", "_shake_hands(stream, handshake, timeout, on_wait, wanted)", "_shake_hands(stream, handshake, min(10.0, timeout), on_wait, wanted)", RESTART),
]  # fmt: skip
