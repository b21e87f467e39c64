/* What /proc and /sys hold of the host. */
#include "escape.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Opens for writing, and writes nothing. */
static struct verdict write_to(const char *path)
{
    return judge(open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC), "open for writing");
}

static struct verdict make_in(const char *path)
{
    char name[256];
    int rc;

    snprintf(name, sizeof name, "%s/kiln-escape", path);
    rc = mkdir(name, 0700);
    if (rc == 0)
        rmdir(name);
    return judge(rc, "a directory was made");
}

/* What Docker masks: there is nothing to be read. */
static struct verdict read_from(const char *path)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    char byte;
    ssize_t n = fd < 0 ? -1 : read(fd, &byte, 1);

    if (n < 0)
        return refused(errno);
    return n == 0 ? harmless("it is empty") : escaped("it can be read");
}

static struct verdict list(const char *path)
{
    DIR *dir = opendir(path);
    const struct dirent *e;

    if (!dir)
        return refused(errno);
    while ((e = readdir(dir)))
        if (e->d_name[0] != '.')
            return escaped("it holds %s", e->d_name);
    return harmless("it is empty");
}

/* What every process may write to: its own state, or what the kernel checks at the write. */
static bool is_for_all(const char *path)
{
    static const char *const names[] = {"/proc/self", "/proc/thread-self", "/proc/pressure"};

    if (strncmp(path, "/proc/", 6) == 0 && path[6] >= '0' && path[6] <= '9')
        return true;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strncmp(path, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

/* Root may open what nobody may write (mode 0444); the kernel has nothing there that would take it.
 */
static bool is_writable(int dir, const char *name)
{
    int fd = openat(dir, name, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat st;
    bool result = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_mode & 0222;

    if (fd >= 0)
        close(fd);
    return result;
}

/* The first file below that can be opened for writing. */
static const char *find_writable(int parent, const char *name, const char *path)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    static char found[4096];
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *e;
    const char *result = NULL;

    while (dir && !result && (e = readdir(dir))) {
        char below[4096];

        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        snprintf(below, sizeof below, "%.3800s/%.255s", path, e->d_name);
        if (is_for_all(below))
            continue;
        if (e->d_type == DT_DIR) {
            result = find_writable(fd, e->d_name, below);
        } else if (e->d_type == DT_REG && is_writable(fd, e->d_name)) {
            result = strcpy(found, below);
        }
    }
    if (dir)
        closedir(dir);
    return result;
}

static struct verdict scan(const char *path)
{
    const char *found = find_writable(AT_FDCWD, path, path);

    return found ? escaped("%s can be written", found) : harmless("nothing can be written");
}

const struct attack path_attacks[] = {
    /* code that the kernel runs as the host's root */
    {"write", write_to, "/proc/sys/kernel/core_pattern"},
    {"write", write_to, "/proc/sys/kernel/modprobe"},
    {"write", write_to, "/proc/sys/kernel/hotplug"},
    {"write", write_to, "/sys/kernel/uevent_helper"},
    {"write", write_to, "/proc/sys/fs/binfmt_misc/register"},
    {"write", write_to, "/proc/sys/fs/binfmt_misc/status"},
    /* the host's state */
    {"write", write_to, "/proc/sysrq-trigger"},
    {"write", write_to, "/proc/sys/kernel/sysrq"},
    {"write", write_to, "/proc/sys/kernel/hostname"},
    {"write", write_to, "/proc/sys/kernel/pid_max"},
    {"write", write_to, "/proc/sys/kernel/yama/ptrace_scope"},
    {"write", write_to, "/proc/sys/kernel/unprivileged_bpf_disabled"},
    {"write", write_to, "/proc/sys/vm/drop_caches"},
    {"write", write_to, "/proc/sys/vm/overcommit_memory"},
    {"write", write_to, "/proc/sys/vm/panic_on_oom"},
    {"write", write_to, "/proc/sys/fs/file-max"},
    {"write", write_to, "/proc/sys/fs/protected_symlinks"},
    {"write", write_to, "/proc/sys/net/ipv4/ip_forward"},
    {"write", write_to, "/proc/sys/user/max_user_namespaces"},
    {"write", write_to, "/proc/mtrr"},
    {"write", write_to, "/sys/kernel/mm/ksm/run"},
    {"write", write_to, "/sys/kernel/mm/transparent_hugepage/enabled"},
    {"write", write_to, "/sys/power/state"},
    {"write", write_to, "/sys/module/kernel/parameters/panic"},
    {"write", write_to, "/sys/devices/system/cpu/cpu1/online"},
    {"write", write_to, "/sys/fs/cgroup/cgroup.procs"},
    {"write", write_to, "/sys/fs/cgroup/release_agent"},
    {"make-in", make_in, "/sys/fs/cgroup"},
    {"scan", scan, "/proc/sys"},
    {"scan", scan, "/proc"},
    {"scan", scan, "/sys"},
    /* what is to be seen of it */
    {"read", read_from, "/proc/kcore"},
    {"read", read_from, "/proc/keys"},
    {"read", read_from, "/proc/latency_stats"},
    {"read", read_from, "/proc/timer_list"},
    {"read", read_from, "/proc/sched_debug"},
    {"read", read_from, "/proc/interrupts"},
    {"read", read_from, "/proc/kmsg"},
    {"list", list, "/proc/acpi"},
    {"list", list, "/proc/asound"},
    {"list", list, "/proc/scsi"},
    {"list", list, "/sys/firmware"},
    {"list", list, "/sys/devices/virtual/powercap"},
    {"list", list, "/sys/fs/cgroup"},
    {"list", list, "/sys/kernel/debug"},
    {"list", list, "/sys/kernel/tracing"},
    {"list", list, "/sys/fs/bpf"},
    {NULL, NULL, NULL},
};
