/* CLIENT_HELLO at a server: whatever it is, it is answered in kind or refused. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size != SECFTP_CLIENT_HELLO_BYTES) {
        return -1; /* a hello that is no longer or shorter: reading it whole is the layer's above */
    }
    uint8_t *hello = malloc(size), *reply = malloc(SECFTP_SERVER_HELLO_BYTES);
    secftp_server *server = NULL;
    memcpy(hello, data, size);
    fuzz_draw_server();
    int status = secftp_server_respond(fuzz_password(), hello, reply, &server);
    CHECK(status == SECFTP_OK || status == SECFTP_REFUSED);
    CHECK((status == SECFTP_OK) == (server != NULL));
    if (status == SECFTP_OK) {
        CHECK(memcmp(hello, "SECFTP\1", 7) == 0 && memcmp(reply, "SECFTP\1\0", 8) == 0);
        CHECK(hello[7] <= 2 && hello[8] <= 1 && hello[9] == 0 && hello[10] == 0 && hello[11] == 0 && hello[60] == 4);
        CHECK(reply[8] == hello[7] && reply[9] == hello[8]);
    } else {
        for (size_t i = 0; i < SECFTP_SERVER_HELLO_BYTES; i++) {
            CHECK(reply[i] == 0);
        }
    }
    secftp_server_free(server);
    free(hello);
    free(reply);
    return 0;
}
