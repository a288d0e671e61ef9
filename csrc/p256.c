/* Each multiplication passes ONE scalar to EC_POINT_mul and adds afterwards: with two, libcrypto uses an interleaved
 * algorithm whose timing depends on the scalars. Secret scalars are flagged BN_FLG_CONSTTIME and wiped. */
#include "p256.h"

#include <openssl/bn.h>
#include <openssl/obj_mac.h>

#include "seams.h"
#include "secftp.h"

static const uint8_t constant_points[2][33] = {
    [P256_M] = {0x02, 0x88, 0x6e, 0x2f, 0x97, 0xac, 0xe4, 0x6e, 0x55, 0xba, 0x9d, 0xd7, 0x24, 0x25, 0x79, 0xf2, 0x99,
                0x3b, 0x64, 0xe1, 0x6e, 0xf3, 0xdc, 0xab, 0x95, 0xaf, 0xd4, 0x97, 0x33, 0x3d, 0x8f, 0xa1, 0x2f},
    [P256_N] = {0x03, 0xd8, 0xbb, 0xd6, 0xc6, 0x39, 0xc6, 0x29, 0x37, 0xb0, 0x4d, 0x99, 0x7f, 0x38, 0xc3, 0x77, 0x07,
                0x19, 0xc6, 0x29, 0xd7, 0x01, 0x4d, 0x49, 0xa2, 0x4b, 0x4f, 0x98, 0xba, 0xa1, 0x29, 0x2b, 0x49},
};

EC_GROUP *p256_group(void) { return EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1); }

static BIGNUM *secret_number(const uint8_t *bytes, size_t count) {
    BIGNUM *number = BN_secure_new();
    if (number == NULL || BN_bin2bn(bytes, (int)count, number) == NULL) {
        BN_clear_free(number);
        return NULL;
    }
    BN_set_flags(number, BN_FLG_CONSTTIME);
    return number;
}

/* point = scalar·base; base NULL is the generator. */
static int multiply(const EC_GROUP *group, const uint8_t scalar[P256_SCALAR_BYTES], const EC_POINT *base,
                    EC_POINT *point) {
    int status = SECFTP_NO_MEMORY;
    BN_CTX *context = BN_CTX_secure_new();
    BIGNUM *number = secret_number(scalar, P256_SCALAR_BYTES);
    if (context == NULL || number == NULL) {
        goto done;
    }
    int good = base == NULL ? EC_POINT_mul(group, point, number, NULL, NULL, context)
                            : EC_POINT_mul(group, point, NULL, base, number, context);
    status = good == 1 ? SECFTP_OK : SECFTP_LIBCRYPTO;
done:
    BN_clear_free(number);
    BN_CTX_free(context);
    return status;
}

static int encode(const EC_GROUP *group, const EC_POINT *point, uint8_t out[P256_POINT_BYTES]) {
    size_t written = EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, out, P256_POINT_BYTES, NULL);
    return written == P256_POINT_BYTES ? SECFTP_OK : SECFTP_LIBCRYPTO;
}

int p256_mask(const EC_GROUP *group, const uint8_t scalar[P256_SCALAR_BYTES], p256_constant constant, EC_POINT **mask) {
    int status = SECFTP_NO_MEMORY;
    EC_POINT *base = EC_POINT_new(group);
    EC_POINT *product = EC_POINT_new(group);
    *mask = NULL;
    if (base == NULL || product == NULL) {
        goto done;
    }
    if (EC_POINT_oct2point(group, base, constant_points[constant], sizeof constant_points[constant], NULL) != 1) {
        status = SECFTP_LIBCRYPTO;
        goto done;
    }
    status = multiply(group, scalar, base, product);
    if (status == SECFTP_OK) {
        *mask = product;
        product = NULL;
    }
done:
    EC_POINT_clear_free(product);
    EC_POINT_free(base);
    return status;
}

int p256_check_scalar(const EC_GROUP *group, const uint8_t scalar[P256_SCALAR_BYTES]) {
    BIGNUM *number = secret_number(scalar, P256_SCALAR_BYTES);
    if (number == NULL) {
        return SECFTP_NO_MEMORY;
    }
    int inside = !BN_is_zero(number) && BN_cmp(number, EC_GROUP_get0_order(group)) < 0;
    BN_clear_free(number);
    return inside ? SECFTP_OK : SECFTP_REFUSED;
}

