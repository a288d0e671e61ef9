/* One direction of a session: its epoch's keys, its sequence numbers, and the state that sealing and opening share. */
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
    /* Frames that get their keys in one call: many enough to fill the lanes, few enough for the stack. */
    FRAMES_BATCH = 128
};

/* Any more, and a frame's keys could repeat (docs/PROTOCOL.md, "Frames"). */
#define FRAME_SEQUENCE_END (UINT64_C(1) << 48)

/* Per frame: the initialization vector, then the one-time key of its MAC. */
typedef struct {
    uint8_t iv[FRAME_BLOCK_BYTES];
    uint8_t mac[FRAME_MAC_KEY_BYTES];
} frame_keys;

typedef struct {
    EVP_CIPHER_CTX *ecb;     /* AES-ECB under K_cbc, encrypting: the lanes; NULL for suite none and for openers */
    EVP_CIPHER_CTX *cbc;     /* AES-CBC under K_cbc; encrypting in a sealer, decrypting in an opener */
    EVP_CIPHER_CTX *derive;  /* AES-256-ECB under K_f */
    EVP_MAC_CTX *mac;        /* Poly1305 */
    uint64_t sequence;       /* of the next frame */
    int suite;
    int sealing;
    int dead;                /* once set, never cleared */
    pid_t owner;             /* a copy in a forked child would use numbers twice */
    uint8_t secret[32];      /* S_n */
    uint8_t chain[FRAME_BLOCK_BYTES]; /* an opener's: what its cbc XORs into the next block */
} direction;

struct secftp_sealer {
    direction direction;
};

struct secftp_opener {
    direction direction;
};

SECFTP_CHECKED int frames_new_sealer(int suite, const uint8_t secret[32], secftp_sealer **sealer);
SECFTP_CHECKED int frames_new_opener(int suite, const uint8_t secret[32], secftp_opener **opener);

/* SECFTP_MISUSE for a dead or forked direction. */
SECFTP_CHECKED int direction_usable(const direction *d);

/* How many of `wanted` frames the current epoch still has room for, FRAMES_BATCH at the most, 1 at the least; steps
 * into the next epoch when this one is used up. SECFTP_EXHAUSTED when no number is left. */
SECFTP_CHECKED int direction_room(direction *d, size_t wanted, size_t *room);

/* The keys of the next `count` frames, in one call to AES; takes their numbers. */
SECFTP_CHECKED int direction_take_keys(direction *d, size_t count, frame_keys *keys);

/* Poly1305 over ctlen and ciphertext, which stand together. */
SECFTP_CHECKED int direction_tag(direction *d, const uint8_t key[FRAME_MAC_KEY_BYTES], const uint8_t *data,
                                 size_t bytes, uint8_t tag[FRAME_TAG_BYTES]);

/* Bytes of C for so many payload and padding bytes. */
static inline size_t frame_ciphertext_bytes(int suite, size_t payload_and_padding) {
    size_t plain = FRAME_HEADER_BYTES + payload_and_padding;
    return suite == SECFTP_SUITE_NONE ? plain : (plain / FRAME_BLOCK_BYTES + 1) * FRAME_BLOCK_BYTES;
}

#endif
