/* Integer encoding. Big-endian unless the name says otherwise. */
#ifndef SECFTP_BYTES_H
#define SECFTP_BYTES_H

#include <stdint.h>

static inline void store_be32(uint8_t out[4], uint32_t value) {
    for (int i = 0; i < 4; i++) {
        out[i] = (uint8_t)(value >> (24 - 8 * i));
    }
}

static inline uint32_t load_be32(const uint8_t in[4]) {
    return (uint32_t)in[0] << 24 | (uint32_t)in[1] << 16 | (uint32_t)in[2] << 8 | (uint32_t)in[3];
}

static inline void store_be64(uint8_t out[8], uint64_t value) {
    store_be32(out, (uint32_t)(value >> 32));
    store_be32(out + 4, (uint32_t)value);
}

static inline void store_le64(uint8_t out[8], uint64_t value) {
    for (int i = 0; i < 8; i++) {
        out[i] = (uint8_t)(value >> (8 * i));
    }
}

#endif
