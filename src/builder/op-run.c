/* The operation "run": a command in an image of the store, or of a registry. */
#include "build/image-command.h"
#include "builder/base.h"
#include "builder/run-settings.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

/* docker run's, as are the shells' */
#define EXIT_CANNOT_EXECUTE 126
#define EXIT_NOT_FOUND 127

/* Docker's default (moby, daemon/pkg/oci/defaults.go). */
#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* By ID if that is what was meant: no image of that name is in the store. Else as FROM finds it. */
static KilnResolved *find_image(KilnOperation *op, GError **error)
{
    const char *text = kiln_request_text(op->request, "image");
    g_autoptr(KilnPlatform) platform = NULL;
    if (!text || !kiln_request_platform(op->request, &platform, error))
        return NULL;
    g_autofree char *name = kiln_canonical_name(text, NULL);
    g_autoptr(KilnImage) named = name ? kiln_image_lookup(op->store, name, NULL) : NULL;
    g_autoptr(KilnImage) by_id = named ? NULL : kiln_image_lookup(op->store, text, NULL);
    KilnBases bases = {.op = op, .pull = kiln_request_text(op->request, "pull")};
    if (!by_id)
        return kiln_base_resolve(&bases, text, platform, error);
    KilnResolved *r = g_new0(KilnResolved, 1);
    r->image_id = g_strdup(by_id->id);
    r->config = kiln_image_config(op->store, by_id->id, error);
    if (!r->config)
        g_clear_pointer(&r, kiln_resolved_free);
    return r;
}

/* As docker run: an entrypoint of the user's leaves nothing of the image's command. */
static char **make_argv(KilnOperation *op, const KilnConfig *config, GError **error)
{
    g_autofree const char **entrypoint = kiln_request_list(op->request, "entrypoint");
    g_autofree const char **command = kiln_request_list(op->request, "command");
    g_auto(GStrv) own_entrypoint = kiln_config_list(config, "Entrypoint");
    g_auto(GStrv) own_command = kiln_config_list(config, "Cmd");
    const char *const *first = *entrypoint ? entrypoint : (const char *const *)own_entrypoint;
    const char *const *rest = *command      ? command
                              : *entrypoint ? NULL
                                            : (const char *const *)own_command;
    g_autoptr(GStrvBuilder) argv = g_strv_builder_new();
    for (; first && *first; first++)
        if (**first || !*entrypoint) /* --entrypoint "": none */
            g_strv_builder_add(argv, *first);
    for (; rest && *rest; rest++)
        g_strv_builder_add(argv, *rest);
    char **list = g_strv_builder_end(argv);
    if (*list)
        return list;
    g_strfreev(list);
    g_set_error(error, KILN_OPERATION_ERROR, 1,
                "no command: the image has neither an entrypoint nor a command of its own; name one after it");
    return NULL;
}

static gsize name_length(const char *variable)
{
    return strcspn(variable, "=");
}

static void remove_variable(GPtrArray *env, const char *variable)
{
    gsize length = name_length(variable);
    for (guint i = env->len; i-- > 0;)
        if (name_length(env->pdata[i]) == length && strncmp(env->pdata[i], variable, length) == 0)
            g_ptr_array_remove_index(env, i);
}

/* The image's, then the user's: "NAME=value", or "NAME" to have none of that name. */
static char **make_env(KilnOperation *op, const KilnConfig *config)
{
    g_autofree const char **own = kiln_request_list(op->request, "variables");
    g_auto(GStrv) base = kiln_config_environ(config);
    GPtrArray *env = g_ptr_array_new_with_free_func(g_free);
    if (!kiln_config_env(config, "PATH"))
        g_ptr_array_add(env, g_strdup(DEFAULT_PATH));
    for (char **v = base; *v; v++)
        g_ptr_array_add(env, g_strdup(*v));
    for (const char **v = own; *v; v++) {
        remove_variable(env, *v);
        if (strchr(*v, '='))
            g_ptr_array_add(env, g_strdup(*v));
    }
    g_ptr_array_add(env, NULL);
    return (char **)g_ptr_array_free(env, FALSE);
}

/* tmpfs[]: "TARGET" or "TARGET:size=BYTES". */
static GArray *make_tmpfs(KilnOperation *op)
{
    GArray *mounts = g_array_new(FALSE, TRUE, sizeof(KilnMount));
    g_autofree const char **list = kiln_request_list(op->request, "tmpfs");
    for (const char **text = list; *text; text++) {
        g_auto(GStrv) parts = g_strsplit(*text, ":size=", 2);
        KilnMount m = {.type = KILN_MOUNT_TMPFS, .target = g_steal_pointer(&parts[0])};
        if (parts[1])
            m.size = g_ascii_strtoull(parts[1], NULL, 10);
        g_array_append_val(mounts, m);
        parts[0] = g_strdup("");
    }
    return mounts;
}

