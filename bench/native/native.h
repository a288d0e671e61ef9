/* References for benchmarks of the core: libcrypto's ciphers over frames of one size, and the lanes alone.
 *
 * Frames are `stride` bytes apart. Every function works in place and returns 1, or 0 if libcrypto failed.
 * bench/native/build.py reads this file. */
#ifndef SECFTP_BENCH_NATIVE_H
#define SECFTP_BENCH_NATIVE_H

#include <stddef.h>
#include <stdint.h>

typedef struct native_cipher native_cipher;

/* Creates a keyed context for a cipher ("AES-128-CBC"), without padding; NULL if libcrypto has no such cipher. */
native_cipher *native_cipher_new(const char *name, int encrypting);
void native_cipher_free(native_cipher *cipher);

/* ECB over `bytes` in one call: the upper bound for the lanes. */
int native_ecb(native_cipher *ecb, uint8_t *data, size_t bytes);

/* libcrypto's CBC of each frame, with an IV each. */
int native_cbc(native_cipher *cbc, uint8_t *data, size_t bytes, size_t stride, size_t count);

/* The same bytes with csrc/lanes.c. */
int native_lanes(native_cipher *ecb, native_cipher *cbc, uint8_t *data, size_t bytes, size_t stride, size_t count);

/* Poly1305 of each frame, followed by its tag. */
int native_poly1305(uint8_t *data, size_t bytes, size_t stride, size_t count);

/* GCM of each frame as in a record protocol: 4 bytes of associated data, `bytes` of text, a tag of 16; an IV each. */
int native_gcm_seal(native_cipher *gcm, uint8_t *data, size_t bytes, size_t stride, size_t count);
int native_gcm_open(native_cipher *gcm, uint8_t *data, size_t bytes, size_t stride, size_t count);

#endif
