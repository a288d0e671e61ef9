/* What the tests' extension has beyond the product's. tests/seamed/build.py reads this file. */
#ifndef SECFTP_SEAMED_H
#define SECFTP_SEAMED_H

#include "secftp.h"

/* The next draws take these bytes, in order; then the real generator is asked again. */
void seam_random_push(const uint8_t *bytes, size_t count);
size_t seam_random_clear(void); /* how many were left */
void seam_set_epoch_bits(unsigned bits);
unsigned seam_epoch_bits(void);
/* The nth allocation from now fails, once; 0 or less: none. */
void seam_fail_allocation(long nth);
long seam_allocated(void); /* objects that are alive */

/* libcrypto's error queue: leave one error of ours in it, and empty it. What was there: 0, nothing; 1, ours alone;
 * 2, others, or a mark. */
void seam_error_leave(void);
int seam_error_clear(void);
/* How often EVP_DecryptUpdate was called by the core. */
unsigned long seam_decryptions(void);
/* Takes libcrypto's allocations over, which it allows before its first one; 1 if it did. Then `arm` lets the nth from
 * now fail, once, and `disarm` returns how many there were since, or 0 if one failed. */
int seam_libcrypto_take_over(void);
void seam_libcrypto_arm(long nth);
long seam_libcrypto_disarm(void);

/* From now on the nth call to libcrypto that can fail does, once; or with `shortened`, the first call from the nth on
 * that says how much it wrote says one byte less. `disarm` returns how many calls there were since, or 0 if one
 * failed. */
void seam_calls_arm(long nth, int shortened);
long seam_calls_disarm(void);

int seam_new_pair(int suite, const uint8_t *secret, secftp_sealer **sealer, secftp_opener **opener);
void seam_set_sequence(secftp_sealer *sealer, secftp_opener *opener, uint64_t sequence);
/* Calls a function of the core, whose arguments are numbers and pointers, in a thread on a stack of its own, and fills
 * `stack` with what that holds afterwards. Its status; -1 if there is no memory or no thread. */
int seam_call_on_a_stack(void *function, void *const *arguments, size_t count, uint8_t *stack, size_t bytes);
/* From now on what the core wipes is kept, as it was before: a length of 4 bytes, in the machine's order, then the
 * bytes. `end` hands it out, `room` bytes at the most, and says how many there were. */
void seam_wipes_begin(void);
size_t seam_wipes_end(uint8_t *out, size_t room);
/* How many bytes from here on belong to an object of the core that is alive. */
size_t seam_object_bytes(const void *object);
void seam_disown(secftp_sealer *sealer); /* as if it had been made by another process */

/* `data` holds the messages back to back, ivs 16 bytes for each; at most 64. */
int seam_lanes(size_t key_bytes, const uint8_t *key, uint8_t *data, const size_t *blocks, const uint8_t *ivs,
               size_t count);
int seam_poly1305(const uint8_t *key, const uint8_t *data, size_t bytes, uint8_t *tag);
int seam_hkdf(const uint8_t *salt, size_t salt_bytes, const uint8_t *input, size_t input_bytes, const char *info,
              uint8_t *out, size_t out_bytes);
int seam_share(const secftp_password *password, int server, const uint8_t *scalar, uint8_t *share);
int seam_shared(const secftp_password *password, int server, const uint8_t *scalar, const uint8_t *peer,
                uint8_t *shared);
int seam_tt_hash(const uint8_t *a, size_t a_bytes, const uint8_t *b, size_t b_bytes, const uint8_t *client_share,
                 const uint8_t *server_share, const uint8_t *shared, const uint8_t *secret, uint8_t *hash);

#endif
