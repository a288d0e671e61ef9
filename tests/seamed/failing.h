/* Included before every file of csrc in the tests' core: the nth call to libcrypto that can fail fails, or writes one
 * byte less than it was asked for. Nothing in libcrypto is changed, and no file of csrc knows of it. */
#ifndef SECFTP_FAILING_H
#define SECFTP_FAILING_H

#include <alloca.h> /* for cffi's own file, whose way to it is closed by what follows */
#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <stddef.h>

/* Whether this call is the one that fails. */
int seam_call_fails(void);
/* The call's own result, or 0 if it is this call's turn; with `written`, that may come back one byte less instead.
 * Functions, so that a call and its failure are one branch where they are looked at. */
int seam_result(int good);
int seam_result_int(int good, int *written);
int seam_result_size(int good, size_t *written);
size_t seam_result_bytes(size_t written);

/* OPENSSL_cleanse, which is told of while it is asked for (tests/crypto/test_wipes.py). */
void seam_cleanse(void *memory, size_t bytes);
#define OPENSSL_cleanse(memory, bytes) seam_cleanse(memory, bytes)

#define SEAM_NULL(call) (seam_call_fails() ? NULL : (call))

#define BN_CTX_secure_new() SEAM_NULL(BN_CTX_secure_new())
#define BN_secure_new() SEAM_NULL(BN_secure_new())
#define BN_bin2bn(...) SEAM_NULL(BN_bin2bn(__VA_ARGS__))
#define BN_bn2binpad(...) (int)seam_result_bytes((size_t)BN_bn2binpad(__VA_ARGS__))
#define BN_nnmod(...) seam_result(BN_nnmod(__VA_ARGS__))
#define EC_GROUP_new_by_curve_name(...) SEAM_NULL(EC_GROUP_new_by_curve_name(__VA_ARGS__))
#define EC_POINT_add(...) seam_result(EC_POINT_add(__VA_ARGS__))
#define EC_POINT_dup(...) SEAM_NULL(EC_POINT_dup(__VA_ARGS__))
#define EC_POINT_invert(...) seam_result(EC_POINT_invert(__VA_ARGS__))
#define EC_POINT_mul(...) seam_result(EC_POINT_mul(__VA_ARGS__))
#define EC_POINT_new(...) SEAM_NULL(EC_POINT_new(__VA_ARGS__))
#define EC_POINT_oct2point(...) seam_result(EC_POINT_oct2point(__VA_ARGS__))
#define EC_POINT_point2oct(...) seam_result_bytes(EC_POINT_point2oct(__VA_ARGS__))
#define EVP_CIPHER_CTX_new() SEAM_NULL(EVP_CIPHER_CTX_new())
#define EVP_CIPHER_CTX_set_padding(...) seam_result(EVP_CIPHER_CTX_set_padding(__VA_ARGS__))
#define EVP_CIPHER_fetch(...) SEAM_NULL(EVP_CIPHER_fetch(__VA_ARGS__))
#define EVP_CipherInit_ex2(...) seam_result(EVP_CipherInit_ex2(__VA_ARGS__))
#define EVP_EncryptInit_ex2(...) seam_result(EVP_EncryptInit_ex2(__VA_ARGS__))
#define EVP_CipherUpdate(context, out, written, in, bytes)                                                             \
    seam_result_int(EVP_CipherUpdate(context, out, written, in, bytes), written)
#define EVP_DecryptUpdate(context, out, written, in, bytes)                                                            \
    seam_result_int(EVP_DecryptUpdate(context, out, written, in, bytes), written)
#define EVP_EncryptUpdate(context, out, written, in, bytes)                                                            \
    seam_result_int(EVP_EncryptUpdate(context, out, written, in, bytes), written)
#define EVP_KDF_CTX_new(...) SEAM_NULL(EVP_KDF_CTX_new(__VA_ARGS__))
#define EVP_KDF_derive(...) seam_result(EVP_KDF_derive(__VA_ARGS__))
#define EVP_KDF_fetch(...) SEAM_NULL(EVP_KDF_fetch(__VA_ARGS__))
#define EVP_MAC_CTX_new(...) SEAM_NULL(EVP_MAC_CTX_new(__VA_ARGS__))
#define EVP_MAC_fetch(...) SEAM_NULL(EVP_MAC_fetch(__VA_ARGS__))
#define EVP_MAC_init(...) seam_result(EVP_MAC_init(__VA_ARGS__))
#define EVP_MAC_update(...) seam_result(EVP_MAC_update(__VA_ARGS__))
#define EVP_MAC_final(context, out, written, size) seam_result_size(EVP_MAC_final(context, out, written, size), written)
#define EVP_PBE_scrypt(...) seam_result(EVP_PBE_scrypt(__VA_ARGS__))
#define EVP_Q_digest(library, name, query, data, bytes, out, written)                                                  \
    seam_result_size(EVP_Q_digest(library, name, query, data, bytes, out, written), written)
#define EVP_Q_mac(library, name, query, sub, params, key, key_bytes, data, bytes, out, size, written)                  \
    (seam_result_size(EVP_Q_mac(library, name, query, sub, params, key, key_bytes, data, bytes, out, size, written) != \
                          NULL,                                                                                        \
                      written)                                                                                         \
         ? (out)                                                                                                       \
         : NULL)

#endif
