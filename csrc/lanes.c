/* All lanes advance by the remaining length of the shortest, whose place is then taken by the next message, and so on.
 * When too few lanes are left to be worth a call per column, libcrypto's CBC encrypts the rest of each.
 *
 * The output of a column is stored and the input of the next one loaded in one pass, so that each cache line of a
 * message is touched once. The caller's frames have an odd stride: lanes a power of two apart would share cache sets.
 */
#include "lanes.h"

#include <string.h>

#include "secftp.h"
#include "vector_state.h"

/* With this many lanes or fewer, serial CBC is faster than a call per column. Measured with bench/. */
enum { LANES_SERIAL = 1 };

typedef struct {
    uint8_t state[LANES_MAX * LANES_BLOCK_BYTES];
    uint8_t *at[LANES_MAX]; /* where the state of the lane will be stored */
    size_t left[LANES_MAX]; /* remaining blocks */
    size_t lanes;
} lane_set;

static inline void xor_block(uint8_t state[LANES_BLOCK_BYTES], const uint8_t block[LANES_BLOCK_BYTES]) {
    uint64_t a[2], b[2];
    memcpy(a, state, sizeof a);
    memcpy(b, block, sizeof b);
    a[0] ^= b[0];
    a[1] ^= b[1];
    memcpy(state, a, sizeof a);
}

/* Stores the ciphertext and XORs the next plaintext block into the state. Both are read before either is written: the
 * compiler can't know that they don't overlap, and would read the state twice. */
static inline void store_and_load(uint8_t *at, uint8_t state[LANES_BLOCK_BYTES]) {
    uint8_t ciphertext[LANES_BLOCK_BYTES], next[LANES_BLOCK_BYTES];
    memcpy(ciphertext, state, sizeof ciphertext);
    memcpy(next, at + LANES_BLOCK_BYTES, sizeof next);
    xor_block(next, ciphertext);
    memcpy(state, next, sizeof next);
    memcpy(at, ciphertext, sizeof ciphertext);
}

static void enter(lane_set *set, size_t lane, const lanes_message *message) {
    uint8_t *state = set->state + lane * LANES_BLOCK_BYTES;
    set->at[lane] = message->data;
    set->left[lane] = message->blocks;
    memcpy(state, message->iv, LANES_BLOCK_BYTES);
    xor_block(state, message->data);
}

static inline int encrypt_column(EVP_CIPHER_CTX *ecb, lane_set *set, size_t lanes) {
    int written = 0, bytes = (int)(lanes * LANES_BLOCK_BYTES);
    return EVP_EncryptUpdate(ecb, set->state, &written, set->state, bytes) == 1 && written == bytes;
}

/* Encrypts `columns` blocks of every lane. Inlined twice, so that the count of a full set is a compile-time constant.
 */
static inline int advance(EVP_CIPHER_CTX *ecb, lane_set *set, size_t lanes, size_t columns) {
    size_t offset = 0;
    for (; columns > 1; columns--, offset += LANES_BLOCK_BYTES) {
        if (!encrypt_column(ecb, set, lanes)) {
            return 0;
        }
        for (size_t lane = 0; lane < lanes; lane++) {
            store_and_load(set->at[lane] + offset, set->state + lane * LANES_BLOCK_BYTES);
        }
    }
    /* The last column is stored without reading a next block: a lane that ends here has none. */
    if (!encrypt_column(ecb, set, lanes)) {
        return 0;
    }
    for (size_t lane = 0; lane < lanes; lane++) {
        memcpy(set->at[lane] + offset, set->state + lane * LANES_BLOCK_BYTES, LANES_BLOCK_BYTES);
    }
    return 1;
}

static size_t shortest(const lane_set *set) {
    size_t least = set->left[0];
    for (size_t lane = 1; lane < set->lanes; lane++) {
        least = set->left[lane] < least ? set->left[lane] : least;
    }
    return least;
}

/* After `columns` blocks: a finished lane takes the next message, or is replaced by the last lane. */
static const lanes_message *settle(lane_set *set, size_t columns, const lanes_message *next, const lanes_message *end) {
    for (size_t lane = 0; lane < set->lanes;) {
        uint8_t *state = set->state + lane * LANES_BLOCK_BYTES;
        set->at[lane] += columns * LANES_BLOCK_BYTES;
        set->left[lane] -= columns;
        if (set->left[lane] > 0) {
            xor_block(state, set->at[lane]);
            lane++;
        } else if (next < end) {
            enter(set, lane++, next++);
        } else {
            /* The last lane moves here, unless it is this one, and is processed in the next iteration. */
            size_t last = --set->lanes;
            memmove(state, set->state + last * LANES_BLOCK_BYTES, LANES_BLOCK_BYTES);
            set->at[lane] = set->at[last];
            set->left[lane] = set->left[last];
        }
    }
    return next;
}

/* The next plaintext block is already XORed into the state of a lane; undoing that gives the IV for serial CBC. */
static int finish_serially(EVP_CIPHER_CTX *cbc, uint8_t *data, size_t blocks, uint8_t iv[LANES_BLOCK_BYTES]) {
    int written = 0, bytes = (int)(blocks * LANES_BLOCK_BYTES);
    return EVP_EncryptInit_ex2(cbc, NULL, NULL, iv, NULL) == 1 &&
           EVP_EncryptUpdate(cbc, data, &written, data, bytes) == 1 && written == bytes;
}

int lanes_encrypt(EVP_CIPHER_CTX *ecb, EVP_CIPHER_CTX *cbc, lanes_message *messages, size_t count) {
    const lanes_message *next = messages, *const end = messages + count;
    lane_set set;
    set.lanes = 0;
    vector_state_clear();
    while (set.lanes < LANES_MAX && next < end) {
        enter(&set, set.lanes++, next++);
    }
    while (set.lanes > LANES_SERIAL) {
        size_t columns = shortest(&set);
        int good =
            set.lanes == LANES_MAX ? advance(ecb, &set, LANES_MAX, columns) : advance(ecb, &set, set.lanes, columns);
        if (!good) {
            return SECFTP_LIBCRYPTO;
        }
        next = settle(&set, columns, next, end);
    }
    for (size_t lane = 0; lane < set.lanes; lane++) {
        uint8_t *state = set.state + lane * LANES_BLOCK_BYTES;
        xor_block(state, set.at[lane]);
        if (!finish_serially(cbc, set.at[lane], set.left[lane], state)) {
            return SECFTP_LIBCRYPTO;
        }
    }
    return SECFTP_OK;
}
