/* kiln-remote: what kiln asks of registries and other servers, in a process of its own, because it holds credentials.
 * The front process starts it as the user and reads JSON lines from its standard output
 * (remote/events.h).
 *
 *   kiln-remote pull [--platform P] [--have DIR] [--max-blob BYTES] REF DEST
 *   kiln-remote resolve [--platform P] REF
 *   kiln-remote get …   one file by HTTP (remote/get.h)
 *   kiln-remote git-commit …, kiln-remote git …   a git repository (remote/git.h)
 *
 * Exit status: 0 done, 1 failed, 2 usage. */
#include <curl/curl.h>
#include <glib.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "remote/auth.h"
#include "remote/error.h"
#include "remote/events.h"
#include "remote/get.h"
#include "remote/git.h"
#include "remote/platform.h"
#include "remote/pull.h"
#include "remote/reference.h"
#include "remote/registry.h"

typedef struct {
    const char *command, *platform, *have, *max_blob;
    const char *operands[2]; /* REF, DEST */
} Arguments;

static bool usage(GError **error, const char *what, const char *which)
{
    g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_USAGE,
                "%s%s; usage: kiln-remote pull [--platform P] [--have DIR] [--max-blob BYTES] REF DEST, or "
                "kiln-remote resolve [--platform P] REF",
                what, which);
    return false;
}

/* The value of `--name VALUE` or `--name=VALUE` at argv[*i], NULL if it is another argument. */
static const char *option_value(int argc, char **argv, int *i, const char *name)
{
    gsize length = strlen(name);
    if (strncmp(argv[*i], name, length) != 0) {
        return NULL;
    }
    if (argv[*i][length] == '=') {
        return argv[*i] + length + 1;
    }
    return argv[*i][length] == '\0' && *i + 1 < argc ? argv[++*i] : NULL;
}

static bool parse_arguments(int argc, char **argv, Arguments *a, GError **error)
{
    if (argc < 2) {
        return usage(error, "a command is missing", "");
    }
    a->command = argv[1];
    bool pulls = strcmp(a->command, "pull") == 0;
    if (!pulls && strcmp(a->command, "resolve") != 0) {
        return usage(error, "unknown command ", a->command);
    }
    gsize count = 0, expected = pulls ? 2 : 1;
    for (int i = 2; i < argc; i++) {
        const char *value;
        if ((value = option_value(argc, argv, &i, "--platform"))) {
            a->platform = value;
        } else if (pulls && (value = option_value(argc, argv, &i, "--have"))) {
            a->have = value;
        } else if (pulls && (value = option_value(argc, argv, &i, "--max-blob"))) {
            a->max_blob = value;
        } else if (argv[i][0] == '-') {
            return usage(error, "unknown or incomplete option ", argv[i]);
        } else if (count == expected) {
            return usage(error, "unexpected argument ", argv[i]);
        } else {
            a->operands[count++] = argv[i];
        }
    }
    return count == expected || usage(error, "an argument is missing", "");
}

static bool resolve(const KilnReference *reference, const char *config_file, RemoteEvents *events,
                    gint *cancelled, GError **error)
{
    g_autoptr(RemoteHttp) http = remote_http_new(cancelled);
    g_autoptr(RemoteRegistry) registry = remote_registry_open(reference, config_file, http, error);
    if (!registry) {
        return false;
    }
    const char *which = reference->digest ? reference->digest : reference->tag;
    g_autoptr(RemoteDescriptor) found = remote_registry_resolve(registry, http, which, error);
    if (!found) {
        return false;
    }
    remote_events_resolved(events, found->digest, found->media_type, found->size);
    return true;
}

static bool run(int argc, char **argv, RemoteEvents *events, gint *cancelled, GError **error)
{
    if (argc > 1 && strcmp(argv[1], "get") == 0) {
        return remote_get_run(argc - 1, argv + 1, events, cancelled, error);
    }
    if (argc > 1 && strcmp(argv[1], "git-commit") == 0) {
        return remote_git_commit_run(argc - 1, argv + 1, events, cancelled, error);
    }
    if (argc > 1 && strcmp(argv[1], "git") == 0) {
        return remote_git_run(argc - 1, argv + 1, events, cancelled, error);
    }
    Arguments a = {0};
    if (!parse_arguments(argc, argv, &a, error)) {
        return false;
    }
    g_autoptr(GError) invalid = NULL;
    g_autoptr(KilnReference) reference = kiln_reference_parse(a.operands[0], &invalid);
    if (!reference) {
        g_set_error_literal(error, REMOTE_ERROR, REMOTE_ERROR_USAGE, invalid->message);
        return false;
    }
    g_autoptr(RemotePlatform) platform =
        a.platform ? remote_platform_parse(a.platform, error) : remote_platform_host();
    if (!platform) {
        return false;
    }
    g_autofree char *config_file = remote_credentials_file();
    if (strcmp(a.command, "resolve") == 0) {
        return resolve(reference, config_file, events, cancelled, error);
    }
    RemotePull pull = {.reference = reference,
                       .platform = platform,
                       .config_file = config_file,
                       .have = a.have,
                       .max_blob = a.max_blob ? g_ascii_strtoll(a.max_blob, NULL, 10) : 0,
                       .folder = a.operands[1],
                       .events = events,
                       .cancelled = cancelled};
    return remote_pull(&pull, error);
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN); /* a broken connection, or a front that has gone, is an error code */
    gint cancelled = 0;
    g_autoptr(RemoteEvents) events = remote_events_new(STDOUT_FILENO, &cancelled);
    g_autoptr(GError) error = NULL;
    int status = 0;
    curl_global_init(CURL_GLOBAL_DEFAULT);
    if (!run(argc, argv, events, &cancelled, &error)) {
        remote_events_error(events, error);
        status = g_error_matches(error, REMOTE_ERROR, REMOTE_ERROR_USAGE) ? 2 : 1;
    }
    curl_global_cleanup();
    return status;
}
