/* Which bytes are secret. In one build these do nothing; in the other (secrets.c) they tell valgrind. */
#ifndef SECFTP_TEST_MARKS_H
#define SECFTP_TEST_MARKS_H

#include <stddef.h>

void mark_secret(void *bytes, size_t count);
void mark_public(void *bytes, size_t count);

/* One letter for each draw of randomness to come: s, secret; p, public (it goes on the wire). */
void marks_next_draws(const char *kinds);

/* Does what the judge of this build must find: an overrun, or a branch on a secret. */
int marks_planted(void);

#endif
