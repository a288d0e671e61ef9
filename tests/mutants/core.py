"""Mutants of csrc, and of its binding."""

from __future__ import annotations

from tests.mutants.mutant import SECRETS, Mutant, mutant

ADVERSARIAL = "tests/crypto/test_adversarial.py"
ANSWERS = "tests/crypto/test_known_answers.py"
FAILURES = "tests/crypto/test_failures.py"
NAMED = "tests/crypto/test_named.py"
OBJECTS = "tests/crypto/test_objects.py"
REFUSALS = "tests/crypto/test_refusals.py"
VECTORS = "tests/crypto/test_vectors.py"
INSTALLATION = "tests/crypto/test_installation.py"
WIPES = "tests/crypto/test_wipes.py"

MUTANTS = [
    # --- frames: the tag ---
    mutant(
        "tag-not-compared",
        "csrc/open.c",
        "CRYPTO_memcmp(tag, wire + covered, sizeof tag) != 0",
        "tag[0] != tag[0]",
        ADVERSARIAL,
    ),
    mutant(
        "tag-of-15-bytes",
        "csrc/open.c",
        "CRYPTO_memcmp(tag, wire + covered, sizeof tag) != 0",
        "CRYPTO_memcmp(tag, wire + covered, sizeof tag - 1) != 0",
        ADVERSARIAL,
    ),
    mutant(
        "tag-compared-until-it-differs",
        "csrc/open.c",
        "CRYPTO_memcmp(tag, wire + covered, sizeof tag) != 0",
        "memcmp(tag, wire + covered, sizeof tag) != 0",
        *SECRETS,
    ),
    mutant(
        "tag-without-the-length",
        "csrc/frames.c",
        "EVP_MAC_update(d->mac, data, bytes) == 1",
        "EVP_MAC_update(d->mac, data + 4, bytes - 4) == 1",
        VECTORS,
    ),
    mutant(
        "decrypted-before-verified",
        "csrc/open.c",
        """    if (status == SECFTP_OK && d->suite != SECFTP_SUITE_NONE) {
        status = decrypt(d, keys->iv, plain, bytes);
        if (status == SECFTP_OK) {""",
        """    if (d->suite != SECFTP_SUITE_NONE) {
        int decrypted = decrypt(d, keys->iv, plain, bytes);
        if (status == SECFTP_OK && decrypted == SECFTP_OK) {""",
        NAMED,
    ),
    # --- frames: numbers and keys ---
    mutant("number-not-taken", "csrc/frames.c", "    d->sequence += count;\n", "", VECTORS),
    mutant("one-number-for-a-batch", "csrc/frames.c", "    d->sequence += count;\n", "    d->sequence++;\n", VECTORS),
    mutant("numbers-without-end", "csrc/frames.c", "d->sequence >= FRAME_SEQUENCE_END", "d->sequence > FRAME_SEQUENCE_END", OBJECTS),
    mutant("one-mac-key-for-all", "csrc/frames.c", "store_be64(block, d->sequence + i);", "store_be64(block, i);", VECTORS),
    mutant("epoch-keeps-its-secret", "csrc/frames.c", "        memcpy(d->secret, next, sizeof next);\n", "", VECTORS),
    mutant("no-new-keys", "csrc/frames.c", "return used == 0 && d->sequence != 0 ? next_epoch(d) : SECFTP_OK;", "return SECFTP_OK;", VECTORS),
    mutant("one-key-for-both-ways", "csrc/schedule.c", '"secftp/1 s2c"', '"secftp/1 c2s"', ADVERSARIAL, VECTORS),
    mutant(
        "used-after-a-fork",
        "csrc/frames.c",
        "return d->dead || d->owner != getpid() ? SECFTP_MISUSE : SECFTP_OK;",
        "return d->dead ? SECFTP_MISUSE : SECFTP_OK;",
        OBJECTS,
    ),
    mutant("dead-opener-lives-on", "csrc/open.c", "        d->dead = 1;\n", "", OBJECTS),
    mutant("dead-sealer-lives-on", "csrc/seal.c", "        d->dead = 1;\n", "", OBJECTS),
    # --- frames: lengths and what stands inside ---
    mutant(
        "frame-one-block-too-long",
        "csrc/open.c",
        "ciphertext <= frame_ciphertext_bytes(suite, SECFTP_PAYLOAD_MAX);",
        "ciphertext <= frame_ciphertext_bytes(suite, SECFTP_PAYLOAD_MAX) + FRAME_BLOCK_BYTES;",
        NAMED,
    ),
    mutant(
        "plain-frame-one-byte-too-long",
        "csrc/open.c",
        "ciphertext <= FRAME_HEADER_BYTES + SECFTP_PAYLOAD_MAX;",
        "ciphertext <= FRAME_HEADER_BYTES + SECFTP_PAYLOAD_MAX + 1;",
        NAMED,
    ),
    mutant("frame-of-odd-length", "csrc/open.c", "ciphertext % FRAME_BLOCK_BYTES == 0 &&", "", NAMED),
    mutant("frame-without-a-header", "csrc/open.c", "return ciphertext >= FRAME_HEADER_BYTES &&", "return", NAMED),
    mutant("payload-longer-than-the-frame", "csrc/open.c", "payload > body || ", "", NAMED),
    mutant("unknown-flags", "csrc/open.c", "plain[5] > SECFTP_FLAG_END || ", "", NAMED),
    mutant("reserved-bytes-in-a-frame", "csrc/open.c", "plain[6] != 0 || plain[7] != 0", "plain[7] != 0", NAMED),
    mutant("hidden-bytes-behind-the-payload", "csrc/open.c", "nonzero |= plain[i];", "nonzero |= 0;", NAMED),
    mutant("padding-of-zero", "csrc/open.c", "count < 1 || count > FRAME_BLOCK_BYTES", "count > FRAME_BLOCK_BYTES", NAMED),
    mutant("padding-of-17", "csrc/open.c", "count < 1 || count > FRAME_BLOCK_BYTES", "count < 1 || count > FRAME_BLOCK_BYTES + 1", NAMED),
    mutant("padding-not-looked-at", "csrc/open.c", "if (plain[i] != count) {", "if (plain[i] == 255) {", NAMED),
    mutant("plaintext-left-after-a-bad-frame", "csrc/open.c", "        OPENSSL_cleanse(buffer, at < available ? at : available);\n", "", ADVERSARIAL, NAMED),
    mutant("frames-told-after-a-bad-one", "csrc/open.c", "        memset(frames, 0, max_frames * sizeof *frames);\n", "", ADVERSARIAL, NAMED),
    mutant("sealed-beyond-the-buffer", "csrc/seal.c", "return needed <= capacity ? SECFTP_OK : SECFTP_MISUSE;", "return SECFTP_OK;", OBJECTS),
    mutant("sealed-with-any-flags", "csrc/seal.c", " && frame->flags <= SECFTP_FLAG_END;", ";", OBJECTS),
    mutant("sealed-with-too-much-padding", "csrc/seal.c", "frame->padding_bytes <= SECFTP_PAYLOAD_MAX - frame->payload_bytes && ", "", OBJECTS),
    # --- the handshake ---
    mutant("hash-without-suite-and-mode", "csrc/schedule.c",
        "kdf_sha256(t->bytes, SECFTP_CLIENT_HELLO_BYTES + CHALLENGE_AT,",
        "kdf_sha256(t->bytes + CLIENT_IV_AT, SECFTP_CLIENT_HELLO_BYTES + CHALLENGE_AT - CLIENT_IV_AT,", VECTORS),
    mutant("session-keys-without-the-reply", "csrc/schedule.c", "kdf_sha256(t->bytes, sizeof t->bytes, hash);", "kdf_sha256(t->bytes, SECFTP_CLIENT_HELLO_BYTES, hash);", VECTORS),
    mutant("other-mode-accepted", "csrc/client.c", " && answer[SERVER_MODE_AT] == asked[MODE_AT]", "", REFUSALS, NAMED),
    mutant("other-suite-accepted", "csrc/client.c", "answer[SERVER_SUITE_AT] == asked[SUITE_AT] && ", "", REFUSALS, NAMED),
    mutant("refusal-taken-for-a-reply", "csrc/client.c", " && answer[SERVER_STATUS_AT] == 0", "", REFUSALS, NAMED),
    mutant("reserved-bytes-in-a-reply", "csrc/client.c", "all_zero(answer + SERVER_MODE_AT + 1, 2)", "1", REFUSALS, NAMED),
    mutant("server-not-proved", "csrc/client.c", "CRYPTO_memcmp(expected, hello + SERVER_CONFIRMATION_AT, sizeof expected) != 0", "expected[0] != expected[0]", ADVERSARIAL),
    mutant("server-proved-by-half", "csrc/client.c", "CRYPTO_memcmp(expected, hello + SERVER_CONFIRMATION_AT, sizeof expected) != 0", "CRYPTO_memcmp(expected, hello + SERVER_CONFIRMATION_AT, 16) != 0", ADVERSARIAL),
    mutant("server-proof-compared-until-it-differs", "csrc/client.c", "CRYPTO_memcmp(expected, hello + SERVER_CONFIRMATION_AT, sizeof expected) != 0", "memcmp(expected, hello + SERVER_CONFIRMATION_AT, sizeof expected) != 0", *SECRETS),
    mutant("client-not-proved", "csrc/server.c", "CRYPTO_memcmp(expected, finish + CLIENT_CONFIRMATION_AT, sizeof expected) != 0", "expected[0] != expected[0]", ADVERSARIAL),
    mutant("client-proof-compared-until-it-differs", "csrc/server.c", "CRYPTO_memcmp(expected, finish + CLIENT_CONFIRMATION_AT, sizeof expected) != 0", "memcmp(expected, finish + CLIENT_CONFIRMATION_AT, sizeof expected) != 0", *SECRETS),
    mutant("nonce-not-compared", "csrc/server.c", "status = CRYPTO_memcmp(reply, next, sizeof next) == 0 ? SECFTP_OK : SECFTP_REFUSED;", "status = SECFTP_OK;", NAMED),
    mutant("nonce-without-its-carry", "csrc/schedule.c", "carry >>= 8;", "carry = 0;", VECTORS, NAMED),
    mutant("hello-with-reserved-bytes", "csrc/server.c", " && reserved == 0", "", REFUSALS),
    mutant("anonymous-with-a-name", "csrc/server.c", " && (hello[MODE_AT] == SECFTP_MODE_KEYED || name == 0)", "", REFUSALS),
    mutant("hello-of-an-unknown-mode", "csrc/server.c", "hello[MODE_AT] <= SECFTP_MODE_KEYED && ", "", REFUSALS),
    mutant("hello-of-an-unknown-suite", "csrc/server.c", " && hello[SUITE_AT] <= SECFTP_SUITE_AES256", "", REFUSALS),
    mutant("challenge-answered-twice", "csrc/server.c", "    server->used = 1;\n", "", OBJECTS),
    mutant("reply-taken-twice", "csrc/client.c", "    client->used = 1;\n", "", OBJECTS),
    # --- the curve and the key ---
    mutant("identity-not-refused", "csrc/p256.c", "} else if (EC_POINT_is_at_infinity(group, peer)) {", "} else if (peer == NULL) {", NAMED),
    mutant("point-in-a-hybrid-form", "csrc/p256.c", "peer_share[0] != POINT_CONVERSION_UNCOMPRESSED ||\n        ", "", NAMED),
    mutant("share-not-unmasked", "csrc/p256.c", "EC_POINT_invert(group, negated, NULL) != 1 || ", "", VECTORS),
    mutant("one-constant-for-both-sides", "csrc/password.c", "p256_mask(made->group, made->secret, P256_N,", "p256_mask(made->group, made->secret, P256_M,", VECTORS),
    mutant("scalar-of-zero", "csrc/p256.c", "!BN_is_zero(number) && ", "", REFUSALS),
    mutant("scalar-of-the-order", "csrc/p256.c", "BN_cmp(number, EC_GROUP_get0_order(group)) < 0", "BN_cmp(number, EC_GROUP_get0_order(group)) <= 0", REFUSALS, NAMED),
    mutant("empty-key-stretched", "csrc/password.c", "    if (key_bytes == 0) {", "    if (key == NULL) {", FAILURES),
    mutant("cheap-stretching", "csrc/password.c", "cost = 1U << 14", "cost = 1U << 4", VECTORS, ANSWERS),
    mutant("errors-left-behind", "csrc/server.c", "    ERR_pop_to_mark();\n    OPENSSL_cleanse(shared", "    ERR_clear_last_mark();\n    OPENSSL_cleanse(shared", FAILURES),
    mutant("self-test-skipped", "secftp/crypto/binding.py", "    status = library.secftp_self_test()\n", "    status = lib.SECFTP_OK\n", INSTALLATION),
    mutant("old-libcrypto", "secftp/crypto/binding.py", "if library.secftp_libcrypto_number() < OLDEST_LIBCRYPTO:", "if library.secftp_libcrypto_number() < 0:", INSTALLATION),
    mutant("short-objects-reach-the-core", "secftp/crypto/password.py", "    if len(value) != size:", "    if len(value) == -1:", OBJECTS),
    # --- what stays in memory ---
    mutant("wipe-nonce-of-the-client", "csrc/client.c", "    OPENSSL_cleanse(nonce, sizeof nonce);\n", "", WIPES),
    mutant("wipe-next-of-the-client", "csrc/client.c", "    OPENSSL_cleanse(next, sizeof next);\n", "", WIPES),
    mutant("wipe-proof-that-the-client-expects", "csrc/client.c", "    OPENSSL_cleanse(expected, sizeof expected);\n", "", WIPES),
    mutant("wipe-shared-point-of-the-client", "csrc/client.c", "    OPENSSL_cleanse(shared, sizeof shared);\n", "", WIPES),
    mutant("wipe-keys-of-the-client", "csrc/client.c", "    OPENSSL_cleanse(&keys, sizeof keys);\n", "", WIPES),
    mutant("wipe-secrets-of-the-client", "csrc/client.c", "    OPENSSL_cleanse(&secrets, sizeof secrets);\n", "", WIPES),
    mutant("wipe-scalar-of-the-client", "csrc/client.c", "    OPENSSL_cleanse(client->scalar, sizeof client->scalar);\n", "", WIPES),
    mutant("wipe-scalar-of-the-server", "csrc/server.c", "    OPENSSL_cleanse(scalar, sizeof scalar);\n", "", WIPES),
    mutant("wipe-shared-point-of-the-server", "csrc/server.c", "    OPENSSL_cleanse(shared, sizeof shared);\n", "", WIPES),
    mutant("wipe-proof-that-the-server-expects", "csrc/server.c", "    OPENSSL_cleanse(expected, sizeof expected);\n", "", WIPES),
    mutant("wipe-reply-to-the-server", "csrc/server.c", "    OPENSSL_cleanse(reply, sizeof reply);\n", "", WIPES),
    mutant("wipe-next-of-the-server", "csrc/server.c", "    OPENSSL_cleanse(next, sizeof next);\n", "", WIPES),
    mutant("wipe-secrets-of-the-server", "csrc/server.c", "    OPENSSL_cleanse(&secrets, sizeof secrets);\n", "", WIPES),
    mutant("wipe-keys-of-the-server", "csrc/server.c", "    OPENSSL_cleanse(&server->keys, sizeof server->keys);\n", "", WIPES),
    mutant("wipe-nonce-of-the-server", "csrc/server.c", "    OPENSSL_cleanse(server->nonce, sizeof server->nonce);\n", "", WIPES),
    mutant("wipe-tt", "csrc/schedule.c", "    OPENSSL_cleanse(tt, sizeof tt);\n", "", WIPES),
    mutant("wipe-tt-hash", "csrc/schedule.c", "    OPENSSL_cleanse(tt_hash, sizeof tt_hash);\n    OPENSSL_cleanse(prk, sizeof prk);\n", "    OPENSSL_cleanse(prk, sizeof prk);\n", WIPES),
    mutant("wipe-prk-of-the-handshake", "csrc/schedule.c", "    OPENSSL_cleanse(tt_hash, sizeof tt_hash);\n    OPENSSL_cleanse(prk, sizeof prk);\n", "    OPENSSL_cleanse(tt_hash, sizeof tt_hash);\n", WIPES),
    mutant("wipe-prk-of-the-session", "csrc/schedule.c", "secrets->server_to_client);\n    }\n    OPENSSL_cleanse(prk, sizeof prk);\n", "secrets->server_to_client);\n    }\n", WIPES),
    mutant("wipe-cipher-key", "csrc/frames.c", "    OPENSSL_cleanse(bulk, sizeof bulk);\n", "", WIPES),
    mutant("wipe-frame-key", "csrc/frames.c", "    OPENSSL_cleanse(frame, sizeof frame);\n", "", WIPES),
    mutant("wipe-secret-of-the-next-epoch", "csrc/frames.c", "    OPENSSL_cleanse(next, sizeof next);\n", "", WIPES),
    mutant("wipe-keys-of-sealed-frames", "csrc/seal.c", "    OPENSSL_cleanse(keys, count * sizeof keys[0]);\n", "", WIPES),
    mutant("wipe-keys-of-opened-frames", "csrc/open.c", "    OPENSSL_cleanse(keys, count * sizeof keys[0]);\n", "", WIPES),
    mutant("wipe-wide-number", "csrc/password.c", "    OPENSSL_cleanse(wide, sizeof wide);\n", "", WIPES),
    mutant("wipe-freed-objects", "csrc/seams.c", "OPENSSL_clear_free(memory, bytes);", "(void)bytes, OPENSSL_free(memory);", WIPES),
]  # fmt: skip


__all__ = ["MUTANTS", "Mutant"]
