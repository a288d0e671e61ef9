/* The two sides of the handshake share their state's shape. */
#ifndef SECFTP_HANDSHAKE_H
#define SECFTP_HANDSHAKE_H

#include "frames.h"
#include "schedule.h"

/* A sealer and an opener from the secrets of their directions, both or neither. */
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
