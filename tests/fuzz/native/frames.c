/* The frame reader, in deliveries of any size. The fuzzer holds the keys: most of what it makes has a right tag, so
 * that what stands behind the tag is reached; and what opens is compared with a reading of the plaintext of our own.
 *
 * Input: suite | kind of damage | how the stream is cut | then frames, each (length, 2 bytes) and so much of P. */
#include <openssl/evp.h>

#include "bytes.h"
#include "frames.h"
#include "fuzz.h"
#include "handshake.h"

enum { FRAMES = 40, LONGEST = 700, DAMAGES = 4 };

typedef struct {
    uint8_t plain[LONGEST];
    size_t bytes;
    size_t wire; /* where it starts in the stream */
    size_t wire_bytes;
} made;

/* docs/PROTOCOL.md, read a second time: what a plaintext must be to be a frame. */
static int is_frame(int suite, const uint8_t *plain, size_t bytes, size_t *payload) {
    if (suite != SECFTP_SUITE_NONE) {
        size_t last = bytes > 0 ? plain[bytes - 1] : 0;
        if (bytes == 0 || bytes % 16 != 0 || last < 1 || last > 16) {
            return 0;
        }
        for (size_t i = 1; i <= last; i++) {
            if (plain[bytes - i] != last) {
                return 0;
            }
        }
        bytes -= last;
    }
    if (bytes < 8 || plain[5] > 1 || plain[6] != 0 || plain[7] != 0) {
        return 0;
    }
    size_t claimed = (size_t)plain[0] << 24 | (size_t)plain[1] << 16 | (size_t)plain[2] << 8 | plain[3];
    if (claimed > bytes - 8) {
        return 0;
    }
    for (size_t i = 8 + claimed; i < bytes; i++) {
        if (plain[i] != 0) {
            return 0;
        }
    }
    *payload = claimed;
    return 1;
}

/* A frame with any plaintext, sealed with the sealer's own keys. */
static void seal_anything(direction *d, const uint8_t *plain, size_t bytes, uint8_t *wire) {
    frame_keys keys;
    size_t room = 0;
    int written = 0;
    CHECK(direction_room(d, 1, &room) == SECFTP_OK && room == 1);
    CHECK(direction_take_keys(d, 1, &keys) == SECFTP_OK);
    store_be32(wire, (uint32_t)bytes);
    memcpy(wire + 4, plain, bytes);
    if (d->suite != SECFTP_SUITE_NONE && bytes > 0) {
        CHECK(EVP_EncryptInit_ex2(d->cbc, NULL, NULL, keys.iv, NULL) == 1);
        CHECK(EVP_EncryptUpdate(d->cbc, wire + 4, &written, wire + 4, (int)bytes) == 1 && (size_t)written == bytes);
    }
    CHECK(direction_tag(d, keys.mac, wire, 4 + bytes, wire + 4 + bytes) == SECFTP_OK);
}

static int length_is_allowed(int suite, size_t bytes) {
    return suite == SECFTP_SUITE_NONE ? bytes >= 8 && bytes <= 65544 : bytes >= 16 && bytes <= 65552 && bytes % 16 == 0;
}

