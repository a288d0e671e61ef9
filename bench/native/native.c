/* Reference operations of libcrypto. Contexts are reused and get only a new IV per frame, as fast code does. */
#include "native.h"

#include <openssl/evp.h>
#include <string.h>

#include "lanes.h"
#include "secftp.h"
#include "vector_state.h"

enum { AAD_BYTES = 4, TAG_BYTES = 16, LANES_AT_ONCE = 128 };

/* For timing only, so the key need not be secret, nor an IV unique. */
static const uint8_t key[32] = {1}, iv[16] = {2};

struct native_cipher {
    EVP_CIPHER_CTX *context;
};

native_cipher *native_cipher_new(const char *name, int encrypting) {
    native_cipher *made = OPENSSL_zalloc(sizeof *made);
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, name, NULL);
    int good = made != NULL && cipher != NULL && (made->context = EVP_CIPHER_CTX_new()) != NULL &&
               EVP_CipherInit_ex2(made->context, cipher, key, iv, encrypting, NULL) == 1 &&
               EVP_CIPHER_CTX_set_padding(made->context, 0) == 1;
    EVP_CIPHER_free(cipher);
    if (!good) {
        native_cipher_free(made);
        return NULL;
    }
    return made;
}

void native_cipher_free(native_cipher *cipher) {
    if (cipher != NULL) {
        EVP_CIPHER_CTX_free(cipher->context);
        OPENSSL_free(cipher);
    }
}

static int restart(EVP_CIPHER_CTX *context) { return EVP_CipherInit_ex2(context, NULL, NULL, iv, -1, NULL) == 1; }

static int update(EVP_CIPHER_CTX *context, uint8_t *data, size_t bytes) {
    int written = 0;
    return EVP_CipherUpdate(context, data, &written, data, (int)bytes) == 1 && (size_t)written == bytes;
}

int native_ecb(native_cipher *ecb, uint8_t *data, size_t bytes) {
    vector_state_clear(); /* otherwise the bound would depend on what ran before */
    return update(ecb->context, data, bytes);
}

int native_cbc(native_cipher *cbc, uint8_t *data, size_t bytes, size_t stride, size_t count) {
    vector_state_clear();
    for (size_t i = 0; i < count; i++) {
        if (!restart(cbc->context) || !update(cbc->context, data + i * stride, bytes)) {
            return 0;
        }
    }
    return 1;
}

int native_lanes(native_cipher *ecb, native_cipher *cbc, uint8_t *data, size_t bytes, size_t stride, size_t count) {
    lanes_message messages[LANES_AT_ONCE];
    while (count > 0) {
        size_t batch = count < LANES_AT_ONCE ? count : LANES_AT_ONCE;
        for (size_t i = 0; i < batch; i++, data += stride) {
            messages[i].data = data;
            messages[i].blocks = bytes / LANES_BLOCK_BYTES;
            memcpy(messages[i].iv, iv, sizeof messages[i].iv);
        }
        if (lanes_encrypt(ecb->context, cbc->context, messages, batch) != SECFTP_OK) {
            return 0;
        }
        count -= batch;
    }
    return 1;
}

int native_poly1305(uint8_t *data, size_t bytes, size_t stride, size_t count) {
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "POLY1305", NULL);
    EVP_MAC_CTX *context = EVP_MAC_CTX_new(mac);
    int good = context != NULL;
    for (size_t i = 0; i < count && good; i++, data += stride) {
        size_t written = 0;
        good = EVP_MAC_init(context, key, sizeof key, NULL) == 1 && EVP_MAC_update(context, data, bytes) == 1 &&
               EVP_MAC_final(context, data + bytes, &written, TAG_BYTES) == 1;
    }
    EVP_MAC_CTX_free(context);
    EVP_MAC_free(mac);
    return good;
}

static int associate(EVP_CIPHER_CTX *context, const uint8_t *data) {
    int written = 0;
    return EVP_CipherUpdate(context, NULL, &written, data, AAD_BYTES) == 1;
}

int native_gcm_seal(native_cipher *gcm, uint8_t *data, size_t bytes, size_t stride, size_t count) {
    EVP_CIPHER_CTX *context = gcm->context;
    for (size_t i = 0; i < count; i++, data += stride) {
        uint8_t *text = data + AAD_BYTES, *tag = text + bytes;
        int written = 0;
        if (!restart(context) || !associate(context, data) || !update(context, text, bytes) ||
            EVP_CipherFinal_ex(context, tag, &written) != 1 ||
            EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, tag) != 1) {
            return 0;
        }
    }
    return 1;
}

int native_gcm_open(native_cipher *gcm, uint8_t *data, size_t bytes, size_t stride, size_t count) {
    EVP_CIPHER_CTX *context = gcm->context;
    for (size_t i = 0; i < count; i++, data += stride) {
        uint8_t *text = data + AAD_BYTES, *tag = text + bytes;
        int written = 0;
        if (!restart(context) || !associate(context, data) || !update(context, text, bytes) ||
            EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES, tag) != 1 ||
            EVP_CipherFinal_ex(context, tag + TAG_BYTES, &written) != 1) {
            return 0;
        }
    }
    return 1;
}
