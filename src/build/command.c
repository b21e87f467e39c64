#include "build/command.h"

#include "build/emulate.h"
#include "build/etc.h"
#include "build/isolation.h"
#include "build/layer-writer.h"
#include "host/file-system.h"
#include "host/refusal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* --- Making it ready --------------------------------------------------------------------------------- */

void kiln_command_clear(KilnCommand *c)
{
    g_clear_pointer(&c->env, g_ptr_array_unref);
    g_clear_pointer(&c->root, kiln_step_root_free);
    g_clear_pointer(&c->mounts, kiln_step_mounts_free);
    g_clear_pointer(&c->limits, kiln_step_limits_free);
    kiln_network_give(&c->network);
    kiln_user_clear(&c->user);
    if (c->spec.below_fd > 0) /* 0: it was not made ready */
        close(c->spec.below_fd);
}

static bool add_emulation(KilnEngine *e, const KilnStep *step, const KilnView *below, KilnCommand *c,
                          GError **error)
{
    c->spec.emulate = kiln_emulation(e);
    c->spec.below_fd = -1;
    bool emulated = c->spec.emulate >= KILNRUN_EMULATE_OWNERS ||
                    e->options->run_settings.isolation == KILNRUN_PROOT; /* by that, without records */
    if (c->user.uid != 0 && !emulated && kiln_store_owners(e->options->store) == KILN_OWNERS_RECORDED) {
        g_set_error(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_UNSUPPORTED,
                    "a RUN as user \"%s\" needs subordinate ids, of which you have none, or emulation: leave "
                    "out --emulate=off",
                    step->user);
        return false;
    }
    return c->spec.emulate < KILNRUN_EMULATE_OWNERS || kiln_emulation_below(e, step->parent, below, &c->spec.below_fd, error);
}

/* A variable takes the place of one of the same name. */
static void set_variable(GPtrArray *env, const char *text)
{
    gsize name = strcspn(text, "=");
    for (guint i = env->len; i-- > 0;)
        if (strncmp(env->pdata[i], text, name) == 0 && ((const char *)env->pdata[i])[name] == '=')
            g_ptr_array_remove_index(env, i);
    g_ptr_array_add(env, g_strdup(text));
}

static void add_env(const KilnStep *step, KilnCommand *c)
{
    c->env = g_ptr_array_new_with_free_func(g_free);
    bool home = false;
    for (char *const *v = step->proxy_env; v && *v; v++)
        g_ptr_array_add(c->env, g_strdup(*v));
    for (char *const *v = step->env; v && *v; v++) {
        home = home || g_str_has_prefix(*v, "HOME=");
        g_ptr_array_add(c->env, g_strdup(*v));
    }
    if (!home) {
        const char *dir = c->user.home ? c->user.home : c->user.uid == 0 ? "/root" : "/";
        g_ptr_array_add(c->env, g_strconcat("HOME=", dir, NULL));
    }
    for (char *const *v = kiln_step_mounts_env(c->mounts); *v; v++)
        set_variable(c->env, *v);
    g_ptr_array_add(c->env, NULL);
    c->spec.env = (const char *const *)c->env->pdata;
}

/* A base may name a working directory that it does not have: as in BuildKit, it is made for root before the
 * command runs, and stays in the layer. */
static bool make_workdir(KilnEngine *e, const KilnStep *step, const KilnView *below, int upperfd,
                         GError **error)
{
    g_autofree char *path = kiln_view_resolve(below, step->workdir, true, error);
    if (!path)
        return false;
    const KilnEntry *there = kiln_view_lookup(below, path, NULL);
    if (!*path || (there && there->type == KILN_TYPE_DIR))
        return true;
    gint64 now = e->options->epoch >= 0 ? e->options->epoch : g_get_real_time() / G_USEC_PER_SEC;
    g_autoptr(KilnLayerWriter) w =
        kiln_layer_writer_new(below, upperfd, kiln_store_owners(e->options->store), 0, 0, now);
    g_autoptr(KilnManifest) made = NULL;
    if (kiln_layer_writer_directory(w, path, error))
        made = kiln_layer_writer_finish(w, error);
    return made != NULL;
}

/* Last of all: the first network is being started meanwhile. */
static bool connect_network(KilnEngine *e, const KilnStep *step, const KilnEtc *etc, KilnCommand *c,
                            GError **error)
{
    if (!kiln_network_take(e, step, &c->network, error))
        return false;
    if (c->network.network)
        c->spec.network_fd = kilnrun_network_fd(c->network.network);
    if (c->network.private && etc->resolv_private >= 0)
        c->spec.resolv_fd = etc->resolv_private;
    return true;
}

