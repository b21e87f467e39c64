#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "close.h"
#include "emulate.h"
#include "network.h"
#include "step.h"
#include "reaper.h"
#include "supervisor.h"
#include "sys.h"
#include "userns.h"
#include "wire.h"

/* The cgroup namespace comes later, when the step is where it belongs. */
#define STEP_NAMESPACES (CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS)

#define POLLS 3 /* descriptors of a step that are waited for */

struct running { /* a step, or what keeps a network */
    int socket;     /* to the builder's struct kilnrun_step, -1: nothing is said to the builder */
    pid_t pid;      /* a child of ours until it is waited for, so it is nobody else's */
    int pidfd;      /* -1 once it has ended */
    int value;      /* of WIRE_EXIT, when it has ended */
    int supervisor; /* pidfd of what emulates owners for it, or -1 */
    struct supervisor_setup emulation; /* of a supervisor that may be needed */
    uint64_t deadline;                 /* when it is killed, as now() counts; 0: never */
    bool reaped; /* by a process of its own: reaper.h */
};

static const struct supervisor_setup no_emulation = {
    .step = -1, .listener = -1, .root = -1, .upper = -1};

struct launcher {
    int control;
    struct kilnrun_options options;
    int user_ns; /* the nested user namespace, -1 until the first step */
    int proc;    /* for supervisors; -1 until the first one */
    struct running *steps;
    size_t n, room;
    struct wire_message message; /* too large for the stack */
};

/* A command's crash leaves no memory behind, with the secrets in it, neither in a layer nor in what
 * the host's core_pattern names. To the kernel's eyes a limit of 1 is less than a page for a file,
 * and says that no program is to be started for it (core(5); 0 does not). Who wants cores can raise
 * it. */
static void keep_from_dumping(void)
{
    struct rlimit core;

    if (getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_max >= 1) {
        core.rlim_cur = 1;
        setrlimit(RLIMIT_CORE, &core);
    }
}

