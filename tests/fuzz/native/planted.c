/* What the fuzzer must find: one byte written beyond an allocation, behind a comparison. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint32_t word = 0;
    if (size >= sizeof word) {
        memcpy(&word, data, sizeof word);
    }
    if (word == 0x46434553) {
        volatile uint8_t *memory = malloc(size); /* volatile: else the write is optimized out */
        memory[size + data[size - 1] % 2] = 1;
        free((void *)(uintptr_t)memory);
    }
    return 0;
}
