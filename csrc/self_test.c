/* Self-test, which fails closed: a libcrypto that computes wrong results, or a build that uses it wrongly, must not
 * touch users' files. */
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <string.h>

#include "frames.h"
#include "handshake.h"
#include "lanes.h"
#include "password.h"
#include "self_test_vectors.h"

unsigned long secftp_libcrypto_number(void) { return OpenSSL_version_num(); }

const char *secftp_libcrypto_text(void) { return OpenSSL_version(OPENSSL_VERSION); }

static int same(const void *a, const void *b, size_t bytes) {
    return memcmp(a, b, bytes) == 0 ? SECFTP_OK : SECFTP_WRONG_ANSWER;
}

static int keyed_cipher(const char *name, const uint8_t *key, int encrypting, EVP_CIPHER_CTX **context) {
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, name, NULL);
    if (cipher == NULL) {
        return SECFTP_NO_ALGORITHM;
    }
    *context = EVP_CIPHER_CTX_new();
    int good = *context != NULL && EVP_CipherInit_ex2(*context, cipher, key, NULL, encrypting, NULL) == 1 &&
               EVP_CIPHER_CTX_set_padding(*context, 0) == 1;
    EVP_CIPHER_free(cipher);
    return good ? SECFTP_OK : SECFTP_LIBCRYPTO;
}

/* Encrypts the standard's message in every lane, and one more, with lengths that let the lanes end one after another.
 */
static int test_lanes(const char *ecb_name, const char *cbc_name, const uint8_t *key, const uint8_t *expected) {
    enum { COUNT = LANES_MAX + 1, BLOCKS = sizeof cbc_plain / LANES_BLOCK_BYTES };
    EVP_CIPHER_CTX *ecb = NULL, *cbc = NULL;
    uint8_t data[COUNT][sizeof cbc_plain];
    lanes_message messages[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        memcpy(data[i], cbc_plain, sizeof cbc_plain);
        memcpy(messages[i].iv, cbc_iv, sizeof cbc_iv);
        messages[i].data = data[i];
        messages[i].blocks = 1 + i % BLOCKS;
    }
    int status = keyed_cipher(ecb_name, key, 1, &ecb);
    if (status == SECFTP_OK) {
        status = keyed_cipher(cbc_name, key, 1, &cbc);
    }
    if (status == SECFTP_OK) {
        status = lanes_encrypt(ecb, cbc, messages, COUNT);
    }
    for (size_t i = 0; i < COUNT && status == SECFTP_OK; i++) {
        status = same(data[i], expected, (1 + i % BLOCKS) * LANES_BLOCK_BYTES);
    }
    EVP_CIPHER_CTX_free(ecb);
    EVP_CIPHER_CTX_free(cbc);
    return status;
}

static int test_hkdf(void) {
    uint8_t prk[KDF_HASH_BYTES], output[sizeof hkdf_output];
    int status = kdf_extract((const uint8_t *)"", 0, hkdf_input, sizeof hkdf_input, prk);
    if (status == SECFTP_OK) {
        status = same(prk, hkdf_prk, sizeof prk);
    }
    if (status == SECFTP_OK) {
        status = kdf_expand(prk, "", output, sizeof output);
    }
    return status == SECFTP_OK ? same(output, hkdf_output, sizeof output) : status;
}

/* Computes both shares, and the shared point from both sides. */
static int test_curve(const secftp_password *password, uint8_t shared[P256_POINT_BYTES]) {
    const EC_GROUP *group = password->group;
    const uint8_t *pa = session_client_hello + CLIENT_SHARE_AT, *pb = session_server_hello + SERVER_SHARE_AT;
    uint8_t share[P256_POINT_BYTES], other[P256_POINT_BYTES];
    int status = p256_share(group, session_x, password->client_mask, share);
    if (status == SECFTP_OK) {
        status = same(share, pa, sizeof share);
    }
    if (status == SECFTP_OK) {
        status = p256_share(group, session_y, password->server_mask, share);
    }
    if (status == SECFTP_OK) {
        status = same(share, pb, sizeof share);
    }
    if (status == SECFTP_OK) {
        status = p256_shared_point(group, session_x, password->server_mask, pb, shared);
    }
    if (status == SECFTP_OK) {
        status = p256_shared_point(group, session_y, password->client_mask, pa, other);
    }
    return status == SECFTP_OK ? same(shared, other, sizeof other) : status;
}

