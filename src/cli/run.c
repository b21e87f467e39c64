#include "cli/build.h"
#include "cli/names.h"

#include <string.h>
#include <unistd.h>

typedef struct {
    char *workdir, *user, *entrypoint;
    GPtrArray *env, *volumes, *tmpfs;
    bool input, terminal;
    KilnBuildFlags sandbox; /* those of a RUN that a command alone can have, too */
} RunFlags;

static void flags_init(RunFlags *f)
{
    *f = (RunFlags){.env = g_ptr_array_new_with_free_func(g_free),
                    .volumes = g_ptr_array_new_with_free_func(g_free),
                    .tmpfs = g_ptr_array_new_with_free_func(g_free)};
    kiln_build_flags_init(&f->sandbox);
}

static void flags_clear(RunFlags *f)
{
    g_free(f->workdir);
    g_free(f->user);
    g_free(f->entrypoint);
    g_ptr_array_unref(f->env);
    g_ptr_array_unref(f->volumes);
    g_ptr_array_unref(f->tmpfs);
    kiln_build_flags_clear(&f->sandbox);
}

static bool parse(KilnCall *call, RunFlags *f, GError **error)
{
    KilnBuildFlags *b = &f->sandbox;
    const KilnFlag own[] = {
        {'e', "env", KILN_FLAG_LIST, &f->env, "NAME[=VALUE]", "Set a variable; may be repeated"},
        {'w', "workdir", KILN_FLAG_STRING, &f->workdir, "DIR", "Working directory"},
        {'u', "user", KILN_FLAG_STRING, &f->user, "USER[:GROUP]", "Who runs it"},
        {0, "entrypoint", KILN_FLAG_STRING, &f->entrypoint, "PROGRAM",
         "Instead of the image's entrypoint and command"},
        {'i', "interactive", KILN_FLAG_SWITCH, &f->input, NULL, "Pass standard input on"},
        {'t', "tty", KILN_FLAG_SWITCH, &f->terminal, NULL, "Give the command a terminal"},
        {'v', "volume", KILN_FLAG_LIST, &f->volumes, "PATH:TARGET[:ro]",
         "Show a file or directory of yours; may be repeated"},
        {0, "tmpfs", KILN_FLAG_LIST, &f->tmpfs, "TARGET[:size=N]", "An empty directory in memory"},
        {0, "network", KILN_FLAG_STRING, &b->network, "NETWORK",
         "default, private, host or none"},
        {0, "add-host", KILN_FLAG_LIST, &b->hosts, "NAME:IP",
         "Add a line to /etc/hosts; may be repeated"},
        {0, "dns", KILN_FLAG_LIST, &b->dns, "IP", "Name servers, in place of this host's"},
        {0, "dns-search", KILN_FLAG_LIST, &b->dns_search, "DOMAIN", "Search domains"},
        {0, "dns-option", KILN_FLAG_LIST, &b->dns_options, "OPTION", "Resolver options"},
        {0, "hostname", KILN_FLAG_STRING, &b->hostname, "NAME", "Name of the host in the sandbox"},
        {0, "security-opt", KILN_FLAG_LIST, &b->security_opts, "OPTION",
         "seccomp=FILE|unconfined|builtin, no-new-privileges"},
        {0, "platform", KILN_FLAG_STRING, &b->platform, "OS/ARCH",
         "Which image of a multi-platform index"},
        {0, "pull", KILN_FLAG_STRING, &b->pull, "always|missing|never",
         "When to fetch the image from its registry"},
        {'q', "quiet", KILN_FLAG_SWITCH, &b->quiet, NULL, "Do not show how the image is fetched"},
    };
    static const KilnFlag dockers[] = {
        {0, "rm", KILN_FLAG_IGNORED_SWITCH},
        {0, "init", KILN_FLAG_IGNORED_SWITCH},
        {0, "name", KILN_FLAG_IGNORED},
        {'d', "detach", KILN_FLAG_UNSUPPORTED},
        {0, "mount", KILN_FLAG_UNSUPPORTED},
        {'p', "publish", KILN_FLAG_UNSUPPORTED},
        {'P', "publish-all", KILN_FLAG_UNSUPPORTED},
        {0, "env-file", KILN_FLAG_UNSUPPORTED},
        {0, "privileged", KILN_FLAG_UNSUPPORTED},
    };
    g_autoptr(GArray) all = g_array_new(FALSE, FALSE, sizeof(KilnFlag));
    g_array_append_vals(all, own, G_N_ELEMENTS(own));
    kiln_limit_flags_append(&b->limits, all);
    g_array_append_vals(all, dockers, G_N_ELEMENTS(dockers));
    return kiln_call_parse(call, (const KilnFlag *)(void *)all->data, all->len, error);
}

