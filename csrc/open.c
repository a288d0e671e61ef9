/* Opening frames: check the length, verify the tag, and only then decrypt and parse. All failures return one code. */
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <string.h>

#include "bytes.h"
#include "frames.h"
#include "seams.h"
#include "vector_state.h"

/* Valid lengths for a suite; anything else is refused before the rest of the frame is received. */
static int length_allowed(int suite, size_t ciphertext) {
    if (suite == SECFTP_SUITE_NONE) {
        return ciphertext >= FRAME_HEADER_BYTES && ciphertext <= FRAME_HEADER_BYTES + SECFTP_PAYLOAD_MAX;
    }
    return ciphertext >= FRAME_BLOCK_BYTES && ciphertext % FRAME_BLOCK_BYTES == 0 &&
           ciphertext <= frame_ciphertext_bytes(suite, SECFTP_PAYLOAD_MAX);
}

/* Counts the complete frames in the buffer, at most `max`. */
static int count_whole(int suite, const uint8_t *buffer, size_t available, size_t max, size_t *whole) {
    size_t at = 0;
    *whole = 0;
    while (*whole < max && available - at >= FRAME_LENGTH_BYTES) {
        size_t ciphertext = load_be32(buffer + at);
        if (!length_allowed(suite, ciphertext)) {
            return SECFTP_REFUSED;
        }
        size_t wire = FRAME_LENGTH_BYTES + ciphertext + FRAME_TAG_BYTES;
        if (available - at < wire) {
            break;
        }
        at += wire;
        ++*whole;
    }
    return SECFTP_OK;
}

/* Removes PKCS#7 padding: 1 .. 16 bytes, each equal to their number (RFC 5652 section 6.3). */
static int unpad(const uint8_t *plain, size_t *bytes) {
    const unsigned count = plain[*bytes - 1];
    if (count < 1 || count > FRAME_BLOCK_BYTES) {
        return SECFTP_REFUSED;
    }
    for (size_t i = *bytes - count; i < *bytes; i++) {
        if (plain[i] != count) {
            return SECFTP_REFUSED;
        }
    }
    *bytes -= count;
    return SECFTP_OK;
}

/* Checks the authenticated header against the authenticated bytes, which may be shorter than a header after unpadding.
 */
static int read_header(const uint8_t *plain, size_t bytes, secftp_opened *frame) {
    if (bytes < FRAME_HEADER_BYTES || bytes - FRAME_HEADER_BYTES > SECFTP_PAYLOAD_MAX) {
        return SECFTP_REFUSED;
    }
    const size_t body = bytes - FRAME_HEADER_BYTES, payload = load_be32(plain);
    if (payload > body || plain[5] > SECFTP_FLAG_END || plain[6] != 0 || plain[7] != 0) {
        return SECFTP_REFUSED;
    }
    unsigned nonzero = 0;
    for (size_t i = FRAME_HEADER_BYTES + payload; i < bytes; i++) {
        nonzero |= plain[i];
    }
    frame->payload_bytes = (uint32_t)payload;
    frame->padding_bytes = (uint32_t)(body - payload);
    frame->type = plain[4];
    frame->flags = plain[5];
    return nonzero == 0 ? SECFTP_OK : SECFTP_REFUSED;
}

/* Setting a new IV in the context costs as much as decrypting 1 KiB. Instead the context continues the chain of the
 * previous frame, which affects only the first block: there the last ciphertext block of that frame is XORed out and
 * the IV XORed in. The frame has been verified, so its lengths and padding, which are checked next, are not secret. */
static int decrypt(direction *d, const uint8_t iv[FRAME_BLOCK_BYTES], uint8_t *data, size_t bytes) {
    uint8_t last[FRAME_BLOCK_BYTES];
    int written = 0;
    memcpy(last, data + bytes - sizeof last, sizeof last);
    vector_state_clear();
    if (EVP_DecryptUpdate(d->cbc, data, &written, data, (int)bytes) != 1 || (size_t)written != bytes) {
        return SECFTP_LIBCRYPTO;
    }
    for (size_t i = 0; i < sizeof last; i++) {
        data[i] ^= d->chain[i] ^ iv[i];
    }
    memcpy(d->chain, last, sizeof last);
    seam_public(data, bytes);
    return SECFTP_OK;
}

static int open_frame(direction *d, const frame_keys *keys, uint8_t *wire, size_t *wire_bytes, secftp_opened *frame) {
    uint8_t tag[FRAME_TAG_BYTES], *plain = wire + FRAME_LENGTH_BYTES;
    size_t bytes = load_be32(wire);
    const size_t covered = FRAME_LENGTH_BYTES + bytes;
    int status = direction_tag(d, keys->mac, wire, covered, tag);
    if (status == SECFTP_OK && CRYPTO_memcmp(tag, wire + covered, sizeof tag) != 0) {
        status = SECFTP_REFUSED;
    }
    if (status == SECFTP_OK && d->suite != SECFTP_SUITE_NONE) {
        status = decrypt(d, keys->iv, plain, bytes);
        if (status == SECFTP_OK) {
            status = unpad(plain, &bytes);
        }
    }
    if (status == SECFTP_OK) {
        status = read_header(plain, bytes, frame);
    }
    *wire_bytes = covered + FRAME_TAG_BYTES;
    return status;
}

/* Opens at most FRAMES_BATCH complete frames of one epoch; `base` is the offset of the batch in the caller's buffer. */
static int open_batch(direction *d, uint8_t *buffer, size_t *base, secftp_opened *frames, size_t count) {
    frame_keys keys[FRAMES_BATCH];
    int status = direction_take_keys(d, count, keys);
    for (size_t i = 0; i < count && status == SECFTP_OK; i++) {
        size_t wire_bytes = 0;
        frames[i].offset = *base + SECFTP_PAYLOAD_OFFSET;
        status = open_frame(d, &keys[i], buffer + *base, &wire_bytes, &frames[i]);
        *base += wire_bytes;
    }
    OPENSSL_cleanse(keys, count * sizeof keys[0]);
    return status;
}

int secftp_open(secftp_opener *opener, uint8_t *buffer, size_t available, secftp_opened *frames, size_t max_frames,
                size_t *count, size_t *consumed) {
    direction *d = &opener->direction;
    size_t whole = 0, done = 0, at = 0;
    *count = *consumed = 0;
    if (direction_usable(d) != SECFTP_OK || max_frames > SECFTP_FRAMES_MAX) {
        return SECFTP_MISUSE;
    }
    ERR_set_mark();
    int status = count_whole(d->suite, buffer, available, max_frames, &whole);
    while (done < whole && status == SECFTP_OK) {
        size_t room = 0;
        status = direction_room(d, whole - done, &room);
        if (status == SECFTP_OK) {
            status = open_batch(d, buffer, &at, frames + done, room);
        }
        done += room;
    }
    ERR_pop_to_mark();
    if (status != SECFTP_OK) {
        d->dead = 1;
        OPENSSL_cleanse(buffer, at < available ? at : available);
        memset(frames, 0, max_frames * sizeof *frames);
        return status;
    }
    *count = whole;
    *consumed = at;
    return SECFTP_OK;
}
