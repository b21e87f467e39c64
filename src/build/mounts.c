#include "build/mounts-private.h"
#include "build/agent-proxy.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where a heredoc script with an interpreter line of its own is bound: KilnStep.script and argv[0] (plan.h). */
#define SCRIPT_MODE 0755

/* --- The key ------------------------------------------------------------------------------------- */

/* What the Dockerfile says. Of a cache, a secret and an agent that is all: what they hold is not known, or
 * not to be known. */
static void feed_options(const KilnMount *m, KilnKey *key)
{
    static const char *const names[] = {"bind", "cache", "tmpfs", "secret", "ssh"};
    kiln_key_text(key, "mount", m->target, names[m->type]);
    kiln_key_text(key, "mount id", m->target, m->id); /* another cache may hold something else */
    kiln_key_text(key, "mount env", m->target, m->env);
    kiln_key_number(key, "mount readonly", m->target, m->readonly);
    kiln_key_number(key, "mount required", m->target, m->required);
    kiln_key_number(key, "mount mode", m->target, m->mode);
    kiln_key_number(key, "mount uid", m->target, m->uid);
    kiln_key_number(key, "mount gid", m->target, m->gid);
    kiln_key_number(key, "mount size", m->target, (gint64)m->size);
}

bool kiln_step_mounts_feed(KilnEngine *e, const KilnStep *step, KilnKey *key, GError **error)
{
    for (guint i = 0; step->mounts && i < step->mounts->len; i++) {
        const KilnMount *m = &g_array_index(step->mounts, KilnMount, i);
        feed_options(m, key);
        if ((m->type == KILN_MOUNT_BIND || m->type == KILN_MOUNT_CACHE) &&
            !kiln_bind_mount_feed(e, step, m, key, error)) {
            kiln_step_prefix_error(step, &step->place, error);
            return false;
        }
    }
    return true;
}

/* --- The mounts ---------------------------------------------------------------------------------- */

char *kiln_mounts_name(const KilnStepMounts *s, const KilnMount *m, const char *prefix)
{
    return g_strdup_printf("%s%u", prefix, (guint)(m - &g_array_index(s->step->mounts, KilnMount, 0)));
}

static bool add_tmpfs(KilnStepMounts *s, const KilnMount *m, GError **error)
{
    (void)error;
    struct kilnrun_bind bind = {.target = m->target,
                                .kind = KILNRUN_TMPFS,
                                .readonly = m->readonly,
                                .size = m->size,
                                .source_fd = -1};
    g_array_append_val(s->binds, bind);
    return true;
}

static bool add_mount(KilnStepMounts *s, const KilnMount *m, GError **error)
{
    static bool (*const add[])(KilnStepMounts *, const KilnMount *, GError **) = {
        [KILN_MOUNT_BIND] = kiln_bind_mount_add,     [KILN_MOUNT_CACHE] = kiln_cache_mount_add,
        [KILN_MOUNT_TMPFS] = add_tmpfs,              [KILN_MOUNT_SECRET] = kiln_secret_mount_add,
        [KILN_MOUNT_SSH] = kiln_ssh_mount_add,
    };
    return add[m->type](s, m, error);
}

static bool add_script(KilnStepMounts *s, GError **error)
{
    int fd = openat(kiln_work_fd(s->work), "script", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, SCRIPT_MODE);
    gsize size = strlen(s->step->script);
    bool ok = fd >= 0 && write(fd, s->step->script, size) == (ssize_t)size && fchmod(fd, SCRIPT_MODE) == 0;
    int path_fd = ok ? openat(kiln_work_fd(s->work), "script", O_PATH | O_CLOEXEC) : -1;
    if (path_fd < 0)
        g_set_error(error, KILN_STORE_ERROR, KILN_STORE_ERROR_IO, "writing the heredoc's script: %s",
                    g_strerror(errno));
    if (fd >= 0)
        close(fd); /* an open writer would make executing it ETXTBSY */
    struct kilnrun_bind bind = {.target = s->step->argv[0], .source_fd = path_fd, .readonly = true};
    if (path_fd >= 0)
        g_array_append_val(s->binds, bind);
    return path_fd >= 0;
}

/* The user's own files (kiln run --volume). */
static bool add_volumes(KilnStepMounts *s, GError **error)
{
    const GArray *volumes = s->engine->options->run_settings.volumes;
    for (guint i = 0; volumes && i < volumes->len; i++) {
        const KilnVolume *v = &g_array_index(volumes, KilnVolume, i);
        struct kilnrun_bind bind = {.target = v->target,
                                    .source_fd = fcntl(v->fd, F_DUPFD_CLOEXEC, 0),
                                    .readonly = v->readonly};
        if (bind.source_fd < 0) {
            g_set_error(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_STEP, "the volume at %s: %s", v->target,
                        g_strerror(errno));
            return false;
        }
        g_array_append_val(s->binds, bind);
    }
    return true;
}

/* As BuildKit's PrepareMounts (frontend/gateway/container): a mount comes before those inside it, whatever
 * their order in the Dockerfile. */
static gint by_target(gconstpointer a, gconstpointer b)
{
    return strcmp(((const struct kilnrun_bind *)a)->target, ((const struct kilnrun_bind *)b)->target);
}

static void free_names(gpointer names)
{
    g_ptr_array_unref(names);
}

KilnStepMounts *kiln_step_mounts_new(KilnEngine *e, const KilnStep *step, KilnWork *work, GError **error)
{
    KilnStepMounts *s = g_new0(KilnStepMounts, 1);
    s->engine = e;
    s->step = step;
    s->work = work;
    s->binds = g_array_new(FALSE, FALSE, sizeof(struct kilnrun_bind));
    s->names = g_ptr_array_new_with_free_func(free_names);
    s->env = g_ptr_array_new_with_free_func(g_free);
    s->caches = g_ptr_array_new_with_free_func(kiln_cache_free);
    s->agents = g_ptr_array_new_with_free_func(kiln_agent_proxy_free);
    bool ok = (!step->script || add_script(s, error)) && kiln_cache_mounts_take(s, error);
    ok = ok && add_volumes(s, error);
    for (guint i = 0; ok && step->mounts && i < step->mounts->len; i++)
        ok = add_mount(s, &g_array_index(step->mounts, KilnMount, i), error);
    g_ptr_array_add(s->env, NULL);
    g_array_sort(s->binds, by_target);
    if (!ok)
        g_clear_pointer(&s, kiln_step_mounts_free);
    return s;
}

const struct kilnrun_bind *kiln_step_mounts_binds(const KilnStepMounts *m, size_t *n)
{
    *n = m->binds->len;
    return (const struct kilnrun_bind *)(void *)m->binds->data;
}

char *const *kiln_step_mounts_env(const KilnStepMounts *m)
{
    return (char *const *)m->env->pdata;
}

void kiln_step_mounts_free(KilnStepMounts *m)
{
    for (guint i = 0; i < m->binds->len; i++) {
        int fd = g_array_index(m->binds, struct kilnrun_bind, i).source_fd;
        if (fd >= 0)
            close(fd);
    }
    g_array_unref(m->binds);
    g_ptr_array_unref(m->names);
    g_ptr_array_unref(m->env);
    g_ptr_array_unref(m->agents);
    g_ptr_array_unref(m->caches); /* the locks last */
    g_free(m);
}
