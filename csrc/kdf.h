/* SHA-256, HMAC-SHA-256 (FIPS 198-1) and HKDF-SHA-256 (RFC 5869) of libcrypto. */
#ifndef SECFTP_KDF_H
#define SECFTP_KDF_H

#include <stddef.h>
#include <stdint.h>

enum { KDF_HASH_BYTES = 32 };

__attribute__((warn_unused_result)) int kdf_sha256(const uint8_t *data, size_t bytes, uint8_t out[KDF_HASH_BYTES]);

__attribute__((warn_unused_result)) int kdf_hmac(const uint8_t key[KDF_HASH_BYTES], const uint8_t *data, size_t bytes,
                                                 uint8_t out[KDF_HASH_BYTES]);

/* HKDF-Extract (section 2.2). */
__attribute__((warn_unused_result)) int kdf_extract(const uint8_t *salt, size_t salt_bytes, const uint8_t *input,
                                                    size_t input_bytes, uint8_t prk[KDF_HASH_BYTES]);

/* HKDF-Expand (section 2.3); info is the label without its terminating zero. */
__attribute__((warn_unused_result)) int kdf_expand(const uint8_t prk[KDF_HASH_BYTES], const char *label, uint8_t *out,
                                                   size_t out_bytes);

#endif
