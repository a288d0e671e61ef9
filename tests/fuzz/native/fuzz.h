/* What the targets share: every draw of randomness fixed, and a check that stops the fuzzer. */
#ifndef SECFTP_FUZZ_H
#define SECFTP_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "secftp.h"

/* A broken promise of the core is a crash. */
#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            __builtin_trap();                                                                                          \
        }                                                                                                              \
    } while (0)

/* The draws that follow are a client's (client_iv, x) or a server's (server_rand, y, nonce): those of
 * tests/seamed/product.py, so that the recordings made there are good seeds. */
void fuzz_draw_client(void);
void fuzz_draw_server(void);

/* w = 5, made once. */
const secftp_password *fuzz_password(void);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
