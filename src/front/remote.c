#include "front/remote.h"

#include "front/remote-env.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define LINE_MAX_BYTES (1u << 20)
#define READ_SIZE (16u << 10)

struct KilnRemoteProcess {
    int id;
    int fd;
    pid_t pid; /* 0 once it has been waited for */
    GString *input;
};

static void send_message(KilnWire *wire, int id, const char *key, json_object *value)
{
    json_object *message = json_object_new_object();
    json_object_object_add(message, "message", json_object_new_string("remote"));
    json_object_object_add(message, "id", json_object_new_int(id));
    json_object_object_add(message, key, value);
    kiln_wire_send(wire, message);
    json_object_put(message);
}

/* As kiln-remote itself reports an error. */
static void send_failure(KilnWire *wire, int id, const char *text)
{
    json_object *line = json_object_new_object();
    json_object_object_add(line, "event", json_object_new_string("error"));
    json_object_object_add(line, "message", json_object_new_string(text));
    send_message(wire, id, "line", line);
    send_message(wire, id, "exit", json_object_new_int(127));
}

/* NULL-terminated and borrowed from the message; g_free(). NULL if it is none. */
static const char **read_argv(json_object *message)
{
    json_object *list;
    if (!json_object_object_get_ex(message, "argv", &list) ||
        !json_object_is_type(list, json_type_array)) {
        return NULL;
    }
    size_t n = json_object_array_length(list);
    const char **argv = g_new0(const char *, n + 2);
    argv[0] = "kiln-remote";
    for (size_t i = 0; i < n; i++) {
        const char *text = json_object_get_string(json_object_array_get_idx(list, i));
        argv[i + 1] = text ? text : "";
    }
    return argv;
}

static int spawn(const char *program, const char *const *argv, char *const *env, int output, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t signals;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", 0, 0);
    posix_spawn_file_actions_adddup2(&actions, output, 1);
    posix_spawnattr_init(&attributes);
    sigemptyset(&signals);
    posix_spawnattr_setsigmask(&attributes, &signals);
    sigfillset(&signals);
    posix_spawnattr_setsigdefault(&attributes, &signals);
    /* A process group of its own: Ctrl-C is for the front, which ends the operation in order. */
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                              POSIX_SPAWN_SETSIGDEF);
    int error = posix_spawn(pid, program, &actions, &attributes, (char **)argv, env);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

/* The reading end of what it prints, or -1 with *problem. */
static int start(const KilnRemoteSetting *setting, const char *const *argv, pid_t *pid, char **problem)
{
    bool git = argv[1] && g_str_has_prefix(argv[1], "git");
    char **env = kiln_remote_env_new(setting->agent, git ? setting->secrets : NULL, problem);
    int ends[2] = {-1, -1};
    if (!env) {
        return -1;
    }
    int error = pipe2(ends, O_CLOEXEC) < 0 ? errno : spawn(setting->program, argv, env, ends[1], pid);
    kiln_remote_env_free(env);
    if (ends[1] >= 0) {
        close(ends[1]);
    }
    if (error) {
        *problem = g_strdup_printf("cannot start %s: %s", setting->program, g_strerror(error));
        if (ends[0] >= 0) {
            close(ends[0]);
        }
        return -1;
    }
    return ends[0];
}

KilnRemoteProcess *kiln_remote_process_start(const KilnRemoteSetting *setting, json_object *message,
                                             KilnWire *wire)
{
    json_object *id_value;
    int id =
        json_object_object_get_ex(message, "id", &id_value) ? json_object_get_int(id_value) : 0;
    g_autofree const char **argv = read_argv(message);
    if (!setting->program || !argv) {
        send_failure(wire, id,
                     setting->program
                         ? "the builder asked for kiln-remote without arguments"
                         : "kiln-remote, which speaks to registries and other servers, is not installed "
                           "(\"kiln doctor\" shows where it is looked for)");
        return NULL;
    }
    g_autofree char *problem = NULL;
    pid_t pid = 0;
    int fd = start(setting, argv, &pid, &problem);
    if (fd < 0) {
        send_failure(wire, id, problem);
        return NULL;
    }
    KilnRemoteProcess *p = g_new0(KilnRemoteProcess, 1);
    p->id = id;
    p->fd = fd;
    p->pid = pid;
    p->input = g_string_new(NULL);
    return p;
}

int kiln_remote_process_fd(const KilnRemoteProcess *p)
{
    return p->fd;
}

/* Lines that are no JSON objects are none of the protocol's. */
static void forward_lines(KilnRemoteProcess *p, KilnWire *wire)
{
    gsize start = 0;
    const char *newline;
    while ((newline = memchr(p->input->str + start, '\n', p->input->len - start))) {
        gsize end = (gsize)(newline - p->input->str);
        p->input->str[end] = 0;
        json_object *line = json_tokener_parse(p->input->str + start);
        if (json_object_is_type(line, json_type_object)) {
            send_message(wire, p->id, "line", line);
        } else {
            json_object_put(line);
        }
        start = end + 1;
    }
    g_string_erase(p->input, 0, (gssize)start);
}

static int wait_exit_code(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) {
            return 1;
        }
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool kiln_remote_process_read(KilnRemoteProcess *p, KilnWire *wire)
{
    char buffer[READ_SIZE];
    ssize_t n;
    do {
        n = read(p->fd, buffer, sizeof buffer);
    } while (n < 0 && errno == EINTR);
    if (n > 0 && p->input->len + (gsize)n <= LINE_MAX_BYTES) {
        g_string_append_len(p->input, buffer, n);
        forward_lines(p, wire);
        return true;
    }
    if (n > 0) {
        kill(p->pid, SIGKILL); /* a line without end */
    }
    int code = wait_exit_code(p->pid);
    p->pid = 0;
    send_message(wire, p->id, "exit", json_object_new_int(code));
    return false;
}

void kiln_remote_process_stop(KilnRemoteProcess *p)
{
    if (p->pid) {
        kill(p->pid, SIGTERM);
    }
}

void kiln_remote_process_free(KilnRemoteProcess *p)
{
    close(p->fd);
    if (p->pid) {
        kill(p->pid, SIGKILL);
        wait_exit_code(p->pid);
    }
    g_string_free(p->input, TRUE);
    g_free(p);
}
