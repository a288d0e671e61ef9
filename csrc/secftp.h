/* Public interface of the cryptographic core: every size, status code and function that Python may use.
 *
 * Invariant: keys stay inside the core, except the one secret that the key-file generator asks for. The core does no
 * I/O, does not block, and has no global state. All primitives are libcrypto's (3.0 or newer). Every function leaves
 * libcrypto's error queue as it found it. build_ffi.py reads this header, so each constant is defined once.
 *
 * An object may be used by one thread at a time, and only in the process that created it: a copy of a sealer, an opener
 * or a handshake in a forked process would reuse keys and sequence numbers, and returns SECFTP_MISUSE. A
 * secftp_password is immutable, so threads may share it, and a forked process may keep using it: every handshake
 * draws its own randomness, and libcrypto reseeds its generator after a fork. Freeing is always allowed. */
#ifndef SECFTP_H
#define SECFTP_H

#include <stddef.h>
#include <stdint.h>

#define SECFTP_CHECKED __attribute__((warn_unused_result))

/* --- status codes ------------------------------------------------------------------------------------------- */

enum {
    SECFTP_OK = 0,
    SECFTP_REFUSED = 1,      /* the peer's bytes do not verify; one code for every cause */
    SECFTP_MISUSE = 2,       /* argument out of range, or the object has failed, is used up or was copied by fork */
    SECFTP_NO_MEMORY = 3,    /* an allocation failed */
    SECFTP_LIBCRYPTO = 4,    /* unexpected failure of libcrypto */
    SECFTP_NO_ALGORITHM = 5, /* no libcrypto provider has a required algorithm */
    SECFTP_WRONG_ANSWER = 6, /* the self-test result differs from the standard's */
    SECFTP_EXHAUSTED = 7     /* all 2^48 sequence numbers of a direction are used up */
};

/* --- sizes in bytes (docs/PROTOCOL.md) ------------------------------------------------------------------------ */

enum {
    SECFTP_SECRET_BYTES = 32, /* w, big-endian, 1 .. n-1 */
    SECFTP_NAME_BYTES = 32,
    SECFTP_CLIENT_HELLO_BYTES = 125,
    SECFTP_SERVER_HELLO_BYTES = 141,
    SECFTP_CLIENT_FINISH_BYTES = 48,
    SECFTP_REFUSAL_BYTES = 12, /* the prefix of SERVER_HELLO that is sent as a refusal */
    SECFTP_PAYLOAD_MAX = 65536,
    SECFTP_PAYLOAD_OFFSET = 12, /* offset of the payload in a frame: ctlen(4), paylen(4), type, flags, 0, 0 */
    SECFTP_WIRE_MAX = 65572,    /* of a frame, any suite */
    SECFTP_FRAMES_MAX = 4096    /* per call */
};

enum { SECFTP_SUITE_NONE = 0, SECFTP_SUITE_AES128 = 1, SECFTP_SUITE_AES256 = 2 };
enum { SECFTP_MODE_ANONYMOUS = 0, SECFTP_MODE_KEYED = 1 };
enum { SECFTP_FLAG_END = 1 };

/* --- the library ---------------------------------------------------------------------------------------------- */

/* Checks this build and the loaded libcrypto against known answers from the standards: AES-CBC in lanes, Poly1305,
 * HKDF, P-256, and a complete session. No other function may be called before this returned SECFTP_OK. About 1 ms. */
SECFTP_CHECKED int secftp_self_test(void);

/* Version of the loaded libcrypto: as a number in the format of OPENSSL_VERSION_NUMBER, and as text. */
unsigned long secftp_libcrypto_number(void);
const char *secftp_libcrypto_text(void);

/* --- stretched key (SPAKE2's w, w·M and w·N) -------------------------------------------------------------------- */

typedef struct secftp_password secftp_password;

/* Stretches a key, UTF-8 in NFC, 1 byte or more, with scrypt (RFC 7914). Takes about 50 ms and 16 MiB. */
SECFTP_CHECKED int secftp_password_from_key(const uint8_t *key, size_t key_bytes, secftp_password **password);

/* Takes w itself; SECFTP_REFUSED if it is 0 or not below the group's order. */
SECFTP_CHECKED int secftp_password_from_secret(const uint8_t secret[SECFTP_SECRET_BYTES], secftp_password **password);

/* The public key of anonymous mode (mode 0), and a random key (for names that do not exist). */
SECFTP_CHECKED int secftp_password_anonymous(secftp_password **password);
SECFTP_CHECKED int secftp_password_random(secftp_password **password);

/* Exports w; for the key-file generator only. */
SECFTP_CHECKED int secftp_password_secret(const secftp_password *password, uint8_t secret[SECFTP_SECRET_BYTES]);

/* 1 if both have the same w, otherwise 0; in constant time. */
int secftp_password_equal(const secftp_password *password, const secftp_password *other);

void secftp_password_free(secftp_password *password);

/* --- frames --------------------------------------------------------------------------------------------------- */

typedef struct secftp_sealer secftp_sealer;
typedef struct secftp_opener secftp_opener;

typedef struct {
    uint32_t payload_bytes; /* payload_bytes + padding_bytes <= SECFTP_PAYLOAD_MAX */
    uint32_t padding_bytes; /* zero bytes that hide the length of the payload */
    uint8_t type;
    uint8_t flags; /* 0 or SECFTP_FLAG_END */
} secftp_frame;

typedef struct {
    size_t offset; /* of the payload from the start of the buffer */
    uint32_t payload_bytes;
    uint32_t padding_bytes;
    uint8_t type;
    uint8_t flags;
} secftp_opened;

/* Size on the wire of a frame with that many payload and padding bytes; 0 if out of range. */
size_t secftp_wire_bytes(int suite, size_t payload_and_padding);

/* Seals `count` frames in place, in order. They are contiguous in `buffer`, each with its payload at
 * SECFTP_PAYLOAD_OFFSET from its start; frame i+1 starts secftp_wire_bytes of frame i after the start of frame i. On
 * success the first *wire_bytes bytes are to be sent. After any failure but SECFTP_MISUSE the sealer fails every
 * later call, and the contents of the buffer must not be sent. */
SECFTP_CHECKED int secftp_seal(secftp_sealer *sealer, uint8_t *buffer, size_t capacity, const secftp_frame *frames,
                               size_t count, size_t *wire_bytes);

/* Opens, in place and in order, the complete frames in `available` bytes, at most `max_frames`. *consumed is the offset
 * of the first incomplete frame. If any frame fails, none is returned, what was decrypted is wiped, and the opener
 * fails every later call. A frame is decrypted only after its tag has been verified. */
SECFTP_CHECKED int secftp_open(secftp_opener *opener, uint8_t *buffer, size_t available, secftp_opened *frames,
                               size_t max_frames, size_t *count, size_t *consumed);

void secftp_sealer_free(secftp_sealer *sealer);
void secftp_opener_free(secftp_opener *opener);

/* --- handshake: each object is used once, by one process, in the order of these functions ------------------------- */

typedef struct secftp_client secftp_client;
typedef struct secftp_server secftp_server;

/* `password` must outlive the handshake. `name` is padded with zeros; all zero for the default key and in mode 0. */
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
