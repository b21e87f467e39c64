#include "front/agents.h"
#include "front/console.h"
#include "front/remote.h"
#include "front/request.h"
#include "front/root.h"
#include "host/kernel.h"
#include "front/secret.h"
#include "front/spawn.h"
#include "report/wire.h"

#include <kiln/kiln.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXIT_INTERRUPTED 130

struct KilnSession {
    KilnWire *wire;
    pid_t builder; /* 0 once it has been waited for */
    int pidfd;
    int wait_status;
    int signal_pipe[2]; /* kiln_session_cancel() writes a byte */
    unsigned cancels;
    gint64 timeout;  /* microseconds that all may take; 0: no limit */
    gint64 deadline; /* monotonic */
    bool timed_out;
    char *remote_program;
    GPtrArray *remotes;  /* KilnRemoteProcess * */
    GPtrArray *secrets;  /* char *: of the request */
    KilnAgents *agents;
    KilnConsole *console; /* NULL if no command is tied to the user's streams */
    GPtrArray *warnings; /* char *, to be given as events first */
    guint warnings_given;
    json_object *json; /* what `event` points into */
    char *text;        /* likewise, for an event of our own */
    KilnEvent event;
    bool ready;  /* event is the next one */
    bool at_end; /* nothing more comes from the builder */
    bool over;   /* the last event has been given */
    int exit_code;
};

/* --- Start ------------------------------------------------------------------------------------ */

/* A directory that anybody may write to is no place where another user's store can be trusted. */
static bool check_root(const char *root, GError **error)
{
    struct stat own, parent;
    g_autofree char *directory = g_path_get_dirname(root);
    if (lstat(root, &own) < 0 || stat(directory, &parent) < 0 || !(parent.st_mode & S_ISVTX)) {
        return true;
    }
    if (S_ISDIR(own.st_mode) && own.st_uid == geteuid()) {
        return true;
    }
    g_set_error(error, KILN_ERROR, KILN_ERROR_HOST,
                "the store %s belongs to another user or is no directory; name another one with "
                "--root or KILN_ROOT",
                root);
    return false;
}

/* Tells the builder in what it runs, or, if it only reads, in what a build is asked to: its keys
 * are to be foreseen. */
static void describe_isolation(json_object *request, const KilnSpawn *spawn, KilnIds ids,
                               const char *refused)
{
    KilnIsolation isolation = spawn->plain && spawn->isolation != KILN_ISOLATION_AUTO
                                  ? spawn->isolation
                              : ids == KILN_IDS_CHROOT ? KILN_ISOLATION_CHROOT
                              : ids == KILN_IDS_PROOT  ? KILN_ISOLATION_PROOT
                                                       : KILN_ISOLATION_USERNS;
    json_object_object_add(request, "isolation",
                           json_object_new_string(kiln_isolation_name(isolation)));
    if (refused) {
        json_object_object_add(request, "isolation_reason", json_object_new_string(refused));
    }
    if (isolation == KILN_ISOLATION_PROOT) {
        g_autofree char *proot = g_find_program_in_path("proot");
        json_object_object_add(request, "proot", json_object_new_string(proot ? proot : "proot"));
    }
}

/* KILN_ISOLATION is for all operations: they must agree on whom the store belongs to. */
static bool read_isolation(const KilnRequest *r, KilnIsolation *out, GError **error)
{
    const char *asked = kiln_request_get(r, "isolation"), *variable = g_getenv("KILN_ISOLATION");
    if (kiln_isolation_parse(asked ? asked : variable, out)) {
        return true;
    }
    g_set_error(error, KILN_ERROR, KILN_ERROR_USAGE,
                "%s%s: unknown isolation (" KILN_ISOLATION_NAMES ")",
                asked ? "--isolation " : "KILN_ISOLATION=", asked ? asked : variable);
    return false;
}

