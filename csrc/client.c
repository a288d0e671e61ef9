/* Client side of the handshake: writes CLIENT_HELLO, then reads SERVER_HELLO and writes CLIENT_FINISH. */
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <string.h>

#include "handshake.h"
#include "password.h"
#include "seams.h"

struct secftp_client {
    const secftp_password *password;
    int suite;
    int used;    /* a hello is answered once, even if that failed */
    pid_t owner; /* the process that created it */
    uint8_t scalar[P256_SCALAR_BYTES];
    transcript transcript;
};

void secftp_client_free(secftp_client *client) {
    if (client != NULL) {
        seam_free(client, sizeof *client);
    }
}

static int all_zero(const uint8_t *bytes, size_t count) {
    unsigned sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum |= bytes[i];
    }
    return sum == 0;
}

static int write_hello(secftp_client *client, int mode, const uint8_t name[SECFTP_NAME_BYTES]) {
    uint8_t *hello = client_hello_of(&client->transcript);
    memcpy(hello, schedule_magic, MAGIC_BYTES);
    hello[SUITE_AT] = (uint8_t)client->suite;
    hello[MODE_AT] = (uint8_t)mode;
    memcpy(hello + NAME_AT, name, SECFTP_NAME_BYTES);
    int status = seam_random(hello + CLIENT_IV_AT, BLOCK_BYTES);
    if (status == SECFTP_OK) {
        status = p256_random_scalar(client->password->group, client->scalar);
    }
    if (status == SECFTP_OK) {
        status =
            p256_share(client->password->group, client->scalar, client->password->client_mask, hello + CLIENT_SHARE_AT);
    }
    return status;
}

int secftp_client_start(const secftp_password *password, int suite, int mode, const uint8_t name[SECFTP_NAME_BYTES],
                        uint8_t hello[SECFTP_CLIENT_HELLO_BYTES], secftp_client **client) {
    *client = NULL;
    if (suite < SECFTP_SUITE_NONE || suite > SECFTP_SUITE_AES256 ||
        (mode != SECFTP_MODE_KEYED && !(mode == SECFTP_MODE_ANONYMOUS && all_zero(name, SECFTP_NAME_BYTES)))) {
        return SECFTP_MISUSE;
    }
    secftp_client *made = seam_allocate(sizeof *made);
    if (made == NULL) {
        return SECFTP_NO_MEMORY;
    }
    made->password = password;
    made->suite = suite;
    made->owner = getpid();
    ERR_set_mark();
    int status = write_hello(made, mode, name);
    ERR_pop_to_mark();
    if (status != SECFTP_OK) {
        secftp_client_free(made);
        return status;
    }
    memcpy(hello, client_hello_of(&made->transcript), SECFTP_CLIENT_HELLO_BYTES);
    *client = made;
    return SECFTP_OK;
}

/* The answer must match the request: same version, suite and mode, no refusal, no reserved bit set. */
static int header_agrees(secftp_client *client) {
    const uint8_t *asked = client_hello_of(&client->transcript), *answer = server_hello_of(&client->transcript);
    return memcmp(answer, schedule_magic, MAGIC_BYTES) == 0 && answer[SERVER_STATUS_AT] == 0 &&
           answer[SERVER_SUITE_AT] == asked[SUITE_AT] && answer[SERVER_MODE_AT] == asked[MODE_AT] &&
           all_zero(answer + SERVER_MODE_AT + 1, 2);
}

/* Verifies the server's confirmation first, then answers its challenge. */
static int answer(secftp_client *client, handshake_keys *keys) {
    uint8_t expected[32], nonce[BLOCK_BYTES], next[BLOCK_BYTES];
    uint8_t *hello = server_hello_of(&client->transcript), *finish = client_finish_of(&client->transcript);
    int status = schedule_server_confirmation(&client->transcript, keys, expected);
    if (status == SECFTP_OK && CRYPTO_memcmp(expected, hello + SERVER_CONFIRMATION_AT, sizeof expected) != 0) {
        status = SECFTP_REFUSED;
    }
    if (status == SECFTP_OK) {
        status =
            schedule_challenge_block(client->suite, 0, keys->server_challenge,
                                     client_hello_of(&client->transcript) + CLIENT_IV_AT, hello + CHALLENGE_AT, nonce);
    }
    if (status == SECFTP_OK) {
        schedule_increment(nonce, next);
        status = schedule_challenge_block(client->suite, 1, keys->client_challenge, hello + SERVER_RAND_AT, next,
                                          finish + RESPONSE_AT);
    }
    if (status == SECFTP_OK) {
        status = schedule_client_confirmation(&client->transcript, keys, finish + CLIENT_CONFIRMATION_AT);
    }
    OPENSSL_cleanse(nonce, sizeof nonce);
    OPENSSL_cleanse(next, sizeof next);
    OPENSSL_cleanse(expected, sizeof expected);
    return status;
}

static int finish_session(secftp_client *client, secftp_sealer **sealer, secftp_opener **opener) {
    uint8_t shared[P256_POINT_BYTES] = {0};
    handshake_keys keys = {0};
    session_secrets secrets = {0};
    if (!header_agrees(client)) {
        return SECFTP_REFUSED;
    }
    int status = p256_shared_point(client->password->group, client->scalar, client->password->server_mask,
                                   server_hello_of(&client->transcript) + SERVER_SHARE_AT, shared);
    if (status == SECFTP_OK) {
        status = schedule_handshake_keys(&client->transcript, shared, client->password->secret, &keys);
    }
    if (status == SECFTP_OK) {
        status = answer(client, &keys);
    }
    if (status == SECFTP_OK) {
        status = schedule_session_secrets(&client->transcript, &keys, &secrets);
    }
    if (status == SECFTP_OK) {
        status = frames_pair(client->suite, secrets.client_to_server, secrets.server_to_client, sealer, opener);
    }
    OPENSSL_cleanse(shared, sizeof shared);
    OPENSSL_cleanse(&keys, sizeof keys);
    OPENSSL_cleanse(&secrets, sizeof secrets);
    return status;
}

int secftp_client_finish(secftp_client *client, const uint8_t server_hello[SECFTP_SERVER_HELLO_BYTES],
                         uint8_t finish[SECFTP_CLIENT_FINISH_BYTES], secftp_sealer **sealer, secftp_opener **opener) {
    *sealer = NULL;
    *opener = NULL;
    memset(finish, 0, SECFTP_CLIENT_FINISH_BYTES);
    if (exchange_usable(client->used, client->owner) != SECFTP_OK) {
        return SECFTP_MISUSE;
    }
    client->used = 1;
    memcpy(server_hello_of(&client->transcript), server_hello, SECFTP_SERVER_HELLO_BYTES);
    ERR_set_mark();
    int status = finish_session(client, sealer, opener);
    ERR_pop_to_mark();
    if (status == SECFTP_OK) {
        memcpy(finish, client_finish_of(&client->transcript), SECFTP_CLIENT_FINISH_BYTES);
    }
    OPENSSL_cleanse(client->scalar, sizeof client->scalar);
    return status;
}