/* Hands `total` bytes to the opener in pieces, and compares what comes out with what went in, up to frame `bad`. */
static void deliver(secftp_opener *opener, int suite, const uint8_t *stream, size_t total, const made *frames,
                    size_t count, size_t bad, unsigned step) {
    size_t sent = 0, kept = 0, seen = 0;
    uint8_t *buffer = malloc(total > 0 ? total : 1);
    int dead = 0;
    while (sent < total || sent == 0) {
        size_t piece = step == 0 ? total : 1 + (step * (sent + 1)) % 97;
        piece = piece < total - sent ? piece : total - sent;
        /* an allocation of exactly what is there, as if the rest did not exist */
        memcpy(buffer + kept, stream + sent, piece);
        sent += piece;
        kept += piece;
        uint8_t *exact = malloc(kept > 0 ? kept : 1);
        secftp_opened *opened = malloc(FRAMES * sizeof *opened);
        size_t whole = 0, consumed = 0;
        memcpy(exact, buffer, kept);
        int status = secftp_open(opener, exact, kept, opened, FRAMES, &whole, &consumed);
        CHECK(status == SECFTP_OK || status == SECFTP_REFUSED || (status == SECFTP_MISUSE && dead));
        if (status != SECFTP_OK) {
            CHECK(whole == 0 && consumed == 0);
            dead = 1;
        }
        for (size_t i = 0; i < whole; i++, seen++) {
            size_t payload = 0;
            CHECK(!dead && seen < count && seen != bad);
            CHECK(is_frame(suite, frames[seen].plain, frames[seen].bytes, &payload));
            CHECK(opened[i].payload_bytes == payload && opened[i].offset + payload <= consumed);
            CHECK(opened[i].type == frames[seen].plain[4] && opened[i].flags == frames[seen].plain[5]);
            CHECK(memcmp(exact + opened[i].offset, frames[seen].plain + 8, payload) == 0);
        }
        memmove(buffer, buffer + consumed, kept - consumed);
        kept -= consumed;
        free(exact);
        free(opened);
        if (dead || total == 0) {
            break;
        }
    }
    /* Everything up to the first frame that is none must have come out, if the stream was cut into single pieces. */
    size_t good = 0, payload = 0;
    while (good < count && good != bad && length_is_allowed(suite, frames[good].bytes) &&
           is_frame(suite, frames[good].plain, frames[good].bytes, &payload)) {
        good++;
    }
    CHECK(seen <= good);
    CHECK(dead == (good < count));
    if (!dead) {
        CHECK(seen == count && kept == 0);
    }
    free(buffer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const uint8_t secret[32] = {1};
    static made frames[FRAMES];
    static uint8_t stream[FRAMES * (LONGEST + 20)];
    if (size < 3) {
        return -1;
    }
    const int suite = data[0] % 3;
    const unsigned damage = data[1], step = data[2];
    secftp_sealer *sealer = NULL;
    secftp_opener *opener = NULL;
    size_t count = 0, total = 0, at = 3, bad = FRAMES;
    CHECK(frames_pair(suite, secret, secret, &sealer, &opener) == SECFTP_OK);
    while (count < FRAMES && size - at >= 2) {
        made *frame = &frames[count];
        size_t bytes = ((size_t)data[at] << 8 | data[at + 1]) % (LONGEST + 1);
        at += 2;
        bytes = bytes < size - at ? bytes : size - at;
        if (suite != SECFTP_SUITE_NONE && damage % DAMAGES != 3) {
            bytes -= bytes % 16; /* else nearly every length would end the stream before a tag is looked at */
        }
        memcpy(frame->plain, data + at, bytes);
        frame->bytes = bytes;
        at += bytes;
        if (!length_is_allowed(suite, bytes)) {
            /* can't be sealed; the length alone must be enough to refuse it */
            store_be32(stream + total, (uint32_t)bytes);
            memset(stream + total + 4, 0, bytes + 16);
        } else {
            seal_anything(&sealer->direction, frame->plain, bytes, stream + total);
        }
        frame->wire = total;
        frame->wire_bytes = bytes + 20;
        total += frame->wire_bytes;
        count++;
    }
    if (count > 0 && damage % DAMAGES == 1) {
        bad = damage / DAMAGES % count; /* a bit turned in the tag or the ciphertext; never in a length, see below */
        size_t from = frames[bad].wire + 4, left = frames[bad].wire_bytes - 4;
        stream[from + (damage * 7) % left] ^= (uint8_t)(1 << (damage % 8));
    } else if (count > 1 && damage % DAMAGES == 2) {
        bad = 0; /* the first frame twice: the second one is out of its place */
        memcpy(stream + frames[1].wire, stream + frames[0].wire,
               frames[0].wire_bytes < frames[1].wire_bytes ? frames[0].wire_bytes : frames[1].wire_bytes);
        if (frames[0].wire_bytes != frames[1].wire_bytes) {
            secftp_sealer_free(sealer);
            secftp_opener_free(opener);
            return 0;
        }
        bad = 1;
    }
    deliver(opener, suite, stream, total, frames, count, bad, step);
    secftp_sealer_free(sealer);
    secftp_opener_free(opener);
    return 0;
}
