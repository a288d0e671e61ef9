/* The contract of the core: every size, every code and every function that Python may use.
 *
 * Strategy: keys live in here and never cross this border, except the one secret that the key-file generator asks
 * for. Nothing here does I/O, blocks, or keeps global state. Every primitive is libcrypto's (3.0 or newer). Every
 * function leaves libcrypto's error queue as it found it. build_ffi.py reads this file, so a number exists once.
 *
 * An object is used by one thread at a time, and only in the process that made it: a copy of a sealer, an opener or a
 * half of a handshake in a forked process would use keys and numbers twice, and returns SECFTP_MISUSE. A
 * secftp_password never changes, so threads may share it, and a forked process may go on with it: every handshake
 * draws its own randomness, and libcrypto seeds its generator anew after a fork. Freeing is always allowed. */
#ifndef SECFTP_H
#define SECFTP_H

#include <stddef.h>
#include <stdint.h>

#define SECFTP_CHECKED __attribute__((warn_unused_result))

/* --- what the functions return ------------------------------------------------------------------------------ */

enum {
    SECFTP_OK = 0,
    SECFTP_REFUSED = 1,      /* the peer's bytes do not verify; one code for every reason */
    SECFTP_MISUSE = 2,       /* an argument out of its range, or an object that is dead, used up or forked */
    SECFTP_NO_MEMORY = 3,    /* an allocation failed */
    SECFTP_LIBCRYPTO = 4,    /* libcrypto failed where it should not */
    SECFTP_NO_ALGORITHM = 5, /* libcrypto's providers lack an algorithm */
    SECFTP_WRONG_ANSWER = 6, /* the self-test got another answer than the standard's */
    SECFTP_EXHAUSTED = 7     /* all 2^48 sequence numbers of a direction are used */
};

/* --- sizes in bytes (docs/PROTOCOL.md) ------------------------------------------------------------------------ */

enum {
    SECFTP_SECRET_BYTES = 32, /* w, big-endian, 1 .. n-1 */
    SECFTP_NAME_BYTES = 32,
    SECFTP_CLIENT_HELLO_BYTES = 125,
    SECFTP_SERVER_HELLO_BYTES = 141,
    SECFTP_CLIENT_FINISH_BYTES = 48,
    SECFTP_REFUSAL_BYTES = 12, /* the part of SERVER_HELLO that a refusal sends */
    SECFTP_PAYLOAD_MAX = 65536,
    SECFTP_PAYLOAD_OFFSET = 12, /* of a frame's payload in the frame: ctlen(4), paylen(4), type, flags, 0, 0 */
    SECFTP_WIRE_MAX = 65572,    /* of a whole frame, any suite */
    SECFTP_FRAMES_MAX = 4096    /* in one call */
};

enum { SECFTP_SUITE_NONE = 0, SECFTP_SUITE_AES128 = 1, SECFTP_SUITE_AES256 = 2 };
enum { SECFTP_MODE_ANONYMOUS = 0, SECFTP_MODE_KEYED = 1 };
enum { SECFTP_FLAG_END = 1 };

/* --- the library ---------------------------------------------------------------------------------------------- */

/* Checks this build and the libcrypto under it against known answers of the standards: AES-CBC in lanes, Poly1305,
 * HKDF, P-256, and one whole session. Nothing else may be called unless this returned SECFTP_OK. About 1 ms. */
SECFTP_CHECKED int secftp_self_test(void);

/* libcrypto's version: as a number (OPENSSL_VERSION_NUMBER's form) of the loaded library, and as its own text. */
unsigned long secftp_libcrypto_number(void);
const char *secftp_libcrypto_text(void);

/* --- the key, stretched (SPAKE2's w, w·M and w·N) --------------------------------------------------------------- */

typedef struct secftp_password secftp_password;

/* From a key's text, UTF-8 in NFC, 1 byte or more: scrypt (RFC 7914), about 50 ms and 16 MiB. */
SECFTP_CHECKED int secftp_password_from_key(const uint8_t *key, size_t key_bytes, secftp_password **password);

/* From w itself; SECFTP_REFUSED when it is 0 or not below the group's order. */
SECFTP_CHECKED int secftp_password_from_secret(const uint8_t secret[SECFTP_SECRET_BYTES], secftp_password **password);

