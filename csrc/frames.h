/* One direction of a session: the keys of its epoch, its sequence number, and the state common to sealing and opening.
 */
#ifndef SECFTP_FRAMES_H
#define SECFTP_FRAMES_H

#include <openssl/evp.h>
#include <sys/types.h>

#include "secftp.h"

enum {
    FRAME_BLOCK_BYTES = 16,
    FRAME_LENGTH_BYTES = 4, /* ctlen, in clear */
    FRAME_HEADER_BYTES = 8, /* paylen, type, flags, two zeros */
    FRAME_TAG_BYTES = 16,
    FRAME_MAC_KEY_BYTES = 32, /* Poly1305's r and s */
    FRAME_KEY_BYTES = FRAME_BLOCK_BYTES + FRAME_MAC_KEY_BYTES,
    /* Frames whose keys are derived in one call: enough to fill the lanes, few enough for the stack. */
    FRAMES_BATCH = 128
};

/* Beyond this number the keys of a frame could repeat (docs/PROTOCOL.md, "Frames"). */
#define FRAME_SEQUENCE_END (UINT64_C(1) << 48)

/* Keys of one frame: its initialization vector, then its one-time MAC key. */
typedef struct {
    uint8_t iv[FRAME_BLOCK_BYTES];
    uint8_t mac[FRAME_MAC_KEY_BYTES];
} frame_keys;

typedef struct {
    EVP_CIPHER_CTX *ecb;     /* AES-ECB under K_cbc, encrypting, for the lanes; NULL for suite none and for openers */
    EVP_CIPHER_CTX *cbc;     /* AES-CBC under K_cbc; encrypting in a sealer, decrypting in an opener */
    EVP_CIPHER_CTX *derive;  /* AES-256-ECB under K_f */
    EVP_MAC_CTX *mac;        /* Poly1305 */
    uint64_t sequence;       /* of the next frame */
    int suite;
    int sealing;
    int dead;                /* once set, never cleared */
    pid_t owner;             /* a copy in a forked process would reuse sequence numbers */
    uint8_t secret[32];      /* S_n */
    uint8_t chain[FRAME_BLOCK_BYTES]; /* opener only: the block that cbc XORs into the next one */
} direction;

struct secftp_sealer {
    direction direction;
};

struct secftp_opener {
    direction direction;
};

SECFTP_CHECKED int frames_new_sealer(int suite, const uint8_t secret[32], secftp_sealer **sealer);
SECFTP_CHECKED int frames_new_opener(int suite, const uint8_t secret[32], secftp_opener **opener);

/* SECFTP_MISUSE if the direction has failed or belongs to another process. */
SECFTP_CHECKED int direction_usable(const direction *d);

/* How many of `wanted` frames fit into the current epoch: at least 1, at most FRAMES_BATCH. Enters the next epoch if
 * this one is used up. SECFTP_EXHAUSTED if no sequence number is left. */
SECFTP_CHECKED int direction_room(direction *d, size_t wanted, size_t *room);

/* Derives the keys of the next `count` frames with one call to AES and consumes their sequence numbers. */
SECFTP_CHECKED int direction_take_keys(direction *d, size_t count, frame_keys *keys);

/* Poly1305 over ctlen and ciphertext, which are contiguous. */
SECFTP_CHECKED int direction_tag(direction *d, const uint8_t key[FRAME_MAC_KEY_BYTES], const uint8_t *data,
                                 size_t bytes, uint8_t tag[FRAME_TAG_BYTES]);

/* Ciphertext size for that many payload and padding bytes. */
static inline size_t frame_ciphertext_bytes(int suite, size_t payload_and_padding) {
    size_t plain = FRAME_HEADER_BYTES + payload_and_padding;
    return suite == SECFTP_SUITE_NONE ? plain : (plain / FRAME_BLOCK_BYTES + 1) * FRAME_BLOCK_BYTES;
}

#endif
