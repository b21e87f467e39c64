#include "front/spawn.h"

#include "front/idmap.h"
#include "front/mapper.h"
#include "front/root.h"

#include <kiln/kiln.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define WIRE_FD 3
#define CONSOLE_FD 4

extern char **environ;

typedef enum {
    STAGE_READY, /* not a failure: the namespaces are made, the maps are awaited */
    STAGE_NAMESPACES,
    STAGE_MAPS,
    STAGE_MOUNTS,
    STAGE_PROTECT,
    STAGE_FDS,
    STAGE_EXEC,
} Stage;

/* From child to parent; nothing more (the end of the stream) means that the program runs. */
typedef struct {
    Stage stage;
    int error;
} Report;

/* All that the child needs, made before the fork: between fork and exec it makes system calls only.
 */
typedef struct {
    KilnIds ids;
    int sync; /* its end, above 4 */
    int parents_end;
    int wire; /* above 4 */
    int console; /* above 4, or 0 */
    const int *streams; /* above 4, or NULL */
    bool keep_input, keep_output, attached;
    const char *program;
    KilnHostProblem *problem; /* the parent's: see KilnSpawn */
    char *const *argv;
    char *refused;            /* the parent's: what was refused */
    bool entered;             /* the parent's: the namespaces were had, something else failed */
    char uid_map[40], gid_map[40];
} Child;

/* --- In the child ----------------------------------------------------------------------------- */

static _Noreturn void fail(const Child *c, Stage stage)
{
    Report report = {.stage = stage, .error = errno};
    (void)!write(c->sync, &report, sizeof report);
    _exit(127);
}

static void write_file(const Child *c, const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, text, strlen(text)) < 0) {
        fail(c, STAGE_MAPS);
    }
    close(fd);
}

static void enter_namespaces(const Child *c)
{
    int flags = CLONE_NEWNS | (c->ids == KILN_IDS_IDENTITY ? 0 : CLONE_NEWUSER);
    if (unshare(flags) < 0) {
        fail(c, STAGE_NAMESPACES);
    }
    if (c->ids == KILN_IDS_RANGE) {
        Report ready = {.stage = STAGE_READY};
        char go;
        if (write(c->sync, &ready, sizeof ready) != sizeof ready || read(c->sync, &go, 1) != 1) {
            _exit(127); /* the parent has given up */
        }
    } else if (c->ids == KILN_IDS_SINGLE) {
        write_file(c, "/proc/self/setgroups", "deny");
        write_file(c, "/proc/self/uid_map", c->uid_map);
        write_file(c, "/proc/self/gid_map", c->gid_map);
    }
    /* No mount of ours is seen outside. It also shows here whether mounting is allowed at all:
     * AppArmor may grant the namespace and then nothing inside it. */
    if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0) {
        fail(c, STAGE_MOUNTS);
    }
}

/* The command of a RUN can execute the program that it was forked from as /proc/self/exe, with the
 * image's libraries, and open it for writing (runc's CVE-2019-5736). Where it belongs to whoever
 * runs kiln only the mount can refuse that. */
static void protect_program(const Child *c)
{
    struct mount_attr readonly = {.attr_set = MOUNT_ATTR_RDONLY};
    if (mount(c->program, c->program, NULL, MS_BIND, NULL) < 0 ||
        mount_setattr(AT_FDCWD, c->program, 0, &readonly, sizeof readonly) < 0) {
        fail(c, STAGE_PROTECT);
    }
}

static void arrange_fds(const Child *c)
{
    if (!c->keep_input) {
        int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (null < 0 || dup2(null, STDIN_FILENO) < 0) {
            fail(c, STAGE_FDS);
        }
    }
    if ((!c->keep_output && dup2(STDERR_FILENO, STDOUT_FILENO) < 0 && errno != EBADF) ||
        dup2(c->wire, WIRE_FD) < 0 || (c->console && dup2(c->console, CONSOLE_FD) < 0)) {
        fail(c, STAGE_FDS);
    }
    for (int i = 0; c->streams && i < 3; i++) {
        if (dup2(c->streams[i], i) < 0) {
            fail(c, STAGE_FDS);
        }
    }
    /* Linux 5.11; descriptors of the host program that lack the flag stay open on older kernels. */
    unsigned first = c->console ? CONSOLE_FD + 1 : WIRE_FD + 1;
    syscall(SYS_close_range, first, ~0U, 1U << 2 /* CLOSE_RANGE_CLOEXEC */);
}

