#include "remote/git-run.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "remote/error.h"
#include "remote/git-auth.h"

#define OUTPUT_MAX (1024 * 1024)
#define WORDS_MAX (16 * 1024)   /* of what it says on standard error, its end */
#define FILE_MAX ((rlim_t)64 << 30) /* bytes: a pack without end must not fill the disk */

/* Before every command. Options given so go on to the git commands of submodules. */
static const char *const settings[] = {
    "git",
    "-c", "core.hooksPath=/dev/null",
    "-c", "core.fsmonitor=false",
    "-c", "core.askPass=",
    "-c", "core.protectHFS=true",
    "-c", "core.protectNTFS=true",
    "-c", "core.logAllRefUpdates=false",
    "-c", "credential.helper=",
    "-c", "init.defaultBranch=master",
    "-c", "advice.detachedHead=false",
    "-c", "gc.auto=0",
    "-c", "maintenance.auto=false",
    "-c", "fetch.recurseSubmodules=false",
    "-c", "http.lowSpeedLimit=16",
    "-c", "http.lowSpeedTime=60",
    NULL,
};

/* --- Environment -------------------------------------------------------------------------------- */

static void pass(GPtrArray *env, const char *name, const char *as)
{
    const char *value = g_getenv(name);
    if (value && *value) {
        g_ptr_array_add(env, g_strdup_printf("%s=%s", as ? as : name, value));
    }
}

/* The isolation is BuildKit's (util/gitutil/git_cli.go). ssh takes nothing of the user's configuration but
 * the hosts that he knows; a new host is taken at its word, a changed one refused. Keys are those of the agent
 * alone, which is there if he gave it: the files in ~/.ssh that ssh tries by itself would open his private
 * repositories to any Dockerfile. */
static char **environment(const char *remote)
{
    static const char *const fixed[] = {
        "LC_ALL=C",
        "HOME=/dev/null",
        "GIT_CONFIG_NOSYSTEM=1",
        "GIT_CONFIG_SYSTEM=/dev/null",
        "GIT_CONFIG_GLOBAL=/dev/null",
        "GIT_ATTR_NOSYSTEM=1",
        "GIT_TEMPLATE_DIR=",
        "GIT_TERMINAL_PROMPT=0",
        "GIT_ASKPASS=",
        "GIT_ALLOW_PROTOCOL=https:http:ssh:git",
        "GIT_OPTIONAL_LOCKS=0",
        ("GIT_SSH_COMMAND=ssh -F /dev/null -o BatchMode=yes -o StrictHostKeyChecking=accept-new "
        "-o IdentityFile=none -o IdentitiesOnly=no -o ForwardAgent=no -o ConnectTimeout=20 "
        "-o ServerAliveInterval=15"),
    };
    static const char *const passed[] = {
        "PATH",       "TMPDIR",     "SSH_AUTH_SOCK", "HTTP_PROXY",  "HTTPS_PROXY", "NO_PROXY",
        "ALL_PROXY",  "http_proxy", "https_proxy",   "no_proxy",    "all_proxy",
    };
    GPtrArray *env = g_ptr_array_new();
    for (gsize i = 0; i < G_N_ELEMENTS(fixed); i++) {
        g_ptr_array_add(env, g_strdup(fixed[i]));
    }
    for (gsize i = 0; i < G_N_ELEMENTS(passed); i++) {
        pass(env, passed[i], NULL);
    }
    pass(env, g_getenv("CURL_CA_BUNDLE") ? "CURL_CA_BUNDLE" : "SSL_CERT_FILE", "GIT_SSL_CAINFO");
    pass(env, "SSL_CERT_DIR", "GIT_SSL_CAPATH");
    remote_git_auth_add(env, remote);
    g_ptr_array_add(env, NULL);
    return (char **)g_ptr_array_free(env, FALSE);
}

/* In the child, between fork and exec. */
static void child_setup(gpointer data)
{
    (void)data;
    const struct rlimit limit = {FILE_MAX, FILE_MAX};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setpgid(0, 0);
    umask(022); /* what a checkout's modes come to */
    setrlimit(RLIMIT_FSIZE, &limit);
}

/* --- What it says --------------------------------------------------------------------------------- */

/* "Receiving objects:  45% (9/20), 1.20 MiB | 3.00 MiB/s" */
static void take_progress(const RemoteGit *g, const char *line)
{
    static const struct {
        const char *unit;
        double bytes;
    } units[] = {{" bytes", 1}, {" KiB", 1024}, {" MiB", 1048576}, {" GiB", 1073741824}};
    const char *comma = strstr(line, "Receiving objects:") ? strstr(line, "), ") : NULL;
    if (!comma) {
        return;
    }
    char *end;
    double number = g_ascii_strtod(comma + strlen("), "), &end);
    for (gsize i = 0; i < G_N_ELEMENTS(units) && number >= 0 && number < 1e9; i++) {
        if (g_str_has_prefix(end, units[i].unit)) {
            gint64 bytes = (gint64)(number * units[i].bytes);
            remote_events_progress(g->events, g->url, bytes, bytes);
        }
    }
}

