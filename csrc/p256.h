/* Group operations of SPAKE2 (RFC 9382 section 3.3) on P-256: shares and the shared point, without the hashing.
 *
 * Scalars are 32 bytes, big-endian, 1 .. n-1; encoded points are uncompressed SEC 1, 65 bytes, first byte 04. */
#ifndef SECFTP_P256_H
#define SECFTP_P256_H

#include <openssl/ec.h>
#include <stddef.h>
#include <stdint.h>

enum { P256_SCALAR_BYTES = 32, P256_POINT_BYTES = 65 };

/* The constants of RFC 9382 section 4 that blind a share. */
typedef enum { P256_M, P256_N } p256_constant;

/* Creates the group, which the caller frees. NULL if libcrypto has no P-256. */
EC_GROUP *p256_group(void);

/* scalar·M or scalar·N, which blinds the share of one side; the caller frees *mask. */
__attribute__((warn_unused_result)) int p256_mask(const EC_GROUP *group, const uint8_t scalar[P256_SCALAR_BYTES],
                                                  p256_constant constant, EC_POINT **mask);

/* SECFTP_REFUSED unless the scalar is in 1 .. n-1. */
__attribute__((warn_unused_result)) int p256_check_scalar(const EC_GROUP *group,
                                                          const uint8_t scalar[P256_SCALAR_BYTES]);

/* A uniform scalar in 1 .. n-1. */
__attribute__((warn_unused_result)) int p256_random_scalar(const EC_GROUP *group, uint8_t scalar[P256_SCALAR_BYTES]);

/* wide mod n; SECFTP_REFUSED if that is 0. */
__attribute__((warn_unused_result)) int p256_reduce(const EC_GROUP *group, const uint8_t *wide, size_t wide_bytes,
                                                    uint8_t scalar[P256_SCALAR_BYTES]);

/* scalar·G + mask. */
__attribute__((warn_unused_result)) int p256_share(const EC_GROUP *group, const uint8_t scalar[P256_SCALAR_BYTES],
                                                   const EC_POINT *mask, uint8_t share[P256_POINT_BYTES]);

/* scalar·(peer_share − mask). SECFTP_REFUSED if the share is not an uncompressed point of the curve, or the difference
 * is the identity. */
__attribute__((warn_unused_result)) int p256_shared_point(const EC_GROUP *group,
                                                          const uint8_t scalar[P256_SCALAR_BYTES], const EC_POINT *mask,
                                                          const uint8_t peer_share[P256_POINT_BYTES],
                                                          uint8_t shared[P256_POINT_BYTES]);

#endif
