/* Whole sessions of both sides, good and bad, in buffers of exactly the size that secftp.h promises to be enough.
 *
 * One program for three judges: AddressSanitizer with its leak finder, valgrind's memcheck, and memcheck once more with
 * every secret marked as undefined (secrets.c), so that a branch or an address that depends on one is an error. Each
 * buffer is an allocation of its own: an overrun by one byte, by us or inside libcrypto, is outside of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "marks.h"
#include "secftp.h"

enum { FINISHES = 3 };

static unsigned long calls; /* of the core, that ended as they should */

static void must(int good, const char *what) {
    if (!good) {
        fprintf(stderr, "wrong: %s\n", what);
        exit(2);
    }
    calls++;
}

#define MUST(condition) must((condition), #condition)

static void *exactly(size_t bytes) {
    void *memory = malloc(bytes > 0 ? bytes : 1);
    if (memory == NULL) {
        exit(3);
    }
    return memory;
}

/* A copy with a size of its own and, as on the wire, without secrets. */
static uint8_t *received(const uint8_t *bytes, size_t count) {
    uint8_t *copy = exactly(count);
    memcpy(copy, bytes, count);
    mark_public(copy, count);
    return copy;
}

typedef struct {
    secftp_sealer *sealer[2];
    secftp_opener *opener[2];
} session;

/* Sides 0 and 1 are client and server; side i's sealer goes with the other's opener. */
static void close_session(session *s) {
    for (int side = 0; side < 2; side++) {
        secftp_sealer_free(s->sealer[side]);
        secftp_opener_free(s->opener[side]);
    }
}

static void open_session(const secftp_password *password, int suite, int mode, session *s) {
    uint8_t *name = exactly(SECFTP_NAME_BYTES), *hello = exactly(SECFTP_CLIENT_HELLO_BYTES);
    uint8_t *reply = exactly(SECFTP_SERVER_HELLO_BYTES), *finish = exactly(SECFTP_CLIENT_FINISH_BYTES);
    secftp_client *client = NULL;
    secftp_server *server = NULL;
    memset(name, 0, SECFTP_NAME_BYTES);
    marks_next_draws("ps"); /* client_iv, x */
    MUST(secftp_client_start(password, suite, mode, name, hello, &client) == SECFTP_OK);
    uint8_t *hello_there = received(hello, SECFTP_CLIENT_HELLO_BYTES);
    marks_next_draws("pss"); /* server_rand, y, nonce */
    MUST(secftp_server_respond(password, hello_there, reply, &server) == SECFTP_OK);
    uint8_t *reply_there = received(reply, SECFTP_SERVER_HELLO_BYTES);
    MUST(secftp_client_finish(client, reply_there, finish, &s->sealer[0], &s->opener[0]) == SECFTP_OK);
    uint8_t *finish_there = received(finish, SECFTP_CLIENT_FINISH_BYTES);
    MUST(secftp_server_finish(server, finish_there, &s->sealer[1], &s->opener[1]) == SECFTP_OK);
    secftp_sealer *again = NULL;
    secftp_opener *again_too = NULL;
    MUST(secftp_server_finish(server, finish_there, &again, &again_too) == SECFTP_MISUSE && again == NULL);
    MUST(secftp_client_finish(client, reply_there, finish, &again, &again_too) == SECFTP_MISUSE && again_too == NULL);
    secftp_client_free(client);
    secftp_server_free(server);
    free(name);
    free(hello);
    free(reply);
    free(finish);
    free(hello_there);
    free(reply_there);
    free(finish_there);
}

/* A hello, a reply or a finish with one bit turned: refused, and nothing is handed out. */
static void refuse_changed(const secftp_password *password, int suite, int mode, int flight, size_t byte) {
    uint8_t name[SECFTP_NAME_BYTES] = {0};
    uint8_t *flights[FINISHES] = {exactly(SECFTP_CLIENT_HELLO_BYTES), exactly(SECFTP_SERVER_HELLO_BYTES),
                                  exactly(SECFTP_CLIENT_FINISH_BYTES)};
    secftp_client *client = NULL;
    secftp_server *server = NULL;
    session s = {{NULL, NULL}, {NULL, NULL}};
    marks_next_draws("ps");
    MUST(secftp_client_start(password, suite, mode, name, flights[0], &client) == SECFTP_OK);
    mark_public(flights[0], SECFTP_CLIENT_HELLO_BYTES);
    if (flight == 0) {
        flights[0][byte] ^= 1;
    }
    marks_next_draws("pss");
    int status = secftp_server_respond(password, flights[0], flights[1], &server);
    if (status == SECFTP_OK) {
        mark_public(flights[1], SECFTP_SERVER_HELLO_BYTES);
        if (flight == 1) {
            flights[1][byte] ^= 1;
        }
        status = secftp_client_finish(client, flights[1], flights[2], &s.sealer[0], &s.opener[0]);
    }
    if (status == SECFTP_OK) {
        mark_public(flights[2], SECFTP_CLIENT_FINISH_BYTES);
        flights[2][byte] ^= 1;
        status = secftp_server_finish(server, flights[2], &s.sealer[1], &s.opener[1]);
    }
    MUST(status == SECFTP_REFUSED && s.sealer[1] == NULL && s.opener[1] == NULL);
    close_session(&s);
    secftp_client_free(client);
    secftp_server_free(server);
    for (int i = 0; i < FINISHES; i++) {
        free(flights[i]);
    }
}

