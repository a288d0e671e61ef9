/* AES-CBC encryption of many messages in parallel, bit-identical to libcrypto's CBC (SP 800-38A section 6.2).
 *
 * CBC encryption is serial within a message and uses an eighth of what a processor core can do. The messages have their
 * own IVs and are independent, so one block of each is encrypted with ONE call to libcrypto's AES-ECB: one state per
 * lane (plaintext XOR previous ciphertext), one call per block column. AES itself, and its constant time, are
 * libcrypto's. */
#ifndef SECFTP_LANES_H
#define SECFTP_LANES_H

#include <openssl/evp.h>
#include <stddef.h>
#include <stdint.h>

enum { LANES_BLOCK_BYTES = 16, LANES_MAX = 16 };

typedef struct {
    uint8_t *data;                 /* padded; encrypted in place */
    size_t blocks;                 /* 1 or more */
    uint8_t iv[LANES_BLOCK_BYTES]; /* unspecified on return */
} lanes_message;

/* `ecb` and `cbc` are encrypting contexts with the same key and without padding. Returns SECFTP_OK or SECFTP_LIBCRYPTO;
 * after a failure the data are neither plaintext nor ciphertext. */
__attribute__((warn_unused_result)) int lanes_encrypt(EVP_CIPHER_CTX *ecb, EVP_CIPHER_CTX *cbc, lanes_message *messages,
                                                      size_t count);

#endif
