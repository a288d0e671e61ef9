/* CLIENT_FINISH at a server, the first byte choosing the suite. Only the one right answer gives a session. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const uint8_t name[SECFTP_NAME_BYTES];
    if (size != 1 + SECFTP_CLIENT_FINISH_BYTES) {
        return -1;
    }
    uint8_t hello[SECFTP_CLIENT_HELLO_BYTES], reply[SECFTP_SERVER_HELLO_BYTES], right[SECFTP_CLIENT_FINISH_BYTES];
    uint8_t *finish = malloc(SECFTP_CLIENT_FINISH_BYTES);
    secftp_client *client = NULL;
    secftp_server *server = NULL;
    secftp_sealer *sealer = NULL, *theirs = NULL;
    secftp_opener *opener = NULL, *theirs_too = NULL;
    memcpy(finish, data + 1, SECFTP_CLIENT_FINISH_BYTES);
    fuzz_draw_client();
    CHECK(secftp_client_start(fuzz_password(), data[0] % 3, SECFTP_MODE_KEYED, name, hello, &client) == SECFTP_OK);
    fuzz_draw_server();
    CHECK(secftp_server_respond(fuzz_password(), hello, reply, &server) == SECFTP_OK);
    int status = secftp_server_finish(server, finish, &sealer, &opener);
    CHECK(status == SECFTP_OK || status == SECFTP_REFUSED);
    CHECK((status == SECFTP_OK) == (sealer != NULL) && (status == SECFTP_OK) == (opener != NULL));
    CHECK(secftp_client_finish(client, reply, right, &theirs, &theirs_too) == SECFTP_OK);
    CHECK((status == SECFTP_OK) == (memcmp(right, finish, sizeof right) == 0));
    secftp_sealer *again = NULL;
    secftp_opener *again_too = NULL;
    CHECK(secftp_server_finish(server, finish, &again, &again_too) == SECFTP_MISUSE && again == NULL);
    secftp_sealer_free(sealer);
    secftp_sealer_free(theirs);
    secftp_opener_free(opener);
    secftp_opener_free(theirs_too);
    secftp_client_free(client);
    secftp_server_free(server);
    free(finish);
    return 0;
}
