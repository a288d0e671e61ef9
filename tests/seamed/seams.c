/* The tests' side of csrc/seams.h, and doors to the inside that known answers need. Never shipped. */
#include "seams.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "frames.h"
#include "handshake.h"
#include "kdf.h"
#include "lanes.h"
#include "p256.h"
#include "password.h"
#include "schedule.h"
#include "seamed.h"

static uint8_t queue[4096];
static size_t queue_start, queue_end;
static unsigned epoch_bits = 20;
static long allocations_left = -1;
static long allocated;
static unsigned long decryptions;
static long libcrypto_left = -1, libcrypto_seen;

void seam_random_push(const uint8_t *bytes, size_t count) {
    if (queue_start == queue_end) {
        queue_start = queue_end = 0;
    }
    if (count > sizeof queue - queue_end) {
        abort(); /* a draw that is lost would make a test random */
    }
    memcpy(queue + queue_end, bytes, count);
    queue_end += count;
}

size_t seam_random_clear(void) {
    size_t unused = queue_end - queue_start;
    queue_start = queue_end = 0;
    return unused;
}

void seam_set_epoch_bits(unsigned bits) { epoch_bits = bits; }

void seam_fail_allocation(long nth) { allocations_left = nth; }

long seam_allocated(void) { return allocated; }

int seam_random(uint8_t *out, size_t bytes) {
    if (queue_start == queue_end) {
        return RAND_priv_bytes_ex(NULL, out, bytes, 0) == 1 ? SECFTP_OK : SECFTP_LIBCRYPTO;
    }
    if (queue_end - queue_start < bytes) {
        return SECFTP_LIBCRYPTO;
    }
    memcpy(out, queue + queue_start, bytes);
    queue_start += bytes;
    return SECFTP_OK;
}

void *seam_allocate(size_t bytes) {
    if (allocations_left > 0 && --allocations_left == 0) {
        allocations_left = -1;
        return NULL;
    }
    void *memory = OPENSSL_zalloc(bytes);
    allocated += memory != NULL;
    return memory;
}

void seam_free(void *memory, size_t bytes) {
    if (memory != NULL) {
        allocated--;
    }
    OPENSSL_clear_free(memory, bytes);
}

unsigned seam_epoch_bits(void) { return epoch_bits; }

void seam_public(const uint8_t *bytes, size_t count) {
    (void)bytes;
    (void)count;
}

enum { OUR_REASON = 77 };

void seam_error_leave(void) { ERR_raise(ERR_LIB_USER, OUR_REASON); }

int seam_error_clear(void) {
    int ours = 0, others = ERR_clear_last_mark(); /* a mark left behind would take a later caller's errors away */
    for (unsigned long error = ERR_get_error(); error != 0; error = ERR_get_error()) {
        if (ERR_GET_LIB(error) == ERR_LIB_USER && ERR_GET_REASON(error) == OUR_REASON) {
            ours++;
        } else {
            others++;
        }
    }
    return others > 0 || ours > 1 ? 2 : ours;
}

static long calls_left = -1, calls_seen;
static int calls_shortened, short_due;

void seam_calls_arm(long nth, int shortened) {
    calls_left = nth;
    calls_seen = 0;
    calls_shortened = shortened;
    short_due = 0;
}

long seam_calls_disarm(void) {
    long seen = calls_left == 0 && !short_due ? 0 : calls_seen;
    calls_left = -1;
    short_due = 0;
    return seen;
}

int seam_call_fails(void) {
    calls_seen++;
    if (calls_left <= 0 || --calls_left > 0) {
        return 0;
    }
    short_due = calls_shortened;
    return !calls_shortened;
}

static size_t less_if_due(size_t written) {
    size_t less = written - (written > 0 && short_due);
    short_due = 0;
    return less;
}

int seam_result(int good) { return seam_call_fails() ? 0 : good; }

int seam_result_size(int good, size_t *written) {
    int result = seam_result(good);
    *written = less_if_due(*written);
    return result;
}

int seam_result_int(int good, int *written) {
    int result = seam_result(good);
    *written = (int)less_if_due((size_t)*written);
    return result;
}

