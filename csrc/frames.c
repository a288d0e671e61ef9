/* Secret chain and key derivation of one direction.
 *
 * Invariant: a direction that has failed stays failed. A second frame under the same sequence number would disclose its
 * Poly1305 key. */
#include "frames.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <string.h>
#include <unistd.h>

#include "bytes.h"
#include "kdf.h"
#include "seams.h"

static size_t bulk_key_bytes(int suite) { return suite == SECFTP_SUITE_AES128 ? 16 : 32; }

static int set_cipher_key(EVP_CIPHER_CTX *context, const uint8_t *key, int encrypting) {
    static const uint8_t zero[FRAME_BLOCK_BYTES]; /* matches the initial `chain` of a direction; ECB ignores it */
    return EVP_CipherInit_ex2(context, NULL, key, zero, encrypting, NULL) == 1 &&
           EVP_CIPHER_CTX_set_padding(context, 0) == 1;
}

/* Derives K_cbc and K_f from S_n and sets them in the contexts. */
static int set_epoch_keys(direction *d) {
    uint8_t bulk[32], frame[32];
    memset(d->chain, 0, sizeof d->chain);
    int status = kdf_expand(d->secret, "secftp/1 frame", frame, sizeof frame);
    if (status == SECFTP_OK && !set_cipher_key(d->derive, frame, 1)) {
        status = SECFTP_LIBCRYPTO;
    }
    if (status == SECFTP_OK && d->suite != SECFTP_SUITE_NONE) {
        status = kdf_expand(d->secret, "secftp/1 cbc", bulk, bulk_key_bytes(d->suite));
        if (status == SECFTP_OK &&
            (!set_cipher_key(d->cbc, bulk, d->sealing) || (d->sealing && !set_cipher_key(d->ecb, bulk, 1)))) {
            status = SECFTP_LIBCRYPTO;
        }
    }
    OPENSSL_cleanse(bulk, sizeof bulk);
    OPENSSL_cleanse(frame, sizeof frame);
    return status;
}

static int next_epoch(direction *d) {
    uint8_t next[sizeof d->secret];
    int status = kdf_expand(d->secret, "secftp/1 next", next, sizeof next);
    if (status == SECFTP_OK) {
        memcpy(d->secret, next, sizeof next);
        status = set_epoch_keys(d);
    }
    OPENSSL_cleanse(next, sizeof next);
    return status;
}

/* Creates a context for a cipher, without a key. */
static int new_cipher(const char *name, EVP_CIPHER_CTX **context) {
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, name, NULL);
    if (cipher == NULL) {
        return SECFTP_NO_ALGORITHM;
    }
    int status = SECFTP_OK;
    *context = EVP_CIPHER_CTX_new();
    if (*context == NULL) {
        status = SECFTP_NO_MEMORY;
    } else if (EVP_CipherInit_ex2(*context, cipher, NULL, NULL, 1, NULL) != 1) {
        status = SECFTP_LIBCRYPTO;
    }
    EVP_CIPHER_free(cipher); /* the context has its own reference */
    return status;
}

static int new_mac(EVP_MAC_CTX **context) {
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "POLY1305", NULL);
    if (mac == NULL) {
        return SECFTP_NO_ALGORITHM;
    }
    *context = EVP_MAC_CTX_new(mac);
    EVP_MAC_free(mac);
    return *context == NULL ? SECFTP_NO_MEMORY : SECFTP_OK;
}

/* Frees libcrypto's objects; the rest is wiped together with the enclosing object. */
static void direction_clear(direction *d) {
    EVP_CIPHER_CTX_free(d->ecb);
    EVP_CIPHER_CTX_free(d->cbc);
    EVP_CIPHER_CTX_free(d->derive);
    EVP_MAC_CTX_free(d->mac);
}

static int direction_set_up(direction *d, int suite, int sealing, const uint8_t secret[32]) {
    const int wide = suite == SECFTP_SUITE_AES256;
    d->suite = suite;
    d->sealing = sealing;
    d->owner = getpid();
    memcpy(d->secret, secret, sizeof d->secret);
    int status = new_mac(&d->mac);
    if (status == SECFTP_OK) {
        status = new_cipher("AES-256-ECB", &d->derive);
    }
    if (status == SECFTP_OK && suite != SECFTP_SUITE_NONE) {
        status = new_cipher(wide ? "AES-256-CBC" : "AES-128-CBC", &d->cbc);
    }
    if (status == SECFTP_OK && suite != SECFTP_SUITE_NONE && sealing) {
        status = new_cipher(wide ? "AES-256-ECB" : "AES-128-ECB", &d->ecb);
    }
    if (status == SECFTP_OK) {
        status = set_epoch_keys(d);
    }
    return status;
}