bool kiln_command_fill(KilnEngine *e, KilnStep *step, const KilnView *below, KilnWork *work, int upperfd,
                       KilnCommand *c, GError **error)
{
    *c = (KilnCommand){0};
    if (!kiln_isolation_allows(e, step, error))
        return false;
    c->root = kiln_step_root_new(e, step, work, upperfd, error);
    if (!c->root || !make_workdir(e, step, below, kiln_step_root_fd(c->root), error))
        return false;
    const KilnEtc *etc = kiln_etc_files(e, error);
    if (!etc)
        return false;
    if (!kiln_user_lookup(e, step->parent, below, step->user, false, &c->user, error) ||
        !add_emulation(e, step, below, c, error))
        return false;
    c->mounts = kiln_step_mounts_new(e, step, work, error);
    c->limits = c->mounts ? kiln_step_limits_new(e, &c->spec.limits, error) : NULL;
    if (!c->limits || !kiln_step_root_mount(c->root, &c->spec.root, error))
        return false;
    add_env(step, c);
    c->spec.argv = (const char *const *)step->argv;
    c->spec.cwd = step->workdir;
    c->spec.uid = c->user.uid;
    c->spec.gid = c->user.gid;
    c->spec.groups = (const gid_t *)(void *)c->user.groups->data;
    c->spec.n_groups = c->user.groups->len;
    c->spec.hostname = kiln_etc_hostname(e);
    c->spec.input_fd = c->spec.output_fd = c->spec.error_fd = c->spec.terminal_fd = -1;
    c->spec.insecure = step->insecure;
    c->spec.unconfined = e->options->run_settings.unconfined;
    c->spec.no_new_privs = e->options->run_settings.no_new_privs;
    if (e->options->run_settings.filter)
        c->spec.filter = g_bytes_get_data(e->options->run_settings.filter, &c->spec.filter_size);
    c->spec.network_fd = -1;
    c->spec.resolv_fd = etc->resolv;
    c->spec.hosts_fd = etc->hosts;
    c->spec.hostname_fd = etc->hostname;
    c->spec.binds = kiln_step_mounts_binds(c->mounts, &c->spec.n_binds);
    return kiln_isolation_is_bare(e) ? kiln_step_root_cover(c->root, below, etc, c->mounts, &c->spec, error)
                                     : connect_network(e, step, etc, c, error);
}

void kiln_command_set_terminal(KilnCommand *c, int socket, const char *term)
{
    bool known = false;
    g_ptr_array_remove_index(c->env, c->env->len - 1); /* the NULL */
    for (guint i = 0; i < c->env->len; i++)
        known = known || g_str_has_prefix(c->env->pdata[i], "TERM=");
    if (!known)
        g_ptr_array_add(c->env, g_strconcat("TERM=", term ? term : "dumb", NULL));
    g_ptr_array_add(c->env, NULL);
    c->spec.env = (const char *const *)c->env->pdata;
    c->spec.terminal_fd = socket;
    c->spec.output_fd = -1;
}

/* --- Running it -------------------------------------------------------------------------------------- */

/* Passes the output on until the last process of the command has closed it. */
static void stream_output(int fd, KilnTask *task)
{
    char buffer[16 * 1024];
    ssize_t n;
    while ((n = read(fd, buffer, sizeof buffer)) > 0 || (n < 0 && errno == EINTR))
        if (n > 0)
            kiln_task_output(task, buffer, (gsize)n);
    kiln_task_output(task, NULL, 0);
}

static bool sandbox_gone(int r, GError **error)
{
    if (r == -EPIPE || r == -ECONNRESET)
        g_set_error(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_STEP,
                    "kiln-launcher, which runs the commands, was killed; the host may have run out of "
                    "memory, see \"dmesg\"");
    else
        g_set_error(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_STEP, "the sandbox's launcher: %s",
                    g_strerror(-r));
    return false;
}

bool kiln_command_run(KilnEngine *e, KilnCommand *c, KilnTask *task, struct kilnrun_result *result,
                      GError **error)
{
    int pipe[2] = {-1, -1};
    struct kilnrun_step *running;
    if (task && pipe2(pipe, O_CLOEXEC) < 0) {
        g_set_error(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_STEP, "pipe: %s", g_strerror(errno));
        return false;
    }
    if (task)
        c->spec.output_fd = pipe[1];
    int r = kilnrun_step_start(e->options->run, &c->spec, &running);
    if (task) {
        close(pipe[1]);
        c->spec.output_fd = -1;
    }
    if (r == 0) {
        kiln_cancel_watch(e->options->cancel, running);
        if (task)
            stream_output(pipe[0], task);
        r = kilnrun_step_wait(running, result);
        kiln_cancel_unwatch(e->options->cancel, running);
    }
    if (task)
        close(pipe[0]);
    return r == 0 || sandbox_gone(r, error);
}

bool kiln_command_refused(KilnEngine *e, const char *command, const struct kilnrun_result *result,
                          GError **error)
{
    const struct kilnrun_failure *f = &result->failure;
    if (result->started || !f->error)
        return false;
    g_autofree char *why =
        kiln_refusal_explain(f->stage, -f->error, kiln_file_system_name(kiln_store_fd(e->options->store)));
    if (why)
        g_set_error(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_HOST,
                    "this host does not let \"%s\" run: %s (%s): %s. %s. kiln doctor shows what this host allows",
                    command, f->stage, f->detail, g_strerror(-f->error), why);
    return why != NULL;
}
