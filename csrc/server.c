/* Server side of the handshake: reads CLIENT_HELLO, writes SERVER_HELLO, then reads CLIENT_FINISH. The server is the
 * first to prove knowledge of the key. */
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <string.h>

#include "handshake.h"
#include "password.h"
#include "seams.h"

struct secftp_server {
    int suite;
    int used;    /* a challenge is checked once, even if that failed */
    pid_t owner; /* the process that created the challenge */
    uint8_t nonce[BLOCK_BYTES];
    handshake_keys keys;
    transcript transcript;
};

void secftp_server_free(secftp_server *server) {
    if (server != NULL) {
        seam_free(server, sizeof *server);
    }
}

/* Checks version, suite, mode, reserved bytes, and that mode 0 has a zero name. The caller maps names to keys. */
static int hello_well_formed(const uint8_t hello[SECFTP_CLIENT_HELLO_BYTES]) {
    unsigned reserved = 0, name = 0;
    for (size_t i = MODE_AT + 1; i < CLIENT_IV_AT; i++) {
        reserved |= hello[i];
    }
    for (size_t i = 0; i < SECFTP_NAME_BYTES; i++) {
        name |= hello[NAME_AT + i];
    }
    return memcmp(hello, schedule_magic, MAGIC_BYTES) == 0 && hello[SUITE_AT] <= SECFTP_SUITE_AES256 &&
           hello[MODE_AT] <= SECFTP_MODE_KEYED && reserved == 0 && (hello[MODE_AT] == SECFTP_MODE_KEYED || name == 0);
}

/* Writes the header, server_rand and pB, and computes the shared point. */
static int write_share(secftp_server *server, const secftp_password *password, uint8_t shared[P256_POINT_BYTES]) {
    const uint8_t *asked = client_hello_of(&server->transcript);
    uint8_t *hello = server_hello_of(&server->transcript);
    uint8_t scalar[P256_SCALAR_BYTES];
    memcpy(hello, schedule_magic, MAGIC_BYTES);
    hello[SERVER_SUITE_AT] = asked[SUITE_AT];
    hello[SERVER_MODE_AT] = asked[MODE_AT];
    int status = seam_random(hello + SERVER_RAND_AT, BLOCK_BYTES);
    if (status == SECFTP_OK) {
        status = p256_random_scalar(password->group, scalar);
    }
    if (status == SECFTP_OK) {
        status = p256_share(password->group, scalar, password->server_mask, hello + SERVER_SHARE_AT);
    }
    if (status == SECFTP_OK) {
        status = p256_shared_point(password->group, scalar, password->client_mask, asked + CLIENT_SHARE_AT, shared);
    }
    OPENSSL_cleanse(scalar, sizeof scalar);
    return status;
}

static int challenge(secftp_server *server) {
    uint8_t *hello = server_hello_of(&server->transcript);
    int status = seam_random(server->nonce, sizeof server->nonce);
    if (status == SECFTP_OK) {
        status = schedule_challenge_block(server->suite, 1, server->keys.server_challenge,
                                          client_hello_of(&server->transcript) + CLIENT_IV_AT, server->nonce,
                                          hello + CHALLENGE_AT);
    }
    if (status == SECFTP_OK) {
        status = schedule_server_confirmation(&server->transcript, &server->keys, hello + SERVER_CONFIRMATION_AT);
    }
    return status;
}

int secftp_server_respond(const secftp_password *password, const uint8_t client_hello[SECFTP_CLIENT_HELLO_BYTES],
                          uint8_t hello[SECFTP_SERVER_HELLO_BYTES], secftp_server **server) {
    uint8_t shared[P256_POINT_BYTES] = {0};
    *server = NULL;
    memset(hello, 0, SECFTP_SERVER_HELLO_BYTES);
    if (!hello_well_formed(client_hello)) {
        return SECFTP_REFUSED;
    }
    secftp_server *made = seam_allocate(sizeof *made);
    if (made == NULL) {
        return SECFTP_NO_MEMORY;
    }
    made->suite = client_hello[SUITE_AT];
    made->owner = getpid();
    memcpy(client_hello_of(&made->transcript), client_hello, SECFTP_CLIENT_HELLO_BYTES);
    ERR_set_mark();
    int status = write_share(made, password, shared);
    if (status == SECFTP_OK) {
        status = schedule_handshake_keys(&made->transcript, shared, password->secret, &made->keys);
    }
    if (status == SECFTP_OK) {
        status = challenge(made);
    }
    ERR_pop_to_mark();
    OPENSSL_cleanse(shared, sizeof shared);
    if (status != SECFTP_OK) {
        secftp_server_free(made);
        return status;
    }
    memcpy(hello, server_hello_of(&made->transcript), SECFTP_SERVER_HELLO_BYTES);
    *server = made;
    return SECFTP_OK;
}

/* Verifies the client's confirmation first, then its response to the challenge. */
static int check_finish(secftp_server *server) {
    uint8_t expected[32], reply[BLOCK_BYTES], next[BLOCK_BYTES];
    const uint8_t *finish = client_finish_of(&server->transcript);
    int status = schedule_client_confirmation(&server->transcript, &server->keys, expected);
    if (status == SECFTP_OK && CRYPTO_memcmp(expected, finish + CLIENT_CONFIRMATION_AT, sizeof expected) != 0) {
        status = SECFTP_REFUSED;
    }
    if (status == SECFTP_OK) {
        status = schedule_challenge_block(server->suite, 0, server->keys.client_challenge,
                                          server_hello_of(&server->transcript) + SERVER_RAND_AT, finish + RESPONSE_AT,
                                          reply);
    }
    if (status == SECFTP_OK) {
        schedule_increment(server->nonce, next);
        status = CRYPTO_memcmp(reply, next, sizeof next) == 0 ? SECFTP_OK : SECFTP_REFUSED;
    }
    OPENSSL_cleanse(expected, sizeof expected);
    OPENSSL_cleanse(reply, sizeof reply);
    OPENSSL_cleanse(next, sizeof next);
    return status;
}

int secftp_server_finish(secftp_server *server, const uint8_t finish[SECFTP_CLIENT_FINISH_BYTES],
                         secftp_sealer **sealer, secftp_opener **opener) {
    session_secrets secrets = {0};
    *sealer = NULL;
    *opener = NULL;
    if (exchange_usable(server->used, server->owner) != SECFTP_OK) {
        return SECFTP_MISUSE;
    }
    server->used = 1;
    memcpy(client_finish_of(&server->transcript), finish, SECFTP_CLIENT_FINISH_BYTES);
    ERR_set_mark();
    int status = check_finish(server);
    if (status == SECFTP_OK) {
        status = schedule_session_secrets(&server->transcript, &server->keys, &secrets);
    }
    if (status == SECFTP_OK) {
        status = frames_pair(server->suite, secrets.server_to_client, secrets.client_to_server, sealer, opener);
    }
    ERR_pop_to_mark();
    OPENSSL_cleanse(&secrets, sizeof secrets);
    OPENSSL_cleanse(&server->keys, sizeof server->keys);
    OPENSSL_cleanse(server->nonce, sizeof server->nonce);
    return status;
}
