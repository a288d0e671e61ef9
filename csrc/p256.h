/* The curve work of SPAKE2 (RFC 9382 section 3.3) on P-256: shares and the shared point, nothing of hashes.
 *
 * Scalars are 32 big-endian bytes, 1 .. n-1; points on the wire are uncompressed SEC 1, 65 bytes, first byte 04. */
#ifndef SECFTP_P256_H
#define SECFTP_P256_H

#include <openssl/ec.h>
#include <stddef.h>
#include <stdint.h>

enum { P256_SCALAR_BYTES = 32, P256_POINT_BYTES = 65 };

/* Which constant of RFC 9382 section 4 blinds a share. */
typedef enum { P256_M, P256_N } p256_constant;

/* The group; the caller frees it. NULL when libcrypto has no P-256. */
EC_GROUP *p256_group(void);

/* scalar·M or scalar·N, to be kept as the blinding of one side's share; the caller frees *mask. */
__attribute__((warn_unused_result)) int p256_mask(const EC_GROUP *group, const uint8_t scalar[P256_SCALAR_BYTES],
                                                  p256_constant constant, EC_POINT **mask);

/* SECFTP_REFUSED unless the scalar is in 1 .. n-1. */
__attribute__((warn_unused_result)) int p256_check_scalar(const EC_GROUP *group,
                                                          const uint8_t scalar[P256_SCALAR_BYTES]);

/* A uniform scalar in 1 .. n-1. */
__attribute__((warn_unused_result)) int p256_random_scalar(const EC_GROUP *group, uint8_t scalar[P256_SCALAR_BYTES]);

/* wide mod n; SECFTP_REFUSED when that is 0. */
__attribute__((warn_unused_result)) int p256_reduce(const EC_GROUP *group, const uint8_t *wide, size_t wide_bytes,
                                                    uint8_t scalar[P256_SCALAR_BYTES]);

/* scalar·G + mask. */
__attribute__((warn_unused_result)) int p256_share(const EC_GROUP *group, const uint8_t scalar[P256_SCALAR_BYTES],
                                                   const EC_POINT *mask, uint8_t share[P256_POINT_BYTES]);

/* scalar·(peer_share − mask). SECFTP_REFUSED for what is no uncompressed point of the curve, and for the identity. */
__attribute__((warn_unused_result)) int p256_shared_point(const EC_GROUP *group,
                                                          const uint8_t scalar[P256_SCALAR_BYTES], const EC_POINT *mask,
                                                          const uint8_t peer_share[P256_POINT_BYTES],
                                                          uint8_t shared[P256_POINT_BYTES]);

#endif
