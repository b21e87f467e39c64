#include "front/agents.h"

#include <kiln/kiln.h>

#include <errno.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct {
    char *id, *socket;
    char *directory; /* NULL: the agent is not ours */
    GPid helper;     /* what the agent runs as long as we hold `input` */
    int input;
    long pid; /* of the agent */
} Agent;

struct KilnAgents {
    GPtrArray *list; /* Agent* */
};

/* ssh-agent ends when the command that it was given does, within ten seconds, also if kiln was killed:
 * this one ends with kiln's end of its standard input. */
#define HELPER                                                                                     \
    "ssh-add -q -- \"$@\" </dev/null 1>&2 && echo \"$SSH_AGENT_PID\" && exec cat >/dev/null"

static void agent_free(gpointer data)
{
    Agent *a = data;
    if (a->input >= 0)
        close(a->input);
    if (a->pid > 1)
        kill((pid_t)a->pid, SIGTERM);
    if (a->helper)
        while (waitpid(a->helper, NULL, 0) < 0 && errno == EINTR)
            ;
    if (a->directory) {
        g_unlink(a->socket);
        g_rmdir(a->directory);
    }
    g_free(a->directory);
    g_free(a->socket);
    g_free(a->id);
    g_free(a);
}

static bool refuse(GError **error, KilnError code, const Agent *a, const char *format, ...)
    G_GNUC_PRINTF(4, 5);

static bool refuse(GError **error, KilnError code, const Agent *a, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(error, KILN_ERROR, code, "--ssh %s: %s", a->id, text);
    return false;
}

/* The line that says that the keys are in. */
static bool read_pid(Agent *a, int output)
{
    char line[32];
    size_t size = 0;
    ssize_t n = 1;
    while (n > 0 && size < sizeof line - 1) {
        n = read(output, line + size, sizeof line - 1 - size);
        if (n < 0 && errno == EINTR)
            n = 1;
        else if (n > 0)
            size += (size_t)n;
        if (memchr(line, '\n', size))
            break;
    }
    line[size] = '\0';
    a->pid = strtol(line, NULL, 10);
    return a->pid > 1;
}

static bool start_agent(Agent *a, char *const *keys, GError **error)
{
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    g_autoptr(GError) failure = NULL;
    const char *const head[] = {"ssh-agent", "-a", NULL, "sh", "-c", HELPER, "sh"};
    int output;
    a->directory = g_dir_make_tmp("kiln-ssh-XXXXXX", &failure);
    if (!a->directory)
        return refuse(error, KILN_ERROR_HOST, a, "%s", failure->message);
    a->socket = g_build_filename(a->directory, "agent", NULL);
    for (guint i = 0; i < G_N_ELEMENTS(head); i++)
        g_ptr_array_add(argv, (gpointer)(head[i] ? head[i] : a->socket));
    for (; *keys; keys++)
        g_ptr_array_add(argv, *keys);
    g_ptr_array_add(argv, NULL);
    if (!g_spawn_async_with_pipes(NULL, (char **)argv->pdata, NULL,
                                  G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD |
                                      G_SPAWN_CLOEXEC_PIPES,
                                  NULL, NULL, &a->helper, &a->input, &output, NULL, &failure))
        return refuse(error, KILN_ERROR_HOST, a,
                      "cannot start ssh-agent, which serves the key: %s (package openssh-client)",
                      failure->message);
    bool ready = read_pid(a, output);
    close(output);
    return ready || refuse(error, KILN_ERROR_USAGE, a, "ssh-add does not take the key (see above)");
}

static bool add_socket(Agent *a, const char *path, GError **error)
{
    a->socket = realpath(path, NULL);
    return a->socket || refuse(error, KILN_ERROR_USAGE, a, "%s: %s", path, g_strerror(errno));
}

/* One socket, or keys. */
static bool read_paths(Agent *a, char *const *paths, GError **error)
{
    guint sockets = 0, n = g_strv_length((char **)paths);
    for (guint i = 0; i < n; i++) {
        struct stat st;
        if (stat(paths[i], &st) < 0)
            return refuse(error, KILN_ERROR_USAGE, a, "%s: %s", paths[i], g_strerror(errno));
        sockets += S_ISSOCK(st.st_mode);
    }
    if (sockets > 0 && n > 1)
        return refuse(error, KILN_ERROR_USAGE, a, "give one agent's socket, or keys");
    return sockets ? add_socket(a, paths[0], error) : start_agent(a, paths, error);
}

static bool read_agent(Agent *a, const char *paths, GError **error)
{
    const char *own = g_getenv("SSH_AUTH_SOCK");
    if (paths && *paths) {
        g_auto(GStrv) list = g_strsplit(paths, ",", -1);
        return read_paths(a, list, error);
    }
    if (!own || !*own)
        return refuse(error, KILN_ERROR_USAGE, a,
                      "SSH_AUTH_SOCK is not set: is an ssh-agent running? A key can be named, too: "
                      "--ssh %s=KEYFILE",
                      a->id);
    return add_socket(a, own, error);
}

static const Agent *find(const KilnAgents *agents, const char *id)
{
    for (guint i = 0; i < agents->list->len; i++) {
        const Agent *a = g_ptr_array_index(agents->list, i);
        if (strcmp(a->id, id) == 0)
            return a;
    }
    return NULL;
}

KilnAgents *kiln_agents_new(const GPtrArray *ssh, GError **error)
{
    KilnAgents *agents = g_new0(KilnAgents, 1);
    agents->list = g_ptr_array_new_with_free_func(agent_free);
    bool ok = true;
    for (guint i = 0; ok && i < ssh->len; i++) {
        const char *text = g_ptr_array_index(ssh, i);
        gsize length = strcspn(text, "=");
        Agent *a = g_new0(Agent, 1);
        a->input = -1;
        a->id = length ? g_strndup(text, length) : g_strdup("default");
        ok = !find(agents, a->id) || refuse(error, KILN_ERROR_USAGE, a, "given twice");
        g_ptr_array_add(agents->list, a);
        ok = ok && read_agent(a, text[length] ? text + length + 1 : NULL, error);
    }
    if (!ok)
        g_clear_pointer(&agents, kiln_agents_free);
    return agents;
}

json_object *kiln_agents_to_json(const KilnAgents *agents)
{
    json_object *list = json_object_new_array();
    for (guint i = 0; i < agents->list->len; i++) {
        const Agent *a = g_ptr_array_index(agents->list, i);
        g_autofree char *pair = g_strconcat(a->id, "=", a->socket, NULL);
        json_object_array_add(list, json_object_new_string(pair));
    }
    return list;
}

const char *kiln_agents_socket(const KilnAgents *agents, const char *id)
{
    const Agent *a = find(agents, id);
    return a ? a->socket : NULL;
}

void kiln_agents_free(KilnAgents *agents)
{
    if (agents)
        g_ptr_array_unref(agents->list);
    g_free(agents);
}