/* Seals `count` frames whose lengths go through all residues of a block; the wire is the caller's to free. */
static uint8_t *seal_some(secftp_sealer *sealer, int suite, size_t count, uint32_t base, secftp_frame *frames,
                          size_t *wire_bytes) {
    size_t total = 0, at = 0;
    for (size_t i = 0; i < count; i++) {
        frames[i].payload_bytes = (base + (uint32_t)i * 7) % (SECFTP_PAYLOAD_MAX + 1);
        frames[i].padding_bytes = frames[i].payload_bytes < 60000 ? (uint32_t)i % 5 : 0;
        frames[i].type = (uint8_t)(i % 251);
        frames[i].flags = i % 2 == 0 ? 0 : SECFTP_FLAG_END;
        total += secftp_wire_bytes(suite, (size_t)frames[i].payload_bytes + frames[i].padding_bytes);
    }
    uint8_t *wire = exactly(total);
    for (size_t i = 0; i < count; i++) {
        memset(wire + at + SECFTP_PAYLOAD_OFFSET, (int)(i % 256), frames[i].payload_bytes);
        mark_secret(wire + at + SECFTP_PAYLOAD_OFFSET, frames[i].payload_bytes);
        at += secftp_wire_bytes(suite, (size_t)frames[i].payload_bytes + frames[i].padding_bytes);
    }
    MUST(secftp_seal(sealer, wire, total, frames, count, wire_bytes) == SECFTP_OK && *wire_bytes == total);
    mark_public(wire, total);
    return wire;
}

static void send_some(session *s, int suite, int side, size_t count, uint32_t base) {
    secftp_frame *frames = exactly(count * sizeof *frames);
    secftp_opened *opened = exactly(count * sizeof *opened);
    size_t wire_bytes = 0, whole = 0, consumed = 0;
    uint8_t *wire = seal_some(s->sealer[side], suite, count, base, frames, &wire_bytes);
    /* One byte short, the last frame waits; an opener may be asked with nothing at all. */
    MUST(secftp_open(s->opener[!side], wire, 0, opened, count, &whole, &consumed) == SECFTP_OK && whole == 0);
    MUST(secftp_open(s->opener[!side], wire, wire_bytes - 1, opened, count, &whole, &consumed) == SECFTP_OK);
    MUST(whole == count - 1);
    size_t first = consumed;
    MUST(secftp_open(s->opener[!side], wire + first, wire_bytes - first, opened + whole, 1, &whole, &consumed) ==
         SECFTP_OK);
    MUST(whole == 1 && first + consumed == wire_bytes);
    opened[count - 1].offset += first;
    for (size_t i = 0; i < count; i++) {
        MUST(opened[i].payload_bytes == frames[i].payload_bytes && opened[i].type == frames[i].type);
        mark_public(wire + opened[i].offset, opened[i].payload_bytes);
        for (size_t byte = 0; byte < opened[i].payload_bytes; byte++) {
            if (wire[opened[i].offset + byte] != i % 256) {
                must(0, "a payload");
            }
        }
    }
    free(wire);
    free(opened);
    free(frames);
}

/* One bit turned anywhere: refused, and the opener stays dead. */
static void refuse_frame(const secftp_password *password, int suite, size_t from_end) {
    secftp_frame frames[3];
    secftp_opened opened[3];
    size_t wire_bytes = 0, whole = 0, consumed = 0;
    session s;
    open_session(password, suite, SECFTP_MODE_KEYED, &s);
    uint8_t *wire = seal_some(s.sealer[0], suite, 3, 100, frames, &wire_bytes);
    wire[wire_bytes - from_end] ^= 0x40;
    MUST(secftp_open(s.opener[1], wire, wire_bytes, opened, 3, &whole, &consumed) == SECFTP_REFUSED && whole == 0);
    MUST(secftp_open(s.opener[1], wire, wire_bytes, opened, 3, &whole, &consumed) == SECFTP_MISUSE);
    free(wire);
    close_session(&s);
}