static bool start_builder(KilnSession *s, const KilnRequest *r, const char *program, int wire,
                          json_object *request, GError **error)
{
    g_autofree char *refused = NULL;
    KilnSpawn spawn = {
        .program = program,
        .wire = wire,
        .keep_input = kiln_request_is_stream(r, "path") || kiln_request_is_stream(r, "context") ||
                      kiln_request_is_stream(r, "file"),
        .keep_output = kiln_request_is_stream(r, "dest"),
        .warnings = s->warnings,
        .plain = kiln_request_only_reads(r),
        .streams = s->console ? kiln_console_streams(s->console) : NULL,
        .console = s->console ? kiln_console_socket(s->console) : 0,
        .refused = &refused,
    };
    if (!read_isolation(r, &spawn.isolation, error)) {
        return false;
    }
    const char *output = kiln_request_get(r, "output");
    if (output && (g_str_has_suffix(output, ",dest=-") || strstr(output, ",dest=-,"))) {
        spawn.keep_output = true;
    }
    KilnIds ids;
    s->builder = kiln_spawn_builder(&spawn, &ids, error);
    if (s->builder < 0) {
        s->builder = 0;
        return false;
    }
    describe_isolation(request, &spawn, ids, refused);
    s->pidfd = (int)syscall(SYS_pidfd_open, s->builder, 0);
    return true;
}

static void session_free(KilnSession *s)
{
    kiln_wire_free(s->wire);
    g_ptr_array_unref(s->remotes);
    g_ptr_array_unref(s->secrets);
    kiln_agents_free(s->agents);
    kiln_console_free(s->console);
    g_ptr_array_unref(s->warnings);
    json_object_put(s->json);
    g_free(s->text);
    g_free(s->remote_program);
    for (int i = 0; i < 2; i++) {
        if (s->signal_pipe[i] >= 0) {
            close(s->signal_pipe[i]);
        }
    }
    if (s->pidfd >= 0) {
        close(s->pidfd);
    }
    g_free(s);
}

static KilnSession *session_new(void)
{
    KilnSession *s = g_new0(KilnSession, 1);
    s->signal_pipe[0] = s->signal_pipe[1] = s->pidfd = -1;
    s->warnings = g_ptr_array_new_with_free_func(g_free);
    s->secrets = g_ptr_array_new_with_free_func(g_free);
    s->remotes = g_ptr_array_new_with_free_func((GDestroyNotify)kiln_remote_process_free);
    return s;
}

static bool connect_builder(KilnSession *s, const KilnRequest *r, const char *program,
                            json_object *request, GError **error)
{
    int ends[2];
    if (pipe2(s->signal_pipe, O_CLOEXEC | O_NONBLOCK) < 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
        g_set_error(error, KILN_ERROR, KILN_ERROR_HOST, "cannot make a pipe: %s",
                    g_strerror(errno));
        return false;
    }
    s->wire = kiln_wire_new(ends[0]);
    bool started = start_builder(s, r, program, ends[1], request, error);
    close(ends[1]);
    if (s->console) {
        kiln_console_started(s->console);
    }
    return started;
}

/* What the builder gets of the user's only when a step wants it. */
static bool prepare_credentials(KilnSession *s, const KilnRequest *r, json_object *request,
                                GError **error)
{
    g_autoptr(GPtrArray) secrets = kiln_request_values(r, "secrets");
    g_autoptr(GPtrArray) ssh = kiln_request_values(r, "ssh");
    for (guint i = 0; i < secrets->len; i++) {
        g_ptr_array_add(s->secrets, g_strdup(g_ptr_array_index(secrets, i)));
    }
    s->agents = kiln_agents_new(ssh, error);
    if (s->agents && ssh->len > 0) {
        json_object_object_add(request, "agents", kiln_agents_to_json(s->agents));
    }
    return s->agents != NULL;
}

/* For a command that the user sits at. Without a terminal for it a build goes on all the same. */
static bool prepare_console(KilnSession *s, const KilnRequest *r, json_object *request,
                            GError **error)
{
    bool shell = g_strcmp0(kiln_request_get(r, "on_error"), "shell") == 0;
    if (kiln_request_runs(r)) {
        s->console = kiln_console_new(kiln_request_get(r, "terminal") != NULL,
                                      kiln_request_get(r, "input") != NULL, error);
    } else if (shell) {
        g_autoptr(GError) missing = NULL;
        s->console = kiln_console_new_terminal(&missing);
        if (!s->console) {
            g_ptr_array_add(s->warnings,
                            g_strdup_printf("no shell will be opened when a step fails: %s",
                                            missing->message));
        }
    }
    if (s->console) {
        const char *term = g_getenv("TERM");
        json_object_object_add(request, "console", json_object_new_string("true"));
        json_object_object_add(request, "term", json_object_new_string(term ? term : "dumb"));
    }
    return s->console || !kiln_request_runs(r);
}

