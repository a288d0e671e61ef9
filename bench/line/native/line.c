/* A network line between two namespaces of its own: `line ADDRESS_A ADDRESS_B MTU`.
 *
 * Makes two network namespaces with a TUN device each, and forwards every packet from one to the other with a delay, a
 * rate, a drop-tail queue, seeded loss and reordering. Nothing reaches it from outside, and nothing leaves it. Says
 * "PID FD_A FD_B" once it stands: /proc/PID/fd/FD_A is the first namespace, for nsenter(1) or setns(2).
 *
 * Then it reads commands from standard input, and ends with that:
 *   set DELAY_US RATE QUEUE LOSS_PPM REORDER_PPM REORDER_US SEED   each way; RATE in bytes a second, QUEUE in bytes
 *   count                                                         answers with packets of both ways, turns, connections
 *   cut NUMBER                                                    that connection since `set`, from 0 on, for good
 *
 * A turn is a packet that may answer one from the other end: the longest chain of them, halved, is how many round trips
 * were waited for one after the other. Only the beginning of a connection and packets with data count, not bare
 * acknowledgements. Connections are those that the first end has begun since `set`.
 *
 * A second process forwards; the first waits for it, and then kills whatever is left in the namespaces. So nothing
 * stays behind a user that was killed, or when one of the two is.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NAME "line0"
#define MTU_MAX 9000
#define SLOTS (1u << 16) /* packets under way in one direction */
#define TURN 256
#define DEVICE_QUEUE 20000 /* packets: so that none is dropped but by the queue of the line */
#define NICE (-15)
#define PREFIX "255.255.255.0"
#define SECOND UINT64_C(1000000000)
#define MILLION 1000000u

struct packet {
    uint64_t due; /* nanoseconds, CLOCK_MONOTONIC */
    uint64_t turn;
    uint32_t size;
    uint8_t *bytes;
};

struct fifo {
    struct packet *slots;
    uint32_t first;
    uint32_t count;
};

struct settings {
    uint64_t delay;   /* nanoseconds */
    uint64_t rate;    /* bytes a second; 0: without a limit */
    uint64_t queue;   /* bytes that wait for the rate */
    uint32_t loss;    /* packets in a million */
    uint32_t reorder; /* packets in a million that come later than those behind them */
    uint64_t later;   /* nanoseconds */
};

struct direction {
    int in;
    int out;
    struct fifo straight;
    struct fifo late;
    uint64_t free_at; /* when the last packet so far has left the queue */
    uint64_t random;
    uint64_t packets; /* that were forwarded or are under way */
    uint64_t bytes;
    uint64_t lost;   /* by chance */
    uint64_t tailed; /* because the queue was full */
    uint64_t turn;   /* the last one that has arrived at the sender */
    struct direction *back;
};

static struct settings line;
static struct port {
    uint32_t number; /* of the last connection from it; 0: none */
    uint32_t first_sequence;
    bool is_cut;
} ports[1 << 16];
static uint32_t connections;
static uint32_t connections_before; /* the last `set` */
static uint32_t mtu;

