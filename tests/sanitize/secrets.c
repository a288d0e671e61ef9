/* marks.h for valgrind, in place of csrc/seams.c: what is secret counts as undefined, so that memcheck reports every
 * branch and every address that depends on it (the method of ctgrind).
 *
 * What the protocol makes public becomes defined again at these points, and at no other:
 *   - what goes on the wire (the program marks it);
 *   - whether two MACs or nonces are equal, whether a scalar is in its range, whether a point is the identity: the
 *     answers of CRYPTO_memcmp, BN_is_zero, BN_cmp and EC_POINT_is_at_infinity, which the core acts upon;
 *   - what a frame holds that has verified (seam_public): its length and padding are looked at. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include <valgrind/memcheck.h>

#include "marks.h"
#include "seams.h"
#include "secftp.h"

static const char *next_draws = "";

void mark_secret(void *bytes, size_t count) { (void)VALGRIND_MAKE_MEM_UNDEFINED(bytes, count); }

void mark_public(void *bytes, size_t count) { (void)VALGRIND_MAKE_MEM_DEFINED(bytes, count); }

void marks_next_draws(const char *kinds) { next_draws = kinds; }

static int declassified(int answer) {
    mark_public(&answer, sizeof answer);
    return answer;
}

/* libcrypto's own function of a name that this program has, too. */
static void *real(const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    if (found == NULL) {
        abort();
    }
    return found;
}

int CRYPTO_memcmp(const void *a, const void *b, size_t count) {
    static int (*theirs)(const void *, const void *, size_t);
    if (theirs == NULL) {
        *(void **)&theirs = real("CRYPTO_memcmp");
    }
    return declassified(theirs(a, b, count));
}

int BN_is_zero(const BIGNUM *number) {
    static int (*theirs)(const BIGNUM *);
    if (theirs == NULL) {
        *(void **)&theirs = real("BN_is_zero");
    }
    return declassified(theirs(number));
}

int BN_cmp(const BIGNUM *a, const BIGNUM *b) {
    static int (*theirs)(const BIGNUM *, const BIGNUM *);
    if (theirs == NULL) {
        *(void **)&theirs = real("BN_cmp");
    }
    return declassified(theirs(a, b));
}

int EC_POINT_is_at_infinity(const EC_GROUP *group, const EC_POINT *point) {
    static int (*theirs)(const EC_GROUP *, const EC_POINT *);
    if (theirs == NULL) {
        *(void **)&theirs = real("EC_POINT_is_at_infinity");
    }
    return declassified(theirs(group, point));
}

int seam_random(uint8_t *out, size_t bytes) {
    if (RAND_priv_bytes_ex(NULL, out, bytes, 0) != 1) {
        return SECFTP_LIBCRYPTO;
    }
    if (*next_draws == '\0') {
        abort(); /* a draw that is not classified */
    }
    if (*next_draws++ == 's') {
        mark_secret(out, bytes);
    } else {
        mark_public(out, bytes);
    }
    return SECFTP_OK;
}

void *seam_allocate(size_t bytes) { return OPENSSL_zalloc(bytes); }

void seam_free(void *memory, size_t bytes) { OPENSSL_clear_free(memory, bytes); }

unsigned seam_epoch_bits(void) { return 6; } /* so that keys change, too */

void seam_public(const uint8_t *bytes, size_t count) { (void)VALGRIND_MAKE_MEM_DEFINED(bytes, count); }

/* A comparison that stops at the first difference. */
int marks_planted(void) {
    uint8_t secret[16] = {1, 2, 3}, guess[16] = {1, 2, 4};
    volatile int equal = 1;
    mark_secret(secret, sizeof secret);
    for (size_t i = 0; i < sizeof secret && equal; i++) {
        equal = secret[i] == guess[i];
    }
    return equal;
}
