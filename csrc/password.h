/* Stretched key: computed once per key and shared by all its handshakes. */
#ifndef SECFTP_PASSWORD_H
#define SECFTP_PASSWORD_H

#include <openssl/ec.h>

#include "secftp.h"

struct secftp_password {
    EC_GROUP *group;
    EC_POINT *client_mask; /* w·M */
    EC_POINT *server_mask; /* w·N */
    uint8_t secret[SECFTP_SECRET_BYTES];
};

#endif