KilnSession *kiln_session_start(const KilnRequest *r, GError **error)
{
    const char *libexec = kiln_request_get(r, "libexec");
    g_autofree char *program = kiln_program_find(libexec, "kiln-builder");
    if (!program) {
        g_set_error(error, KILN_ERROR, KILN_ERROR_HOST,
                    "kiln-builder is not installed where it is looked for (\"kiln doctor\" shows "
                    "where); name its directory with --libexec or KILN_LIBEXEC");
        return NULL;
    }
    g_autofree char *missing = kiln_kernel_missing(KILN_KERNEL_FILES);
    if (missing) {
        g_set_error_literal(error, KILN_ERROR, KILN_ERROR_HOST, missing);
        return NULL;
    }
    json_object *request = kiln_request_to_json(r);
    json_object *root = NULL;
    json_object_object_get_ex(request, "root", &root);
    /* What only reads goes on without a store that it cannot trust. */
    if (!kiln_request_only_reads(r) && !check_root(json_object_get_string(root), error)) {
        json_object_put(request);
        return NULL;
    }
    KilnSession *s = session_new();
    const char *timeout = kiln_request_get(r, "timeout");
    s->timeout = timeout ? (gint64)MIN(g_ascii_strtoull(timeout, NULL, 10), G_MAXINT32) * 1000 : 0;
    s->deadline = g_get_monotonic_time() + s->timeout;
    s->remote_program = kiln_program_find(libexec, "kiln-remote");
    if (prepare_credentials(s, r, request, error) && prepare_console(s, r, request, error) &&
        connect_builder(s, r, program, request, error)) {
        kiln_wire_send(s->wire, request); /* if it is gone already, the end of the wire says so */
    } else {
        g_clear_pointer(&s, session_free);
    }
    json_object_put(request);
    return s;
}

/* --- Messages --------------------------------------------------------------------------------- */

static void take_message(KilnSession *s, json_object *message)
{
    json_object *value;
    const char *kind = json_object_object_get_ex(message, "message", &value)
                           ? json_object_get_string(value)
                           : NULL;
    if (g_strcmp0(kind, "secret") == 0) {
        kiln_secret_answer(s->secrets, message, s->wire);
    } else if (g_strcmp0(kind, "remote") == 0) {
        const KilnRemoteSetting setting = {.program = s->remote_program,
                                           .agent = kiln_agents_socket(s->agents, "default"),
                                           .secrets = s->secrets};
        KilnRemoteProcess *p = kiln_remote_process_start(&setting, message, s->wire);
        if (p) {
            g_ptr_array_add(s->remotes, p);
        }
    }
}

/* A builder that was asked to end because the time was over says that it was interrupted. */
static void tell_timeout(KilnSession *s)
{
    g_free(s->text);
    s->text = g_strdup_printf("the build was stopped after %g s (--timeout)",
                              (double)s->timeout / G_USEC_PER_SEC);
    s->event = (KilnEvent){.type = KILN_EVENT_ERROR, .text = s->text, .exit_code = 1};
}

/* The next event of the builder to s->event, if one is here. */
static bool take_event(KilnSession *s)
{
    while (!s->at_end && kiln_wire_pending(s->wire)) {
        json_object *json = kiln_wire_receive(s->wire);
        if (!json) {
            s->at_end = true;
            return false;
        }
        if (kiln_event_from_json(json, &s->event)) {
            json_object_put(s->json);
            s->json = json;
            if (s->timed_out && s->event.type == KILN_EVENT_ERROR &&
                s->event.exit_code == EXIT_INTERRUPTED) {
                tell_timeout(s);
            }
            return true;
        }
        take_message(s, json);
        json_object_put(json);
    }
    return false;
}

/* --- Waiting ---------------------------------------------------------------------------------- */

static void send_cancel(KilnSession *s)
{
    json_object *message = json_object_new_object();
    json_object_object_add(message, "message", json_object_new_string("cancel"));
    kiln_wire_send(s->wire, message);
    json_object_put(message);
}

/* A builder that two of them have not ended is killed by the third. */
static void ask_to_end(KilnSession *s)
{
    s->cancels++;
    send_cancel(s);
    for (guint k = 0; k < s->remotes->len; k++) {
        kiln_remote_process_stop(g_ptr_array_index(s->remotes, k));
    }
    if (s->cancels > 2 && s->builder) {
        kill(s->builder, SIGKILL);
    }
}

