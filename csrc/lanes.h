/* AES-CBC of many messages at once, bit-identical to libcrypto's own CBC of each (SP 800-38A section 6.2).
 *
 * CBC is serial inside one message, and a core could do eight times as much. Messages here have an IV each and don't
 * depend on one another, so a block of each goes through ONE call to libcrypto's AES-ECB: state = plaintext XOR
 * previous ciphertext, one state a lane, one call a block column. AES itself, and its constant time, stay libcrypto's.
 */
#ifndef SECFTP_LANES_H
#define SECFTP_LANES_H

#include <openssl/evp.h>
#include <stddef.h>
#include <stdint.h>

enum { LANES_BLOCK_BYTES = 16, LANES_MAX = 16 };

typedef struct {
    uint8_t *data;                 /* encrypted in place; padded already */
    size_t blocks;                 /* 1 or more */
    uint8_t iv[LANES_BLOCK_BYTES]; /* on return the last ciphertext block, or anything */
} lanes_message;

/* `ecb` and `cbc` are encrypting contexts under one key, without padding. SECFTP_OK or SECFTP_LIBCRYPTO, after which
 * the data are neither plaintext nor ciphertext. */
__attribute__((warn_unused_result)) int lanes_encrypt(EVP_CIPHER_CTX *ecb, EVP_CIPHER_CTX *cbc, lanes_message *messages,
                                                      size_t count);

#endif
