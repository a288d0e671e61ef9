/* Key schedule: handshake and session keys from the transcript (docs/PROTOCOL.md, "Handshake"). */
#ifndef SECFTP_SCHEDULE_H
#define SECFTP_SCHEDULE_H

#include "kdf.h"
#include "p256.h"
#include "secftp.h"

enum {
    BLOCK_BYTES = 16,
    /* CLIENT_HELLO = magic | suite | mode | 000000 | client_iv | name | pA */
    MAGIC_BYTES = 7,
    SUITE_AT = 7,
    MODE_AT = 8,
    CLIENT_IV_AT = 12,
    NAME_AT = 28,
    CLIENT_SHARE_AT = 60,
    /* SERVER_HELLO = magic | status | suite | mode | 0000 | server_rand | pB | chal | cB */
    SERVER_STATUS_AT = 7,
    SERVER_SUITE_AT = 8,
    SERVER_MODE_AT = 9,
    SERVER_RAND_AT = 12,
    SERVER_SHARE_AT = 28,
    CHALLENGE_AT = 93,
    SERVER_CONFIRMATION_AT = 109,
    /* CLIENT_FINISH = resp | cA */
    RESPONSE_AT = 0,
    CLIENT_CONFIRMATION_AT = 16,
    TRANSCRIPT_BYTES = SECFTP_CLIENT_HELLO_BYTES + SECFTP_SERVER_HELLO_BYTES + SECFTP_CLIENT_FINISH_BYTES
};

extern const uint8_t schedule_magic[MAGIC_BYTES];

/* All bytes of the handshake in wire order; the hashes cover prefixes of it. */
typedef struct {
    uint8_t bytes[TRANSCRIPT_BYTES];
} transcript;

static inline uint8_t *client_hello_of(transcript *t) { return t->bytes; }
static inline uint8_t *server_hello_of(transcript *t) { return t->bytes + SECFTP_CLIENT_HELLO_BYTES; }
static inline uint8_t *client_finish_of(transcript *t) { return server_hello_of(t) + SECFTP_SERVER_HELLO_BYTES; }

typedef struct {
    uint8_t hello_hash[KDF_HASH_BYTES]; /* TH1 */
    uint8_t server_challenge[32];       /* k_s; its first 16 bytes for aes128 */
    uint8_t client_challenge[32];       /* k_c */
    uint8_t server_confirmation[32];    /* KcB */
    uint8_t client_confirmation[32];    /* KcA */
    uint8_t master[32];
} handshake_keys;

typedef struct {
    uint8_t client_to_server[32];
    uint8_t server_to_client[32];
} session_secrets;

/* SHA-256 of RFC 9382's TT (section 3.3): Ke‖Ka. */
SECFTP_CHECKED int schedule_tt_hash(const uint8_t *a, size_t a_bytes, const uint8_t *b, size_t b_bytes,
                                    const uint8_t client_share[P256_POINT_BYTES],
                                    const uint8_t server_share[P256_POINT_BYTES],
                                    const uint8_t shared[P256_POINT_BYTES], const uint8_t secret[SECFTP_SECRET_BYTES],
                                    uint8_t hash[KDF_HASH_BYTES]);

/* Requires the transcript up to and including pB. */
SECFTP_CHECKED int schedule_handshake_keys(transcript *t, const uint8_t shared[P256_POINT_BYTES],
                                           const uint8_t secret[SECFTP_SECRET_BYTES], handshake_keys *keys);

/* One AES-CBC block without padding; copies the block for suite none. `encrypt` is 1 or 0. */
SECFTP_CHECKED int schedule_challenge_block(int suite, int encrypt, const uint8_t key[32],
                                            const uint8_t iv[BLOCK_BYTES], const uint8_t in[BLOCK_BYTES],
                                            uint8_t out[BLOCK_BYTES]);

/* (nonce + 1) mod 2^128, in constant time. */
void schedule_increment(const uint8_t nonce[BLOCK_BYTES], uint8_t next[BLOCK_BYTES]);

/* cB over TH1‖chal, and cA over TH1‖chal‖cB‖resp. */
SECFTP_CHECKED int schedule_server_confirmation(transcript *t, const handshake_keys *keys, uint8_t mac[32]);
SECFTP_CHECKED int schedule_client_confirmation(transcript *t, const handshake_keys *keys, uint8_t mac[32]);

/* Requires the complete transcript. */
SECFTP_CHECKED int schedule_session_secrets(const transcript *t, const handshake_keys *keys, session_secrets *secrets);

#endif
