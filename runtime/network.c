#include "network.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "close.h"
#include "failure.h"
#include "sys.h"
#include "wire.h"

#define START_SECONDS 20 /* for pasta: usually 0.03 */

/* Where pasta finds the namespace: in the first of these directories that is there, below a tmpfs
 * of the keeper's own mount namespace. Below /run/user because that is what AppArmor's profile for
 * it allows (passt's contrib/apparmor, abstractions/pasta). A path below /proc/PID would be refused
 * to pasta, which gives up the capability for that. */
static const char *const places[] = {"/run/user", "/mnt", "/run"};
#define N_PLACES (sizeof places / sizeof places[0])

enum { SOCKET = 3, USER_NS = 4 }; /* the only fds that the keeper keeps, besides 0, 1 and 2 */

struct keeper {
    struct kilnrun_network_spec spec;
    struct kilnrun_failure failure;
    struct wire_message message;
    int ns;        /* the network namespace */
    char path[64]; /* where it is bound */
};

/* --- The spec -------------------------------------------------------------------------------- */

int network_pack(const struct kilnrun_network_spec *spec, char *bytes, size_t room)
{
    const char *const words[] = {spec->pasta, spec->dns_server, spec->dns_address};
    size_t size = 0;

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        size_t length = words[i] ? strlen(words[i]) : 0;

        if (size + length + 1 > room)
            return -E2BIG;
        memcpy(bytes + size, words[i] ? words[i] : "", length + 1);
        size += length + 1;
    }
    return (int)size;
}

static int unpack(struct kilnrun_network_spec *spec, const char *bytes, size_t size)
{
    const char **words[] = {&spec->pasta, &spec->dns_server, &spec->dns_address};
    const char *end = bytes + size;

    if (size == 0 || end[-1] != 0)
        return -EPROTO;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (bytes == end)
            return -EPROTO;
        *words[i] = *bytes ? bytes : NULL;
        bytes += strlen(bytes) + 1;
    }
    return 0;
}

/* --- The namespace --------------------------------------------------------------------------- */

static int loopback_up(void)
{
    struct ifreq loopback = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int rc = fd < 0 || ioctl(fd, SIOCSIFFLAGS, &loopback) < 0 ? -errno : 0;

    if (fd >= 0)
        close(fd);
    return rc;
}

/* Whoever is in the nested user namespace belongs to it: a child, that the keeper need not. */
static int in_namespace(struct keeper *k)
{
    int rc;

    if (setns(USER_NS, CLONE_NEWUSER) < 0)
        return failure_set(&k->failure, -errno, "network", "enter the nested user namespace");
    if (unshare(CLONE_NEWNET) < 0)
        return failure_set(&k->failure, -errno, "network", "make a network namespace");
    if ((rc = loopback_up()) < 0)
        return failure_set(&k->failure, rc, "network", "bring up the loopback device");
    k->ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    return k->ns < 0 ? failure_set(&k->failure, -errno, "network", "open /proc/self/ns/net") : 0;
}

static void answer(int socket, const struct keeper *k)
{
    if (k->failure.error)
        wire_send(socket, WIRE_FAILURE, 0, &k->failure, sizeof k->failure, NULL, 0);
    else
        wire_send(socket, WIRE_NETWORK, 0, NULL, 0, &k->ns, 1);
}

static int make_namespace(struct keeper *k)
{
    int sockets[2], pidfd = -1, rc;
    size_t size, n = 1;
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
        return failure_set(&k->failure, -errno, "network", "socketpair");
    pid = sys_clone(0, &pidfd);
    if (pid == 0) {
        in_namespace(k);
        answer(sockets[1], k);
        _exit(0);
    }
    close(sockets[1]);
    rc = pid < 0 ? -errno : wire_receive(sockets[0], &k->message, &size, &k->ns, &n);
    close(sockets[0]);
    if (pid > 0) {
        close(pidfd);
        waitpid(pid, NULL, 0);
    }
    if (rc < 0)
        return failure_set(&k->failure, rc, "network", "make a network namespace");
    if (k->message.type == WIRE_FAILURE && size == sizeof k->failure) {
        memcpy(&k->failure, k->message.body, size);
        return k->failure.error;
    }
    return n == 1 ? 0 : failure_set(&k->failure, -EPROTO, "network", "make a network namespace");
}

