#include "cli/build.h"

#include "cli/names.h"
#include "cli/output.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool has_prefix_of(const char *text, const char *const *prefixes)
{
    for (; *prefixes; prefixes++) {
        if (g_str_has_prefix(text, *prefixes)) {
            return true;
        }
    }
    return false;
}

/* URLs, and what BuildKit takes for a git repository (frontend/dockerfile/dfgitutil, util/gitutil):
 * also "github.com/…" and "user@host:path". */
static bool is_remote(const char *text)
{
    static const char *const prefixes[] = {"http://", "https://",    "git://",
                                           "ssh://",  "github.com/", NULL};
    const char *at = strchr(text, '@'), *colon = at ? strchr(at, ':') : NULL;
    bool scp_like =
        at && at > text && colon && colon > at + 1 && strcspn(text, "/") > (gsize)(colon - text);
    return has_prefix_of(text, prefixes) || scp_like;
}

/* Standard input of a terminal would not reach the builder, which is no process of the terminal. */
static bool check_input(const char *what, GError **error)
{
    if (!isatty(STDIN_FILENO)) {
        return true;
    }
    return kiln_usage_error(
        error, "%s: standard input is a terminal; send a file or the output of a command there",
        what);
}

static bool add_context(KilnRequest *r, const char *place, GError **error)
{
    if (strcmp(place, "-") == 0) {
        kiln_request_set(r, "context", place);
        return check_input("the context \"-\"", error);
    }
    bool exists = g_file_test(place, G_FILE_TEST_EXISTS);
    if (!exists && is_remote(place)) {
        kiln_request_set(r, "context", place);
        return true;
    }
    if (!exists) {
        return kiln_usage_error(error, "the context \"%s\" does not exist", place);
    }
    struct stat st;
    if (stat(place, &st) == 0 && !S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode) &&
        !S_ISFIFO(st.st_mode)) {
        return kiln_usage_error(
            error, "the context \"%s\" is neither a directory nor a tar archive", place);
    }
    g_autofree char *absolute = kiln_path_absolute(place);
    char *real = realpath(absolute, NULL);
    kiln_request_set(r, "context", real ? real : absolute);
    free(real);
    return true;
}

static bool add_file(KilnRequest *r, const char *context, const char *file, GError **error)
{
    bool url = g_str_has_prefix(file, "http://") || g_str_has_prefix(file, "https://");
    if (strcmp(file, "-") == 0 && strcmp(context, "-") == 0) {
        return kiln_usage_error(
            error, "standard input cannot be both the context and the Dockerfile: give one of "
                   "them as a file");
    }
    if (strcmp(file, "-") == 0 || url) {
        kiln_request_set(r, "file", file);
        return url || check_input("--file -", error);
    }
    if (g_file_test(context, G_FILE_TEST_IS_DIR)) {
        kiln_request_set_path(r, "file", file);
        return true;
    }
    /* Within any other context; but an absolute path is one of the host where the context is
     * remote, as in buildx. */
    bool remote = strcmp(context, "-") != 0 && !g_file_test(context, G_FILE_TEST_EXISTS);
    kiln_request_set(r, "file", remote ? file : file + strspn(file, "/"));
    return true;
}

static bool add_tags(KilnRequest *r, const GPtrArray *tags, GError **error)
{
    for (guint i = 0; i < tags->len; i++) {
        if (!kiln_name_check(g_ptr_array_index(tags, i), true, error)) {
            g_prefix_error_literal(error, "--tag: ");
            return false;
        }
        kiln_request_add(r, "tags", g_ptr_array_index(tags, i));
    }
    return true;
}

static bool add_pairs(KilnRequest *r, const char *key, const char *flag, const GPtrArray *pairs,
                      const char *suffix, GError **error)
{
    for (guint i = 0; i < pairs->len; i++) {
        const char *text = g_ptr_array_index(pairs, i);
        if (!*text || *text == '=') {
            return kiln_usage_error(error, "--%s \"%s\": there is no name before the value", flag,
                                    text);
        }
        g_autofree char *whole = g_strconcat(text, strchr(text, '=') ? "" : suffix, NULL);
        kiln_request_add(r, key, whole);
    }
    return true;
}

