/* marks.h where secrets are bytes like any other, and what is looked for is a wrong use of memory. */
#include <stdlib.h>
#include <string.h>

#include "marks.h"
#include "secftp.h"

void mark_secret(void *bytes, size_t count) {
    (void)bytes;
    (void)count;
}

void mark_public(void *bytes, size_t count) {
    (void)bytes;
    (void)count;
}

void marks_next_draws(const char *kinds) { (void)kinds; }

/* A reply that is one byte too short: the core reads beyond it. */
int marks_planted(void) {
    static const uint8_t name[SECFTP_NAME_BYTES];
    uint8_t hello[SECFTP_CLIENT_HELLO_BYTES], finish[SECFTP_CLIENT_FINISH_BYTES];
    volatile size_t too_few = SECFTP_SERVER_HELLO_BYTES - 1; /* volatile: the compiler would see it, too */
    uint8_t *reply = malloc(too_few);
    secftp_password *password = NULL;
    secftp_client *client = NULL;
    secftp_sealer *sealer = NULL;
    secftp_opener *opener = NULL;
    if (reply == NULL || secftp_password_anonymous(&password) != SECFTP_OK ||
        secftp_client_start(password, SECFTP_SUITE_AES128, SECFTP_MODE_ANONYMOUS, name, hello, &client) != SECFTP_OK) {
        return 3;
    }
    memset(reply, 0, too_few);
    int status = secftp_client_finish(client, reply, finish, &sealer, &opener);
    secftp_client_free(client);
    secftp_password_free(password);
    free(reply);
    return status == SECFTP_REFUSED ? 0 : 3;
}