/* A name alone has the value that it has here; none here, none there (docker/cli, opts/env.go). */
static bool add_env(KilnRequest *r, const char *text, GError **error)
{
    const char *value = strchr(text, '=') ? NULL : g_getenv(text);
    if (!*text || *text == '=') {
        return kiln_usage_error(error, "--env \"%s\": there is no name before the value", text);
    }
    g_autofree char *whole = value ? g_strconcat(text, "=", value, NULL) : g_strdup(text);
    kiln_request_add(r, "variables", whole);
    return true;
}

static bool check_target(const char *flag, const char *text, const char *target, GError **error)
{
    if (*target == '/' && strcmp(target, "/") != 0) {
        return true;
    }
    return kiln_usage_error(error, "--%s \"%s\": \"%s\" is not an absolute path below / of the image",
                            flag, text, target);
}

/* SELinux labels and consistency are nobody's here. */
static bool read_options(const char *text, const char *options, bool *readonly, GError **error)
{
    static const char *const known[] = {"ro",     "rw",         "z",         "Z",
                                        "cached", "consistent", "delegated", NULL};
    g_auto(GStrv) words = g_strsplit(options ? options : "rw", ",", -1);
    for (char **word = words; *word; word++) {
        if (!g_strv_contains(known, *word)) {
            return kiln_usage_error(error, "--volume \"%s\": unknown option \"%s\" (ro, rw)", text,
                                    *word);
        }
        *readonly = *readonly || strcmp(*word, "ro") == 0;
    }
    return true;
}

static bool add_volume(KilnRequest *r, const char *text, GError **error)
{
    g_auto(GStrv) parts = g_strsplit(text, ":", -1);
    guint n = g_strv_length(parts);
    bool readonly = false;
    if (n < 2 || n > 3 || !*parts[0]) {
        return kiln_usage_error(error, "--volume \"%s\" is not PATH:TARGET or PATH:TARGET:ro", text);
    }
    if (*parts[0] != '/' && *parts[0] != '.') {
        return kiln_usage_error(error,
                                "--volume \"%s\": there are no named volumes; a path starts with "
                                "\"/\" or \"./\"",
                                text);
    }
    if (!check_target("volume", text, parts[1], error) ||
        !read_options(text, parts[2], &readonly, error)) {
        return false;
    }
    g_autofree char *path = kiln_path_absolute(parts[0]);
    g_autofree char *whole = g_strconcat(readonly ? "ro:" : "rw:", path, ":", parts[1], NULL);
    kiln_request_add(r, "volumes", whole);
    return true;
}

/* "64m" as Docker's units package reads it: powers of 1024. 0: it is no size. */
static guint64 read_size(const char *text)
{
    static const char units[] = "bkmgt";
    char *end;
    guint64 n = g_ascii_strtoull(text, &end, 10);
    const char *unit = *end ? strchr(units, g_ascii_tolower(*end)) : units;
    guint shift = unit ? (guint)(unit - units) * 10 : 0;
    bool whole = g_ascii_isdigit(*text) && unit && (!*end || !end[1]);
    return whole && n <= G_MAXUINT64 >> shift ? n << shift : 0;
}

