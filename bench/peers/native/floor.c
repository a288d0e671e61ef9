/* The least that moving a file over TCP costs: `floor SOURCE TARGET`.
 *
 * The system calls of a transfer and nothing else: one process reads and sends, the other receives and writes, 1 MiB at
 * a time, over loopback. No encryption, no protocol, no digest, one thread at each end.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define BATCH (1u << 20)

static char buffer[BATCH];

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void move_all(int from, int to) {
    ssize_t size, done;
    while ((size = read(from, buffer, sizeof buffer)) > 0)
        for (ssize_t at = 0; at < size; at += done)
            if ((done = write(to, buffer + at, (size_t)(size - at))) <= 0)
                die("write");
    if (size < 0)
        die("read");
}

static void receive(int listener, const char *target) {
    int connection = accept(listener, NULL, NULL);
    int file = open(target, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (connection < 0 || file < 0)
        die(target);
    move_all(connection, file);
    if (close(file) < 0)
        die(target);
}

int main(int argc, char **argv) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), connection, file, status;
    pid_t receiver;
    if (argc != 3) {
        fprintf(stderr, "usage: floor SOURCE TARGET\n");
        return 2;
    }
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, size) < 0 || listen(listener, 1) < 0 ||
        getsockname(listener, (struct sockaddr *)&address, &size) < 0)
        die("listen");
    if ((receiver = fork()) < 0)
        die("fork");
    if (receiver == 0) {
        receive(listener, argv[2]);
        return 0;
    }
    close(listener);
    connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    file = open(argv[1], O_RDONLY | O_CLOEXEC);
    if (file < 0)
        die(argv[1]);
    if (connection < 0 || connect(connection, (struct sockaddr *)&address, size) < 0)
        die("connect");
    move_all(file, connection);
    close(connection);
    if (waitpid(receiver, &status, 0) < 0 || status != 0)
        return 1;
    return 0;
}