/* --- pasta ----------------------------------------------------------------------------------- */

/* pasta forwards to the first server that resolv.conf(5) names; its --dns says something else. The
 * file that is covered may be reached by a link. */
static int place_resolv(struct keeper *k, int dir, const char *path)
{
    int fd = openat(dir, "resolv.conf", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

    if (fd < 0 || dprintf(fd, "nameserver %s\n", k->spec.dns_server) < 0 ||
        mount(path, "/etc/resolv.conf", NULL, MS_BIND, NULL) < 0)
        return failure_set(&k->failure, -errno, "network", "cover /etc/resolv.conf for pasta");
    close(fd);
    return 0;
}

/* In a mount namespace of the keeper's own. */
static int place_namespace(struct keeper *k)
{
    static const char *const directories[] = {"0", "0/netns"};
    char path[sizeof k->path];
    size_t i = 0;
    int dir, fd;

    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
        return failure_set(&k->failure, -errno, "network", "a mount namespace for pasta");
    while (i < N_PLACES && mount("kiln", places[i], "tmpfs", 0, "mode=755") < 0)
        i++;
    if (i == N_PLACES)
        return failure_set(&k->failure, -errno, "network", "mount a tmpfs on /run for pasta");
    dir = open(places[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (size_t n = 0; n < sizeof directories / sizeof directories[0]; n++)
        if (mkdirat(dir, directories[n], 0755) < 0)
            return failure_set(&k->failure, -errno, "network", "mkdir %s/%s", places[i],
                               directories[n]);
    snprintf(path, sizeof path, "/proc/self/fd/%d", k->ns);
    snprintf(k->path, sizeof k->path, "%s/0/netns/kiln", places[i]);
    fd = open(k->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0 || mount(path, k->path, NULL, MS_BIND, NULL) < 0)
        return failure_set(&k->failure, -errno, "network", "bind the network namespace");
    snprintf(path, sizeof path, "%s/resolv.conf", places[i]);
    if (k->spec.dns_server && place_resolv(k, dir, path) < 0)
        return k->failure.error;
    close(fd);
    close(dir);
    return 0;
}

/* Nothing of the host is forwarded into the namespace (-t, -u) or out of it to the host's loopback
 * device (-T, -U, --no-map-gw), and the host's addresses are not looked up again.
 * It has its powers in the nested user namespace alone, where it is the root that it must not be
 * outside (--runas). */
__attribute__((noreturn)) static void become_pasta(const struct keeper *k, int output)
{
    const bool dns = k->spec.dns_server && k->spec.dns_address;
    const char *const argv[] = {"pasta",
                                "--quiet",
                                "--config-net",
                                "--netns-only",
                                "--no-netns-quit",
                                "--netns",
                                k->path,
                                "--runas",
                                "0",
                                "--no-map-gw",
                                "-t",
                                "none",
                                "-u",
                                "none",
                                "-T",
                                "none",
                                "-U",
                                "none",
                                dns ? "--dns-forward" : NULL,
                                k->spec.dns_address,
                                NULL};
    const char *const env[] = {NULL};

    if (setns(USER_NS, CLONE_NEWUSER) < 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0)
        _exit(126);
    execve(k->spec.pasta, (char *const *)argv, (char *const *)env);
    dprintf(2, "%s\n", strerror(errno));
    _exit(127);
}

static long milliseconds_since(const struct timespec *start)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (now.tv_sec - start->tv_sec) * 1000 + (now.tv_nsec - start->tv_nsec) / 1000000;
}

/* What it says until it closes its output, as it does when it goes into the background. */
static int read_output(int fd, char *text, size_t room)
{
    struct pollfd input = {.fd = fd, .events = POLLIN};
    struct timespec start;
    size_t size = 0;
    ssize_t n = 1;

    clock_gettime(CLOCK_MONOTONIC, &start);
    while (n > 0) {
        long left = START_SECONDS * 1000 - milliseconds_since(&start);
        char rest[512];

        if (left <= 0 || poll(&input, 1, (int)left) == 0)
            return -ETIMEDOUT;
        n = size + 1 < room ? read(fd, text + size, room - 1 - size) : read(fd, rest, sizeof rest);
        if (n > 0 && size + 1 < room)
            size += (size_t)n;
    }
    text[size] = 0;
    return 0;
}

/* The last line says what was fatal. */
static const char *last_line(char *text)
{
    size_t size = strlen(text);
    const char *newline;

    while (size > 0 && text[size - 1] == '\n')
        text[--size] = 0;
    newline = strrchr(text, '\n');
    return newline ? newline + 1 : text;
}

/* Until it is ready: then what was started ends with 0, and a child of it goes on. */
static int start_pasta(struct keeper *k)
{
    char text[2048] = "";
    int ends[2], pidfd = -1, status = 0, rc;
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return failure_set(&k->failure, -errno, "network", "pipe");
    pid = sys_clone(0, &pidfd);
    if (pid == 0)
        become_pasta(k, ends[1]);
    rc = pid < 0 ? -errno : 0;
    close(ends[1]);
    if (rc == 0)
        rc = read_output(ends[0], text, sizeof text);
    close(ends[0]);
    if (rc < 0)
        return failure_set(&k->failure, rc, "network", "start %s", k->spec.pasta);
    close(pidfd);
    if (waitpid(pid, &status, 0) < 0)
        return failure_set(&k->failure, -errno, "network", "wait for %s", k->spec.pasta);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return failure_set(&k->failure, -ENETDOWN, "network", "pasta: %s",
                           *text ? last_line(text) : "it ended");
    return 0;
}

/* --- The keeper ------------------------------------------------------------------------------ */

/* Until the builder wants the network no more, or pasta has ended. Process 1 gets its orphans. */
static void keep(int children)
{
    struct pollfd polls[] = {{.fd = SOCKET, .events = POLLIN}, {.fd = children, .events = POLLIN}};

    for (;;) {
        struct signalfd_siginfo info;
        pid_t pid;

        while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
            ;
        if (pid < 0 || (poll(polls, 2, -1) < 0 && errno != EINTR))
            return;
        if (polls[0].revents || (polls[1].revents && read(children, &info, sizeof info) < 0))
            return;
    }
}

static void keep_fds(const struct network_setup *setup)
{
    int user_ns = fcntl(setup->user_ns, F_DUPFD_CLOEXEC, 10);
    int socket = fcntl(setup->socket, F_DUPFD_CLOEXEC, 10);

    if (user_ns < 0 || socket < 0 || dup3(socket, SOCKET, O_CLOEXEC) < 0 ||
        dup3(user_ns, USER_NS, O_CLOEXEC) < 0 || close_from(USER_NS + 1, -1) < 0)
        _exit(1);
}

void network_run(const struct network_setup *setup)
{
    static struct keeper k; /* large; there is one a process */
    sigset_t child;
    int children, rc;

    keep_fds(setup);
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    rc = unpack(&k.spec, setup->words, setup->size);
    if (rc < 0)
        failure_set(&k.failure, rc, "network", "read what is wanted");
    else if ((rc = make_namespace(&k)) == 0 && k.spec.pasta && (rc = place_namespace(&k)) == 0)
        rc = start_pasta(&k);
    answer(SOCKET, &k);
    if (rc < 0 || !k.spec.pasta)
        _exit(0);
    close(k.ns);
    children = signalfd(-1, &child, SFD_CLOEXEC);
    if (children >= 0 && sigprocmask(SIG_BLOCK, &child, NULL) == 0)
        keep(children);
    _exit(0);
}
