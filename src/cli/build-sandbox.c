/* What a build gives its RUNs, and what it fetches: --secret, --ssh, --allow, --hostname, --emulate,
 * the network and limits. */
#include "cli/build.h"

#include "cli/output.h"
#include "front/isolation.h"
#include "remote/git-reference.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

/* BuildKit's limit (session/secrets/secretsprovider). */
#define SECRET_MAX (500 * 1024)

typedef struct {
    char *id, *type, *source, *env;
} Secret;

static void secret_clear(Secret *s)
{
    g_free(s->id);
    g_free(s->type);
    g_free(s->source);
    g_free(s->env);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Secret, secret_clear)

static bool take_field(Secret *s, const char *text, const char *field, GError **error)
{
    char **values[] = {&s->id, &s->type, &s->source, &s->source, &s->env};
    static const char *const keys[] = {"id", "type", "source", "src", "env"};
    const char *equals = strchr(field, '=');
    if (!equals) {
        return kiln_usage_error(error, "--secret \"%s\": \"%s\" is not KEY=VALUE", text, field);
    }
    g_autofree char *key = g_ascii_strdown(field, equals - field);
    for (guint i = 0; i < G_N_ELEMENTS(keys); i++) {
        if (strcmp(key, keys[i]) == 0) {
            g_free(*values[i]);
            *values[i] = g_strdup(equals + 1);
            return true;
        }
    }
    return kiln_usage_error(
        error, "--secret \"%s\": unknown key \"%s\" (id, src, env and type are known)", text, key);
}

/* As buildx's util/buildflags and BuildKit's secretsprovider: without a source the id names a
 * variable or, if there is none, a file. */
static bool complete(Secret *s, const char *text, GError **error)
{
    if (!s->id || !*s->id) {
        return kiln_usage_error(
            error, "--secret \"%s\" has no id: id=ID,src=FILE or id=ID,env=VARIABLE", text);
    }
    if (s->type && strcmp(s->type, "file") != 0 && strcmp(s->type, "env") != 0) {
        return kiln_usage_error(error, "--secret \"%s\": unknown type \"%s\" (file, env)", text,
                                s->type);
    }
    if (g_strcmp0(s->type, "env") == 0 && !s->env) {
        s->env = g_steal_pointer(&s->source);
    }
    if (!s->env && !s->source && g_getenv(s->id)) {
        s->env = g_strdup(s->id);
    } else if (!s->env && !s->source) {
        s->source = g_strdup(s->id);
    }
    return true;
}

static bool check_file(const char *text, const char *path, GError **error)
{
    struct stat st;
    if (stat(path, &st) < 0) {
        return kiln_usage_error(error, "--secret \"%s\": %s: %s", text, path, g_strerror(errno));
    }
    if (S_ISDIR(st.st_mode)) {
        return kiln_usage_error(error, "--secret \"%s\": %s is a directory", text, path);
    }
    if (st.st_size > SECRET_MAX) {
        return kiln_usage_error(error, "--secret \"%s\": %s is larger than 500 kB", text, path);
    }
    return true;
}

static bool add_secret(KilnRequest *r, const char *text, GError **error)
{
    g_auto(Secret) s = {0};
    g_autoptr(GPtrArray) fields = kiln_csv_split(text);
    for (guint i = 0; i < fields->len; i++) {
        if (!take_field(&s, text, g_ptr_array_index(fields, i), error)) {
            return false;
        }
    }
    if (!complete(&s, text, error) || (s.source && !check_file(text, s.source, error))) {
        return false;
    }
    g_autofree char *path = s.source ? kiln_path_absolute(s.source) : NULL;
    g_autofree char *whole =
        s.env ? g_strconcat(s.id, "=env:", s.env, NULL) : g_strconcat(s.id, "=file:", path, NULL);
    kiln_request_add(r, "secrets", whole);
    return true;
}

static bool add_entitlements(KilnRequest *r, const char *text, GError **error)
{
    static const char *const known[] = {"network.host", "security.insecure", NULL};
    if (!g_strv_contains(known, text)) {
        return kiln_usage_error(
            error, "--allow %s: unknown entitlement (network.host, security.insecure)", text);
    }
    kiln_request_add(r, "allow", text);
    return true;
}

