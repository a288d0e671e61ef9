/* Sealing frames: write header and padding, encrypt all frames of a batch in lanes, then compute the tags. */
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <string.h>

#include "bytes.h"
#include "frames.h"
#include "lanes.h"

static int frame_allowed(const secftp_frame *frame) {
    return frame->payload_bytes <= SECFTP_PAYLOAD_MAX &&
           frame->padding_bytes <= SECFTP_PAYLOAD_MAX - frame->payload_bytes && frame->flags <= SECFTP_FLAG_END;
}

/* Writes ctlen, the header, the zero bytes and PKCS#7 padding around the payload in place (RFC 5652 section 6.3). */
static size_t frame_lay_out(int suite, uint8_t *wire, const secftp_frame *frame) {
    const size_t body = (size_t)frame->payload_bytes + frame->padding_bytes;
    const size_t ciphertext = frame_ciphertext_bytes(suite, body);
    const size_t padding = ciphertext - FRAME_HEADER_BYTES - body;
    uint8_t *plain = wire + FRAME_LENGTH_BYTES;
    store_be32(wire, (uint32_t)ciphertext);
    store_be32(plain, frame->payload_bytes);
    plain[4] = frame->type;
    plain[5] = frame->flags;
    plain[6] = plain[7] = 0;
    memset(plain + FRAME_HEADER_BYTES + frame->payload_bytes, 0, frame->padding_bytes);
    memset(plain + FRAME_HEADER_BYTES + body, (int)padding, padding);
    return ciphertext;
}

/* Seals at most FRAMES_BATCH frames of one epoch. */
static int seal_batch(direction *d, uint8_t *wire, const secftp_frame *frames, size_t count, size_t *wire_bytes) {
    frame_keys keys[FRAMES_BATCH];
    lanes_message messages[FRAMES_BATCH];
    uint8_t *at = wire;
    int status = direction_take_keys(d, count, keys);
    for (size_t i = 0; i < count; i++) {
        size_t ciphertext = frame_lay_out(d->suite, at, &frames[i]);
        messages[i].data = at + FRAME_LENGTH_BYTES;
        messages[i].blocks = ciphertext / FRAME_BLOCK_BYTES;
        memcpy(messages[i].iv, keys[i].iv, sizeof messages[i].iv);
        at += FRAME_LENGTH_BYTES + ciphertext + FRAME_TAG_BYTES;
    }
    if (status == SECFTP_OK && d->suite != SECFTP_SUITE_NONE) {
        status = lanes_encrypt(d->ecb, d->cbc, messages, count);
    }
    *wire_bytes = (size_t)(at - wire);
    for (size_t i = 0; i < count && status == SECFTP_OK; i++) {
        uint8_t *start = messages[i].data - FRAME_LENGTH_BYTES;
        size_t covered = FRAME_LENGTH_BYTES + load_be32(start);
        status = direction_tag(d, keys[i].mac, start, covered, start + covered);
    }
    OPENSSL_cleanse(keys, count * sizeof keys[0]);
    return status;
}

static int check_arguments(const direction *d, size_t capacity, const secftp_frame *frames, size_t count) {
    size_t needed = 0;
    if (count > SECFTP_FRAMES_MAX || direction_usable(d) != SECFTP_OK) {
        return SECFTP_MISUSE;
    }
    for (size_t i = 0; i < count; i++) {
        if (!frame_allowed(&frames[i])) {
            return SECFTP_MISUSE;
        }
        needed += secftp_wire_bytes(d->suite, (size_t)frames[i].payload_bytes + frames[i].padding_bytes);
    }
    return needed <= capacity ? SECFTP_OK : SECFTP_MISUSE;
}

int secftp_seal(secftp_sealer *sealer, uint8_t *buffer, size_t capacity, const secftp_frame *frames, size_t count,
                size_t *wire_bytes) {
    direction *d = &sealer->direction;
    *wire_bytes = 0;
    if (check_arguments(d, capacity, frames, count) != SECFTP_OK) {
        return SECFTP_MISUSE;
    }
    int status = SECFTP_OK;
    size_t done = 0, written = 0;
    ERR_set_mark();
    while (done < count && status == SECFTP_OK) {
        size_t room = 0, batch_bytes = 0;
        status = direction_room(d, count - done, &room);
        if (status == SECFTP_OK) {
            status = seal_batch(d, buffer + written, frames + done, room, &batch_bytes);
        }
        done += room;
        written += batch_bytes;
    }
    ERR_pop_to_mark();
    if (status != SECFTP_OK) {
        d->dead = 1;
        return status;
    }
    *wire_bytes = written;
    return SECFTP_OK;
}
