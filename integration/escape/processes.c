/* Processes outside: one whose id the test gives (ESCAPE_PID), and whatever else can be found. */
#include "escape.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t victim(void)
{
    const char *text = getenv("ESCAPE_PID");

    if (!text) {
        fprintf(stderr, "escape: ESCAPE_PID is not set\n");
        exit(2);
    }
    return atoi(text);
}

static struct verdict signal_one(const char *unused)
{
    (void)unused;
    return judge(kill(victim(), 0), "it can be killed");
}

static struct verdict ptrace_one(const char *unused)
{
    pid_t pid = victim();
    long rc = ptrace(PTRACE_SEIZE, pid, NULL, NULL);

    (void)unused;
    if (rc == 0)
        ptrace(PTRACE_DETACH, pid, NULL, NULL);
    return judge(rc, "traced");
}

static struct verdict read_memory(const char *unused)
{
    char byte;
    struct iovec to = {&byte, 1}, from = {(void *)1, 1};

    (void)unused;
    /* the address is nobody's: EFAULT is the answer of a kernel that has permitted it */
    if (syscall(SYS_process_vm_readv, victim(), &to, 1, &from, 1, 0) < 0 && errno != EFAULT)
        return refused(errno);
    return escaped("its memory can be read");
}

static struct verdict open_of(const char *file)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%d/%s", (int)victim(), file);
    return judge(open(path, strcmp(file, "mem") == 0 ? O_RDWR | O_CLOEXEC : O_RDONLY | O_CLOEXEC),
                 path);
}

static struct verdict take_fd(const char *unused)
{
    int pidfd = (int)syscall(SYS_pidfd_open, victim(), 0);

    (void)unused;
    return pidfd < 0 ? refused(errno)
                     : judge(syscall(SYS_pidfd_getfd, pidfd, 0, 0), "its descriptor 0");
}

static struct verdict compare(const char *unused)
{
    (void)unused;
    return judge(syscall(SYS_kcmp, getpid(), victim(), 2 /* KCMP_FILES */, 0, 0), "compared");
}

static struct verdict limit(const char *unused)
{
    struct rlimit old;

    (void)unused;
    return judge(prlimit(victim(), RLIMIT_NOFILE, NULL, &old), "its limits");
}

static struct verdict see_priority(const char *unused)
{
    (void)unused;
    errno = 0;
    return judge(getpriority(PRIO_PROCESS, (id_t)victim()) < 0 && errno ? -1 : 0, "its priority");
}

/* A process that is no descendant of process 1 as it is seen here, looked for by id rather than in
 * /proc. */
static struct verdict find_hidden(const char *unused)
{
    (void)unused;
    for (pid_t pid = 2; pid < 1 << 16; pid++) {
        char path[32];
        int fd = (int)syscall(SYS_pidfd_open, pid, 0);

        if (fd < 0 && errno != ESRCH && errno != EINVAL && errno != ENOENT)
            return refused(errno);
        if (fd < 0)
            continue;
        close(fd);
        snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
        if (pid != getpid() && pid != getppid() && access(path, F_OK) < 0)
            return escaped("process %d", (int)pid);
        if (pid > 1000) /* a namespace of a few processes has no such id */
            return escaped("process %d", (int)pid);
    }
    return harmless("there is none");
}

/* Where the magic links of a process lead. */
static const char *foreign_link(const char *pid)
{
    static const char *const links[] = {"root", "cwd", "exe"};
    static char path[512];
    DIR *fds;
    const struct dirent *e;
    int fd;
    bool found = false;

    for (size_t i = 0; !found && i < 3; i++) {
        snprintf(path, sizeof path, "/proc/%.20s/%s", pid, links[i]);
        fd = open(path, O_PATH | O_CLOEXEC);
        found = fd >= 0 && is_foreign(fd);
        if (fd >= 0)
            close(fd);
    }
    if (found)
        return path;
    snprintf(path, sizeof path, "/proc/%.20s/fd", pid);
    fds = opendir(path);
    while (fds && !found && (e = readdir(fds))) {
        snprintf(path, sizeof path, "/proc/%.20s/fd/%.255s", pid, e->d_name);
        fd = open(path, O_PATH | O_CLOEXEC);
        found = fd >= 0 && is_foreign(fd);
        if (fd >= 0)
            close(fd);
    }
    if (fds)
        closedir(fds);
    return found ? path : NULL;
}

static struct verdict magic_links(const char *unused)
{
    DIR *proc = opendir("/proc");
    const struct dirent *e;

    (void)unused;
    if (!proc)
        return refused(errno);
    while ((e = readdir(proc))) {
        const char *found =
            e->d_name[0] >= '1' && e->d_name[0] <= '9' ? foreign_link(e->d_name) : NULL;

        if (found)
            return escaped("%s leads out", found);
    }
    return harmless("all lead to what is mounted here");
}

const struct attack process_attacks[] = {
    {"signal", signal_one, NULL},
    {"ptrace", ptrace_one, NULL},
    {"process-vm-readv", read_memory, NULL},
    {"process", open_of, "mem"},
    {"process", open_of, "maps"},
    {"process", open_of, "environ"},
    {"process", open_of, "fd"},
    {"process", open_of, "root"},
    {"process", open_of, "cwd"},
    {"process", open_of, "exe"},
    {"process", open_of, "ns/mnt"},
    {"process", open_of, "status"},
    {"pidfd-getfd", take_fd, NULL},
    {"kcmp", compare, NULL},
    {"prlimit", limit, NULL},
    {"getpriority", see_priority, NULL},
    {"hidden-process", find_hidden, NULL},
    {"magic-links", magic_links, NULL},
    {NULL, NULL, NULL},
};
