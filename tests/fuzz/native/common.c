/* The seams of csrc/seams.h without chance, and the fuzzer's main. */
#include "fuzz.h"
#include "seams.h"

static const uint8_t *script;
static size_t script_left;

static const uint8_t client_script[] = {
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, [16 + 31] = 7,
};
static const uint8_t server_script[] = {
    16, 17, 18, 19, 20,  21,  22,  23,  24,  25,  26,  27,  28,  29,  30,  31,  0,   0,   0,   0,   0, 0,
    0,  0,  0,  0,  0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0, 0,
    0,  0,  0,  11, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
};

void fuzz_draw_client(void) {
    script = client_script;
    script_left = sizeof client_script;
}

void fuzz_draw_server(void) {
    script = server_script;
    script_left = sizeof server_script;
}

int seam_random(uint8_t *out, size_t bytes) {
    CHECK(bytes <= script_left);
    memcpy(out, script, bytes);
    script += bytes;
    script_left -= bytes;
    return SECFTP_OK;
}

void *seam_allocate(size_t bytes) { return calloc(1, bytes); }

void seam_free(void *memory, size_t bytes) {
    (void)bytes;
    free(memory);
}

unsigned seam_epoch_bits(void) { return 2; }

void seam_public(const uint8_t *bytes, size_t count) {
    (void)bytes;
    (void)count;
}

const secftp_password *fuzz_password(void) {
    static secftp_password *password;
    static const uint8_t secret[SECFTP_SECRET_BYTES] = {[SECFTP_SECRET_BYTES - 1] = 5};
    if (password == NULL) {
        CHECK(secftp_password_from_secret(secret, &password) == SECFTP_OK);
    }
    return password;
}

int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*target)(const uint8_t *, size_t));

int main(int argc, char **argv) { return LLVMFuzzerRunDriver(&argc, &argv, LLVMFuzzerTestOneInput); }
