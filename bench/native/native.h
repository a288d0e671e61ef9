/* What the core is measured beside: libcrypto's own ciphers over frames of one size, and the lanes by themselves.
 *
 * Frames stand `stride` bytes apart. Every function works in place and answers 1, or 0 when libcrypto failed.
 * bench/native/build.py reads this file. */
#ifndef SECFTP_BENCH_NATIVE_H
#define SECFTP_BENCH_NATIVE_H

#include <stddef.h>
#include <stdint.h>

typedef struct native_cipher native_cipher;

/* A cipher of libcrypto's by its name ("AES-128-CBC"), keyed, without padding; NULL when there is none. */
native_cipher *native_cipher_new(const char *name, int encrypting);
void native_cipher_free(native_cipher *cipher);

/* ECB over `bytes` in one call: the ceiling of whatever is built on it. */
int native_ecb(native_cipher *ecb, uint8_t *data, size_t bytes);

/* CBC of each frame by itself, with an IV each, as libcrypto does it: one block after another. */
int native_cbc(native_cipher *cbc, uint8_t *data, size_t bytes, size_t stride, size_t count);

/* The same bytes through csrc/lanes.c. */
int native_lanes(native_cipher *ecb, native_cipher *cbc, uint8_t *data, size_t bytes, size_t stride, size_t count);

/* Poly1305 of each frame, its tag behind it. */
int native_poly1305(uint8_t *data, size_t bytes, size_t stride, size_t count);

/* GCM of each frame as a record protocol uses it: 4 bytes of associated data, `bytes` of text, a tag of 16; an IV each.
 */
int native_gcm_seal(native_cipher *gcm, uint8_t *data, size_t bytes, size_t stride, size_t count);
int native_gcm_open(native_cipher *gcm, uint8_t *data, size_t bytes, size_t stride, size_t count);

#endif