/* Of the builder stay the control socket and an open 0, 1 and 2. */
static void reset_process(int *control, bool reaped)
{
    struct sigaction sa = {.sa_handler = SIG_DFL};
    sigset_t none;
    int null, kept;

    /* Without a pid namespace its steps must be ended by itself: it sees the end of the builder by
     * its socket. */
    prctl(reaped ? PR_SET_CHILD_SUBREAPER : PR_SET_PDEATHSIG, reaped ? 1 : SIGKILL);
    prctl(PR_SET_NAME, "kiln-launcher");
    keep_from_dumping();
    for (int n = 1; n < NSIG; n++)
        sigaction(n, &sa, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    kept = fcntl(*control, F_DUPFD_CLOEXEC, 10);
    do
        null = open("/dev/null", O_RDWR);
    while (null >= 0 && null < 2);
    if (kept < 0 || null < 0 || dup2(null, 0) < 0 || dup3(kept, 3, O_CLOEXEC) < 0)
        _exit(1);
    *control = 3;
    if (close_from(4, -1) < 0)
        _exit(1);
    if (chdir("/") < 0)
        _exit(1);
}

/* Milliseconds of a clock that only goes forward. */
static uint64_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void close_fds(const struct spec_fds *fds)
{
    for (size_t i = 0; i < fds->n; i++)
        close(fds->fds[i]);
    free(fds->fds);
}

/* The fds of a step, which come on its own socket. */
static int receive_fds(struct launcher *l, int socket, size_t n, struct spec_fds *out)
{
    out->n = 0;
    out->fds = calloc(n + WIRE_MAX_FDS, sizeof *out->fds);
    if (!out->fds)
        return -ENOMEM;
    while (out->n < n) {
        size_t size, count = WIRE_MAX_FDS;
        int rc = wire_receive(socket, &l->message, &size, out->fds + out->n, &count);

        if (rc < 0)
            return rc;
        if (l->message.type != WIRE_FDS || count == 0)
            return -EPROTO;
        out->n += count;
    }
    return 0;
}

static int make_room(struct launcher *l)
{
    size_t room = l->room * 2 + 8;
    struct running *grown;

    if (l->n < l->room)
        return 0;
    grown = realloc(l->steps, room * sizeof *grown);
    if (!grown)
        return -ENOMEM;
    l->steps = grown;
    l->room = room;
    return 0;
}

static bool is_contained(const struct launcher *l)
{
    return l->options.isolation <= KILNRUN_OUTER_PROC;
}

static uint64_t namespaces_of(const struct launcher *l)
{
    return l->options.isolation == KILNRUN_NAMESPACES   ? STEP_NAMESPACES
           : l->options.isolation == KILNRUN_OUTER_PROC ? STEP_NAMESPACES & ~CLONE_NEWPID
                                                        : 0;
}

/* What every process in the nested user namespace needs before it is forked. */
static int get_ready(struct launcher *l, struct kilnrun_failure *failure)
{
    int rc = make_room(l);

    if (rc < 0)
        return failure_set(failure, rc, "clone", "allocate");
    if (is_contained(l) && l->user_ns < 0)
        l->user_ns = userns_make(l->options.single_id, failure);
    return is_contained(l) && l->user_ns < 0 ? l->user_ns : 0;
}

/* Forks the process of a step: its pid, and a pidfd. */
static pid_t fork_step(struct launcher *l, const struct step_setup *setup, int *pidfd,
                       struct kilnrun_failure *failure)
{
    int rc = get_ready(l, failure);
    pid_t pid, launcher = getpid();

    if (rc < 0)
        return rc;
    pid = sys_clone(namespaces_of(l), pidfd);
    if (pid == 0) {
        struct step_setup child = *setup;
        child.user_ns = l->user_ns;
        child.launcher = launcher;
        step_run(&child);
    }
    return pid < 0 ? failure_set(failure, -errno, "clone", "make the command's namespaces") : pid;
}

/* Forks the process that emulates owners for a step. Returns its pidfd. Without a spec it is one of
 * devices alone. */
static int fork_supervisor(struct launcher *l, const struct supervisor_setup *setup,
                           const struct step_setup *step, struct kilnrun_failure *failure)
{
    struct supervisor_setup child = *setup;
    int pidfd = -1;
    pid_t pid;

    if (l->proc < 0)
        l->proc = emulate_proc();
    if (l->proc < 0)
        return failure_set(failure, l->proc, "emulate", "mount a proc for the supervisor");
    child.proc = l->proc;
    child.user_ns = l->user_ns;
    child.in_sight = l->options.isolation == KILNRUN_OUTER_PROC;
    pid = sys_clone(0, &pidfd);
    if (pid == 0 && step)
        supervisor_run(&child, step->spec_fd, &step->fds);
    if (pid == 0)
        supervisor_run_devices(&child);
    return pid < 0 ? failure_set(failure, -errno, "emulate", "fork the supervisor") : pidfd;
}

/* Makes what a step needs for its emulation. Most steps make no device: a supervisor of devices is
 * forked at the first one (hear_emulation()). */
static int prepare_emulation(struct launcher *l, const struct wire_step *wanted,
                             struct step_setup *step, struct running *running,
                             struct kilnrun_failure *failure)
{
    struct supervisor_setup setup = {.builder = step->socket, .upper = -1};
    int sockets[2], rc;

    /* outside of namespaces others do that, or nobody */
    if (wanted->emulate == KILNRUN_EMULATE_OFF || !is_contained(l))
        return 0;
    if (wanted->upper >= step->fds.n)
        return failure_set(failure, -EPROTO, "emulate", "find the upper directory");
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
        return failure_set(failure, -errno, "emulate", "socketpair");
    step->supervisor = sockets[0];
    if (wanted->emulate == KILNRUN_EMULATE_DEVICES) {
        running->emulation.step = sockets[1];
        running->emulation.upper = fcntl(step->fds.fds[wanted->upper], F_DUPFD_CLOEXEC, 0);
        return running->emulation.upper < 0
                   ? failure_set(failure, -errno, "emulate", "keep the upper directory")
                   : 0;
    }
    setup.step = sockets[1];
    rc = get_ready(l, failure); /* it needs the nested user namespace, which the first step makes */
    running->supervisor = rc < 0 ? rc : fork_supervisor(l, &setup, step, failure);
    close(sockets[1]);
    return running->supervisor < 0 ? running->supervisor : 0;
}

static void close_emulation(struct supervisor_setup *e)
{
    int *const fds[] = {&e->step, &e->listener, &e->root, &e->upper};

    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
        if (*fds[i] >= 0)
            close(*fds[i]);
        *fds[i] = -1;
    }
}

static void report_unstarted(int socket, const struct kilnrun_failure *failure)
{
    wire_send(socket, WIRE_FAILURE, 0, failure, sizeof *failure, NULL, 0);
    wire_send(socket, WIRE_EXIT, -1, NULL, 0, NULL, 0);
    close(socket);
}