static void die(const char *what) {
    fprintf(stderr, "line: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

/* xorshift64*: the same packets are lost in every run with the same seed and the same traffic. */
static bool chance(struct direction *d, uint32_t in_a_million) {
    if (in_a_million == 0)
        return false;
    d->random ^= d->random >> 12;
    d->random ^= d->random << 25;
    d->random ^= d->random >> 27;
    return (uint32_t)((d->random * UINT64_C(2685821657736338717)) >> 32) % MILLION < in_a_million;
}

/* --- namespaces and devices --------------------------------------------------------------------------------------- */

static void interface(const char *name, const char *address) {
    struct ifreq r;
    struct sockaddr_in *in = (struct sockaddr_in *)&r.ifr_addr;
    int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (s < 0)
        die("socket");
    memset(&r, 0, sizeof r);
    strncpy(r.ifr_name, name, sizeof r.ifr_name - 1);
    if (address != NULL) {
        in->sin_family = AF_INET;
        if (inet_pton(AF_INET, address, &in->sin_addr) != 1 || ioctl(s, SIOCSIFADDR, &r) < 0)
            die("address");
        inet_pton(AF_INET, PREFIX, &in->sin_addr);
        if (ioctl(s, SIOCSIFNETMASK, &r) < 0)
            die("netmask");
        r.ifr_mtu = (int)mtu;
        if (ioctl(s, SIOCSIFMTU, &r) < 0)
            die("MTU");
        r.ifr_qlen = DEVICE_QUEUE;
        if (ioctl(s, SIOCSIFTXQLEN, &r) < 0)
            die("queue");
    }
    if (ioctl(s, SIOCGIFFLAGS, &r) < 0)
        die("flags");
    r.ifr_flags |= IFF_UP;
    if (ioctl(s, SIOCSIFFLAGS, &r) < 0)
        die("up");
    close(s);
}

/* The kernel's own packets of IPv6 would be counted; a kernel without IPv6 has no such file. */
static void without_ipv6(void) {
    int file = open("/proc/sys/net/ipv6/conf/all/disable_ipv6", O_WRONLY | O_CLOEXEC);
    if (file < 0)
        return;
    if (write(file, "1", 1) != 1)
        die("IPv6");
    close(file);
}

/* Enters a new namespace; the descriptor of its device, and in *name_space one of itself. */
static int name_space_with_device(const char *address, int *name_space) {
    struct ifreq r;
    int tun;
    if (unshare(CLONE_NEWNET) < 0)
        die("unshare");
    *name_space = open("/proc/self/ns/net", O_RDONLY);
    tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (*name_space < 0 || tun < 0)
        die("/dev/net/tun");
    memset(&r, 0, sizeof r);
    strncpy(r.ifr_name, NAME, sizeof r.ifr_name - 1);
    r.ifr_flags = IFF_TUN | IFF_NO_PI;
    if (ioctl(tun, TUNSETIFF, &r) < 0)
        die("TUNSETIFF");
    without_ipv6();
    interface("lo", NULL);
    interface(NAME, address);
    return tun;
}

/* --- packets ------------------------------------------------------------------------------------------------------ */

static void prepare(struct fifo *f) {
    f->slots = calloc(SLOTS, sizeof *f->slots);
    if (f->slots == NULL)
        die("memory");
}

/* Appends a packet; its bytes are freed when it is handed over, so that memory is that of the packets under way. */
static void append(struct fifo *f, const uint8_t *bytes, uint32_t size, uint64_t due, uint64_t turn) {
    struct packet *p = &f->slots[(f->first + f->count++) % SLOTS];
    if ((p->bytes = malloc(size)) == NULL)
        die("memory");
    memcpy(p->bytes, bytes, size);
    p->size = size;
    p->due = due;
    p->turn = turn;
}

/* A packet of TCP, as far as it matters here. */
struct segment {
    struct port *port; /* of the first end */
    bool tells; /* begins a connection, or has data */
};

/* Counts the connections that the first end begins; one whose first packet is repeated counts once. */
static struct segment examine(const uint8_t *bytes, size_t size, bool is_first_end) {
    struct segment s = {NULL, false};
    struct iphdr ip;
    struct tcphdr tcp;
    size_t head;
    if (size < sizeof ip)
        return s;
    memcpy(&ip, bytes, sizeof ip);
    head = (size_t)ip.ihl * 4;
    if (ip.protocol != IPPROTO_TCP || size < head + sizeof tcp)
        return s;
    memcpy(&tcp, bytes + head, sizeof tcp);
    s.port = &ports[is_first_end ? tcp.source : tcp.dest];
    s.tells = tcp.syn || size > head + (size_t)tcp.doff * 4;
    if (is_first_end && tcp.syn && !tcp.ack && (s.port->number == 0 || s.port->first_sequence != tcp.seq)) {
        s.port->first_sequence = tcp.seq;
        s.port->number = ++connections;
        s.port->is_cut = false;
    }
    return s;
}

static bool cut(uint32_t number) {
    for (size_t i = 0; i < sizeof ports / sizeof *ports; i++)
        if (ports[i].number == number) {
            ports[i].is_cut = true;
            return true;
        }
    return false;
}

/* Takes in packets that the namespace has sent: no more at a time than keeps the others on time. */
static void take(struct direction *d, bool is_first_end) {
    static uint8_t bytes[MTU_MAX];
    for (int turn = 0; turn < TURN; turn++) {
        struct fifo *f = &d->straight;
        uint64_t begins, t, waiting, later = 0;
        struct segment segment;
        ssize_t size = read(d->in, bytes, sizeof bytes);
        if (size < 0 && errno == EINTR)
            continue;
        if (size <= 0)
            return;
        if (chance(d, line.reorder)) {
            f = &d->late;
            later = line.later;
        }
        segment = examine(bytes, (size_t)size, is_first_end);
        if (segment.port != NULL && segment.port->is_cut)
            continue;
        t = now();
        begins = d->free_at > t ? d->free_at : t;
        waiting = line.rate ? (begins - t) * line.rate / SECOND : 0;
        if (f->count == SLOTS || waiting + (uint64_t)size > line.queue) {
            d->tailed++;
            continue;
        }
        d->free_at = begins + (line.rate ? (uint64_t)size * SECOND / line.rate : 0);
        if (chance(d, line.loss)) { /* behind the queue, as on the way */
            d->lost++;
            continue;
        }
        append(f, bytes, (uint32_t)size, d->free_at + line.delay + later, segment.tells ? d->turn + 1 : 0);
        d->packets++;
        d->bytes += (uint64_t)size;
    }
}

/* The FIFO whose first packet is due first; NULL if there is none. */
static struct fifo *next(struct direction *d) {
    struct fifo *a = &d->straight, *b = &d->late;
    if (a->count == 0 || (b->count != 0 && b->slots[b->first].due < a->slots[a->first].due))
        return b->count != 0 ? b : NULL;
    return a;
}

/* Hands over what is due; the time at which the next one is, or UINT64_MAX. */
static uint64_t give(struct direction *d) {
    struct fifo *f;
    while ((f = next(d)) != NULL) {
        struct packet *p = &f->slots[f->first];
        if (p->due > now())
            return p->due;
        if (write(d->out, p->bytes, p->size) < 0 && errno == EINTR)
            continue;
        if (p->turn > d->back->turn)
            d->back->turn = p->turn;
        free(p->bytes);
        f->first = (f->first + 1) % SLOTS;
        f->count--;
    }
    return UINT64_MAX;
}

/* --- commands ----------------------------------------------------------------------------------------------------- */

/* What is under way belongs to no chain of turns any more. */
static void forget_turns(struct fifo *f) {
    for (uint32_t i = 0; i < f->count; i++)
        f->slots[(f->first + i) % SLOTS].turn = 0;
}

static void obey(char *command, struct direction *ways) {
    struct settings s;
    uint64_t seed;
    uint32_t number;
    if (sscanf(command, "set %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu32 " %" SCNu32 " %" SCNu64 " %" SCNu64,
               &s.delay, &s.rate, &s.queue, &s.loss, &s.reorder, &s.later, &seed) == 7) {
        s.delay *= 1000;
        s.later *= 1000;
        line = s;
        connections_before = connections;
        for (int i = 0; i < 2; i++) {
            ways[i].random = (seed + 1) * UINT64_C(0x9E3779B97F4A7C15) + (uint64_t)i;
            ways[i].packets = ways[i].bytes = ways[i].lost = ways[i].tailed = ways[i].turn = 0;
            forget_turns(&ways[i].straight);
            forget_turns(&ways[i].late);
        }
        puts("set");
    } else if (strncmp(command, "count", 5) == 0) {
        for (int i = 0; i < 2; i++)
            printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " ", ways[i].packets, ways[i].bytes, ways[i].lost,
                   ways[i].tailed);
        printf("%" PRIu64 " %" PRIu32 "\n", ways[0].turn > ways[1].turn ? ways[0].turn : ways[1].turn,
               connections - connections_before);
    } else if (sscanf(command, "cut %" SCNu32, &number) == 1) {
        puts(cut(connections_before + 1 + number) ? "cut" : "unknown");
    } else {
        puts("unknown");
    }
}

static void run(struct direction *ways) {
    struct pollfd fds[3] = {{.fd = ways[0].in, .events = POLLIN},
                            {.fd = ways[1].in, .events = POLLIN},
                            {.fd = STDIN_FILENO, .events = POLLIN}};
    char command[256];
    for (;;) {
        uint64_t a = give(&ways[0]), b = give(&ways[1]), due = a < b ? a : b, t = now();
        struct timespec wait = {0, 0};
        if (due != UINT64_MAX && due > t) {
            wait.tv_sec = (time_t)((due - t) / SECOND);
            wait.tv_nsec = (long)((due - t) % SECOND);
        }
        if (ppoll(fds, 3, due == UINT64_MAX ? NULL : &wait, NULL) < 0 && errno != EINTR)
            die("poll");
        take(&ways[0], true);
        take(&ways[1], false);
        if (fds[2].revents != 0) {
            if (fgets(command, sizeof command, stdin) == NULL)
                return;
            obey(command, ways);
            fflush(stdout);
        }
    }
}

/* --- processes ---------------------------------------------------------------------------------------------------- */

static bool is_in(const char *pid, const int *name_spaces) {
    char path[64];
    struct stat here, there;
    snprintf(path, sizeof path, "/proc/%.20s/ns/net", pid);
    if (stat(path, &here) < 0)
        return false;
    for (int i = 0; i < 2; i++)
        if (fstat(name_spaces[i], &there) == 0 && here.st_dev == there.st_dev && here.st_ino == there.st_ino)
            return true;
    return false;
}

/* Kills the processes in the namespaces, until there is none that began meanwhile. */
static void empty(const int *name_spaces) {
    bool found = true;
    for (int turn = 0; found && turn < 100; turn++) {
        const struct timespec moment = {0, 10 * 1000 * 1000};
        struct dirent *entry;
        DIR *all = opendir("/proc");
        if (all == NULL)
            die("/proc");
        found = false;
        while ((entry = readdir(all)) != NULL) {
            pid_t pid = isdigit((unsigned char)entry->d_name[0]) ? (pid_t)atoi(entry->d_name) : 0;
            if (pid > 0 && pid != getpid() && is_in(entry->d_name, name_spaces)) {
                kill(pid, SIGKILL);
                found = true;
            }
        }
        closedir(all);
        if (found)
            nanosleep(&moment, NULL);
    }
}

/* Waits for the process that forwards, and leaves nothing behind. */
static int attend(pid_t forwarding, const int *name_spaces) {
    int status = 1;
    while (waitpid(forwarding, &status, 0) < 0 && errno == EINTR)
        continue;
    empty(name_spaces);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(int argc, char **argv) {
    struct direction ways[2];
    int name_spaces[2], devices[2], home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    pid_t first = getpid(), forwarding;
    memset(ways, 0, sizeof ways);
    if (argc != 4 || (mtu = (uint32_t)atoi(argv[3])) < 576 || mtu > MTU_MAX) {
        fprintf(stderr, "usage: line ADDRESS_A ADDRESS_B MTU\n");
        return 2;
    }
    for (int i = 0; i < 2; i++)
        devices[i] = name_space_with_device(argv[1 + i], &name_spaces[i]);
    for (int i = 0; i < 2; i++) {
        ways[i].in = devices[i];
        ways[i].out = devices[1 - i];
        ways[i].back = &ways[1 - i];
        prepare(&ways[i].straight);
        prepare(&ways[i].late);
    }
    line.queue = UINT64_MAX / 2;
    if (home < 0 || setns(home, CLONE_NEWNET) < 0)
        die("setns");
    if ((forwarding = fork()) < 0)
        die("fork");
    if (forwarding > 0)
        return attend(forwarding, name_spaces);
    prctl(PR_SET_TIMERSLACK, 1);
    setpriority(PRIO_PROCESS, 0, NICE); /* else a busy machine adds to the delay; it works without, too */
    setvbuf(stdin, NULL, _IONBF, 0);
    printf("%d %d %d\n", (int)first, name_spaces[0], name_spaces[1]);
    fflush(stdout);
    run(ways);
    if (getppid() != first)
        empty(name_spaces);
    return 0;
}