static KilnNetwork network_of(KilnOperation *op)
{
    const char *text = kiln_request_text(op->request, "network");
    return g_strcmp0(text, "none") == 0   ? KILN_NETWORK_NONE
           : g_strcmp0(text, "host") == 0 ? KILN_NETWORK_HOST
                                          : KILN_NETWORK_DEFAULT;
}

static const char *either(const char *given, const char *of_image, const char *otherwise)
{
    return given ? given : of_image && *of_image ? of_image : otherwise;
}

static void step_clear(KilnStep *s)
{
    g_strfreev(s->argv);
    g_strfreev(s->env);
    g_free(s->user);
    g_free(s->workdir);
    for (guint i = 0; s->mounts && i < s->mounts->len; i++)
        g_free(g_array_index(s->mounts, KilnMount, i).target);
    g_clear_pointer(&s->mounts, g_array_unref);
}

/* It becomes a line of files. The rule is that of BUILDKIT_SANDBOX_HOSTNAME (plan/settings.c). */
static bool check_hostname(const char *name, GError **error)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
    if (!name || (*name && strlen(name) <= HOST_NAME_MAX && strspn(name, allowed) == strlen(name)))
        return true;
    g_set_error(error, KILN_OPERATION_ERROR, 2,
                "--hostname \"%s\": a hostname has at most %d letters, digits, '.', '-' and '_'", name,
                HOST_NAME_MAX);
    return false;
}

static bool step_fill(KilnOperation *op, const KilnConfig *config, KilnStep *s, GError **error)
{
    const char *user = kiln_request_text(op->request, "user");
    const char *workdir = kiln_request_text(op->request, "workdir");
    *s = (KilnStep){.kind = KILN_STEP_RUN, .name = (char *)"run", .keyword = (char *)"RUN"};
    s->argv = make_argv(op, config, error);
    s->env = make_env(op, config);
    s->user = g_strdup(either(user, kiln_config_string(config, "User"), NULL));
    s->workdir = g_strdup(either(workdir, kiln_config_string(config, "WorkingDir"), "/"));
    s->mounts = make_tmpfs(op);
    s->network = network_of(op);
    return s->argv && check_hostname(kiln_request_text(op->request, "hostname"), error);
}

/* A command that could not be executed is an error with the code that a shell has for it. */
static json_object *make_result(const KilnStep *s, const struct kilnrun_result *result, GError **error)
{
    if (result->started) {
        json_object *o = json_object_new_object();
        json_object_object_add(o, "exit_code", json_object_new_int(result->exit_code));
        return o;
    }
    const struct kilnrun_failure *f = &result->failure;
    if (strcmp(f->stage, "exec") == 0)
        g_set_error(error, KILN_OPERATION_ERROR,
                    f->error == -ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_EXECUTE, "cannot execute \"%s\": %s%s%s",
                    s->argv[0], f->detail, f->error == -ENOENT ? "" : ": ",
                    f->error == -ENOENT ? "" : g_strerror(-f->error));
    else
        g_set_error(error, KILN_OPERATION_ERROR, 3,
                    "preparing the sandbox for \"%s\" failed at %s (%s): %s; kiln doctor shows what this host "
                    "allows",
                    s->argv[0], f->stage, f->detail, g_strerror(-f->error));
    return NULL;
}

static json_object *run(KilnOperation *op, const KilnResolved *image, KilnStep *step, GError **error)
{
    const KilnPlan plan = {.hostname = (char *)kiln_request_text(op->request, "hostname")};
    KilnBuildOptions options = {.store = op->store,
                                .run = op->run,
                                .emitter = op->emitter,
                                .cancel = op->cancel,
                                .plan = &plan,
                                .term = kiln_request_text(op->request, "term")};
    bool terminal = kiln_request_flag(op->request, "terminal");
    KilnStreams streams = {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO, -1};
    if (terminal)
        streams = (KilnStreams){-1, -1, -1, op->console};
    struct kilnrun_result result = {0};
    bool ok = kiln_run_settings_read(op, &options.run_settings, error) &&
              kiln_image_command(&options, image->image_id, step, &streams, &result, error) &&
              !kiln_cancel_check(op->cancel, error);
    json_object *o = ok ? make_result(step, &result, error) : NULL;
    kilnrun_result_clear(&result);
    kiln_run_settings_clear(&options.run_settings);
    return o;
}

json_object *kiln_operation_run(KilnOperation *op, GError **error)
{
    KilnResolved *image = find_image(op, error);
    KilnStep step = {0};
    json_object *result = NULL;
    if (image && step_fill(op, image->config, &step, error))
        result = run(op, image, &step, error);
    step_clear(&step);
    kiln_resolved_free(image);
    return result;
}
