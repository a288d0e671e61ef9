/* Common to both sides of the handshake: the check for reuse, and the pair of directions that results. */
#ifndef SECFTP_HANDSHAKE_H
#define SECFTP_HANDSHAKE_H

#include <sys/types.h>
#include <unistd.h>

#include "frames.h"
#include "schedule.h"

/* SECFTP_MISUSE if the exchange was finished before or belongs to another process: after a fork both processes would
 * derive the same keys from copies of one scalar or nonce, and each would begin sealing at sequence number 0. */
static inline int exchange_usable(int used, pid_t owner) {
    return used || owner != getpid() ? SECFTP_MISUSE : SECFTP_OK;
}

/* Creates a sealer and an opener from the secrets of their directions; both or neither. */
static inline int frames_pair(int suite, const uint8_t sealing[32], const uint8_t opening[32], secftp_sealer **sealer,
                              secftp_opener **opener) {
    int status = frames_new_sealer(suite, sealing, sealer);
    if (status == SECFTP_OK) {
        status = frames_new_opener(suite, opening, opener);
    }
    if (status != SECFTP_OK) {
        secftp_sealer_free(*sealer);
        *sealer = NULL;
    }
    return status;
}

#endif
