#include "build/step-root.h"

#include "build/cover.h"
#include "build/emulate.h"
#include "build/fuse-overlay.h"
#include "build/isolation.h"
#include "build/rootfs-copy.h"
#include "runtime/kilnrun.h"
#include "tree/diff.h"

#include <errno.h>
#include <sys/xattr.h>

struct KilnStepRoot {
    KilnEngine *engine;
    const KilnStep *step;
    KilnWork *work;
    int upperfd;
    KilnSnapshotter snapshotter;
    GArray *lower_fds;      /* int, borrowed from the store */
    GPtrArray *lower_names;
    KilnFuseOverlay *fuse;
    KilnRootfsCopy *copy;
    KilnCovers *covers;
};

KilnSnapshotter kiln_engine_snapshotter(KilnEngine *e)
{
    if (kiln_isolation_is_bare(e))
        return KILN_SNAPSHOTTER_COPY;
    g_mutex_lock(&e->lock);
    if (e->snapshotter == KILN_SNAPSHOTTER_AUTO)
        e->snapshotter = e->options->run_settings.snapshotter;
    bool unknown = e->snapshotter == KILN_SNAPSHOTTER_AUTO;
    if (unknown) /* others wait for the answer, and need it */
        e->snapshotter = kiln_snapshotter_choose(e->options->store);
    KilnSnapshotter s = e->snapshotter;
    g_mutex_unlock(&e->lock);
    return s;
}

/* Emulation records owners in xattrs. Overlayfs has asked for them already; a copy works without, and would lose them. */
static bool can_record(KilnEngine *e, const KilnWork *work, GError **error)
{
    if (kiln_emulation(e) < KILNRUN_EMULATE_OWNERS ||
        fsetxattr(kiln_work_fd(work), "user.kiln.trial", "", 0, 0) == 0 || errno != ENOTSUP)
        return true;
    g_set_error(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_HOST,
                "the owners of files cannot be recorded: the file system of the store has no user extended "
                "attributes, and you have no subordinate ids; put the store (--root) on ext4, xfs, btrfs or tmpfs");
    return false;
}

KilnStepRoot *kiln_step_root_new(KilnEngine *e, const KilnStep *step, KilnWork *work, int upperfd, GError **error)
{
    kiln_isolation_warn(e);
    KilnStepRoot *r = g_new0(KilnStepRoot, 1);
    r->engine = e;
    r->step = step;
    r->work = work;
    r->upperfd = upperfd;
    r->snapshotter = kiln_engine_snapshotter(e);
    if (r->snapshotter == KILN_SNAPSHOTTER_COPY &&
        (!can_record(e, work, error) || !(r->copy = kiln_rootfs_copy_take(e, step, error))))
        g_clear_pointer(&r, kiln_step_root_free);
    return r;
}

int kiln_step_root_fd(const KilnStepRoot *r)
{
    return r->copy ? kiln_rootfs_copy_fd(r->copy) : r->upperfd;
}

/* --- Mounting ------------------------------------------------------------------------------------ */

static bool add_lowers(KilnStepRoot *r, const GArray *lowers, GError **error)
{
    r->lower_fds = g_array_new(FALSE, FALSE, sizeof(int));
    r->lower_names = g_ptr_array_new_with_free_func(g_free);
    for (guint i = lowers->len; i-- > 0;) { /* the top one first */
        gint64 layer = g_array_index(lowers, gint64, i);
        int fd = kiln_layer_fd(r->engine->options->store, layer, error);
        if (fd < 0)
            return false;
        g_array_append_val(r->lower_fds, fd);
        g_ptr_array_add(r->lower_names, g_strdup_printf("%" G_GINT64_FORMAT, layer));
    }
    g_ptr_array_add(r->lower_names, g_strdup("../stub"));
    return true;
}

static bool mount_overlay(KilnStepRoot *r, const GArray *lowers, struct kilnrun_layers *out, GError **error)
{
    KilnStore *store = r->engine->options->store;
    int workfd = kiln_work_mkdir(r->work, "work", error);
    if (workfd < 0 || !add_lowers(r, lowers, error))
        return false;
    *out = (struct kilnrun_layers){
        .lower_fds = (const int *)(void *)r->lower_fds->data,
        .n_lowers = lowers->len,
        .stub_fd = kiln_store_stub_fd(store),
        .lower_parent_fd = kiln_store_layers_fd(store),
        .lower_names = (const char *const *)r->lower_names->pdata,
        .upper_fd = r->upperfd,
        .work_fd = workfd,
    };
    return true;
}

static bool mount_directory(int fd, struct kilnrun_layers *out)
{
    *out = (struct kilnrun_layers){.stub_fd = -1, .lower_parent_fd = -1, .upper_fd = fd, .work_fd = -1};
    return true;
}

bool kiln_step_root_mount(KilnStepRoot *r, struct kilnrun_layers *out, GError **error)
{
    if (r->copy)
        return mount_directory(kiln_rootfs_copy_fd(r->copy), out);
    const KilnState *below = kiln_step_state(r->step->parent);
    g_autoptr(GArray) lowers = kiln_state_lowers(r->engine, below, error);
    if (!lowers)
        return false;
    if (r->snapshotter == KILN_SNAPSHOTTER_OVERLAY)
        return mount_overlay(r, lowers, out, error);
    r->fuse = kiln_fuse_overlay_new(r->engine->options->store, r->work, lowers, error);
    if (!r->fuse)
        g_prefix_error(error, "fuse-overlayfs: ");
    return r->fuse && mount_directory(kiln_fuse_overlay_fd(r->fuse), out);
}

bool kiln_step_root_cover(KilnStepRoot *r, const KilnView *below, const KilnEtc *etc, const KilnStepMounts *mounts,
                          struct kilnrun_spec *spec, GError **error)
{
    if (!kiln_isolation_is_bare(r->engine))
        return true;
    r->covers = kiln_covers_new(r->engine, r->copy, below, r->work, etc, mounts, error);
    if (!r->covers)
        return false;
    spec->binds = kiln_covers_secrets(r->covers, &spec->n_binds);
    return true;
}

/* --- Afterwards ---------------------------------------------------------------------------------- */

KilnManifest *kiln_step_root_diff(KilnStepRoot *r, const KilnView *below, const char *const *stubs,
                                  const KilnDiffRecords *records, GError **error)
{
    KilnOwners owners = kiln_store_owners(r->engine->options->store);
    KilnDiffRecords of_copies = *records;
    if (r->snapshotter == KILN_SNAPSHOTTER_OVERLAY)
        return kiln_diff_upper(r->upperfd, below, stubs, owners, records, error);
    g_clear_pointer(&r->covers, kiln_covers_free);
    if (r->copy) {
        if (!kiln_diff_remove_stubs(kiln_rootfs_copy_fd(r->copy), stubs, error) ||
            !kiln_rootfs_copy_collect(r->copy, r->upperfd, NULL, error))
            return NULL;
        of_copies.made_in = kiln_rootfs_copy_fd(r->copy);
    } else {
        g_clear_pointer(&r->fuse, kiln_fuse_overlay_free); /* all is written then */
    }
    return kiln_diff_marked_upper(r->upperfd, below, stubs, owners, &of_copies, error);
}

void kiln_step_root_free(KilnStepRoot *r)
{
    if (!r)
        return;
    kiln_covers_free(r->covers);
    kiln_fuse_overlay_free(r->fuse);
    kiln_rootfs_copy_release(r->copy);
    g_clear_pointer(&r->lower_fds, g_array_unref);
    g_clear_pointer(&r->lower_names, g_ptr_array_unref);
    g_free(r);
}