/* Takes the whole lines out of `pending`, and keeps those that are no progress. */
static void take_lines(const RemoteGit *g, GString *pending, GString *words)
{
    gsize start = 0;
    for (gsize i = 0; i < pending->len; i++) {
        if (pending->str[i] != '\n' && pending->str[i] != '\r') {
            continue;
        }
        pending->str[i] = '\0';
        const char *line = pending->str + start;
        if (strstr(line, "% (")) {
            take_progress(g, line);
        } else if (*line) {
            g_string_append_printf(words, "%s\n", line);
        }
        start = i + 1;
    }
    g_string_erase(pending, 0, (gssize)start);
    if (pending->len > WORDS_MAX) {
        g_string_truncate(pending, 0);
    }
    if (words->len > WORDS_MAX) {
        g_string_erase(words, 0, (gssize)(words->len - WORDS_MAX / 2));
    }
}

static const struct {
    const char *words;
    RemoteGitFailure failure;
    RemoteError kind;
    const char *hint;
} meanings[] = {
    {"could not read Username", REMOTE_GIT_OTHER, REMOTE_ERROR_AUTH,
     "it does not exist, or needs a login: build with --secret id=GIT_AUTH_TOKEN, or use an ssh URL and --ssh default"},
    {"could not read Password", REMOTE_GIT_OTHER, REMOTE_ERROR_AUTH,
     "it needs a password: build with --secret id=GIT_AUTH_TOKEN, or use an ssh URL and --ssh default"},
    {"Authentication failed", REMOTE_GIT_OTHER, REMOTE_ERROR_AUTH, "the login in the URL is refused"},
    {"returned error: 30", REMOTE_GIT_OTHER, REMOTE_ERROR_AUTH,
     "it redirects, and a login is not sent on: name the place that it leads to"},
    {"Permission denied (", REMOTE_GIT_OTHER, REMOTE_ERROR_AUTH,
     "ssh has no key that is accepted: build with --ssh default (the keys of ssh-agent) or --ssh default=KEYFILE"},
    {"Host key verification failed", REMOTE_GIT_OTHER, REMOTE_ERROR_AUTH,
     "the host has another ssh key than ~/.ssh/known_hosts says"},
    {"couldn't find remote ref", REMOTE_GIT_NO_REF, REMOTE_ERROR_NOT_FOUND, "no such branch or tag"},
    {"not our ref", REMOTE_GIT_NOT_OURS, REMOTE_ERROR_NOT_FOUND, "no such commit"},
    {"unadvertised object", REMOTE_GIT_NOT_OURS, REMOTE_ERROR_NOT_FOUND, "no such commit"},
    {"shallow", REMOTE_GIT_SHALLOW, REMOTE_ERROR_NETWORK, NULL},
    {"--depth", REMOTE_GIT_SHALLOW, REMOTE_ERROR_NETWORK, NULL},
    {"not found", REMOTE_GIT_OTHER, REMOTE_ERROR_NOT_FOUND, "no such repository"},
    {"does not appear to be a git repository", REMOTE_GIT_OTHER, REMOTE_ERROR_NOT_FOUND,
     "no such repository"},
    {"Could not resolve host", REMOTE_GIT_OTHER, REMOTE_ERROR_NETWORK,
     "the host is not known: check its spelling and the network"},
    {"transport '", REMOTE_GIT_OTHER, REMOTE_ERROR_NETWORK,
     "repositories and submodules are fetched by https, http, ssh and git alone"},
};

/* The last lines that say what is wrong, in one. */
static char *essence(const char *words)
{
    g_auto(GStrv) lines = g_strsplit(words, "\n", -1);
    GString *text = g_string_new(NULL);
    for (char **line = lines; *line; line++) {
        bool matters = g_str_has_prefix(*line, "fatal: ") || g_str_has_prefix(*line, "error: ") ||
                       g_str_has_prefix(*line, "remote: ") ||
                       g_str_has_prefix(*line, "ssh: ");
        if (matters && text->len < 400) {
            g_string_append_printf(text, "%s%s", text->len ? "; " : "", strchr(*line, ' ') + 1);
        }
    }
    if (text->len == 0) {
        g_string_append(text, words);
    }
    char *shown = remote_printable(g_strstrip(text->str), 500);
    g_string_free(text, TRUE);
    return shown;
}

