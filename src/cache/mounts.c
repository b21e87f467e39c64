#include "cache/mounts.h"

#include "tree/diff.h"
#include "tree/digest.h"
#include "tree/write.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* So many layers, or as much in those above the first as in it, and the directory is written anew. */
#define MAX_LAYERS 8

/* --- Looking at it -------------------------------------------------------------------------------------- */

static bool is_same_xattrs(const KilnEntry *a, const KilnEntry *b)
{
    if (a->n_xattrs != b->n_xattrs)
        return false;
    for (guint i = 0; i < a->n_xattrs; i++)
        if (strcmp(a->xattrs[i].name, b->xattrs[i].name) != 0 || a->xattrs[i].size != b->xattrs[i].size ||
            memcmp(a->xattrs[i].value, b->xattrs[i].value, a->xattrs[i].size) != 0)
            return false;
    return true;
}

/* But for content. A directory's own time says nothing that its entries do not. */
static bool is_alike(const KilnEntry *a, const KilnEntry *b)
{
    return a->type == b->type && a->mode == b->mode && a->uid == b->uid && a->gid == b->gid &&
           a->major == b->major && a->minor == b->minor && a->size == b->size &&
           (a->type == KILN_TYPE_DIR || a->mtime == b->mtime) && g_strcmp0(a->target, b->target) == 0 &&
           is_same_xattrs(a, b);
}

static bool digest_file(int dirfd, KilnEntry *e, GError **error)
{
    int fd = kiln_open_beneath(dirfd, e->path, O_RDONLY);
    int result = fd < 0 ? fd : kiln_digest_fd(fd, e->digest, NULL);
    if (fd >= 0)
        close(fd);
    e->has_digest = result == 0;
    if (result < 0)
        g_set_error(error, KILN_CACHE_ERROR, KILN_CACHE_ERROR_IO, "reading %s: %s", e->path, g_strerror(-result));
    return result == 0;
}

/* A file that looks as it did, to the nanosecond, is not read: nobody else writes here while it is exported. Layers
 * have but seconds, so what came out of one is. */
static bool digest_all(int dirfd, KilnManifest *now, const KilnManifest *then, GError **error)
{
    for (guint i = 0; i < kiln_manifest_length(now); i++) {
        KilnEntry *e = kiln_manifest_get(now, i);
        const KilnEntry *old = then ? kiln_manifest_lookup(then, e->path) : NULL;
        if (e->type != KILN_TYPE_FILE)
            continue;
        if (old && old->has_digest && old->mtime_nsec == e->mtime_nsec && is_alike(old, e)) {
            memcpy(e->digest, old->digest, sizeof e->digest);
            e->has_digest = true;
        } else if (!digest_file(dirfd, e, error)) {
            return false;
        }
    }
    return true;
}

static bool is_changed(const KilnEntry *e, const KilnEntry *old)
{
    return !old || !is_alike(e, old) ||
           (e->type == KILN_TYPE_FILE && memcmp(e->digest, old->digest, sizeof e->digest) != 0);
}

/* A layer on `then` that makes it `now`; NULL: there is no difference. Hard links become files of their own. */
static KilnManifest *difference(const KilnManifest *now, const KilnManifest *then)
{
    g_autoptr(KilnManifest) m = kiln_manifest_new();
    const char *gone = NULL;
    for (guint i = 0; i < kiln_manifest_length(now); i++) {
        const KilnEntry *e = kiln_manifest_get(now, i);
        const KilnEntry *old = kiln_manifest_lookup(then, e->path);
        if (*e->path && is_changed(e, old)) {
            KilnEntry *added = kiln_manifest_add_copy(m, e, NULL);
            added->link_group = 0;
        }
    }
    for (guint i = 0; i < kiln_manifest_length(then); i++) {
        const KilnEntry *old = kiln_manifest_get(then, i);
        const KilnEntry *e = kiln_manifest_lookup(now, old->path);
        if (gone && kiln_path_within(old->path, gone))
            continue;
        gone = e && e->type == KILN_TYPE_DIR ? NULL : old->type == KILN_TYPE_DIR ? old->path : NULL;
        if (!e)
            kiln_manifest_add(m, old->path)->type = KILN_TYPE_WHITEOUT;
    }
    kiln_manifest_sort(m);
    return kiln_manifest_length(m) ? g_steal_pointer(&m) : NULL;
}

/* --- Writing -------------------------------------------------------------------------------------------- */

