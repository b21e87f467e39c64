/* The builder's side: what kilnrun.h declares, by messages to the launcher (wire.h). */
#include "kilnrun.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "launcher.h"
#include "network.h"
#include "mounts.h"
#include "spec.h"
#include "sys.h"
#include "wire.h"

struct kilnrun {
    int control;
    int pidfd;
    pid_t pid; /* a child of ours, waited for once by kilnrun_stop() */
    bool supervised; /* no pid namespace: it ends by itself, to end its steps first */
    pthread_mutex_t lock;   /* held while a step is sent, so that one step's fds are in flight */
    atomic_uint references; /* the owner's and each step's */
};

struct kilnrun_step {
    struct kilnrun *k;
    int socket;
    atomic_uint references; /* that of kilnrun_step_wait(), and others' */
};

struct kilnrun_network {
    int socket;
    int ns; /* -1 before kilnrun_network_wait() */
    bool has_pasta;
};

int kilnrun_start(const struct kilnrun_options *options, struct kilnrun **out)
{
    struct kilnrun *k = calloc(1, sizeof *k);
    int sockets[2], rc;
    pid_t pid;

    if (!k)
        return -ENOMEM;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0) {
        rc = -errno;
        free(k);
        return rc;
    }
    k->supervised = options->isolation != KILNRUN_NAMESPACES;
    pid = sys_clone(k->supervised ? 0 : CLONE_NEWPID, &k->pidfd);
    if (pid == 0)
        launcher_run(sockets[1], options);
    rc = pid < 0 ? -errno : 0;
    k->pid = pid;
    close(sockets[1]);
    if (rc < 0) {
        close(sockets[0]);
        free(k);
        return rc;
    }
    k->control = sockets[0];
    pthread_mutex_init(&k->lock, NULL);
    atomic_init(&k->references, 1);
    *out = k;
    return 0;
}

bool kilnrun_proc_is_covered(void)
{
    return mounts_proc_is_covered();
}

/* Until the launcher has ended, which it has only when all that it started is gone. */
static void wait_for_launcher(const struct kilnrun *k, int options)
{
    siginfo_t info;

    while (waitid(P_PIDFD, (id_t)k->pidfd, &info, WEXITED | options) < 0 && errno == EINTR)
        ;
}

static void release(struct kilnrun *k)
{
    if (atomic_fetch_sub(&k->references, 1) > 1)
        return;
    close(k->pidfd);
    close(k->control);
    pthread_mutex_destroy(&k->lock);
    free(k);
}

void kilnrun_stop(struct kilnrun *k)
{
    if (!k)
        return;
    if (k->supervised)
        shutdown(k->control, SHUT_RDWR);
    else
        kill(k->pid, SIGKILL);
    wait_for_launcher(k, 0);
    release(k);
}

static uint32_t position_of(int fd, const struct spec_fds *fds)
{
    uint32_t i = 0;

    while (i < fds->n && fds->fds[i] != fd)
        i++;
    return i;
}

/* sockets[0] stays here, sockets[1] goes to the launcher. */
static int send_step(struct kilnrun *k, const struct kilnrun_spec *spec, int memory,
                     const struct spec_fds *fds, const int sockets[2])
{
    const int first[2] = {memory, sockets[1]};
    const struct wire_step step = {.timeout = spec->limits.timeout,
                                   .emulate = spec->emulate,
                                   .upper = position_of(spec->root.upper_fd, fds)};
    int rc;

    pthread_mutex_lock(&k->lock);
    rc = wire_send(k->control, WIRE_STEP, (int)fds->n, &step, sizeof step, first, 2);
    for (size_t done = 0; rc == 0 && done < fds->n;) {
        size_t n = fds->n - done < WIRE_MAX_FDS ? fds->n - done : WIRE_MAX_FDS;
        rc = wire_send(sockets[0], WIRE_FDS, 0, NULL, 0, fds->fds + done, n);
        done += n;
    }
    pthread_mutex_unlock(&k->lock);
    return rc;
}

int kilnrun_step_start(struct kilnrun *k, const struct kilnrun_spec *spec,
                       struct kilnrun_step **out)
{
    struct kilnrun_step *s = calloc(1, sizeof *s);
    struct spec_fds fds = {0};
    int memory = -1, sockets[2], rc;

