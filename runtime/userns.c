#include "userns.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "sys.h"

#define MAP_SIZE 4096 /* the kernel takes at most a page, in one write */

/* The process that the namespace is made with: tells its pid as the mounted /proc counts (the
 * launcher counts in a pid namespace of its own), then waits for the other end to close. */
__attribute__((noreturn)) static void hold_namespace(int socket)
{
    char pid[32];
    ssize_t n = readlink("/proc/self", pid, sizeof pid);

    /* A builder that has changed its ids without an exec is not dumpable, nor are its children:
     * then /proc/PID/uid_map would belong to the host's root (proc(5)). */
    prctl(PR_SET_DUMPABLE, 1);
    if (n > 0 && write(socket, pid, (size_t)n) == n)
        while (read(socket, pid, sizeof pid) < 0 && errno == EINTR)
            ;
    _exit(0);
}

/* The launcher's own map, each line repeated: "inside outside count" becomes "inside inside count",
 * since what is inside here is the outside of the nested namespace. */
static int nested_map(const char *own_path, char map[MAP_SIZE])
{
    unsigned inside, outside, count;
    FILE *f = fopen(own_path, "re");
    int size = 0;

    if (!f)
        return -errno;
    while (fscanf(f, "%u %u %u", &inside, &outside, &count) == 3 && size < MAP_SIZE - 40)
        size +=
            snprintf(map + size, (size_t)(MAP_SIZE - size), "%u %u %u\n", inside, inside, count);
    fclose(f);
    return size > 0 ? 0 : -EINVAL;
}

static int write_file(int dir, const char *name, const char *text)
{
    size_t size = strlen(text);
    int fd = openat(dir, name, O_WRONLY | O_CLOEXEC);
    int rc = 0;

    if (fd < 0)
        return -errno;
    if (write(fd, text, size) != (ssize_t)size)
        rc = -errno;
    close(fd);
    return rc;
}

static int write_maps(int process, bool single_id, struct kilnrun_failure *failure)
{
    char map[MAP_SIZE];
    int rc;

    if (single_id && (rc = write_file(process, "setgroups", "deny")) < 0)
        return failure_set(failure, rc, "user", "write setgroups of the nested user namespace");
    if ((rc = nested_map("/proc/self/uid_map", map)) < 0 ||
        (rc = write_file(process, "uid_map", map)) < 0)
        return failure_set(failure, rc, "user", "write uid_map of the nested user namespace");
    if ((rc = nested_map("/proc/self/gid_map", map)) < 0 ||
        (rc = write_file(process, "gid_map", map)) < 0)
        return failure_set(failure, rc, "user", "write gid_map of the nested user namespace");
    return 0;
}

static int map_and_open(int socket, bool single_id, struct kilnrun_failure *failure)
{
    char pid[32], path[64];
    ssize_t n = read(socket, pid, sizeof pid - 1);
    int process, ns, rc;

    if (n <= 0)
        return failure_set(failure, n < 0 ? -errno : -EPIPE, "user",
                           "read /proc/self in the nested user namespace (is /proc mounted?)");
    pid[n] = 0;
    snprintf(path, sizeof path, "/proc/%s", pid);
    process = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (process < 0)
        return failure_set(failure, -errno, "user", "open %s", path);
    rc = write_maps(process, single_id, failure);
    ns = rc < 0 ? rc : openat(process, "ns/user", O_RDONLY | O_CLOEXEC);
    if (rc == 0 && ns < 0)
        ns = failure_set(failure, -errno, "user", "open %s/ns/user", path);
    close(process);
    return ns;
}

int userns_make(bool single_id, struct kilnrun_failure *failure)
{
    int sockets[2], pidfd = -1, ns;
    siginfo_t info;
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0)
        return failure_set(failure, -errno, "user", "socketpair");
    pid = sys_clone(CLONE_NEWUSER, &pidfd);
    if (pid == 0) {
        close(sockets[0]);
        hold_namespace(sockets[1]);
    }
    close(sockets[1]);
    if (pid < 0) {
        ns = failure_set(failure, -errno, "user",
                         "make a nested user namespace (user.max_user_namespaces?)");
        close(sockets[0]);
        return ns;
    }
    ns = map_and_open(sockets[0], single_id, failure);
    close(sockets[0]);
    while (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) < 0 && errno == EINTR)
        ;
    close(pidfd);
    return ns;
}