/* Passes the wishes to end on. */
static void take_cancels(KilnSession *s)
{
    char bytes[16];
    ssize_t n = read(s->signal_pipe[0], bytes, sizeof bytes);
    for (ssize_t i = 0; i < n; i++) {
        ask_to_end(s);
    }
}

/* For poll(2): `timeout`, or less if the operation's own time is over before. */
static int time_to_wait(const KilnSession *s, int timeout)
{
    if (s->timeout == 0 || s->timed_out || s->cancels > 0) {
        return timeout;
    }
    gint64 left = (MAX(s->deadline - g_get_monotonic_time(), 0) + 999) / 1000;
    return (int)MIN(left, timeout < 0 ? G_MAXINT : timeout);
}

/* Whether the operation's time has run out just now; then it is ended as by Ctrl-C. */
static bool take_timeout(KilnSession *s)
{
    if (s->timeout == 0 || s->timed_out || s->cancels > 0 ||
        g_get_monotonic_time() < s->deadline) {
        return false;
    }
    s->timed_out = true;
    ask_to_end(s);
    return true;
}

/* Waits for anything to happen, at most so long (milliseconds; -1: for ever), and deals with it.
 * False when the time is over. */
static bool pump(KilnSession *s, int timeout)
{
    enum { WIRE, SIGNALS, BUILDER, CONSOLE, FIXED = CONSOLE + KILN_CONSOLE_FDS };
    guint remotes = s->remotes->len;
    g_autofree struct pollfd *fds = g_new0(struct pollfd, FIXED + remotes);
    fds[SIGNALS] = (struct pollfd){.fd = s->signal_pipe[0], .events = POLLIN};
    fds[BUILDER] = (struct pollfd){.fd = s->pidfd, .events = POLLIN};
    fds[WIRE] = (struct pollfd){.fd = s->at_end ? -1 : kiln_wire_fd(s->wire), .events = POLLIN};
    for (guint i = CONSOLE; i < FIXED; i++) {
        fds[i].fd = -1;
    }
    if (s->console) {
        kiln_console_poll(s->console, fds + CONSOLE);
    }
    /* Lines are taken from kiln-remote only while the wire has room for them: this process must
     * never block in sending to a builder that blocks in sending to it. */
    struct pollfd room = {.fd = kiln_wire_fd(s->wire), .events = POLLOUT};
    bool writable = remotes == 0 || poll(&room, 1, 0) == 1;
    for (guint i = 0; i < remotes; i++) {
        KilnRemoteProcess *p = g_ptr_array_index(s->remotes, i);
        fds[FIXED + i] =
            (struct pollfd){.fd = writable ? kiln_remote_process_fd(p) : -1, .events = POLLIN};
    }
    if (!writable) {
        fds[WIRE].events |= POLLOUT;
    }
    int n = poll(fds, FIXED + remotes, time_to_wait(s, timeout));
    if (take_timeout(s)) {
        return true;
    }
    if (n <= 0) {
        return n < 0 && errno == EINTR;
    }
    if (fds[SIGNALS].revents) {
        take_cancels(s);
    }
    if (s->console) {
        kiln_console_turn(s->console, fds + CONSOLE);
    }
    for (guint i = remotes; i > 0; i--) {
        if (fds[FIXED + i - 1].revents &&
            !kiln_remote_process_read(g_ptr_array_index(s->remotes, i - 1), s->wire)) {
            g_ptr_array_remove_index(s->remotes, i - 1);
        }
    }
    if (fds[WIRE].revents & (POLLIN | POLLHUP | POLLERR)) {
        s->at_end = !kiln_wire_fill(s->wire) && !kiln_wire_pending(s->wire);
    } else if (fds[BUILDER].revents) {
        s->at_end = true; /* it ended, and left nothing unread; a child may still hold its socket */
    }
    return true;
}

static void wait_builder(KilnSession *s)
{
    if (!s->builder) {
        return;
    }
    while (s->pidfd >= 0) {
        struct pollfd fds[] = {{.fd = s->pidfd, .events = POLLIN},
                               {.fd = s->signal_pipe[0], .events = POLLIN}};
        if (poll(fds, 2, -1) < 0 && errno != EINTR) {
            break;
        }
        if (fds[1].revents) {
            take_cancels(s);
        }
        if (fds[0].revents) {
            break;
        }
    }
    while (waitpid(s->builder, &s->wait_status, 0) < 0) {
        if (errno != EINTR) {
            s->wait_status = 0; /* the host program waits for all children, or ignores SIGCHLD */
            break;
        }
    }
    s->builder = 0;
}

