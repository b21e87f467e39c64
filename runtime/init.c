#include "init.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wire.h"

/* Process 1 cannot end itself by the signal that ended the command: pid_namespaces(7). */
__attribute__((noreturn)) static void end_with(const struct init *init, int status)
{
    if (!WIFSIGNALED(status))
        _exit(WEXITSTATUS(status));
    wire_send(init->socket, WIRE_SIGNALED, WTERMSIG(status), NULL, 0, NULL, 0);
    _exit(128 + WTERMSIG(status));
}

static void reap(const struct init *init, pid_t command)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        if (pid == command)
            end_with(init, status);
}

/* Nothing that the command sends is passed on: a sender that this namespace has no number for is
 * outside of it. */
__attribute__((noreturn)) static void attend(const struct init *init, pid_t command)
{
    sigset_t all;
    siginfo_t info;

    sigfillset(&all);
    for (;;) {
        int signal = sigwaitinfo(&all, &info);

        if (signal == SIGCHLD)
            reap(init, command);
        else if (signal > 0 && info.si_code <= 0 && info.si_pid == 0)
            kill(command, signal);
    }
}

/* vfork(2) copies no memory, which would cost more than all else here, and lets this process go on
 * when the command has been executed, or has failed to be. */
int init_run(const struct init *init)
{
    sigset_t all;
    pid_t command;

    sigfillset(&all); /* they wait in the queue for attend() */
    if (sigprocmask(SIG_SETMASK, &all, NULL) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0)
        return -errno;
    prctl(PR_SET_NAME, "kiln-init"); /* before there is a command that could read it */
    command = vfork();
    if (command == 0)
        init->command(init->data);
    if (command < 0)
        return -errno;
    if (init->secrets)
        munmap(init->secrets, init->secrets_size);
    for (int fd = 0; fd < 3; fd++)
        close(fd);
    if (init->supervisor >= 0)
        close(init->supervisor);
    attend(init, command);
}
