#include "build/rootfs-copy.h"

#include "tree/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

struct KilnRootfsCopy {
    KilnEngine *engine;
    KilnWork *work;
    int fd;              /* the work's */
    GArray *chain;       /* gint64: the layers that are in it */
    const KilnStep *top; /* whose layer, once it has a number, is in it, too; or NULL */
    const KilnStep *step; /* that has it now */
    KilnSnapshot *seen;  /* NULL: it looks different by now */
    bool collected;
};

/* --- The idle ones: engine->rootfses ------------------------------------------------------------- */

static void rootfs_free(KilnRootfsCopy *r)
{
    if (r->engine->sweepers)
        g_thread_pool_push(r->engine->sweepers, r->work, NULL);
    else
        kiln_work_free(r->work);
    kiln_snapshot_free(r->seen);
    g_array_unref(r->chain);
    g_free(r);
}

static bool is_prefix(const GArray *prefix, const GArray *chain)
{
    if (prefix->len > chain->len)
        return false;
    for (guint i = 0; i < prefix->len; i++)
        if (g_array_index(prefix, gint64, i) != g_array_index(chain, gint64, i))
            return false;
    return true;
}

/* The layer of the step that used it last has got a number by now. */
static void complete_chain(KilnRootfsCopy *r)
{
    const KilnState *state = kiln_step_state(r->top);
    if (!state)
        return;
    g_array_append_val(r->chain, state->layer);
    r->top = NULL;
}

/* The one that holds most of the chain; the engine's lock is held. */
static KilnRootfsCopy *take_idle(KilnEngine *e, const GArray *chain)
{
    KilnRootfsCopy *best = NULL;
    guint place = 0;
    for (guint i = 0; e->rootfses && i < e->rootfses->len; i++) {
        KilnRootfsCopy *r = e->rootfses->pdata[i];
        complete_chain(r);
        if (!r->top && is_prefix(r->chain, chain) && (!best || r->chain->len > best->chain->len)) {
            best = r;
            place = i;
        }
    }
    return best ? g_ptr_array_steal_index_fast(e->rootfses, place) : NULL;
}

/* Whether a RUN that is still to come stands on the step. */
static bool is_wanted(const KilnEngine *e, const KilnStep *step)
{
    const GPtrArray *steps = e->options->plan->steps;
    for (guint i = step->index + 1; i < steps->len; i++) {
        const KilnStep *s = steps->pdata[i];
        if (s->kind != KILN_STEP_RUN || s->state)
            continue;
        while (s && s != step)
            s = s->parent;
        if (s)
            return true;
    }
    return false;
}

/* --- Making it ----------------------------------------------------------------------------------- */

/* As in the store's stub: mount points that no layer holds. */
static bool make_stub(KilnRootfsCopy *r, GError **error)
{
    static const char *const directories[] = {"proc", "sys", "dev", "etc"};
    static const char *const files[] = {"etc/hosts", "etc/resolv.conf", "etc/hostname"};
    bool ok = true;
    for (guint i = 0; ok && i < G_N_ELEMENTS(directories); i++)
        ok = mkdirat(r->fd, directories[i], 0755) == 0;
    for (guint i = 0; ok && i < G_N_ELEMENTS(files); i++) {
        int fd = openat(r->fd, files[i], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        ok = fd >= 0;
        if (ok)
            close(fd);
    }
    if (!ok)
        g_set_error(error, KILN_STORE_ERROR, KILN_STORE_ERROR_IO, "making a rootfs in %s: %s",
                    kiln_work_path(r->work), g_strerror(errno));
    return ok;
}

static KilnRootfsCopy *make(KilnEngine *e, GError **error)
{
    KilnWork *work = kiln_work_new(e->options->store, error);
    if (!work)
        return NULL;
    KilnRootfsCopy *r = g_new0(KilnRootfsCopy, 1);
    r->engine = e;
    r->work = work;
    r->chain = g_array_new(FALSE, FALSE, sizeof(gint64));
    r->fd = kiln_work_mkdir(work, "rootfs", error);
    if (r->fd < 0 || !make_stub(r, error))
        g_clear_pointer(&r, rootfs_free);
    return r;
}

static bool apply(KilnRootfsCopy *r, gint64 layer, GError **error)
{
    KilnStore *store = r->engine->options->store;
    g_autoptr(KilnManifest) manifest = kiln_layer_manifest(store, layer, error);
    int fd = manifest ? kiln_layer_fd(store, layer, error) : -1;
    if (fd < 0 || !kiln_rootfs_apply(r->fd, kiln_store_owners(store), manifest, fd, error))
        return false;
    g_array_append_val(r->chain, layer);
    return true;
}

/* Brings it to the chain, and looks at it. */
static bool update(KilnRootfsCopy *r, const GArray *chain, GError **error)
{
    if (r->chain->len < chain->len)
        g_clear_pointer(&r->seen, kiln_snapshot_free);
    while (r->chain->len < chain->len)
        if (!apply(r, g_array_index(chain, gint64, r->chain->len), error) ||
            kiln_cancel_check(r->engine->options->cancel, error))
            return false;
    if (!r->seen)
        r->seen = kiln_snapshot_take(r->fd, error);
    return r->seen && kiln_snapshot_settle(r->seen, kiln_work_fd(r->work), error);
}

KilnRootfsCopy *kiln_rootfs_copy_take(KilnEngine *e, const KilnStep *step, GError **error)
{
    g_autoptr(GArray) chain = kiln_state_chain(kiln_step_state(step->parent));
    g_mutex_lock(&e->lock);
    KilnRootfsCopy *r = take_idle(e, chain);
    g_mutex_unlock(&e->lock);
    if (!r)
        r = make(e, error);
    if (!r)
        return NULL;
    r->step = step;
    r->collected = false;
    if (update(r, chain, error))
        return r;
    rootfs_free(r);
    return NULL;
}

int kiln_rootfs_copy_fd(const KilnRootfsCopy *r)
{
    return r->fd;
}

KilnSnapshot *kiln_rootfs_copy_snapshot(KilnRootfsCopy *r)
{
    return r->seen;
}

bool kiln_rootfs_copy_collect(KilnRootfsCopy *r, int upperfd, const char *const *ignored, GError **error)
{
    g_autoptr(KilnSnapshot) now = kiln_snapshot_take(r->fd, error);
    if (!now)
        return false;
    g_autoptr(GArray) changes = kiln_snapshot_compare(r->seen, now, ignored);
    r->collected = kiln_rootfs_extract(r->fd, changes, upperfd, error);
    g_array_set_size(changes, 0); /* its paths lie in the snapshots */
    kiln_snapshot_free(r->seen);
    r->seen = g_steal_pointer(&now);
    return r->collected;
}

void kiln_rootfs_copy_release(KilnRootfsCopy *r)
{
    if (!r)
        return;
    KilnEngine *e = r->engine;
    g_mutex_lock(&e->lock);
    bool keep = r->collected && is_wanted(e, r->step);
    if (keep) {
        r->top = r->step;
        if (!e->rootfses)
            e->rootfses = g_ptr_array_new_with_free_func((GDestroyNotify)rootfs_free);
        g_ptr_array_add(e->rootfses, r);
    }
    g_mutex_unlock(&e->lock);
    if (!keep)
        rootfs_free(r);
}
