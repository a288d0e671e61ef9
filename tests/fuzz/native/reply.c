/* SERVER_HELLO at a client, its first byte's low bits choosing the suite that was asked for. Only the one right answer
 * gives a session. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const uint8_t name[SECFTP_NAME_BYTES];
    if (size != 1 + SECFTP_SERVER_HELLO_BYTES) {
        return -1;
    }
    uint8_t hello[SECFTP_CLIENT_HELLO_BYTES], finish[SECFTP_CLIENT_FINISH_BYTES];
    uint8_t *reply = malloc(SECFTP_SERVER_HELLO_BYTES);
    secftp_client *client = NULL;
    secftp_sealer *sealer = NULL;
    secftp_opener *opener = NULL;
    memcpy(reply, data + 1, SECFTP_SERVER_HELLO_BYTES);
    fuzz_draw_client();
    CHECK(secftp_client_start(fuzz_password(), data[0] % 3, SECFTP_MODE_KEYED, name, hello, &client) == SECFTP_OK);
    int status = secftp_client_finish(client, reply, finish, &sealer, &opener);
    CHECK(status == SECFTP_OK || status == SECFTP_REFUSED);
    if (status == SECFTP_OK) {
        /* no fuzzer guesses a MAC: this is the seed, bit for bit */
        secftp_server *server = NULL;
        uint8_t right[SECFTP_SERVER_HELLO_BYTES];
        fuzz_draw_server();
        CHECK(secftp_server_respond(fuzz_password(), hello, right, &server) == SECFTP_OK);
        CHECK(memcmp(right, reply, sizeof right) == 0);
        secftp_server_free(server);
    } else {
        CHECK(sealer == NULL && opener == NULL);
        for (size_t i = 0; i < sizeof finish; i++) {
            CHECK(finish[i] == 0);
        }
    }
    secftp_sealer *again = NULL;
    secftp_opener *again_too = NULL;
    CHECK(secftp_client_finish(client, reply, finish, &again, &again_too) == SECFTP_MISUSE && again == NULL);
    secftp_sealer_free(sealer);
    secftp_opener_free(opener);
    secftp_client_free(client);
    free(reply);
    return 0;
}