static _Noreturn void child_main(const Child *c)
{
    /* Handlers of the host program must not run here; what it ignores the builder wants to see. */
    struct sigaction standard = {.sa_handler = SIG_DFL};
    for (int i = 1; i < NSIG; i++) {
        sigaction(i, &standard, NULL);
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    close(c->parents_end); /* or a killed parent would be waited for, for ever */
    if (!c->attached) {
        setsid();
    }
    if (c->ids < KILN_IDS_NONE) {
        enter_namespaces(c);
    }
    if (!c->program) {
        _exit(0);
    }
    if (c->ids < KILN_IDS_NONE && !c->attached) {
        protect_program(c);
    }
    if (!c->attached) {
        arrange_fds(c);
    }
    execve(c->program, c->argv, environ);
    fail(c, STAGE_EXEC);
}

/* --- In the parent ---------------------------------------------------------------------------- */

static void end_child(pid_t pid)
{
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
}

/* 1: a report; 0: the end of the stream, the program runs. */
static int read_report(int sync, Report *report)
{
    ssize_t n;
    do {
        n = read(sync, report, sizeof *report);
    } while (n < 0 && errno == EINTR);
    return n == sizeof *report ? 1 : 0;
}

/* Takes the problem over. */
static void set_host_error(Child *c, const char *what, int code, KilnHostProblem p,
                           GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_string_append_printf(text, "%s: %s. Likely cause: %s.", what, g_strerror(code), p.cause);
    if (p.remedy) {
        g_string_append_printf(text, " To mend it: %s.", p.remedy);
    }
    g_set_error(error, KILN_ERROR, KILN_ERROR_HOST,
                "%s \"kiln doctor\" shows what this host offers", text->str);
    g_free(c->refused);
    c->refused = g_strdup_printf("%s: %s", what, g_strerror(code));
    if (c->problem) {
        *c->problem = p;
    } else {
        kiln_host_problem_clear(&p);
    }
}

static void explain(Child *c, const Report *report, GError **error)
{
    c->entered = report->stage == STAGE_PROTECT || report->stage == STAGE_FDS || report->stage == STAGE_EXEC;
    switch (report->stage) {
    case STAGE_EXEC:
        g_set_error(error, KILN_ERROR, KILN_ERROR_HOST, "cannot execute %s: %s", c->program,
                    g_strerror(report->error));
        return;
    case STAGE_PROTECT:
        if (report->error == ENOSYS || report->error == EPERM) {
            set_host_error(c, "cannot mount kiln-builder read-only", report->error,
                           (KilnHostProblem){
                               .cause = g_strdup("the kernel or a seccomp filter has no mount_setattr(2)"),
                               .remedy = g_strdup("use Linux 5.12 or newer; in a container: --security-opt "
                                                  "seccomp=unconfined")},
                           error);
            return;
        }
        break;
    case STAGE_FDS:
        g_set_error(error, KILN_ERROR, KILN_ERROR_HOST, "cannot prepare the descriptors of %s: %s",
                    c->program, g_strerror(report->error));
        return;
    default:
        break;
    }
    if (c->ids == KILN_IDS_IDENTITY) {
        KilnHostProblem p = {
            .cause = g_strdup("a seccomp filter or security module forbids it even to root"),
            .remedy = g_strdup("run kiln as a user, or the container with --privileged")};
        set_host_error(c, "cannot make a mount namespace", report->error, p, error);
        return;
    }
    const char *what = report->stage == STAGE_NAMESPACES ? "cannot make a user namespace"
                       : report->stage == STAGE_MAPS     ? "cannot map user ids in a user namespace"
                                                         : "cannot mount inside a user namespace";
    set_host_error(c, what, report->error, kiln_host_explain_userns("/proc", report->error), error);
}

static pid_t fork_child(const Child *c)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t pid = fork();
    if (pid == 0) {
        child_main(c);
    }
    int code = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = code;
    return pid;
}

