/* RUN --mount=type=bind: a part of the context, of a named context, or of the merged layers of a stage or
 * image. Also what a new cache begins with. */
#include "build/mounts-private.h"
#include "build/isolation.h"
#include "build/step-root.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool on_host(const KilnMount *m)
{
    return m->from.kind == KILN_ORIGIN_CONTEXT || m->from.kind == KILN_ORIGIN_NAMED;
}

static const char *origin_name(const KilnMount *m)
{
    return m->from.kind == KILN_ORIGIN_CONTEXT ? "the build context"
           : m->from.name                      ? m->from.name
                                               : "the stage";
}

static bool is_filtered(const KilnEngine *e, const KilnMount *m)
{
    const KilnContext *context = kiln_origin_context(e, &m->from);
    return context && kiln_context_ignore(context);
}

static bool not_found(const KilnEngine *e, const KilnMount *m, GError **error)
{
    g_set_error(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_STEP, "RUN --mount: \"%s\" is not in %s%s",
                m->source, origin_name(m), is_filtered(e, m) ? " (or .dockerignore leaves it out)" : "");
    return false;
}

/* The path that `source` leads to, symlinks followed inside the origin; NULL if there is none. */
static char *resolve(KilnEngine *e, const KilnMount *m, KilnSource *tree, GError **error)
{
    g_autoptr(GPtrArray) matches = kiln_source_match(tree, m->source, false, error);
    if (matches && matches->len == 0)
        not_found(e, m, error);
    return matches && matches->len ? g_strdup(matches->pdata[0]) : NULL;
}

/* --- The key ------------------------------------------------------------------------------------- */

/* The files that a bind shows are part of what the command can see. */
static bool feed_host(KilnEngine *e, const KilnMount *m, KilnKey *key, GError **error)
{
    g_autoptr(KilnSource) tree = kiln_origin_source(e, &m->from, error);
    g_autofree char *root = tree ? resolve(e, m, tree, error) : NULL;
    g_autoptr(KilnManifest) entries = kiln_manifest_new();
    if (!root || !kiln_source_list(tree, root, true, entries, error))
        return false;
    guint n = kiln_manifest_length(entries);
    if (n == 0) /* a socket */
        return not_found(e, m, error);
    kiln_key_number(key, "files of mount", m->target, n);
    for (guint i = 0; i < n; i++)
        kiln_key_entry(key, kiln_manifest_get(entries, i), root);
    return true;
}

bool kiln_bind_mount_feed(KilnEngine *e, const KilnStep *step, const KilnMount *m, KilnKey *key, GError **error)
{
    if (on_host(m))
        return feed_host(e, m, key, error);
    kiln_key_number(key, "mount from", m->target, kiln_step_input(step, m->from.step));
    kiln_key_text(key, "mount source", m->target, m->source);
    return true;
}

/* --- Copies -------------------------------------------------------------------------------------- */

static bool place(KilnSource *tree, KilnPlacer *placer, const KilnEntry *e, const char *path, GError **error)
{
    KilnEntry out = *e;
    out.path = path;
    out.link_group = 0;
    int fd = e->type == KILN_TYPE_FILE ? kiln_source_open(tree, NULL, e, error) : -1;
    if (fd < 0 && e->type == KILN_TYPE_FILE)
        return false;
    bool ok = kiln_placer_put(placer, &out, fd, error);
    if (fd >= 0)
        close(fd);
    return ok;
}

static bool place_all(KilnStepMounts *s, KilnSource *tree, const char *root, int into, bool *file,
                      GError **error)
{
    g_autoptr(KilnManifest) entries = kiln_manifest_new();
    if (!kiln_source_list(tree, root, false, entries, error))
        return false;
    g_autoptr(KilnPlacer) placer = kiln_placer_new(into, kiln_store_owners(s->engine->options->store));
    const guint n = kiln_manifest_length(entries);
    *file = n == 1 && kiln_manifest_get(entries, 0)->type != KILN_TYPE_DIR;
    for (guint i = 0; i < n; i++) {
        const KilnEntry *entry = kiln_manifest_get(entries, i);
        const char *below = entry->path + strlen(root);
        below += *below == '/';
        if (!place(tree, placer, entry, *file ? "file" : below, error) ||
            (i % 256 == 0 && kiln_cancel_check(s->engine->options->cancel, error)))
            return false;
    }
    return kiln_placer_finish(placer, error);
}