static void start_step(struct launcher *l, size_t n_fds, const struct wire_step *step, int spec_fd,
                       int socket)
{
    struct step_setup setup = {
        .options = &l->options, .spec_fd = spec_fd, .socket = socket, .supervisor = -1};
    struct running running = {.socket = socket,
                              .pidfd = -1,
                              .reaped = l->options.isolation != KILNRUN_NAMESPACES,
                              .supervisor = -1,
                              .emulation = no_emulation};
    struct kilnrun_failure failure = {0};
    int rc = receive_fds(l, socket, n_fds, &setup.fds);

    if (rc < 0)
        failure_set(&failure, rc, "spec", "receive the file descriptors");
    if (rc == 0)
        rc = prepare_emulation(l, step, &setup, &running, &failure);
    if (rc == 0)
        running.pid = rc = fork_step(l, &setup, &running.pidfd, &failure);
    close_fds(&setup.fds);
    close(spec_fd);
    if (setup.supervisor >= 0) /* a supervisor ends when the step has not begun */
        close(setup.supervisor);
    if (rc >= 0) {
        running.deadline = step->timeout > 0 ? now() + step->timeout : 0;
        l->steps[l->n++] = running;
        return;
    }
    report_unstarted(socket, &failure);
    close_emulation(&running.emulation);
    if (running.supervisor >= 0)
        close(running.supervisor);
}

static void start_network(struct launcher *l, size_t size, int socket)
{
    struct kilnrun_failure failure = {0};
    int pidfd = -1, rc = get_ready(l, &failure);
    pid_t pid = rc < 0 ? -1 : sys_clone(CLONE_NEWPID, &pidfd);

    if (pid == 0) {
        const struct network_setup setup = {
            .user_ns = l->user_ns, .socket = socket, .words = l->message.body, .size = size};
        network_run(&setup);
    }
    if (rc == 0 && pid < 0)
        failure_set(&failure, -errno, "network", "make a process for the network");
    if (pid < 0)
        wire_send(socket, WIRE_FAILURE, 0, &failure, sizeof failure, NULL, 0);
    else
        l->steps[l->n++] = (struct running){
            .socket = -1, .pidfd = pidfd, .pid = pid, .supervisor = -1, .emulation = no_emulation};
    close(socket);
}

/* A reaper ends all of its step at this signal. */
static void kill_step(const struct running *step, int signal)
{
    if (step->pidfd >= 0)
        kill(step->pid, step->reaped ? SIGTERM : signal);
}

/* The kernel ends all steps with process 1 of their pid namespace. Reapers are asked to, for they
 * leave nothing behind; what has escaped from a killed one is a child by now. */
__attribute__((noreturn)) static void end(struct launcher *l, int code)
{
    siginfo_t info;

    for (size_t i = 0; l->options.isolation != KILNRUN_NAMESPACES && i < l->n; i++)
        kill_step(&l->steps[i], SIGKILL);
    for (size_t i = 0; l->options.isolation != KILNRUN_NAMESPACES && i < l->n; i++)
        while (l->steps[i].pidfd >= 0 &&
               waitid(P_PIDFD, (id_t)l->steps[i].pidfd, &info, WEXITED) < 0 && errno == EINTR)
            ;
    if (l->options.isolation != KILNRUN_NAMESPACES)
        reaper_end_all();
    _exit(code);
}

/* The end of the builder is the end of the launcher. */
static void hear_builder(struct launcher *l)
{
    struct wire_step step;
    size_t size, n = 2;
    int fds[2];

    if (wire_receive(l->control, &l->message, &size, fds, &n) < 0)
        end(l, 0);
    if (l->message.type == WIRE_NETWORK && n == 1) {
        start_network(l, size, fds[0]);
        return;
    }
    if (l->message.type != WIRE_STEP || n != 2 || l->message.value < 0 || size != sizeof step)
        end(l, 1);
    memcpy(&step, l->message.body, sizeof step);
    start_step(l, (size_t)l->message.value, &step, fds[0], fds[1]);
}

/* A request of the step's owner; when that is gone, nobody wants the command. The socket is not
 * asked again then. */
static void hear_owner(struct launcher *l, struct running *step)
{
    size_t size;

    if (wire_receive(step->socket, &l->message, &size, NULL, NULL) < 0) {
        kill_step(step, SIGKILL);
        close(step->socket);
        step->socket = -1;
    } else if (l->message.type == WIRE_KILL) {
        kill_step(step, l->message.value);
    }
}

static void end_overdue(struct launcher *l)
{
    uint64_t time = now();

    for (size_t i = 0; i < l->n; i++) {
        struct running *step = &l->steps[i];

        if (step->deadline == 0 || step->deadline > time)
            continue;
        step->deadline = 0;
        if (step->socket >= 0)
            wire_send(step->socket, WIRE_TIMEOUT, 0, NULL, 0, NULL, 0);
        kill_step(step, SIGKILL);
    }
}

/* For poll(2): until the next deadline; -1: there is none. */
static int time_left(const struct launcher *l)
{
    uint64_t first = 0, time;

    for (size_t i = 0; i < l->n; i++)
        if (l->steps[i].deadline > 0 && (first == 0 || l->steps[i].deadline < first))
            first = l->steps[i].deadline;
    if (first == 0)
        return -1;
    time = now();
    return first <= time ? 0 : first - time > INT_MAX ? INT_MAX : (int)(first - time);
}