static bool add_tmpfs(KilnRequest *r, const char *text, GError **error)
{
    const char *options = strchr(text, ':');
    g_autofree char *target = options ? g_strndup(text, (gsize)(options - text)) : g_strdup(text);
    guint64 size = options && g_str_has_prefix(options, ":size=") ? read_size(options + 6) : 0;
    if (!check_target("tmpfs", text, target, error)) {
        return false;
    }
    if (options && size == 0) {
        return kiln_usage_error(error, "--tmpfs \"%s\" is not TARGET or TARGET:size=N[k|m|g]", text);
    }
    g_autofree char *whole = size ? g_strdup_printf("%s:size=%" G_GUINT64_FORMAT, target, size)
                                  : g_strdup(target);
    kiln_request_add(r, "tmpfs", whole);
    return true;
}

static bool add_all(KilnRequest *r, const GPtrArray *list,
                    bool (*add)(KilnRequest *, const char *, GError **), GError **error)
{
    for (guint i = 0; i < list->len; i++) {
        if (!add(r, g_ptr_array_index(list, i), error)) {
            return false;
        }
    }
    return true;
}

static bool fill(KilnRequest *r, const KilnCall *call, const RunFlags *f, GError **error)
{
    const char *image = g_ptr_array_index(call->arguments, 0);
    const KilnBuildFlags *b = &f->sandbox;
    const char *pull = kiln_setting_choose(b->pull, NULL, call->settings.pull);
    const char *meant = pull ? kiln_setting_pull(pull, "--pull", error) : "missing";
    if (!meant || !kiln_name_check(image, false, error) || !add_all(r, f->env, add_env, error) ||
        !add_all(r, f->volumes, add_volume, error) || !add_all(r, f->tmpfs, add_tmpfs, error) ||
        !kiln_build_add_security(r, b->security_opts, error) ||
        !kiln_build_add_network(r, b, error) || !kiln_limit_flags_add(r, &b->limits, error)) {
        return false;
    }
    if (f->workdir && *f->workdir != '/') {
        return kiln_usage_error(error, "--workdir \"%s\" is not an absolute path", f->workdir);
    }
    if (f->terminal && f->input && !isatty(STDIN_FILENO)) {
        return kiln_usage_error(error, "--tty: standard input is not a terminal; leave -t out");
    }
    for (guint i = 1; i < call->arguments->len; i++) {
        kiln_request_add(r, "command", g_ptr_array_index(call->arguments, i));
    }
    if (f->entrypoint) {
        kiln_request_add(r, "entrypoint", f->entrypoint);
    }
    kiln_request_set(r, "image", image);
    kiln_request_set(r, "pull", meant);
    kiln_request_set(r, "platform",
                     kiln_setting_choose(b->platform, "DOCKER_DEFAULT_PLATFORM",
                                         call->settings.platform));
    kiln_request_set(r, "user", f->user);
    kiln_request_set(r, "workdir", f->workdir);
    kiln_request_set(r, "hostname", b->hostname);
    kiln_request_set(r, "input", f->input ? "true" : NULL);
    kiln_request_set(r, "terminal", f->terminal ? "true" : NULL);
    return true;
}

/* The command's, or that of not having come so far: 126, 127, 128+n are as the command's own would be. */
static int exit_code(const KilnCall *call, json_object *result, int code)
{
    json_object *value;
    if (result && json_object_object_get_ex(result, "exit_code", &value)) {
        return json_object_get_int(value);
    }
    return code > call->command->failure_code ? code : call->command->failure_code;
}

int kiln_command_run(KilnCall *call, GError **error)
{
    RunFlags f;
    flags_init(&f);
    g_autoptr(KilnRequest) request = kiln_request_new("run");
    json_object *result = NULL;
    int code = 0;
    if (parse(call, &f, error) && fill(request, call, &f, error)) {
        code = kiln_call_run(call, request, f.sandbox.quiet ? "quiet" : "auto", "Running", &result, error);
        code = exit_code(call, result, code);
    }
    json_object_put(result);
    flags_clear(&f);
    return code;
}