size_t seam_result_bytes(size_t written) { return seam_call_fails() ? 0 : less_if_due(written); }

/* Stands before libcrypto's function of this name for the core alone: both are linked into this extension. For a
 * context that decrypts, EVP_CipherUpdate is the same. */
#undef EVP_DecryptUpdate
int EVP_DecryptUpdate(EVP_CIPHER_CTX *context, unsigned char *out, int *written, const unsigned char *in, int bytes) {
    decryptions++;
    return (EVP_CipherUpdate)(context, out, written, in, bytes);
}

unsigned long seam_decryptions(void) { return decryptions; }

static int libcrypto_fails(void) {
    libcrypto_seen++;
    return libcrypto_left > 0 && --libcrypto_left == 0;
}

static void *libcrypto_malloc(size_t bytes, const char *file, int line) {
    (void)file;
    (void)line;
    return libcrypto_fails() ? NULL : malloc(bytes);
}

static void *libcrypto_realloc(void *memory, size_t bytes, const char *file, int line) {
    (void)file;
    (void)line;
    return libcrypto_fails() ? NULL : realloc(memory, bytes);
}

static void libcrypto_free(void *memory, const char *file, int line) {
    (void)file;
    (void)line;
    free(memory);
}

int seam_libcrypto_take_over(void) {
    return CRYPTO_set_mem_functions(libcrypto_malloc, libcrypto_realloc, libcrypto_free);
}

void seam_libcrypto_arm(long nth) {
    libcrypto_left = nth;
    libcrypto_seen = 0;
}

long seam_libcrypto_disarm(void) {
    long seen = libcrypto_left == 0 ? 0 : libcrypto_seen;
    libcrypto_left = -1;
    return seen;
}

int seam_new_pair(int suite, const uint8_t *secret, secftp_sealer **sealer, secftp_opener **opener) {
    return frames_pair(suite, secret, secret, sealer, opener);
}

void seam_set_sequence(secftp_sealer *sealer, secftp_opener *opener, uint64_t sequence) {
    sealer->direction.sequence = sequence;
    opener->direction.sequence = sequence;
}

typedef struct {
    void *function;
    void *const *arguments;
    size_t count;
    int status;
} stack_call;

/* What a thread does at its end uses the upper part of its stack, too: so the call stands far below that. */
static void *run_stack_call(void *given) {
    enum { BELOW = 1 << 16 };
    stack_call *call = given;
    volatile uint8_t above[BELOW];
    above[0] = above[BELOW - 1] = 0;
    void *a[7] = {NULL};
    int (*function)(void *, void *, void *, void *, void *, void *, void *);
    memcpy(a, call->arguments, call->count * sizeof a[0]);
    memcpy(&function, &call->function, sizeof function);
    /* What is too much stays in registers and on the caller's side of the stack, in every calling convention we have. */
    call->status = function(a[0], a[1], a[2], a[3], a[4], a[5], a[6]);
    return NULL;
}

int seam_call_on_a_stack(void *function, void *const *arguments, size_t count, uint8_t *stack, size_t bytes) {
    enum { PAGE = 4096 };
    stack_call call = {function, arguments, count, -1};
    pthread_attr_t attributes;
    pthread_t thread;
    void *memory = count <= 7 && bytes % PAGE == 0 ? aligned_alloc(PAGE, bytes) : NULL;
    if (memory == NULL || pthread_attr_init(&attributes) != 0) {
        free(memory);
        return -1;
    }
    memset(memory, 0, bytes);
    if (pthread_attr_setstack(&attributes, memory, bytes) == 0 &&
        pthread_create(&thread, &attributes, run_stack_call, &call) == 0) {
        pthread_join(thread, NULL);
        memcpy(stack, memory, bytes);
    }
    pthread_attr_destroy(&attributes);
    free(memory);
    return call.status;
}

static uint8_t wipes[1 << 18];
static size_t wipes_end;
static int wipes_kept;