static bool is_by_ssh(const char *context)
{
    g_autoptr(GError) malformed = NULL; /* the builder says what is wrong with it */
    g_autoptr(KilnGitReference) git = kiln_git_reference_parse(context, true, &malformed);
    return git && (g_str_has_prefix(git->remote, "ssh://") || !strstr(git->remote, "://"));
}

/* As buildx (commands/build.go): who builds a repository by ssh lets it be fetched with the keys of
 * his agent, unless he says which; a named context says nothing. */
static void add_agents(KilnRequest *r, const GPtrArray *ssh)
{
    const char *agent = g_getenv("SSH_AUTH_SOCK"), *context = kiln_request_get(r, "context");
    for (guint i = 0; i < ssh->len; i++) {
        kiln_request_add(r, "ssh", g_ptr_array_index(ssh, i));
    }
    if (ssh->len == 0 && agent && *agent && context && is_by_ssh(context)) {
        kiln_request_add(r, "ssh", "default");
    }
}

static bool add_on_error(KilnRequest *r, const KilnBuildFlags *f, GError **error)
{
    static const char *const known[] = {"shell", "fail", NULL};
    const char *what = f->on_error ? f->on_error : f->debug ? "shell" : "fail";
    if (!g_strv_contains(known, what)) {
        return kiln_usage_error(error, "--on-error=%s: unknown (shell, fail)", what);
    }
    kiln_request_set(r, "on_error", what);
    return true;
}

static bool add_emulate(KilnRequest *r, const char *emulate, GError **error)
{
    static const char *const known[] = {"off", "owners", "full", NULL};
    if (!g_strv_contains(known, emulate)) {
        return kiln_usage_error(error, "--emulate %s: unknown (off, owners, full)", emulate);
    }
    kiln_request_set(r, "emulate", emulate);
    return true;
}

static bool add_snapshotter(KilnRequest *r, const char *flag, GError **error)
{
    static const char *const known[] = {"auto", "overlay", "fuse-overlayfs", "copy", NULL};
    const char *snapshotter = kiln_setting_choose(flag, "KILN_SNAPSHOTTER", NULL);
    if (snapshotter && !g_strv_contains(known, snapshotter)) {
        return kiln_usage_error(
            error, "%s%s: unknown snapshotter (auto, overlay, fuse-overlayfs, copy)",
            flag && *flag ? "--snapshotter " : "KILN_SNAPSHOTTER=", snapshotter);
    }
    kiln_request_set(r, "snapshotter", snapshotter);
    return true;
}

static bool add_isolation(KilnRequest *r, const char *flag, GError **error)
{
    KilnIsolation isolation;
    if (!kiln_isolation_parse(flag, &isolation)) {
        return kiln_usage_error(error,
                                "--isolation %s: unknown isolation (" KILN_ISOLATION_NAMES ")", flag);
    }
    kiln_request_set(r, "isolation", flag);
    return true;
}

bool kiln_build_add_sandbox(KilnRequest *r, const KilnBuildFlags *f, GError **error)
{
    for (guint i = 0; i < f->secrets->len; i++) {
        if (!add_secret(r, g_ptr_array_index(f->secrets, i), error)) {
            return false;
        }
    }
    add_agents(r, f->ssh);
    for (guint i = 0; i < f->allow->len; i++) {
        if (!add_entitlements(r, g_ptr_array_index(f->allow, i), error)) {
            return false;
        }
    }
    if (f->hostname) { /* BuildKit's way to say so; the builder checks it */
        g_autofree char *argument = g_strconcat("BUILDKIT_SANDBOX_HOSTNAME=", f->hostname, NULL);
        kiln_request_add(r, "build_args", argument);
    }
    return kiln_build_add_security(r, f->security_opts, error) &&
           kiln_build_add_network(r, f, error) && kiln_limit_flags_add(r, &f->limits, error) &&
           add_isolation(r, f->isolation, error) && add_snapshotter(r, f->snapshotter, error) &&
           add_on_error(r, f, error) && (!f->emulate || add_emulate(r, f->emulate, error));
}
