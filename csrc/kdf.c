/* Adapter to libcrypto's digest, MAC and KDF interfaces. */
#include "kdf.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <string.h>

#include "secftp.h"

static char sha256_name[] = "SHA256";

int kdf_sha256(const uint8_t *data, size_t bytes, uint8_t out[KDF_HASH_BYTES]) {
    size_t written = 0;
    if (EVP_Q_digest(NULL, sha256_name, NULL, data, bytes, out, &written) != 1 || written != KDF_HASH_BYTES) {
        return SECFTP_LIBCRYPTO;
    }
    return SECFTP_OK;
}

int kdf_hmac(const uint8_t key[KDF_HASH_BYTES], const uint8_t *data, size_t bytes, uint8_t out[KDF_HASH_BYTES]) {
    size_t written = 0;
    if (EVP_Q_mac(NULL, "HMAC", NULL, sha256_name, NULL, key, KDF_HASH_BYTES, data, bytes, out, KDF_HASH_BYTES,
                  &written) == NULL ||
        written != KDF_HASH_BYTES) {
        return SECFTP_LIBCRYPTO;
    }
    return SECFTP_OK;
}

static int hkdf(const OSSL_PARAM params[], uint8_t *out, size_t out_bytes) {
    int status = SECFTP_LIBCRYPTO;
    EVP_KDF_CTX *context = NULL;
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    if (kdf == NULL) {
        status = SECFTP_NO_ALGORITHM;
        goto done;
    }
    context = EVP_KDF_CTX_new(kdf);
    if (context == NULL) {
        status = SECFTP_NO_MEMORY;
        goto done;
    }
    if (EVP_KDF_derive(context, out, out_bytes, params) == 1) {
        status = SECFTP_OK;
    }
done:
    EVP_KDF_CTX_free(context);
    EVP_KDF_free(kdf);
    return status;
}

int kdf_extract(const uint8_t *salt, size_t salt_bytes, const uint8_t *input, size_t input_bytes,
                uint8_t prk[KDF_HASH_BYTES]) {
    int mode = EVP_KDF_HKDF_MODE_EXTRACT_ONLY;
    /* OSSL_PARAM has no const pointers; libcrypto does not write through these. */
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, sha256_name, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)(uintptr_t)salt, salt_bytes),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)(uintptr_t)input, input_bytes),
        OSSL_PARAM_construct_end(),
    };
    return hkdf(params, prk, KDF_HASH_BYTES);
}

int kdf_expand(const uint8_t prk[KDF_HASH_BYTES], const char *label, uint8_t *out, size_t out_bytes) {
    int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, sha256_name, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)(uintptr_t)prk, KDF_HASH_BYTES),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)(uintptr_t)label, strlen(label)),
        OSSL_PARAM_construct_end(),
    };
    return hkdf(params, out, out_bytes);
}
