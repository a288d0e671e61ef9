/* Stretched keys. They are immutable once created, so any number of threads may use one. */
#include "password.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <string.h>

#include "p256.h"
#include "seams.h"

/* Size of the scrypt output before reduction: 8 bytes more than the order, so that the bias is below 2^-64. */
enum { WIDE_BYTES = 40 };

/* w of mode 0, scrypt("", "secftp/1 anonymous") mod n: a constant, so it is not computed at run time. */
static const uint8_t anonymous_secret[SECFTP_SECRET_BYTES] = {
    0xa4, 0x83, 0xa4, 0x3d, 0xb1, 0xc1, 0x05, 0x81, 0xe7, 0x10, 0x34, 0x3b, 0xd7, 0x4b, 0xec, 0x63,
    0x49, 0xae, 0xc1, 0xf7, 0x67, 0x67, 0xe2, 0xae, 0x10, 0x0f, 0xdf, 0x26, 0x3d, 0x57, 0x20, 0x2e,
};

void secftp_password_free(secftp_password *password) {
    if (password == NULL) {
        return;
    }
    EC_POINT_clear_free(password->client_mask);
    EC_POINT_clear_free(password->server_mask);
    EC_GROUP_free(password->group);
    seam_free(password, sizeof *password);
}

/* Creates an object with only its group set, or returns NULL. */
static secftp_password *password_new(void) {
    secftp_password *password = seam_allocate(sizeof *password);
    if (password == NULL) {
        return NULL;
    }
    password->group = p256_group();
    if (password->group == NULL) {
        secftp_password_free(password);
        return NULL;
    }
    return password;
}

/* Computes the masks from the secret, and returns the object or frees it. */
static int password_finish(secftp_password *made, int status, secftp_password **password) {
    if (status == SECFTP_OK) {
        status = p256_mask(made->group, made->secret, P256_M, &made->client_mask);
    }
    if (status == SECFTP_OK) {
        status = p256_mask(made->group, made->secret, P256_N, &made->server_mask);
    }
    if (status == SECFTP_OK) {
        *password = made;
    } else {
        secftp_password_free(made);
    }
    ERR_pop_to_mark();
    return status;
}

static int stretch(const EC_GROUP *group, const uint8_t *key, size_t key_bytes, uint8_t secret[SECFTP_SECRET_BYTES]) {
    static const char salt[] = "secftp/1 SPAKE2-P256-SHA256 w";
    static const uint64_t cost = 1U << 14, block = 8, lanes = 1, memory_max = 64U << 20;
    uint8_t wide[WIDE_BYTES];
    int status = SECFTP_LIBCRYPTO;
    if (EVP_PBE_scrypt((const char *)key, key_bytes, (const unsigned char *)salt, sizeof salt - 1, cost, block, lanes,
                       memory_max, wide, sizeof wide) == 1) {
        status = p256_reduce(group, wide, sizeof wide, secret);
    }
    OPENSSL_cleanse(wide, sizeof wide);
    return status;
}

int secftp_password_from_key(const uint8_t *key, size_t key_bytes, secftp_password **password) {
    *password = NULL;
    if (key_bytes == 0) {
        return SECFTP_MISUSE; /* an empty key is an error, never anonymous */
    }
    ERR_set_mark();
    secftp_password *made = password_new();
    int status = made == NULL ? SECFTP_NO_MEMORY : stretch(made->group, key, key_bytes, made->secret);
    return password_finish(made, status, password);
}

int secftp_password_from_secret(const uint8_t secret[SECFTP_SECRET_BYTES], secftp_password **password) {
    *password = NULL;
    ERR_set_mark();
    secftp_password *made = password_new();
    int status = SECFTP_NO_MEMORY;
    if (made != NULL) {
        memcpy(made->secret, secret, SECFTP_SECRET_BYTES);
        status = p256_check_scalar(made->group, made->secret);
    }
    return password_finish(made, status, password);
}

int secftp_password_anonymous(secftp_password **password) {
    return secftp_password_from_secret(anonymous_secret, password);
}

int secftp_password_random(secftp_password **password) {
    *password = NULL;
    ERR_set_mark();
    secftp_password *made = password_new();
    int status = made == NULL ? SECFTP_NO_MEMORY : p256_random_scalar(made->group, made->secret);
    return password_finish(made, status, password);
}

int secftp_password_secret(const secftp_password *password, uint8_t secret[SECFTP_SECRET_BYTES]) {
    memcpy(secret, password->secret, SECFTP_SECRET_BYTES);
    return SECFTP_OK;
}

int secftp_password_equal(const secftp_password *password, const secftp_password *other) {
    return CRYPTO_memcmp(password->secret, other->secret, SECFTP_SECRET_BYTES) == 0;
}