    if (!s)
        return -ENOMEM;
    memory = spec_write(spec, &fds);
    rc = memory < 0 ? memory : 0;
    if (rc == 0 && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
        rc = -errno;
    else if (rc == 0) {
        rc = send_step(k, spec, memory, &fds, sockets);
        close(sockets[1]);
        if (rc < 0)
            close(sockets[0]);
    }
    if (memory >= 0)
        close(memory);
    free(fds.fds);
    if (rc < 0) {
        free(s);
        return rc;
    }
    atomic_fetch_add(&k->references, 1);
    s->k = k;
    s->socket = sockets[0];
    atomic_init(&s->references, 1);
    *out = s;
    return 0;
}

struct kilnrun_step *kilnrun_step_ref(struct kilnrun_step *s)
{
    atomic_fetch_add(&s->references, 1);
    return s;
}

void kilnrun_step_unref(struct kilnrun_step *s)
{
    if (atomic_fetch_sub(&s->references, 1) > 1)
        return;
    close(s->socket);
    release(s->k);
    free(s);
}

int kilnrun_step_kill(struct kilnrun_step *s, int signal)
{
    int rc = wire_send(s->socket, WIRE_KILL, signal, NULL, 0, NULL, 0);

    return rc == -EPIPE || rc == -ECONNRESET ? 0 : rc; /* it has ended already */
}

static int take_stubs(struct kilnrun_result *result, const char *bytes, size_t size)
{
    size_t n = 0, i = 0;

    if (result->stubs || size == 0 || bytes[size - 1] != 0)
        return -EPROTO;
    for (size_t at = 0; at < size; at++)
        n += bytes[at] == 0;
    result->stubs = calloc(n + 1, sizeof *result->stubs);
    if (!result->stubs)
        return -ENOMEM;
    for (const char *s = bytes; i < n; s += strlen(s) + 1)
        if (!(result->stubs[i++] = strdup(s)))
            return -ENOMEM;
    return 0;
}

static int take_records(struct kilnrun_result *result, int file)
{
    struct stat st;
    size_t size;

    if (result->records || fstat(file, &st) < 0)
        return -EPROTO;
    size = (size_t)st.st_size;
    result->records = malloc(size + 1);
    if (!result->records)
        return -ENOMEM;
    if (pread(file, result->records, size, 0) != (ssize_t)size)
        return -EPROTO;
    result->n_records = size / sizeof *result->records;
    return 0;
}

static void take_exit(struct kilnrun_result *result, int value)
{
    bool killed = value >= 256; /* process 1 itself, and with it the command */

    if (killed)
        result->signal = value - 256;
    result->exit_code = killed ? 128 + result->signal : value;
    if (result->failure.error != 0) {
        result->started = false;
        result->exit_code = -1;
    }
}

/* One message; 1 after the last, 0 if more must come, or a negative errno. */
static int take_message(struct kilnrun_step *s, struct wire_message *m,
                        struct kilnrun_result *result)
{
    size_t size, n_fds = 1;
    int fd = -1, rc = wire_receive(s->socket, m, &size, &fd, &n_fds);

    if (rc < 0)
        return rc;
    if (n_fds > 0) {
        rc = m->type == WIRE_RECORDS ? take_records(result, fd) : -EPROTO;
        close(fd);
        return rc;
    }
    switch ((enum wire_type)m->type) {
    case WIRE_STUBS:
        return take_stubs(result, m->body, size);
    case WIRE_STARTED:
        result->started = true;
        return 0;
    case WIRE_FAILURE:
        if (size != sizeof result->failure)
            return -EPROTO;
        memcpy(&result->failure, m->body, size);
        return 0;
    case WIRE_TIMEOUT:
        result->timed_out = true;
        return 0;
    case WIRE_SIGNALED:
        result->signal = m->value;
        return 0;
    case WIRE_EXIT:
        take_exit(result, m->value);
        return 1;
    case WIRE_STEP:
    case WIRE_FDS:
    case WIRE_KILL:
    case WIRE_NETWORK:
    case WIRE_RECORDS:
    case WIRE_LISTENER:
        break;
    }
    return -EPROTO;
}

int kilnrun_step_wait(struct kilnrun_step *s, struct kilnrun_result *result)
{
    struct wire_message *m = malloc(sizeof *m);
    int rc = m ? 0 : -ENOMEM;

    *result = (struct kilnrun_result){.exit_code = -1};
    while (rc == 0)
        rc = take_message(s, m, result);
    free(m);
    if (rc == -EPIPE)
        wait_for_launcher(s->k, WNOWAIT);
    kilnrun_step_unref(s);
    return rc < 0 ? rc : 0;
}

void kilnrun_result_clear(struct kilnrun_result *result)
{
    for (char **stub = result->stubs; stub && *stub; stub++)
        free(*stub);
    free(result->stubs);
    free(result->records);
    *result = (struct kilnrun_result){0};
}

int kilnrun_network_start(struct kilnrun *k, const struct kilnrun_network_spec *spec,
                          struct kilnrun_network **out)
{
    struct kilnrun_network *n = calloc(1, sizeof *n);
    char words[4096];
    int size = network_pack(spec, words, sizeof words), sockets[2], rc;

    if (!n || size < 0) {
        free(n);
        return n ? size : -ENOMEM;
    }
    rc = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0 ? -errno : 0;
    if (rc == 0) {
        pthread_mutex_lock(&k->lock);
        rc = wire_send(k->control, WIRE_NETWORK, 0, words, (size_t)size, &sockets[1], 1);
        pthread_mutex_unlock(&k->lock);
        close(sockets[1]);
        if (rc < 0)
            close(sockets[0]);
    }
    if (rc < 0) {
        free(n);
        return rc;
    }
    *n = (struct kilnrun_network){
        .socket = sockets[0], .ns = -1, .has_pasta = spec->pasta != NULL};
    *out = n;
    return 0;
}

int kilnrun_network_wait(struct kilnrun_network *n, struct kilnrun_failure *failure)
{
    struct wire_message *m = malloc(sizeof *m);
    size_t size, n_fds = 1;
    int rc = m ? wire_receive(n->socket, m, &size, &n->ns, &n_fds) : -ENOMEM;

    *failure = (struct kilnrun_failure){0};
    if (rc == 0 && m->type == WIRE_FAILURE && size == sizeof *failure) {
        memcpy(failure, m->body, size);
        rc = failure->error;
    } else if (rc == 0 && (m->type != WIRE_NETWORK || n_fds != 1)) {
        rc = -EPROTO;
    }
    free(m);
    return rc;
}

bool kilnrun_network_alive(const struct kilnrun_network *n)
{
    struct pollfd end = {.fd = n->socket, .events = POLLIN};

    return !n->has_pasta || poll(&end, 1, 0) == 0;
}

void kilnrun_network_stop(struct kilnrun_network *n)
{
    if (!n)
        return;
    close(n->socket);
    if (n->ns >= 0)
        close(n->ns);
    free(n);
}

int kilnrun_network_fd(const struct kilnrun_network *n)
{
    return n->ns;
}
