/* escape NAME…: runs attacks, by name or group. escape list [GROUP…]: their names. escape wait:
 * prints its process id and does nothing, without end. */
#include "escape.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/stat.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SECONDS = 60 }; /* for one attack */

static const struct group groups[] = {
    {"paths", path_attacks},        {"mounts", mount_attacks},    {"namespaces", namespace_attacks},
    {"processes", process_attacks}, {"files", file_attacks},      {"devices", device_attacks},
    {"calls", call_attacks},        {"network", network_attacks},
};

struct verdict escaped(const char *format, ...)
{
    char *how;
    va_list args;

    va_start(args, format);
    if (vasprintf(&how, format, args) < 0)
        abort();
    va_end(args);
    return (struct verdict){.escaped = true, .how = how};
}

struct verdict refused(int error)
{
    return (struct verdict){.error = error};
}

struct verdict harmless(const char *how)
{
    return (struct verdict){.how = how};
}

struct verdict judge(long result, const char *how)
{
    return result < 0 ? refused(errno) : escaped("%s", how);
}

struct verdict judge_gate(long result)
{
    bool stopped = result < 0 && (errno == EPERM || errno == EACCES || errno == ENOSYS);

    if (stopped)
        return refused(errno);
    return escaped("no permission was asked for: %s",
                   result < 0 ? strerrorname_np(errno) : "it works");
}

/* Whether the mount's id is one of /proc/self/mountinfo's. */
static bool is_mine(unsigned long long id)
{
    FILE *mounts = fopen("/proc/self/mountinfo", "re");
    char line[8192];
    bool found = false;

    while (mounts && !found && fgets(line, sizeof line, mounts))
        found = strtoull(line, NULL, 10) == id;
    if (mounts)
        fclose(mounts);
    return found;
}

bool is_foreign(int fd)
{
    struct statx st;

    if (syscall(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_TYPE | STATX_MNT_ID, &st) < 0 ||
        S_ISFIFO(st.stx_mode) || S_ISSOCK(st.stx_mode) || !(st.stx_mode & S_IFMT))
        return false;
    return !is_mine(st.stx_mnt_id);
}

static void print_verdict(struct verdict v)
{
    if (v.escaped)
        printf("ESCAPED: %s\n", v.how);
    else if (v.error)
        printf("refused: %s\n",
               strerrorname_np(v.error) ? strerrorname_np(v.error) : strerror(v.error));
    else
        printf("refused: %s\n", v.how);
}

/* In a process of its own: what it changes of itself is gone with it. */
static void try_attack(const struct attack *a)
{
    int status;
    pid_t pid;

    printf("%s%s%s: ", a->name, a->argument ? " " : "", a->argument ? a->argument : "");
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        alarm(SECONDS);
        print_verdict(a->attempt(a->argument));
        fflush(stdout);
        _exit(0);
    }
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (pid < 0 || WIFSIGNALED(status))
        printf("refused: %s\n", pid < 0 ? "fork" : strsignal(WTERMSIG(status)));
}

/* Whether an attack was asked for: by its group, its name, or its name and argument. */
static bool is_wanted(const struct group *g, const struct attack *a, int n, char **words)
{
    char whole[512];

    snprintf(whole, sizeof whole, "%s %s", a->name, a->argument ? a->argument : "");
    for (int i = 0; i < n; i++)
        if (strcmp(words[i], g->name) == 0 || strcmp(words[i], a->name) == 0 ||
            strcmp(words[i], whole) == 0)
            return true;
    return n == 0;
}

int main(int argc, char **argv)
{
    bool list = argc > 1 && strcmp(argv[1], "list") == 0;
    int first = list ? 2 : 1, count = 0;

    if (argc == 2 && strcmp(argv[1], "wait") == 0) { /* a process to attack, or to be left behind */
        printf("%d\n", (int)getpid());
        fflush(stdout);
        return pause();
    }
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++)
        for (const struct attack *a = groups[i].attacks; a->name; a++) {
            if (!is_wanted(&groups[i], a, argc - first, argv + first))
                continue;
            count++;
            if (list)
                printf("%s%s%s\n", a->name, a->argument ? " " : "", a->argument ? a->argument : "");
            else
                try_attack(a);
        }
    if (count == 0)
        fprintf(stderr, "escape: there is no such attack\n");
    return count == 0;
}