/* The one that everybody knows (mode 0), and one that nobody knows (for names that do not exist). */
SECFTP_CHECKED int secftp_password_anonymous(secftp_password **password);
SECFTP_CHECKED int secftp_password_random(secftp_password **password);

/* w, for the key-file generator alone. */
SECFTP_CHECKED int secftp_password_secret(const secftp_password *password, uint8_t secret[SECFTP_SECRET_BYTES]);

/* 1 if both are the same key stretched, else 0; in constant time. */
int secftp_password_equal(const secftp_password *password, const secftp_password *other);

void secftp_password_free(secftp_password *password);

/* --- frames --------------------------------------------------------------------------------------------------- */

typedef struct secftp_sealer secftp_sealer;
typedef struct secftp_opener secftp_opener;

typedef struct {
    uint32_t payload_bytes; /* payload_bytes + padding_bytes <= SECFTP_PAYLOAD_MAX */
    uint32_t padding_bytes; /* zero bytes that hide the payload's length */
    uint8_t type;
    uint8_t flags; /* 0 or SECFTP_FLAG_END */
} secftp_frame;

typedef struct {
    size_t offset; /* of the payload, from the start of the buffer */
    uint32_t payload_bytes;
    uint32_t padding_bytes;
    uint8_t type;
    uint8_t flags;
} secftp_opened;

/* What a frame of so many payload and padding bytes takes on the wire; 0 when it is out of bounds. */
size_t secftp_wire_bytes(int suite, size_t payload_and_padding);

/* Seals `count` frames in place, in order. They stand back to back in `buffer`, each with its payload at
 * SECFTP_PAYLOAD_OFFSET from its own start; frame i+1 starts where secftp_wire_bytes of frame i ends. On success the
 * first *wire_bytes bytes are what goes on the wire. After any failure but SECFTP_MISUSE the sealer stays dead, and
 * the buffer's contents must not be sent. */
SECFTP_CHECKED int secftp_seal(secftp_sealer *sealer, uint8_t *buffer, size_t capacity, const secftp_frame *frames,
                               size_t count, size_t *wire_bytes);

/* Opens, in place and in order, as many whole frames as `available` bytes hold, `max_frames` at the most. *consumed is
 * where the first incomplete frame starts. When one frame fails, none is handed out, what was decrypted is wiped, and
 * the opener stays dead. A frame is decrypted only after its tag has verified. */
SECFTP_CHECKED int secftp_open(secftp_opener *opener, uint8_t *buffer, size_t available, secftp_opened *frames,
                               size_t max_frames, size_t *count, size_t *consumed);

void secftp_sealer_free(secftp_sealer *sealer);
void secftp_opener_free(secftp_opener *opener);

/* --- handshake: each object is used once, by one process, in the order of the functions --------------------------- */

typedef struct secftp_client secftp_client;
typedef struct secftp_server secftp_server;

/* `password` must outlive the handshake. `name` is zero-filled, all zero for the default key and in mode 0. */
SECFTP_CHECKED int secftp_client_start(const secftp_password *password, int suite, int mode,
                                       const uint8_t name[SECFTP_NAME_BYTES], uint8_t hello[SECFTP_CLIENT_HELLO_BYTES],
                                       secftp_client **client);

SECFTP_CHECKED int secftp_client_finish(secftp_client *client, const uint8_t server_hello[SECFTP_SERVER_HELLO_BYTES],
                                        uint8_t finish[SECFTP_CLIENT_FINISH_BYTES], secftp_sealer **sealer,
                                        secftp_opener **opener);

SECFTP_CHECKED int secftp_server_respond(const secftp_password *password,
                                         const uint8_t client_hello[SECFTP_CLIENT_HELLO_BYTES],
                                         uint8_t hello[SECFTP_SERVER_HELLO_BYTES], secftp_server **server);

SECFTP_CHECKED int secftp_server_finish(secftp_server *server, const uint8_t finish[SECFTP_CLIENT_FINISH_BYTES],
                                        secftp_sealer **sealer, secftp_opener **opener);

void secftp_client_free(secftp_client *client);
void secftp_server_free(secftp_server *server);

#endif