/* Computes hashes, HMAC and both confirmations of the session, down to the secret of its first direction. */
static int test_schedule(const uint8_t shared[P256_POINT_BYTES], session_secrets *secrets) {
    transcript t;
    handshake_keys keys;
    uint8_t mac[32];
    memcpy(client_hello_of(&t), session_client_hello, sizeof session_client_hello);
    memcpy(server_hello_of(&t), session_server_hello, sizeof session_server_hello);
    memcpy(client_finish_of(&t), session_client_finish, sizeof session_client_finish);
    int status = schedule_handshake_keys(&t, shared, session_w, &keys);
    if (status == SECFTP_OK) {
        status = schedule_client_confirmation(&t, &keys, mac);
    }
    if (status == SECFTP_OK) {
        status = same(mac, session_client_finish + CLIENT_CONFIRMATION_AT, sizeof mac);
    }
    if (status == SECFTP_OK) {
        status = schedule_session_secrets(&t, &keys, secrets);
    }
    return status == SECFTP_OK ? same(secrets->client_to_server, session_secret_c2s, sizeof session_secret_c2s)
                               : status;
}

/* Checks Poly1305 alone, then a frame: sealed, compared, opened, and refused with one bit flipped. */
static int test_frame(const uint8_t secret[32]) {
    static const secftp_frame frame = {0, 0, 2, 0};
    uint8_t wire[sizeof session_frame] = {0}, tag[FRAME_TAG_BYTES];
    size_t written = 0, count = 0, consumed = 0;
    secftp_sealer *sealer = NULL;
    secftp_opener *opener = NULL;
    secftp_opened opened;
    int status = frames_pair(SECFTP_SUITE_AES128, secret, secret, &sealer, &opener);
    if (status != SECFTP_OK) {
        return status;
    }
    status = direction_tag(&sealer->direction, poly_key, (const uint8_t *)poly_text, sizeof poly_text - 1, tag);
    if (status == SECFTP_OK) {
        status = same(tag, poly_tag, sizeof tag);
    }
    if (status == SECFTP_OK) {
        status = secftp_seal(sealer, wire, sizeof wire, &frame, 1, &written);
    }
    if (status == SECFTP_OK) {
        status = same(wire, session_frame, sizeof wire);
    }
    if (status == SECFTP_OK) {
        status = secftp_open(opener, wire, sizeof wire, &opened, 1, &count, &consumed);
    }
    if (status == SECFTP_OK && (count != 1 || consumed != sizeof wire || opened.type != frame.type)) {
        status = SECFTP_WRONG_ANSWER;
    }
    if (status == SECFTP_OK) {
        status = secftp_seal(sealer, wire, sizeof wire, &frame, 1, &written);
    }
    if (status == SECFTP_OK) {
        wire[written - 1] ^= 1;
        if (secftp_open(opener, wire, sizeof wire, &opened, 1, &count, &consumed) != SECFTP_REFUSED) {
            status = SECFTP_WRONG_ANSWER;
        }
    }
    secftp_sealer_free(sealer);
    secftp_opener_free(opener);
    return status;
}

static int test_session(void) {
    uint8_t shared[P256_POINT_BYTES];
    session_secrets secrets;
    secftp_password *password = NULL;
    int status = secftp_password_from_secret(session_w, &password);
    if (status == SECFTP_OK) {
        status = test_curve(password, shared);
    }
    if (status == SECFTP_OK) {
        status = test_schedule(shared, &secrets);
    }
    if (status == SECFTP_OK) {
        status = test_frame(secrets.client_to_server);
    }
    secftp_password_free(password);
    return status;
}

int secftp_self_test(void) {
    ERR_set_mark();
    int status = test_lanes("AES-128-ECB", "AES-128-CBC", cbc_key_128, cbc_cipher_128);
    if (status == SECFTP_OK) {
        status = test_lanes("AES-256-ECB", "AES-256-CBC", cbc_key_256, cbc_cipher_256);
    }
    if (status == SECFTP_OK) {
        status = test_hkdf();
    }
    if (status == SECFTP_OK) {
        status = test_session();
    }
    ERR_pop_to_mark();
    return status;
}