#undef OPENSSL_cleanse
void seam_cleanse(void *memory, size_t bytes) {
    const uint32_t length = (uint32_t)bytes;
    if (wipes_kept) {
        if (bytes > sizeof wipes - wipes_end - sizeof length) {
            abort(); /* a wipe that is not told of would pass for none */
        }
        memcpy(wipes + wipes_end, &length, sizeof length);
        memcpy(wipes + wipes_end + sizeof length, memory, bytes);
        wipes_end += sizeof length + bytes;
    }
    OPENSSL_cleanse(memory, bytes);
}

void seam_wipes_begin(void) {
    wipes_kept = 1;
    wipes_end = 0;
}

size_t seam_wipes_end(uint8_t *out, size_t room) {
    memcpy(out, wipes, wipes_end < room ? wipes_end : room);
    wipes_kept = 0;
    OPENSSL_cleanse(wipes, wipes_end);
    return wipes_end;
}

size_t seam_object_bytes(const void *object) { return malloc_usable_size((void *)(uintptr_t)object); }

void seam_disown(secftp_sealer *sealer) { sealer->direction.owner = 0; }

int seam_lanes(size_t key_bytes, const uint8_t *key, uint8_t *data, const size_t *blocks, const uint8_t *ivs,
               size_t count) {
    lanes_message messages[64];
    EVP_CIPHER_CTX *ecb = EVP_CIPHER_CTX_new(), *cbc = EVP_CIPHER_CTX_new();
    int wide = key_bytes == 32, status = SECFTP_MISUSE;
    if (count <= 64 && ecb != NULL && cbc != NULL &&
        EVP_EncryptInit_ex2(ecb, wide ? EVP_aes_256_ecb() : EVP_aes_128_ecb(), key, NULL, NULL) == 1 &&
        EVP_EncryptInit_ex2(cbc, wide ? EVP_aes_256_cbc() : EVP_aes_128_cbc(), key, NULL, NULL) == 1 &&
        EVP_CIPHER_CTX_set_padding(ecb, 0) == 1 && EVP_CIPHER_CTX_set_padding(cbc, 0) == 1) {
        for (size_t i = 0; i < count; i++) {
            messages[i].data = data;
            messages[i].blocks = blocks[i];
            memcpy(messages[i].iv, ivs + i * 16, 16);
            data += blocks[i] * 16;
        }
        status = lanes_encrypt(ecb, cbc, messages, count);
    }
    EVP_CIPHER_CTX_free(ecb);
    EVP_CIPHER_CTX_free(cbc);
    return status;
}

int seam_poly1305(const uint8_t *key, const uint8_t *data, size_t bytes, uint8_t *tag) {
    static const uint8_t zero[32];
    secftp_sealer *sealer = NULL;
    int status = frames_new_sealer(SECFTP_SUITE_NONE, zero, &sealer);
    if (status == SECFTP_OK) {
        status = direction_tag(&sealer->direction, key, data, bytes, tag);
    }
    secftp_sealer_free(sealer);
    return status;
}

int seam_hkdf(const uint8_t *salt, size_t salt_bytes, const uint8_t *input, size_t input_bytes, const char *info,
              uint8_t *out, size_t out_bytes) {
    uint8_t prk[KDF_HASH_BYTES];
    int status = kdf_extract(salt, salt_bytes, input, input_bytes, prk);
    return status == SECFTP_OK ? kdf_expand(prk, info, out, out_bytes) : status;
}

int seam_share(const secftp_password *password, int server, const uint8_t *scalar, uint8_t *share) {
    return p256_share(password->group, scalar, server ? password->server_mask : password->client_mask, share);
}

int seam_shared(const secftp_password *password, int server, const uint8_t *scalar, const uint8_t *peer,
                uint8_t *shared) {
    return p256_shared_point(password->group, scalar, server ? password->client_mask : password->server_mask, peer,
                             shared);
}

int seam_tt_hash(const uint8_t *a, size_t a_bytes, const uint8_t *b, size_t b_bytes, const uint8_t *client_share,
                 const uint8_t *server_share, const uint8_t *shared, const uint8_t *secret, uint8_t *hash) {
    return schedule_tt_hash(a, a_bytes, b, b_bytes, client_share, server_share, shared, secret, hash);
}
