/* Clears the upper halves of the vector registers before AES runs.
 *
 * libcrypto's AES uses SSE encodings, which preserve the upper halves of the registers: while those are dirty, each
 * instruction has to merge with them. Much code leaves them dirty: libcrypto's Poly1305 for AVX-512 (IFMA) after a
 * message whose length is not a multiple of 64 bytes, and memcpy and memset of the C library. Measured on an EPYC with
 * OpenSSL 3.0: AES-ECB runs at 9.6 instead of 11.3 GB/s without this instruction of a few cycles. */
#ifndef SECFTP_VECTOR_STATE_H
#define SECFTP_VECTOR_STATE_H

static inline void vector_state_clear(void) {
#if defined(__x86_64__) && defined(__GNUC__)
    if (__builtin_cpu_supports("avx")) {
        __asm__ volatile("vzeroupper" ::
                             : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",
                               "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
    }
#endif
}

#endif
