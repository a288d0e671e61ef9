/* What tests must be able to fix: randomness, the rekey interval, a failing allocation; and where a secret ends to be
 * one. The product links seams.c; what is built for the tests alone links another file with the same functions. */
#ifndef SECFTP_SEAMS_H
#define SECFTP_SEAMS_H

#include <stddef.h>
#include <stdint.h>

/* Fills `out` from libcrypto's private generator; SECFTP_OK or SECFTP_LIBCRYPTO. */
__attribute__((warn_unused_result)) int seam_random(uint8_t *out, size_t bytes);

/* Zeroed memory or NULL; seam_free wipes before it frees and takes NULL. */
void *seam_allocate(size_t bytes);
void seam_free(void *memory, size_t bytes);

/* An epoch has 2 to the power of this many frames. */
unsigned seam_epoch_bits(void);

/* From here on a branch may depend on these bytes: they are a frame that has verified. Nothing happens to them. */
void seam_public(const uint8_t *bytes, size_t count);

#endif