static bool copy_layers(KilnStepMounts *s, const KilnMount *m, int into, bool *file, GError **error)
{
    g_autoptr(GArray) chain = kiln_state_chain(kiln_step_state(m->from.step));
    g_autoptr(KilnView) view = kiln_step_view(s->engine, m->from.step, error);
    g_autoptr(GArray) fds = g_array_new(FALSE, FALSE, sizeof(int));
    for (guint i = 0; view && i < chain->len; i++) {
        int fd = kiln_layer_fd(s->engine->options->store, g_array_index(chain, gint64, i), error);
        if (fd < 0)
            return false;
        g_array_append_val(fds, fd);
    }
    if (!view)
        return false;
    g_autoptr(KilnSource) tree =
        kiln_source_new_view(view, (const int *)(void *)fds->data, origin_name(m));
    g_autofree char *root = resolve(s->engine, m, tree, error);
    return root && place_all(s, tree, root, into, file, error);
}

bool kiln_bind_mount_copy(KilnStepMounts *s, const KilnMount *m, int into, bool *file, GError **error)
{
    if (!on_host(m))
        return copy_layers(s, m, into, file, error);
    g_autoptr(KilnSource) tree = kiln_origin_source(s->engine, &m->from, error);
    g_autofree char *root = tree ? resolve(s->engine, m, tree, error) : NULL;
    return root && place_all(s, tree, root, into, file, error);
}

/* --- The mounts ---------------------------------------------------------------------------------- */

/* Whether the command gets a copy: of the context as .dockerignore has it, for a bind would show everything;
 * of one that may be written to, or that is moved into its place (cover.c); and of one with sockets and FIFOs, that lead to processes of the host. */
static bool needs_copy(KilnStepMounts *s, const KilnMount *m, bool *copy, GError **error)
{
    *copy = is_filtered(s->engine, m) || !m->readonly || kiln_isolation_is_bare(s->engine);
    if (*copy)
        return true;
    g_autoptr(KilnSource) tree = kiln_origin_source(s->engine, &m->from, error);
    g_autofree char *root = tree ? resolve(s->engine, m, tree, error) : NULL;
    g_autoptr(KilnManifest) entries = kiln_manifest_new();
    if (!root || !kiln_source_list(tree, root, false, entries, error))
        return false;
    *copy = kiln_source_has_endpoints(tree);
    return true;
}

static int open_copy(KilnStepMounts *s, const KilnMount *m, GError **error)
{
    g_autofree char *name = kiln_mounts_name(s, m, "bind");
    int into = kiln_work_mkdir(s->work, name, error);
    bool file = false;
    if (into < 0 || !kiln_bind_mount_copy(s, m, into, &file, error))
        return -1;
    int fd = kiln_open_beneath(into, file ? "file" : ".", O_PATH);
    if (fd < 0)
        g_set_error(error, KILN_STORE_ERROR, KILN_STORE_ERROR_IO, "opening the copy of %s: %s", m->source,
                    g_strerror(-fd));
    return fd;
}

static int open_original(KilnStepMounts *s, const KilnMount *m, GError **error)
{
    g_autoptr(KilnSource) tree = kiln_origin_source(s->engine, &m->from, error);
    g_autofree char *path = tree ? resolve(s->engine, m, tree, error) : NULL;
    if (!path)
        return -1;
    int directory = kiln_context_fd(kiln_origin_context(s->engine, &m->from));
    int fd = kiln_open_beneath(directory, *path ? path : ".", O_PATH);
    if (fd < 0)
        g_set_error(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_STEP, "opening %s of %s: %s", m->source,
                    origin_name(m), g_strerror(-fd));
    return fd;
}