int frames_new_sealer(int suite, const uint8_t secret[32], secftp_sealer **sealer) {
    secftp_sealer *made = seam_allocate(sizeof *made);
    *sealer = NULL;
    if (made == NULL) {
        return SECFTP_NO_MEMORY;
    }
    int status = direction_set_up(&made->direction, suite, 1, secret);
    if (status != SECFTP_OK) {
        secftp_sealer_free(made);
        return status;
    }
    *sealer = made;
    return SECFTP_OK;
}

int frames_new_opener(int suite, const uint8_t secret[32], secftp_opener **opener) {
    secftp_opener *made = seam_allocate(sizeof *made);
    *opener = NULL;
    if (made == NULL) {
        return SECFTP_NO_MEMORY;
    }
    int status = direction_set_up(&made->direction, suite, 0, secret);
    if (status != SECFTP_OK) {
        secftp_opener_free(made);
        return status;
    }
    *opener = made;
    return SECFTP_OK;
}

void secftp_sealer_free(secftp_sealer *sealer) {
    if (sealer != NULL) {
        direction_clear(&sealer->direction);
        seam_free(sealer, sizeof *sealer);
    }
}

void secftp_opener_free(secftp_opener *opener) {
    if (opener != NULL) {
        direction_clear(&opener->direction);
        seam_free(opener, sizeof *opener);
    }
}

size_t secftp_wire_bytes(int suite, size_t payload_and_padding) {
    if (suite < SECFTP_SUITE_NONE || suite > SECFTP_SUITE_AES256 || payload_and_padding > SECFTP_PAYLOAD_MAX) {
        return 0;
    }
    return FRAME_LENGTH_BYTES + frame_ciphertext_bytes(suite, payload_and_padding) + FRAME_TAG_BYTES;
}

int direction_usable(const direction *d) { return d->dead || d->owner != getpid() ? SECFTP_MISUSE : SECFTP_OK; }

int direction_room(direction *d, size_t wanted, size_t *room) {
    const uint64_t epoch_frames = UINT64_C(1) << seam_epoch_bits();
    const uint64_t used = d->sequence & (epoch_frames - 1);
    if (d->sequence >= FRAME_SEQUENCE_END) {
        return SECFTP_EXHAUSTED;
    }
    *room = wanted < FRAMES_BATCH ? wanted : FRAMES_BATCH;
    if (*room > epoch_frames - used) {
        *room = (size_t)(epoch_frames - used);
    }
    /* The first frame of each epoch derives its keys, except for epoch 0, whose keys come from the handshake. */
    return used == 0 && d->sequence != 0 ? next_epoch(d) : SECFTP_OK;
}

int direction_take_keys(direction *d, size_t count, frame_keys *keys) {
    uint8_t *blocks = (uint8_t *)keys;
    int written = 0, bytes = (int)(count * sizeof *keys);
    for (size_t i = 0; i < count; i++) {
        for (unsigned index = 0; index < FRAME_KEY_BYTES / FRAME_BLOCK_BYTES; index++) {
            uint8_t *block = blocks + i * sizeof *keys + (size_t)index * FRAME_BLOCK_BYTES;
            store_be64(block, d->sequence + i);
            store_be64(block + 8, index);
        }
    }
    d->sequence += count;
    return EVP_EncryptUpdate(d->derive, blocks, &written, blocks, bytes) == 1 && written == bytes ? SECFTP_OK
                                                                                                  : SECFTP_LIBCRYPTO;
}

int direction_tag(direction *d, const uint8_t key[FRAME_MAC_KEY_BYTES], const uint8_t *data, size_t bytes,
                  uint8_t tag[FRAME_TAG_BYTES]) {
    size_t written = 0;
    return EVP_MAC_init(d->mac, key, FRAME_MAC_KEY_BYTES, NULL) == 1 && EVP_MAC_update(d->mac, data, bytes) == 1 &&
                   EVP_MAC_final(d->mac, tag, &written, FRAME_TAG_BYTES) == 1 && written == FRAME_TAG_BYTES
               ? SECFTP_OK
               : SECFTP_LIBCRYPTO;
}