/* --- Events ----------------------------------------------------------------------------------- */

/* The builder ended without a last event, or says what cannot be understood: then it is made to
 * end. */
static void died(KilnSession *s)
{
    shutdown(kiln_wire_fd(s->wire), SHUT_RDWR);
    wait_builder(s);
    int exit_code = 1;
    if (s->timed_out) {
        tell_timeout(s);
        return;
    }
    g_free(s->text);
    if (s->cancels > 0) {
        s->text = g_strdup("interrupted");
        exit_code = EXIT_INTERRUPTED;
    } else if (WIFSIGNALED(s->wait_status)) {
        int number = WTERMSIG(s->wait_status);
        s->text = g_strdup_printf("kiln-builder was killed by signal %d (%s)%s", number,
                                  strsignal(number),
                                  number == SIGKILL ? "; the host may have run out of memory, "
                                                      "see \"dmesg\""
                                                    : "; this is a defect of kiln");
    } else {
        s->text = g_strdup_printf("kiln-builder ended with status %d before it was done; this is a "
                                  "defect of kiln",
                                  WEXITSTATUS(s->wait_status));
    }
    s->event = (KilnEvent){.type = KILN_EVENT_ERROR, .text = s->text, .exit_code = exit_code};
}

static void give_warning(KilnSession *s)
{
    s->event = (KilnEvent){.type = KILN_EVENT_WARNING,
                           .text = g_ptr_array_index(s->warnings, s->warnings_given++)};
}

static void note_end(KilnSession *s)
{
    if (s->event.type == KILN_EVENT_RESULT) {
        s->over = true;
    } else if (s->event.type == KILN_EVENT_ERROR) {
        s->over = true;
        s->exit_code = s->event.exit_code ? s->event.exit_code : 1;
    }
}

/* The user's streams are the command's from the event that says so to the last one. */
static void follow_console(KilnSession *s)
{
    if (!s->console) {
        return;
    }
    if (s->event.type == KILN_EVENT_CONSOLE) {
        kiln_console_open(s->console);
    } else if (s->event.type == KILN_EVENT_RESULT || s->event.type == KILN_EVENT_ERROR) {
        kiln_console_close(s->console);
    }
}

/* Makes s->event the next event. False when the time is over. */
static bool fetch(KilnSession *s, int timeout)
{
    gint64 until = g_get_monotonic_time() + (gint64)timeout * 1000;
    while (!s->ready) {
        if (s->warnings_given < s->warnings->len) {
            give_warning(s);
            s->ready = true;
        } else if (take_event(s)) {
            s->ready = true;
        } else if (s->at_end) {
            died(s);
            s->ready = true;
        } else {
            gint64 left = timeout < 0 ? -1 : MAX(until - g_get_monotonic_time(), 0) / 1000;
            if (!pump(s, (int)left)) {
                return false;
            }
        }
        if (s->ready) {
            follow_console(s);
        }
    }
    return true;
}

bool kiln_session_wait(KilnSession *s, int milliseconds)
{
    return s->over || fetch(s, MAX(milliseconds, 0));
}

const KilnEvent *kiln_session_next(KilnSession *s)
{
    if (s->over) {
        return NULL;
    }
    fetch(s, -1);
    s->ready = false;
    note_end(s);
    return &s->event;
}

void kiln_session_cancel(KilnSession *s)
{
    int before = errno;
    (void)!write(s->signal_pipe[1], "c", 1);
    errno = before;
}

void kiln_session_restore_terminal(KilnSession *s)
{
    int before = errno;
    if (s->console) {
        kiln_console_restore(s->console);
    }
    errno = before;
}

int kiln_session_finish(KilnSession *s)
{
    while (kiln_session_next(s)) {
    }
    int exit_code = s->exit_code;
    shutdown(kiln_wire_fd(s->wire),
             SHUT_RDWR); /* the builder has nothing more to say, nor to hear */
    if (exit_code != 0)
        wait_builder(s); /* until it has tidied up */

    session_free(s);
    return exit_code;
}