/* What the export's earlier layers come to; NULL: they are of no use. */
static KilnManifest *read_entries(KilnCacheExport *x, KilnStore *s, const KilnCacheMount *old)
{
    g_autofree char *type = NULL, *digest = NULL;
    g_autoptr(KilnWork) work = kiln_work_new(s, NULL);
    guint64 size;
    int fd = work ? kiln_cache_source_blob(kiln_cache_export_previous(x), old->entries, &type, &digest, &size, NULL)
                  : -1;
    if (fd < 0)
        return NULL;
    int copy = openat(kiln_work_fd(work), "entries", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    char piece[16 * 1024];
    ssize_t n = 0;
    bool ok = copy >= 0;
    while (ok && (n = read(fd, piece, sizeof piece)) > 0)
        ok = kiln_write_all(copy, piece, (size_t)n) == 0;
    if (copy >= 0)
        close(copy);
    close(fd);
    return ok && n == 0 ? kiln_manifest_read(kiln_work_fd(work), "entries", NULL) : NULL;
}

static bool write_entries(KilnCacheExport *x, KilnStore *s, const KilnManifest *now, guint *blob, GError **error)
{
    g_autoptr(KilnWork) work = kiln_work_new(s, error);
    if (!work || !kiln_manifest_write(now, kiln_work_fd(work), "entries", error))
        return false;
    int fd = openat(kiln_work_fd(work), "entries", O_RDONLY | O_CLOEXEC);
    bool ok = fd >= 0 && kiln_cache_export_file(x, fd, KILN_CACHE_ENTRIES_TYPE, blob, error);
    if (fd >= 0)
        close(fd);
    return ok;
}

static bool keep_layers(KilnCacheExport *x, const KilnCacheSource *from, const KilnCacheMount *old,
                        KilnCacheMount *m, GError **error)
{
    for (guint i = 0; i < old->layers->len; i++) {
        KilnCacheLayer layer;
        if (!kiln_cache_export_copy(x, from, &g_array_index(old->layers, KilnCacheLayer, i), &layer, error))
            return false;
        g_array_append_val(m->layers, layer);
    }
    return true;
}

static bool add_layer(KilnCacheExport *x, const KilnManifest *tree, int fd, KilnCacheMount *m, guint64 *size,
                      GError **error)
{
    KilnCacheLayer layer;
    if (!kiln_cache_export_tar(x, tree, fd, &layer, size, error))
        return false;
    g_array_append_val(m->layers, layer);
    return true;
}

/* On what is there. False without an error if the whole is better written anew. */
static bool save_change(KilnCacheExport *x, const KilnCacheMount *old, const KilnManifest *change, int fd,
                        KilnCacheMount *m, GError **error)
{
    GError *failure = NULL;
    guint64 size = 0;
    if ((change && old->layers->len >= MAX_LAYERS) ||
        !keep_layers(x, kiln_cache_export_previous(x), old, m, NULL))
        return false;
    if (change && !add_layer(x, change, fd, m, &size, &failure)) {
        g_propagate_error(error, failure);
        return false;
    }
    guint64 above = 0, first = kiln_cache_export_size(x, g_array_index(m->layers, KilnCacheLayer, 0).blob);
    for (guint i = 1; i < m->layers->len; i++)
        above += kiln_cache_export_size(x, g_array_index(m->layers, KilnCacheLayer, i).blob);
    return !change || above <= MAX(first, 1 << 20);
}

static bool save(KilnCacheExport *x, KilnStore *s, int fd, KilnCacheMount *m, GError **error)
{
    const KilnCacheSource *previous = kiln_cache_export_previous(x);
    const KilnCacheMount *old = previous ? kiln_cache_config_mount(kiln_cache_source_config(previous), m->name) : NULL;
    g_autoptr(KilnManifest) then = old ? read_entries(x, s, old) : NULL;
    g_autoptr(KilnView) nothing = kiln_view_new(NULL, 0);
    g_autoptr(KilnManifest) now = kiln_diff_upper(fd, nothing, NULL, kiln_store_owners(s), NULL, error);
    if (!now || !digest_all(fd, now, then, error))
        return false;
    const KilnEntry *root = kiln_manifest_lookup(now, "");
    m->mode = root ? root->mode : 0755;
    m->uid = root ? root->uid : 0;
    m->gid = root ? root->gid : 0;
    g_autoptr(KilnManifest) change = then ? difference(now, then) : NULL;
    GError *failure = NULL;
    guint64 size;
    if (!then || !save_change(x, old, change, fd, m, &failure)) {
        if (failure) {
            g_propagate_error(error, failure);
            return false;
        }
        g_array_set_size(m->layers, 0);
        if (!add_layer(x, now, fd, m, &size, error))
            return false;
    }
    return write_entries(x, s, now, &m->entries, error);
}

static KilnCacheMount *add_mount(KilnCacheExport *x, const char *name, const char *id)
{
    KilnCacheMount *m = kiln_cache_config_add_mount(kiln_cache_export_config(x));
    m->name = g_strdup(name);
    m->id = g_strdup(id);
    return m;
}

/* One that failed is not written half. */
static void drop_last(KilnCacheExport *x)
{
    GPtrArray *mounts = kiln_cache_export_config(x)->mounts;
    g_ptr_array_set_size(mounts, (gint)mounts->len - 1);
}

bool kiln_cache_mount_save(KilnCacheExport *x, KilnStore *s, const char *name, const char *id, int fd,
                           GError **error)
{
    bool ok = save(x, s, fd, add_mount(x, name, id), error);
    if (!ok)
        drop_last(x);
    return ok;
}

bool kiln_cache_mount_keep(KilnCacheExport *x, const KilnCacheSource *from, const KilnCacheMount *mount,
                           GError **error)
{
    KilnCacheMount *m = add_mount(x, mount->name, mount->id);
    KilnCacheLayer as_entries = {mount->id, mount->entries}, entries = {0};
    m->mode = mount->mode;
    m->uid = mount->uid;
    m->gid = mount->gid;
    bool ok = keep_layers(x, from, mount, m, error) &&
              kiln_cache_export_copy(x, from, &as_entries, &entries, error);
    m->entries = entries.blob;
    g_free(entries.diff_id);
    if (!ok)
        drop_last(x);
    return ok;
}

/* --- Reading -------------------------------------------------------------------------------------------- */

typedef struct {
    GPtrArray *works, *manifests;
    GArray *fds;
    KilnPlacer *placer;
    GError *error;
} Restore;

static bool place(const KilnEntry *e, guint layer, void *data)
{
    Restore *r = data;
    if (!*e->path)
        return true;
    return e->type == KILN_TYPE_DIR
               ? kiln_placer_put(r->placer, &(KilnEntry){.path = e->path,
                                                         .type = e->type,
                                                         .mode = e->mode,
                                                         .uid = e->uid,
                                                         .gid = e->gid,
                                                         .mtime = e->mtime,
                                                         .xattrs = e->xattrs,
                                                         .n_xattrs = e->n_xattrs},
                                 -1, &r->error)
               : kiln_placer_share(r->placer, g_array_index(r->fds, int, layer), e, &r->error);
}

static bool unpack_layers(const KilnCacheSource *from, const KilnCacheMount *mount, Restore *r, GError **error)
{
    for (guint i = 0; i < mount->layers->len; i++) {
        KilnWork *work = NULL;
        int fd = -1;
        KilnManifest *m =
            kiln_cache_source_unpack(from, &g_array_index(mount->layers, KilnCacheLayer, i), &work, &fd, error);
        if (!m)
            return false;
        g_ptr_array_add(r->works, work);
        g_ptr_array_add(r->manifests, m);
        g_array_append_val(r->fds, fd);
    }
    return true;
}

static bool place_all(const KilnCacheMount *mount, Restore *r, GError **error)
{
    const KilnEntry root = {.path = "",
                            .type = KILN_TYPE_DIR,
                            .mode = (uint16_t)mount->mode,
                            .uid = mount->uid,
                            .gid = mount->gid,
                            .mtime = g_get_real_time() / G_USEC_PER_SEC};
    g_autoptr(KilnView) view = kiln_view_new((KilnManifest *const *)r->manifests->pdata, r->manifests->len);
    if (!kiln_view_foreach(view, "", place, r)) {
        g_propagate_error(error, g_steal_pointer(&r->error));
        return false;
    }
    return kiln_placer_put(r->placer, &root, -1, error) && kiln_placer_finish(r->placer, error);
}

bool kiln_cache_mount_restore(const KilnCacheSource *from, const KilnCacheMount *mount, KilnStore *s, int dirfd,
                              GError **error)
{
    Restore r = {.works = g_ptr_array_new_with_free_func((GDestroyNotify)kiln_work_free),
                 .manifests = g_ptr_array_new_with_free_func((GDestroyNotify)kiln_manifest_unref),
                 .fds = g_array_new(FALSE, FALSE, sizeof(int))};
    r.placer = kiln_placer_new(dirfd, kiln_store_owners(s));
    bool ok = unpack_layers(from, mount, &r, error) && place_all(mount, &r, error);
    kiln_placer_free(r.placer);
    g_clear_error(&r.error);
    g_array_unref(r.fds);
    g_ptr_array_unref(r.manifests);
    g_ptr_array_unref(r.works);
    return ok;
}