int p256_random_scalar(const EC_GROUP *group, uint8_t scalar[P256_SCALAR_BYTES]) {
    /* A candidate is out of range once in 2^32, so this many in a row mean a broken generator. */
    enum { DRAWS_MAX = 16 };
    for (int draw = 0; draw < DRAWS_MAX; draw++) {
        int status = seam_random(scalar, P256_SCALAR_BYTES);
        if (status == SECFTP_OK) {
            status = p256_check_scalar(group, scalar);
        }
        if (status != SECFTP_REFUSED) {
            return status;
        }
    }
    return SECFTP_LIBCRYPTO;
}

int p256_reduce(const EC_GROUP *group, const uint8_t *wide, size_t wide_bytes, uint8_t scalar[P256_SCALAR_BYTES]) {
    int status = SECFTP_NO_MEMORY;
    BN_CTX *context = BN_CTX_secure_new();
    BIGNUM *number = secret_number(wide, wide_bytes);
    BIGNUM *reduced = BN_secure_new();
    if (context == NULL || number == NULL || reduced == NULL) {
        goto done;
    }
    if (BN_nnmod(reduced, number, EC_GROUP_get0_order(group), context) != 1 ||
        BN_bn2binpad(reduced, scalar, P256_SCALAR_BYTES) != P256_SCALAR_BYTES) {
        status = SECFTP_LIBCRYPTO;
        goto done;
    }
    status = BN_is_zero(reduced) ? SECFTP_REFUSED : SECFTP_OK;
done:
    BN_clear_free(reduced);
    BN_clear_free(number);
    BN_CTX_free(context);
    return status;
}

int p256_share(const EC_GROUP *group, const uint8_t scalar[P256_SCALAR_BYTES], const EC_POINT *mask,
               uint8_t share[P256_POINT_BYTES]) {
    EC_POINT *point = EC_POINT_new(group);
    if (point == NULL) {
        return SECFTP_NO_MEMORY;
    }
    int status = multiply(group, scalar, NULL, point);
    if (status == SECFTP_OK && EC_POINT_add(group, point, point, mask, NULL) != 1) {
        status = SECFTP_LIBCRYPTO;
    }
    if (status == SECFTP_OK) {
        status = encode(group, point, share);
    }
    EC_POINT_clear_free(point);
    return status;
}

/* peer = peer_share − mask; refused if that is the identity. */
static int unmask(const EC_GROUP *group, const EC_POINT *mask, const uint8_t peer_share[P256_POINT_BYTES],
                  EC_POINT *peer) {
    if (peer_share[0] != POINT_CONVERSION_UNCOMPRESSED ||
        EC_POINT_oct2point(group, peer, peer_share, P256_POINT_BYTES, NULL) != 1) {
        return SECFTP_REFUSED; /* oct2point checks that the point is on the curve; the cofactor is 1 */
    }
    EC_POINT *negated = EC_POINT_dup(mask, group);
    if (negated == NULL) {
        return SECFTP_NO_MEMORY;
    }
    int status = SECFTP_OK;
    if (EC_POINT_invert(group, negated, NULL) != 1 || EC_POINT_add(group, peer, peer, negated, NULL) != 1) {
        status = SECFTP_LIBCRYPTO;
    } else if (EC_POINT_is_at_infinity(group, peer)) {
        status = SECFTP_REFUSED;
    }
    EC_POINT_clear_free(negated);
    return status;
}

int p256_shared_point(const EC_GROUP *group, const uint8_t scalar[P256_SCALAR_BYTES], const EC_POINT *mask,
                      const uint8_t peer_share[P256_POINT_BYTES], uint8_t shared[P256_POINT_BYTES]) {
    int status = SECFTP_NO_MEMORY;
    EC_POINT *peer = EC_POINT_new(group);
    EC_POINT *product = EC_POINT_new(group);
    if (peer == NULL || product == NULL) {
        goto done;
    }
    status = unmask(group, mask, peer_share, peer);
    if (status == SECFTP_OK) {
        status = multiply(group, scalar, peer, product);
    }
    if (status == SECFTP_OK) {
        status = encode(group, product, shared);
    }
done:
    EC_POINT_clear_free(product);
    EC_POINT_clear_free(peer);
    return status;
}