static bool add_host(KilnStepMounts *s, const KilnMount *m, GError **error)
{
    struct kilnrun_bind bind = {.target = m->target, .readonly = m->readonly};
    bool copy;
    if (!needs_copy(s, m, &copy, error))
        return false;
    bind.source_fd = copy ? open_copy(s, m, error) : open_original(s, m, error);
    if (bind.source_fd < 0)
        return false;
    g_array_append_val(s->binds, bind);
    return true;
}

/* The names of layers in the store, the top one first. */
static GPtrArray *layer_names(const GArray *lowers)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    for (guint i = lowers->len; i-- > 0;)
        g_ptr_array_add(names, g_strdup_printf("%" G_GINT64_FORMAT, g_array_index(lowers, gint64, i)));
    return names;
}

/* An overlay, as the rootfs is one: what is written goes to a directory of the work folder, and is gone
 * with it. */
static bool add_overlay(KilnStepMounts *s, const KilnMount *m, const KilnState *state, GError **error)
{
    g_autofree char *upper = kiln_mounts_name(s, m, "bind");
    g_autofree char *work = kiln_mounts_name(s, m, "bind-work");
    g_autoptr(GArray) lowers = kiln_state_lowers(s->engine, state, error);
    if (!lowers)
        return false;
    struct kilnrun_bind bind = {.target = m->target,
                                .kind = KILNRUN_LAYERS,
                                .readonly = m->readonly,
                                .source_fd = -1,
                                .path = m->source};
    bind.layers = (struct kilnrun_layers){
        .n_lowers = lowers->len,
        .stub_fd = -1,
        .lower_parent_fd = kiln_store_layers_fd(s->engine->options->store),
        .upper_fd = kiln_work_mkdir(s->work, upper, error),
    };
    if (bind.layers.upper_fd < 0)
        return false;
    bind.layers.work_fd = kiln_work_mkdir(s->work, work, error);
    if (bind.layers.work_fd < 0)
        return false;
    GPtrArray *names = layer_names(lowers);
    g_ptr_array_add(s->names, names);
    bind.layers.lower_names = (const char *const *)names->pdata;
    g_array_append_val(s->binds, bind);
    return true;
}

/* A stage without layers: an empty directory. */
static bool add_empty(KilnStepMounts *s, const KilnMount *m, GError **error)
{
    g_autofree char *name = kiln_mounts_name(s, m, "bind");
    int fd = kiln_work_mkdir(s->work, name, error);
    if (fd < 0)
        return false;
    struct kilnrun_bind bind = {.target = m->target,
                                .readonly = m->readonly,
                                .source_fd = fcntl(fd, F_DUPFD_CLOEXEC, 3)};
    g_array_append_val(s->binds, bind);
    return true;
}

/* Where there are no overlays. */
static bool add_copy(KilnStepMounts *s, const KilnMount *m, GError **error)
{
    struct kilnrun_bind bind = {
        .target = m->target, .readonly = m->readonly, .source_fd = open_copy(s, m, error)};
    if (bind.source_fd >= 0)
        g_array_append_val(s->binds, bind);
    return bind.source_fd >= 0;
}

bool kiln_bind_mount_add(KilnStepMounts *s, const KilnMount *m, GError **error)
{
    if (on_host(m))
        return add_host(s, m, error);
    const KilnState *state = kiln_step_state(m->from.step);
    g_autoptr(KilnView) view = kiln_step_view(s->engine, m->from.step, error);
    g_autofree char *path = view ? kiln_view_resolve(view, m->source, true, error) : NULL;
    if (!path)
        return false;
    if (*path && !kiln_view_lookup(view, path, NULL))
        return not_found(s->engine, m, error);
    if (!state || !state->depth)
        return add_empty(s, m, error);
    return kiln_engine_snapshotter(s->engine) == KILN_SNAPSHOTTER_OVERLAY ? add_overlay(s, m, state, error)
                                                                          : add_copy(s, m, error);
}