/* Takes the child of KILN_IDS_RANGE through its maps. False with *why if they cannot be had (the
 * caller may go on with a single id), false without if the child reported a failure. */
static bool write_maps(pid_t pid, int sync, KilnIdRange uids, KilnIdRange gids, Report *report,
                       char **why)
{
    *why = NULL;
    if (read_report(sync, report) == 0) {
        *report = (Report){.stage = STAGE_NAMESPACES, .error = ECHILD};
        return false;
    }
    if (report->stage != STAGE_READY) {
        return false;
    }
    return kiln_idmap_write(pid, uids, gids, why) && send(sync, "", 1, MSG_NOSIGNAL) == 1;
}

/* One attempt. -1 with an error, or with *why (see write_maps). */
static pid_t launch(Child *c, KilnIdRange uids, KilnIdRange gids, char **why, GError **error)
{
    int ends[2];
    *why = NULL;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
        g_set_error(error, KILN_ERROR, KILN_ERROR_HOST, "cannot make a socket: %s",
                    g_strerror(errno));
        return -1;
    }
    c->parents_end = ends[0];
    c->sync = fcntl(ends[1], F_DUPFD_CLOEXEC, CONSOLE_FD + 1);
    close(ends[1]);
    pid_t pid = c->sync < 0 ? -1 : fork_child(c);
    if (pid < 0) {
        g_set_error(error, KILN_ERROR, KILN_ERROR_HOST, "cannot start a process: %s",
                    g_strerror(errno));
    }
    if (c->sync >= 0) {
        close(c->sync);
    }
    Report report;
    bool failed = pid < 0;
    if (!failed && c->ids == KILN_IDS_RANGE &&
        !write_maps(pid, ends[0], uids, gids, &report, why)) {
        failed = true;
    } else if (!failed) {
        failed = read_report(ends[0], &report) == 1;
    }
    close(ends[0]);
    if (failed && pid > 0) {
        end_child(pid);
        if (!*why) {
            explain(c, &report, error);
        }
    }
    return failed ? -1 : pid;
}

/* What newuidmap or newgidmap said, and what may be behind it. */
static void warn_of_mapper(const KilnSpawn *spawn, const char *why, KilnIdRange uids, KilnIdRange gids)
{
    g_autofree char *uid_mapper = g_find_program_in_path("newuidmap");
    g_autofree char *gid_mapper = g_find_program_in_path("newgidmap");
    KilnHostProblem p = kiln_mapper_problem("/proc", uid_mapper, uids, false);
    if (!p.cause) {
        p = kiln_mapper_problem("/proc", gid_mapper, gids, true);
    }
    g_autofree char *cause =
        p.cause ? g_strdup_printf(". Likely cause: %s. To mend it: %s", p.cause, p.remedy) : NULL;
    g_ptr_array_add(spawn->warnings,
                    g_strdup_printf("subordinate ids cannot be used, going on with one id: %s%s", why,
                                    cause ? cause : ""));
    kiln_host_problem_clear(&p);
}

/* A user with subordinate ids, else a single id. */
static pid_t launch_user(Child *c, const KilnSpawn *spawn, GError **error)
{
    KilnIdRange uids = {0}, gids = {0};
    g_autofree char *name = kiln_user_name();
    if (kiln_idmap_find(name, geteuid(), &uids, &gids)) {
        g_autofree char *why = NULL;
        c->ids = KILN_IDS_RANGE;
        pid_t pid = launch(c, uids, gids, &why, error);
        if (pid > 0 || !why) {
            return pid;
        }
        warn_of_mapper(spawn, why, uids, gids);
    }
    g_autofree char *unused = NULL;
    c->ids = KILN_IDS_SINGLE;
    g_snprintf(c->uid_map, sizeof c->uid_map, "0 %u 1\n", (unsigned)geteuid());
    g_snprintf(c->gid_map, sizeof c->gid_map, "0 %u 1\n", (unsigned)getegid());
    return launch(c, uids, gids, &unused, error);
}