/* NAME=PLACE with PLACE as the builder wants it: paths absolute. */
static bool add_named_context(KilnRequest *r, const char *text, GError **error)
{
    static const char *const archives[] = {"oci-layout://", "oci-archive://", "docker-archive://",
                                           NULL};
    static const char *const others[] = {"docker-image://", "target:", NULL};
    const char *equals = strchr(text, '=');
    if (!equals || equals == text || !equals[1]) {
        return kiln_usage_error(error, "--build-context \"%s\" is not NAME=PLACE", text);
    }
    const char *source = equals + 1;
    bool archive = has_prefix_of(source, archives);
    const char *path = archive ? strstr(source, "://") + 3 : source;
    bool exists = g_file_test(path, G_FILE_TEST_EXISTS);
    if (!archive && !exists && (has_prefix_of(source, others) || is_remote(source))) {
        kiln_request_add(r, "build_contexts", text);
        return true;
    }
    if (strcmp(source, "-") == 0) {
        return kiln_usage_error(
            error,
            "--build-context \"%s\": standard input can be the context or the Dockerfile, "
            "but no named context",
            text);
    }
    if (!archive && !exists) {
        return kiln_usage_error(error, "--build-context \"%s\": %s does not exist", text, path);
    }
    g_autofree char *absolute = kiln_path_absolute(path);
    g_autofree char *head = g_strndup(text, (gsize)(path - text));
    g_autofree char *whole = g_strconcat(head, absolute, NULL);
    kiln_request_add(r, "build_contexts", whole);
    return true;
}

static bool add_output(KilnRequest *r, const char *text, GError **error)
{
    g_autofree char *output = kiln_output_parse(text, error);
    if (!output) {
        return false;
    }
    kiln_request_set(r, "output", output);
    return true;
}

/* The value of a build argument as given by flags, or NULL. */
static const char *argument_value(const GPtrArray *arguments, const char *name)
{
    gsize length = strlen(name);
    for (guint i = arguments->len; i > 0; i--) {
        const char *text = g_ptr_array_index(arguments, i - 1);
        if (strncmp(text, name, length) == 0 && text[length] == '=') {
            return text + length + 1;
        }
    }
    return NULL;
}

/* reproducible-builds.org, "SOURCE_DATE_EPOCH": seconds, decimal; a malformed one is an error. */
static bool add_epoch(KilnRequest *r, const GPtrArray *arguments, GError **error)
{
    const char *given = argument_value(arguments, "SOURCE_DATE_EPOCH");
    const char *epoch = given ? given : g_getenv("SOURCE_DATE_EPOCH");
    if (!epoch || !*epoch) {
        return true;
    }
    if (!g_ascii_string_to_unsigned(epoch, 10, 0, G_MAXINT64, NULL, NULL)) {
        return kiln_usage_error(
            error, "SOURCE_DATE_EPOCH is \"%s\", not a number of seconds since 1970", epoch);
    }
    kiln_request_set(r, "source_date_epoch", epoch);
    if (!given) { /* an argument as by --build-arg, as buildx makes it one */
        g_autofree char *argument = g_strconcat("SOURCE_DATE_EPOCH=", epoch, NULL);
        kiln_request_add(r, "build_args", argument);
    }
    return true;
}

/* Proxies of Docker's configuration, but for those that --build-arg sets. */
static void add_proxies(KilnRequest *r, const GPtrArray *arguments)
{
    g_autofree char *path = kiln_docker_config_path();
    g_autofree char *json = NULL;
    if (!path || !g_file_test(path, G_FILE_TEST_EXISTS) || !g_file_get_contents(path, &json, NULL, NULL)) {
        return;
    }
    g_auto(GStrv) proxies = kiln_docker_proxies(json);
    for (char **p = proxies; *p; p++) {
        g_autofree char *name = g_strndup(*p, (gsize)(strchr(*p, '=') - *p));
        if (!argument_value(arguments, name)) {
            kiln_request_add(r, "proxy_args", *p);
        }
    }
}

static bool add_platform(KilnRequest *r, const KilnCall *call, const KilnBuildFlags *f,
                         GError **error)
{
    const char *platform =
        kiln_setting_choose(f->platform, "DOCKER_DEFAULT_PLATFORM", call->settings.platform);
    if (platform && strchr(platform, ',')) {
        return kiln_usage_error(error, "several platforms at once (%s) are not supported yet",
                                platform);
    }
    kiln_request_set(r, "platform", platform);
    return true;
}

