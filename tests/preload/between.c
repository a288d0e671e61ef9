/* A signal between Python's look for signals and the system call that waits.
 *
 * BETWEEN_CALL names a call. The first time that the main thread makes it, as one that may wait, while the file
 * BETWEEN_WHEN is there, that file is removed, BETWEEN_SIGNAL is sent to this thread, its handler in C has run, and
 * only then the call goes on to the system. A handler in Python has had no chance to run by then. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void between(const char *call) {
    const char *wanted = getenv("BETWEEN_CALL"), *when = getenv("BETWEEN_WHEN"), *number = getenv("BETWEEN_SIGNAL");
    int before = errno;
    if (wanted != NULL && when != NULL && number != NULL && strcmp(wanted, call) == 0 && gettid() == getpid() &&
        unlink(when) == 0) {
        pthread_kill(pthread_self(), atoi(number));
    }
    errno = before;
}

/* Whether a descriptor is one on which a call may wait for long. */
static int waits(int fd) {
    struct stat status;
    return fstat(fd, &status) == 0 && (S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode) || isatty(fd));
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int epoll_wait(int epfd, struct epoll_event *events, int max, int timeout) {
    if (timeout < 0) { /* a server without connections */
        between("epoll_wait");
    }
    return NEXT(epoll_wait)(epfd, events, max, timeout);
}

int poll(struct pollfd *fds, nfds_t count, int timeout) {
    if (timeout != 0) {
        between("poll");
    }
    return NEXT(poll)(fds, count, timeout);
}

int __poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t size) {
    (void)size;
    return poll(fds, count, timeout);
}

int select(int count, fd_set *in, fd_set *out, fd_set *other, struct timeval *timeout) {
    if (timeout == NULL || timeout->tv_sec != 0 || timeout->tv_usec != 0) {
        between("select");
    }
    return NEXT(select)(count, in, out, other, timeout);
}

ssize_t read(int fd, void *out, size_t count) {
    if (waits(fd)) {
        between("read");
    }
    return NEXT(read)(fd, out, count);
}

ssize_t readv(int fd, const struct iovec *out, int count) {
    if (waits(fd)) {
        between("readv");
    }
    return NEXT(readv)(fd, out, count);
}

ssize_t write(int fd, const void *from, size_t count) {
    if (waits(fd)) {
        between("write");
    }
    return NEXT(write)(fd, from, count);
}

ssize_t writev(int fd, const struct iovec *from, int count) {
    if (waits(fd)) {
        between("writev");
    }
    return NEXT(writev)(fd, from, count);
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *wanted, struct timespec *left) {
    between("clock_nanosleep");
    return NEXT(clock_nanosleep)(clock, flags, wanted, left);
}

int sem_wait(sem_t *sem) {
    between("lock");
    return NEXT(sem_wait)(sem);
}

int sem_timedwait(sem_t *sem, const struct timespec *until) {
    between("lock");
    return NEXT(sem_timedwait)(sem, until);
}

int sem_clockwait(sem_t *sem, clockid_t clock, const struct timespec *until) {
    between("lock");
    return NEXT(sem_clockwait)(sem, clock, until);
}

pid_t waitpid(pid_t pid, int *status, int options) {
    if ((options & WNOHANG) == 0) {
        between("waitpid");
    }
    return NEXT(waitpid)(pid, status, options);
}

static int opened(const char *path, int flags, mode_t mode, const char *name) {
    struct stat status;
    if (stat(path, &status) == 0 && S_ISFIFO(status.st_mode)) {
        between("open");
    }
    return ((int (*)(const char *, int, ...))dlsym(RTLD_NEXT, name))(path, flags, mode);
}

int open(const char *path, int flags, ...) {
    __builtin_va_list arguments;
    __builtin_va_start(arguments, flags);
    mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? __builtin_va_arg(arguments, mode_t) : 0;
    __builtin_va_end(arguments);
    return opened(path, flags, mode, "open");
}

int open64(const char *path, int flags, ...) {
    __builtin_va_list arguments;
    __builtin_va_start(arguments, flags);
    mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? __builtin_va_arg(arguments, mode_t) : 0;
    __builtin_va_end(arguments);
    return opened(path, flags, mode, "open64");
}