static void bounds(const secftp_password *password) {
    secftp_frame frame = {SECFTP_PAYLOAD_MAX, 1, 0, 0};
    uint8_t *wire = exactly(SECFTP_WIRE_MAX);
    size_t wire_bytes = 0;
    session s;
    open_session(password, SECFTP_SUITE_AES256, SECFTP_MODE_KEYED, &s);
    MUST(secftp_seal(s.sealer[0], wire, SECFTP_WIRE_MAX, &frame, 1, &wire_bytes) == SECFTP_MISUSE);
    frame.padding_bytes = 0;
    MUST(secftp_seal(s.sealer[0], wire, SECFTP_WIRE_MAX - 1, &frame, 1, &wire_bytes) == SECFTP_MISUSE);
    memset(wire, 0, SECFTP_WIRE_MAX);
    MUST(secftp_seal(s.sealer[0], wire, SECFTP_WIRE_MAX, &frame, 1, &wire_bytes) == SECFTP_OK);
    MUST(wire_bytes == SECFTP_WIRE_MAX);
    free(wire);
    close_session(&s);
}

static void all_of(const secftp_password *password, int suite, int mode) {
    static const size_t counts[] = {1, 2, 15, 16, 17, 40, 300};
    session s;
    open_session(password, suite, mode, &s);
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        send_some(&s, suite, (int)(i % 2), counts[i], (uint32_t)(i * 3));
    }
    send_some(&s, suite, 0, 18, SECFTP_PAYLOAD_MAX - 60);
    close_session(&s);
}

static secftp_password *key_of(const char *text) {
    size_t bytes = strlen(text);
    secftp_password *password = NULL;
    uint8_t *key = exactly(bytes);
    memcpy(key, text, bytes);
    mark_secret(key, bytes);
    MUST(secftp_password_from_key(key, bytes, &password) == SECFTP_OK);
    free(key);
    return password;
}

static secftp_password *secret_of(uint8_t last) {
    secftp_password *password = NULL;
    uint8_t *secret = exactly(SECFTP_SECRET_BYTES);
    memset(secret, 0, SECFTP_SECRET_BYTES);
    secret[SECFTP_SECRET_BYTES - 1] = last;
    mark_secret(secret, SECFTP_SECRET_BYTES);
    int status = secftp_password_from_secret(secret, &password);
    MUST(status == (last == 0 ? SECFTP_REFUSED : SECFTP_OK));
    free(secret);
    return password;
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "planted") == 0) {
        return marks_planted(); /* each judge must find this, or it finds nothing */
    }
    secftp_password *anonymous = NULL, *random = NULL, *text = key_of("correct horse"), *secret = secret_of(5);
    MUST(secret_of(0) == NULL);
    MUST(secftp_self_test() == SECFTP_OK);
    MUST(secftp_password_anonymous(&anonymous) == SECFTP_OK);
    marks_next_draws("s");
    MUST(secftp_password_random(&random) == SECFTP_OK);
    for (int suite = SECFTP_SUITE_NONE; suite <= SECFTP_SUITE_AES256; suite++) {
        all_of(secret, suite, SECFTP_MODE_KEYED);
        all_of(anonymous, suite, SECFTP_MODE_ANONYMOUS);
        for (size_t from_end = 1; from_end < 400; from_end += 37) {
            refuse_frame(secret, suite, from_end);
        }
        for (size_t byte = 0; byte < SECFTP_CLIENT_HELLO_BYTES; byte += 4) {
            refuse_changed(text, suite, SECFTP_MODE_KEYED, 0, byte);
        }
        for (size_t byte = 0; byte < SECFTP_SERVER_HELLO_BYTES; byte += 4) {
            refuse_changed(random, suite, SECFTP_MODE_KEYED, 1, byte);
        }
        for (size_t byte = 0; byte < SECFTP_CLIENT_FINISH_BYTES; byte += 4) {
            refuse_changed(random, suite, SECFTP_MODE_KEYED, 2, byte);
        }
    }
    bounds(random);
    secftp_password_free(anonymous);
    secftp_password_free(random);
    secftp_password_free(text);
    secftp_password_free(secret);
    printf("%lu\n", calls);
    return 0;
}