static pid_t launch_as(Child *c, KilnIds ids, GError **error)
{
    g_autofree char *unused = NULL;
    c->ids = ids;
    return launch(c, (KilnIdRange){0}, (KilnIdRange){0}, &unused, error);
}

static pid_t launch_in_namespaces(Child *c, const KilnSpawn *spawn, GError **error)
{
    return geteuid() == 0 && kiln_host_is_admin() ? launch_as(c, KILN_IDS_IDENTITY, error)
                                                  : launch_user(c, spawn, error);
}

static pid_t launch_without_namespaces(Child *c, KilnIsolation isolation, GError **error)
{
    return launch_as(c, isolation == KILN_ISOLATION_CHROOT ? KILN_IDS_CHROOT : KILN_IDS_PROOT, error);
}

/* Namespaces, or what can be had instead. */
static pid_t launch_best(Child *c, const KilnSpawn *spawn, GError **error)
{
    GError *failure = NULL;
    g_autofree char *why = NULL;
    pid_t pid = launch_in_namespaces(c, spawn, &failure);
    KilnIsolation instead =
        pid < 0 && !c->entered ? kiln_isolation_without_namespaces(&why) : KILN_ISOLATION_AUTO;
    if (instead == KILN_ISOLATION_AUTO) {
        if (failure) {
            g_propagate_error(error, failure);
        }
        return pid;
    }
    pid = launch_without_namespaces(c, instead, error);
    if (spawn->refused) {
        *spawn->refused = g_strdup(c->refused ? c->refused : failure->message);
    }
    g_error_free(failure);
    return pid;
}

static pid_t launch_asked(Child *c, const KilnSpawn *spawn, GError **error)
{
    g_autofree char *why = NULL;
    if (kiln_isolation_check(spawn->isolation, &why)) {
        return launch_without_namespaces(c, spawn->isolation, error);
    }
    g_set_error(error, KILN_ERROR, KILN_ERROR_HOST, "--isolation=%s: %s",
                kiln_isolation_name(spawn->isolation), why);
    return -1;
}

pid_t kiln_spawn_builder(const KilnSpawn *spawn, KilnIds *ids, GError **error)
{
    static char *const builder[] = {(char *)"kiln-builder", NULL};
    Child c = {
        .wire = -1,
        .console = spawn->console,
        .streams = spawn->streams,
        .attached = spawn->attached,
        .keep_input = spawn->keep_input,
        .keep_output = spawn->keep_output,
        .program = spawn->program,
        .problem = spawn->problem,
        .argv = spawn->argv ? spawn->argv : builder,
    };
    if (spawn->program && !spawn->attached &&
        (c.wire = fcntl(spawn->wire, F_DUPFD_CLOEXEC, CONSOLE_FD + 1)) < 0) {
        g_set_error(error, KILN_ERROR, KILN_ERROR_HOST, "cannot prepare the wire: %s",
                    g_strerror(errno));
        return -1;
    }
    pid_t pid;
    if (spawn->plain) {
        pid = launch_as(&c, KILN_IDS_NONE, error);
    } else if (spawn->isolation == KILN_ISOLATION_AUTO && !spawn->attached) {
        pid = launch_best(&c, spawn, error);
    } else if (spawn->isolation == KILN_ISOLATION_USERNS || spawn->attached) {
        pid = launch_in_namespaces(&c, spawn, error);
    } else {
        pid = launch_asked(&c, spawn, error);
    }
    g_free(c.refused);
    *ids = c.ids;
    if (c.wire >= 0) {
        close(c.wire);
    }
    return pid;
}
