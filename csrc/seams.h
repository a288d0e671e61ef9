/* Seams for tests: randomness, the rekey interval, allocation failures, and the points at which data stop being secret.
 * The product links seams.c; builds for tests link another file with the same functions. */
#ifndef SECFTP_SEAMS_H
#define SECFTP_SEAMS_H

#include <stddef.h>
#include <stdint.h>

/* Fills `out` from libcrypto's private random generator. Returns SECFTP_OK or SECFTP_LIBCRYPTO. */
__attribute__((warn_unused_result)) int seam_random(uint8_t *out, size_t bytes);

/* Allocates zeroed memory, or returns NULL; seam_free wipes before freeing and accepts NULL. */
void *seam_allocate(size_t bytes);
void seam_free(void *memory, size_t bytes);

/* An epoch has 2^n frames. */
unsigned seam_epoch_bits(void);

/* Declassifies the contents of a verified frame: from here on branches may depend on them. No effect in the product. */
void seam_public(const uint8_t *bytes, size_t count);

#endif