static bool add_choices(KilnRequest *r, const KilnCall *call, const KilnBuildFlags *f,
                        GError **error)
{
    const char *pull = kiln_setting_choose(f->pull, NULL, call->settings.pull);
    const char *jobs = kiln_setting_choose(f->jobs, NULL, call->settings.jobs);
    const char *meant = pull ? kiln_setting_pull(pull, "--pull", error) : "missing";
    if (!meant || (jobs && !kiln_setting_check_jobs(jobs, "--jobs", error))) {
        return false;
    }
    const char *keep = kiln_setting_choose(f->keep_builds, NULL, call->settings.keep_builds);
    guint64 number;
    if (keep && !kiln_setting_count(keep, "--keep-builds", &number, error)) {
        return false;
    }
    kiln_request_set(r, "keep_builds", keep);
    kiln_request_set(r, "pull", meant);
    kiln_request_set(r, "jobs", jobs);
    kiln_request_set(r, "no_cache", f->no_cache ? "true" : NULL);
    for (guint i = 0; i < f->no_cache_filter->len; i++) {
        g_auto(GStrv) stages = g_strsplit(f->no_cache_filter->pdata[i], ",", -1);
        for (char **stage = stages; *stage; stage++)
            if (*g_strstrip(*stage))
                kiln_request_add(r, "no_cache_filter", *stage);
    }
    kiln_request_set(r, "target", f->target);
    return true;
}

static bool add_keep(KilnRequest *r, const KilnCall *call, const KilnBuildFlags *f, GError **error)
{
    const char *where = f->keep_storage && *f->keep_storage ? "--keep-storage" : "KILN_KEEP_STORAGE";
    const char *keep = kiln_setting_choose(f->keep_storage, "KILN_KEEP_STORAGE", call->settings.keep_storage);
    g_autofree char *text = NULL;
    if (keep && !kiln_setting_keep(keep, where, &text, error)) {
        return false;
    }
    kiln_request_set(r, "keep_storage", text);
    return true;
}

static bool fill(KilnRequest *r, const KilnCall *call, const KilnBuildFlags *f, GError **error)
{
    const char *context = g_ptr_array_index(call->arguments, 0);
    if (!add_context(r, context, error) || (f->file && !add_file(r, context, f->file, error)) ||
        !add_tags(r, f->tags, error) ||
        !add_pairs(r, "build_args", "build-arg", f->build_args, "", error) ||
        !add_pairs(r, "labels", "label", f->labels, "=", error)) {
        return false;
    }
    for (guint i = 0; i < f->build_contexts->len; i++) {
        if (!add_named_context(r, g_ptr_array_index(f->build_contexts, i), error)) {
            return false;
        }
    }
    if ((f->output && !add_output(r, f->output, error)) || !add_platform(r, call, f, error) ||
        !add_choices(r, call, f, error) || !add_epoch(r, f->build_args, error) ||
        !kiln_build_add_caches(r, f, error) || !kiln_build_add_sandbox(r, f, error) ||
        !add_keep(r, call, f, error) || !kiln_unpack_limits_add(r, call, &f->unpack, error)) {
        return false;
    }
    add_proxies(r, f->build_args);
    return true;
}

KilnRequest *kiln_build_request(const KilnCall *call, const KilnBuildFlags *f, GError **error)
{
    g_autoptr(KilnRequest) r = kiln_request_new(f->operation);
    return fill(r, call, f, error) ? g_steal_pointer(&r) : NULL;
}

const char *kiln_build_progress(const KilnCall *call, const KilnBuildFlags *f, GError **error)
{
    const char *variable = g_getenv("BUILDKIT_PROGRESS");
    bool by_variable = !f->progress && variable && *variable;
    const char *mode =
        kiln_setting_choose(f->progress, "BUILDKIT_PROGRESS", call->settings.progress);
    if (mode && !kiln_setting_check_progress(mode, by_variable ? "BUILDKIT_PROGRESS" : "--progress",
                                             error)) {
        return NULL;
    }
    return f->quiet ? "quiet" : mode ? mode : "auto";
}
