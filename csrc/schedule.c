/* Key schedule. The names are those of docs/PROTOCOL.md; each function is one line of its table. */
#include "schedule.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#include "bytes.h"

const uint8_t schedule_magic[MAGIC_BYTES] = {'S', 'E', 'C', 'F', 'T', 'P', 1};

/* RFC 9382: each value is preceded by its length, 8 bytes little-endian. */
static size_t append(uint8_t *tt, size_t at, const uint8_t *value, size_t bytes) {
    store_le64(tt + at, bytes);
    memcpy(tt + at + 8, value, bytes);
    return at + 8 + bytes;
}

int schedule_tt_hash(const uint8_t *a, size_t a_bytes, const uint8_t *b, size_t b_bytes,
                     const uint8_t client_share[P256_POINT_BYTES], const uint8_t server_share[P256_POINT_BYTES],
                     const uint8_t shared[P256_POINT_BYTES], const uint8_t secret[SECFTP_SECRET_BYTES],
                     uint8_t hash[KDF_HASH_BYTES]) {
    enum { IDENTITY_MAX = 64 };
    uint8_t tt[7 * 8 + 2 * IDENTITY_MAX + 3 * P256_POINT_BYTES + SECFTP_SECRET_BYTES - 8];
    if (a_bytes > IDENTITY_MAX || b_bytes > IDENTITY_MAX) {
        return SECFTP_MISUSE;
    }
    size_t at = append(tt, 0, a, a_bytes);
    at = append(tt, at, b, b_bytes);
    at = append(tt, at, client_share, P256_POINT_BYTES);
    at = append(tt, at, server_share, P256_POINT_BYTES);
    at = append(tt, at, shared, P256_POINT_BYTES);
    at = append(tt, at, secret, SECFTP_SECRET_BYTES);
    int status = kdf_sha256(tt, at, hash);
    OPENSSL_cleanse(tt, sizeof tt);
    return status;
}

static int expand_all(const uint8_t prk[KDF_HASH_BYTES], size_t aes_bytes, handshake_keys *keys) {
    const struct {
        const char *label;
        uint8_t *out;
        size_t bytes;
    } table[] = {
        {"secftp/1 chal s", keys->server_challenge, aes_bytes},
        {"secftp/1 chal c", keys->client_challenge, aes_bytes},
        {"secftp/1 confirm s", keys->server_confirmation, 32},
        {"secftp/1 confirm c", keys->client_confirmation, 32},
        {"secftp/1 master", keys->master, 32},
    };
    int status = SECFTP_OK;
    for (size_t i = 0; i < sizeof table / sizeof table[0] && status == SECFTP_OK; i++) {
        status = kdf_expand(prk, table[i].label, table[i].out, table[i].bytes);
    }
    return status;
}

int schedule_handshake_keys(transcript *t, const uint8_t shared[P256_POINT_BYTES],
                            const uint8_t secret[SECFTP_SECRET_BYTES], handshake_keys *keys) {
    static const uint8_t a[] = "secftp/1 client", b[] = "secftp/1 server";
    uint8_t tt_hash[KDF_HASH_BYTES], prk[KDF_HASH_BYTES];
    const size_t aes_bytes = client_hello_of(t)[SUITE_AT] == SECFTP_SUITE_AES128 ? 16 : 32;
    int status = kdf_sha256(t->bytes, SECFTP_CLIENT_HELLO_BYTES + CHALLENGE_AT, keys->hello_hash);
    if (status == SECFTP_OK) {
        status = schedule_tt_hash(a, sizeof a - 1, b, sizeof b - 1, client_hello_of(t) + CLIENT_SHARE_AT,
                                  server_hello_of(t) + SERVER_SHARE_AT, shared, secret, tt_hash);
    }
    if (status == SECFTP_OK) {
        status = kdf_extract(keys->hello_hash, sizeof keys->hello_hash, tt_hash, sizeof tt_hash, prk);
    }
    if (status == SECFTP_OK) {
        status = expand_all(prk, aes_bytes, keys);
    }
    OPENSSL_cleanse(tt_hash, sizeof tt_hash);
    OPENSSL_cleanse(prk, sizeof prk);
    return status;
}

int schedule_challenge_block(int suite, int encrypt, const uint8_t key[32], const uint8_t iv[BLOCK_BYTES],
                             const uint8_t in[BLOCK_BYTES], uint8_t out[BLOCK_BYTES]) {
    if (suite == SECFTP_SUITE_NONE) {
        memcpy(out, in, BLOCK_BYTES);
        return SECFTP_OK;
    }
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    if (context == NULL) {
        return SECFTP_NO_MEMORY;
    }
    const EVP_CIPHER *cipher = suite == SECFTP_SUITE_AES128 ? EVP_aes_128_cbc() : EVP_aes_256_cbc();
    int written = 0;
    int good = EVP_CipherInit_ex2(context, cipher, key, iv, encrypt, NULL) == 1 &&
               EVP_CIPHER_CTX_set_padding(context, 0) == 1 &&
               EVP_CipherUpdate(context, out, &written, in, BLOCK_BYTES) == 1 && written == BLOCK_BYTES;
    EVP_CIPHER_CTX_free(context);
    return good ? SECFTP_OK : SECFTP_LIBCRYPTO;
}

void schedule_increment(const uint8_t nonce[BLOCK_BYTES], uint8_t next[BLOCK_BYTES]) {
    unsigned carry = 1;
    for (int i = BLOCK_BYTES - 1; i >= 0; i--) {
        carry += nonce[i];
        next[i] = (uint8_t)carry;
        carry >>= 8;
    }
}

int schedule_server_confirmation(transcript *t, const handshake_keys *keys, uint8_t mac[32]) {
    uint8_t data[KDF_HASH_BYTES + BLOCK_BYTES];
    memcpy(data, keys->hello_hash, KDF_HASH_BYTES);
    memcpy(data + KDF_HASH_BYTES, server_hello_of(t) + CHALLENGE_AT, BLOCK_BYTES);
    return kdf_hmac(keys->server_confirmation, data, sizeof data, mac);
}

int schedule_client_confirmation(transcript *t, const handshake_keys *keys, uint8_t mac[32]) {
    /* chal and cB are contiguous in SERVER_HELLO */
    uint8_t data[KDF_HASH_BYTES + BLOCK_BYTES + 32 + BLOCK_BYTES];
    memcpy(data, keys->hello_hash, KDF_HASH_BYTES);
    memcpy(data + KDF_HASH_BYTES, server_hello_of(t) + CHALLENGE_AT, BLOCK_BYTES + 32);
    memcpy(data + KDF_HASH_BYTES + BLOCK_BYTES + 32, client_finish_of(t) + RESPONSE_AT, BLOCK_BYTES);
    return kdf_hmac(keys->client_confirmation, data, sizeof data, mac);
}

int schedule_session_secrets(const transcript *t, const handshake_keys *keys, session_secrets *secrets) {
    uint8_t hash[KDF_HASH_BYTES], prk[KDF_HASH_BYTES];
    int status = kdf_sha256(t->bytes, sizeof t->bytes, hash);
    if (status == SECFTP_OK) {
        status = kdf_extract(hash, sizeof hash, keys->master, sizeof keys->master, prk);
    }
    if (status == SECFTP_OK) {
        status = kdf_expand(prk, "secftp/1 c2s", secrets->client_to_server, sizeof secrets->client_to_server);
    }
    if (status == SECFTP_OK) {
        status = kdf_expand(prk, "secftp/1 s2c", secrets->server_to_client, sizeof secrets->server_to_client);
    }
    OPENSSL_cleanse(prk, sizeof prk);
    return status;
}