/* Whether the process behind *pidfd has ended: as WIRE_EXIT tells it. The pidfd is closed then. */
static bool reap(int *pidfd, int *value)
{
    siginfo_t info = {0};

    if (waitid(P_PIDFD, (id_t)*pidfd, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0)
        return false;
    *value = info.si_code == CLD_EXITED ? info.si_status : 256 + info.si_status;
    close(*pidfd);
    *pidfd = -1;
    return true;
}

/* Without its supervisor the command would go on and be told ENOSYS: its files would be wrong. */
static void fail_emulation(const struct running *step, const struct kilnrun_failure *failure)
{
    kill_step(step, SIGKILL);
    if (step->socket >= 0)
        wire_send(step->socket, WIRE_FAILURE, 0, failure, sizeof *failure, NULL, 0);
}

static void reap_supervisor(struct running *step)
{
    const struct kilnrun_failure failure = {-ECANCELED, "emulate", "the supervisor was killed"};
    int value;

    if (reap(&step->supervisor, &value) && value != 0)
        fail_emulation(step, &failure);
}

/* What there is to hear of a step's emulation: its listener comes; then the first call for a
 * supervisor, or the end of all processes that could make one. */
static void hear_emulation(struct launcher *l, struct running *step, short events)
{
    struct supervisor_setup *e = &step->emulation;
    struct kilnrun_failure failure = {0};

    if (e->listener < 0) {
        if (supervisor_receive(e->step, &e->listener, &e->root) < 0)
            close_emulation(e);
        return;
    }
    e->builder = step->socket;
    if (events & POLLIN)
        step->supervisor = fork_supervisor(l, e, NULL, &failure);
    close_emulation(e);
    if (failure.error)
        fail_emulation(step, &failure);
}

static int emulation_fd(const struct running *step)
{
    const struct supervisor_setup *e = &step->emulation;

    return step->supervisor >= 0 ? step->supervisor : e->listener >= 0 ? e->listener : e->step;
}

/* Process 1 of a pid namespace becomes waitable when all others in it are gone, and with them the
 * last users of the mount namespace: the overlay is unmounted, once the supervisor, which looks
 * into it, has ended, too. True if all is over. */
static bool reap_step(struct running *step)
{
    if (step->pidfd >= 0)
        reap(&step->pidfd, &step->value);
    if (step->supervisor >= 0)
        reap_supervisor(step);
    if (step->pidfd >= 0 || step->supervisor >= 0)
        return false;
    close_emulation(&step->emulation);
    if (step->socket >= 0) {
        wire_send(step->socket, WIRE_EXIT, step->value, NULL, 0, NULL, 0);
        close(step->socket);
    }
    return true;
}

/* Waits for something to happen and deals with it. */
static void turn(struct launcher *l)
{
    size_t n = l->n;
    struct pollfd *polls = calloc(1 + POLLS * n, sizeof *polls);

    if (!polls)
        _exit(1);
    polls[0] = (struct pollfd){.fd = l->control, .events = POLLIN};
    for (size_t i = 0; i < n; i++) {
        polls[1 + POLLS * i] = (struct pollfd){.fd = l->steps[i].socket, .events = POLLIN};
        polls[2 + POLLS * i] = (struct pollfd){.fd = l->steps[i].pidfd, .events = POLLIN};
        polls[3 + POLLS * i] = (struct pollfd){.fd = emulation_fd(&l->steps[i]), .events = POLLIN};
    }
    if (poll(polls, 1 + POLLS * n, time_left(l)) < 0 && errno != EINTR)
        _exit(1);
    for (size_t i = n; i-- > 0;) { /* backwards: the last one fills the gap of an ended one */
        if (polls[1 + POLLS * i].revents)
            hear_owner(l, &l->steps[i]);
        if (polls[3 + POLLS * i].revents && l->steps[i].supervisor < 0)
            hear_emulation(l, &l->steps[i], polls[3 + POLLS * i].revents);
        if ((polls[2 + POLLS * i].revents || polls[3 + POLLS * i].revents) &&
            reap_step(&l->steps[i]))
            l->steps[i] = l->steps[--l->n];
    }
    end_overdue(l);
    if (polls[0].revents)
        hear_builder(l);
    free(polls);
}

void launcher_run(int control, const struct kilnrun_options *options)
{
    static struct launcher l; /* large; there is one a process */

    reset_process(&control, options->isolation != KILNRUN_NAMESPACES);
    l.control = control;
    l.options = *options;
    l.user_ns = -1;
    l.proc = -1;
    for (;;)
        turn(&l);
}
