/* A file system without locks, for one process: flock(2) fails with the number in LOCKS_ERRNO, or is always granted,
 * to whatever descriptor, if that is 0. */
#include <errno.h>
#include <stdlib.h>

int flock(int fd, int operation);

int flock(int fd, int operation) {
    const char *number = getenv("LOCKS_ERRNO");
    (void)fd;
    (void)operation;
    if (number == NULL || atoi(number) == 0)
        return 0;
    errno = atoi(number);
    return -1;
}