static void explain(const RemoteGit *g, const char *words, int status, RemoteGitFailure *failure,
                    GError **error)
{
    g_autofree char *shown = essence(words);
    RemoteError kind = REMOTE_ERROR_NETWORK;
    const char *hint = NULL;
    for (gsize i = 0; i < G_N_ELEMENTS(meanings); i++) {
        if (strstr(words, meanings[i].words)) {
            kind = meanings[i].kind;
            hint = meanings[i].hint;
            if (failure) {
                *failure = meanings[i].failure;
            }
            break;
        }
    }
    g_autofree char *ended =
        WIFSIGNALED(status) ? g_strdup_printf("git was ended by signal %d", WTERMSIG(status)) : NULL;
    g_set_error(error, REMOTE_ERROR, kind, "cannot fetch the git repository %s: %s%s%s%s%s", g->url,
                hint ? hint : "", hint ? " (git: " : "", ended ? ended : shown, hint ? ")" : "",
                *shown || ended ? "" : "git failed without a word");
}

/* --- The process ---------------------------------------------------------------------------------- */

typedef struct {
    GPid pid;
    int out, err;
    GString *output, *pending, *words;
} Child;

static bool start(const RemoteGit *g, const char *const *arguments, Child *c, GError **error)
{
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    for (gsize i = 0; settings[i]; i++) {
        g_ptr_array_add(argv, (char *)settings[i]);
    }
    for (; *arguments; arguments++) {
        g_ptr_array_add(argv, (char *)*arguments);
    }
    g_ptr_array_add(argv, NULL);
    g_auto(GStrv) env = environment(g->remote);
    g_autoptr(GError) failure = NULL;
    if (g_spawn_async_with_pipes(g->folder, (char **)argv->pdata, env,
                                 G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD, child_setup, NULL,
                                 &c->pid, NULL, &c->out, &c->err, &failure)) {
        return true;
    }
    if (g_error_matches(failure, G_SPAWN_ERROR, G_SPAWN_ERROR_NOENT)) {
        g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_IO,
                    "git is not installed: the repository %s cannot be fetched without it", g->url);
    } else {
        g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_IO, "cannot start git: %s", failure->message);
    }
    return false;
}

/* Reads until both ends are closed. False: it is to be killed. */
static bool read_all(const RemoteGit *g, Child *c)
{
    struct pollfd fds[] = {{c->out, POLLIN, 0}, {c->err, POLLIN, 0}};
    char buffer[16 * 1024];
    while (fds[0].fd >= 0 || fds[1].fd >= 0) {
        if (poll(fds, 2, 200) < 0 && errno != EINTR) {
            return false;
        }
        for (int i = 0; i < 2; i++) {
            ssize_t n = fds[i].fd >= 0 && fds[i].revents ? read(fds[i].fd, buffer, sizeof buffer) : -2;
            if (n >= 0) {
                g_string_append_len(i == 0 ? c->output : c->pending, buffer, n);
            }
            if (n == 0 || (n == -1 && errno != EINTR)) {
                fds[i].fd = -1;
            }
        }
        take_lines(g, c->pending, c->words);
        if (g_atomic_int_get(g->cancelled) || c->output->len > OUTPUT_MAX) {
            return false;
        }
    }
    g_string_append_c(c->pending, '\n');
    take_lines(g, c->pending, c->words);
    return true;
}

static int wait_for(GPid pid)
{
    int status;
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) {
            return -1;
        }
    }
    return status;
}

bool remote_git_command(const RemoteGit *g, const char *const *arguments, char **output,
                        RemoteGitFailure *failure, GError **error)
{
    if (failure) {
        *failure = REMOTE_GIT_OTHER;
    }
    Child c = {.out = -1, .err = -1};
    if (!start(g, arguments, &c, error)) {
        return false;
    }
    c.output = g_string_new(NULL);
    c.pending = g_string_new(NULL);
    c.words = g_string_new(NULL);
    bool whole = read_all(g, &c);
    if (!whole) {
        kill(-c.pid, SIGKILL);
    }
    int status = wait_for(c.pid);
    close(c.out);
    close(c.err);
    bool ok = whole && status == 0;
    if (!whole) {
        g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_CANCELLED,
                    "fetching the git repository %s was given up%s", g->url,
                    c.output->len > OUTPUT_MAX ? ": it answers without end" : "");
    } else if (!ok) {
        explain(g, c.words->str, status, failure, error);
    }
    g_string_free(c.pending, TRUE);
    g_string_free(c.words, TRUE);
    char *text = g_string_free(c.output, FALSE);
    if (output && ok) {
        *output = text;
    } else {
        g_free(text);
    }
    return ok;
}
