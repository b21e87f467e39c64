#include "reaper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define OWN_CHILDREN "/proc/thread-self/children"

/* proc_tid_children(5): pids, each with a space behind it; of very many the first. */
static void read_children(const char *path, char list[16 * 1024])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, list, 16 * 1024 - 1);

    if (fd >= 0)
        close(fd);
    list[n > 0 ? n : 0] = 0;
}

static void kill_children(const char *path, pid_t except)
{
    char list[16 * 1024], *at = list, *end;

    read_children(path, list);
    /* not one that was cut off */
    for (long pid; (pid = strtol(at, &end, 10)) > 1 && *end == ' '; at = end)
        if (pid != except)
            kill((pid_t)pid, SIGKILL);
}

/* Orphans come here as they lose their parents. *status, if not NULL, gets that of `pid`. */
static bool reap(pid_t pid, int *status)
{
    pid_t ended;
    int value;

    while ((ended = waitpid(-1, &value, WNOHANG)) > 0)
        if (status && ended == pid)
            *status = value;
    return ended < 0 && errno == ECHILD;
}

static void end_all(pid_t pid, int *status)
{
    const struct timespec pause = {.tv_nsec = 1000000};

    while (!reap(pid, status)) {
        kill_children(OWN_CHILDREN, 0);
        if (!reap(pid, status))
            nanosleep(&pause, NULL);
        else
            return;
    }
}

void reaper_end_all(void)
{
    end_all(0, NULL);
}

static void empty_secrets(const struct kilnrun_spec *spec)
{
    for (size_t i = 0; i < spec->n_binds; i++)
        if (spec->binds[i].kind == KILNRUN_SECRET)
            (void)!ftruncate(spec->binds[i].source_fd, 0);
}

/* The launcher tells the builder what it sees of this process. */
__attribute__((noreturn)) static void end_as(int status)
{
    const struct rlimit none = {0};
    sigset_t all;

    if (WIFEXITED(status))
        _exit(WEXITSTATUS(status));
    setrlimit(RLIMIT_CORE, &none);
    signal(WTERMSIG(status), SIG_DFL);
    sigemptyset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    raise(WTERMSIG(status));
    _exit(128 + WTERMSIG(status));
}

/* proot ends when all that it traces has ended; the command shall be enough. That is the first
 * child that it is seen with: it needs milliseconds to start. *command: 0 to begin with. */
static void end_tracees(pid_t proot, pid_t *command)
{
    char path[64], list[16 * 1024];

    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)proot, (int)proot);
    if (*command == 0) {
        read_children(path, list);
        *command = (pid_t)strtol(list, NULL, 10);
    } else if (kill(*command, 0) < 0 && errno == ESRCH) {
        kill_children(path, 0);
        kill_children(OWN_CHILDREN, proot);
    }
}

__attribute__((noreturn)) static void watch(pid_t pid, bool traced, const sigset_t *signals,
                                            const struct kilnrun_spec *spec)
{
    struct timespec pause = {.tv_nsec = 1000000};
    pid_t command = 0;
    int status = -1, number;

    do {
        number = traced ? sigtimedwait(signals, NULL, &pause) : sigwaitinfo(signals, NULL);
        if (number == SIGCHLD)
            reap(pid, &status);
        if (traced)
            end_tracees(pid, &command);
        if (command > 0)
            pause.tv_nsec = 20000000;
    } while (number != SIGTERM && status == -1);
    end_all(pid, &status);
    empty_secrets(spec);
    end_as(status);
}

int reaper_fork(pid_t launcher, bool traced, const struct kilnrun_spec *spec)
{
    sigset_t signals;
    pid_t pid;

    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigaddset(&signals, SIGTERM);
    if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 ||
        prctl(PR_SET_PDEATHSIG, SIGTERM) < 0)
        return -errno;
    if (getppid() != launcher)
        _exit(1); /* it had gone before it could be noticed */
    pid = fork();
    if (pid <= 0)
        return pid < 0 ? -errno : 0;
    watch(pid, traced, &signals, spec);
}
