/* Seams of the product. */
#include "seams.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "secftp.h"

int seam_random(uint8_t *out, size_t bytes) {
    return RAND_priv_bytes_ex(NULL, out, bytes, 0) == 1 ? SECFTP_OK : SECFTP_LIBCRYPTO;
}

void *seam_allocate(size_t bytes) { return OPENSSL_zalloc(bytes); }

void seam_free(void *memory, size_t bytes) { OPENSSL_clear_free(memory, bytes); }

unsigned seam_epoch_bits(void) { return 20; }

void seam_public(const uint8_t *bytes, size_t count) {
    (void)bytes;
    (void)count;
}
