/* Layers: a directory and a manifest each, numbered by SQLite. docs/store.md, "How a thing comes
 * into the store". */
#include "store/lease.h"
#include "store/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* Moves "upper" to layers/N. Moving a directory to another parent needs write permission on it (its
 * ".." changes), which a root directory of mode 0555 refuses to a user without CAP_DAC_OVERRIDE. */
static int move_directory(KilnStore *s, KilnWork *w, const char *name)
{
    if (renameat2(w->fd, "upper", s->layers_fd, name, RENAME_NOREPLACE) == 0)
        return 0;
    struct stat st;
    if (errno != EACCES || fstatat(w->fd, "upper", &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    if (fchmodat(w->fd, "upper", S_IRWXU, 0) < 0)
        return -errno;
    int result = renameat2(w->fd, "upper", s->layers_fd, name, RENAME_NOREPLACE) < 0 ? -errno : 0;
    if (result == 0 && fchmodat(s->layers_fd, name, st.st_mode & 07777, 0) < 0)
        result = -errno;
    return result;
}

/* Within the transaction: puts manifest and directory in place as N. */
static bool move_into_place(KilnStore *s, KilnWork *w, gint64 layer, GError **error)
{
    char name[24];
    snprintf(name, sizeof name, "%" G_GINT64_FORMAT, layer);
    if (renameat(w->fd, "manifest", s->manifests_fd, name) < 0)
        return kiln_store_fail(error, errno, "cannot create %s/manifests/%s", s->root, name);
    int result = move_directory(s, w, name);
    if (result == -EEXIST || result == -ENOTEMPTY) {
        /* Left by a process that died between rename and commit: the number was given again. */
        if (!kiln_remove_tree(s->layers_fd, name, error))
            return false;
        result = move_directory(s, w, name);
    }
    return result == 0 ||
           kiln_store_fail(error, -result, "cannot create %s/layers/%s", s->root, name);
}

/* Within the transaction: whether layers/N is there, and not only its tar. */
static bool is_unpacked(KilnStore *s, gint64 layer)
{
    g_autoptr(KilnQuery) q = kiln_database_query(s->db, SQL_LAYER_ENTRIES, "i", layer);
    return kiln_query_row(s->db, q, NULL) && sqlite3_column_int64(q, 0) >= 0;
}

static bool put_row(KilnStore *s, gint64 *layer, gint64 size, gint64 entries, GError **error)
{
    gint64 now = g_get_real_time() / G_USEC_PER_SEC;
    bool ok = *layer != 0 ? kiln_database_run(s->db, error, SQL_LAYER_PUT, "igiii", *layer, now, size, entries)
                          : kiln_database_run(s->db, error, SQL_LAYER_INSERT, "giii", now, size, entries);
    if (ok && *layer == 0)
        *layer = kiln_database_last_id(s->db);
    if (ok && !kiln_lease_new_layer(s, *layer))
        ok = kiln_store_fail(error, EBUSY, "cannot lease layer %" G_GINT64_FORMAT " of %s", *layer, s->root);
    return ok;
}

/* layer: its number, 0: the next. */
static gint64 commit(KilnStore *s, KilnWork *w, KilnManifest *manifest, gint64 layer, GError **error)
{
    if (!kiln_manifest_write(manifest, w->fd, "manifest", error))
        return 0;
    kiln_database_lock(s->db);
    bool ok = kiln_database_begin(s->db, error);
    if (ok && layer != 0 && is_unpacked(s, layer)) { /* by another process meanwhile */
        kiln_database_rollback(s->db);
        kiln_database_unlock(s->db);
        return layer;
    }
    if (ok) {
        ok = put_row(s, &layer, (gint64)kiln_manifest_size(manifest),
                     (gint64)kiln_manifest_length(manifest), error) &&
             move_into_place(s, w, layer, error);
        if (ok)
            ok = kiln_database_commit(s->db, error);
        else
            kiln_database_rollback(s->db);
    }
    kiln_database_unlock(s->db);
    if (!ok)
        return 0;
    g_mutex_lock(&s->layers_mutex);
    g_hash_table_insert(s->manifests, g_memdup2(&layer, sizeof layer), kiln_manifest_ref(manifest));
    g_mutex_unlock(&s->layers_mutex);
    return layer;
}

gint64 kiln_layer_commit(KilnStore *s, KilnWork *w, KilnManifest *manifest, GError **error)
{
    return commit(s, w, manifest, 0, error);
}

bool kiln_layer_commit_as(KilnStore *s, KilnWork *w, KilnManifest *manifest, gint64 layer, GError **error)
{
    return commit(s, w, manifest, layer, error) != 0;
}

/* AUTOINCREMENT never gives a number again, also of a row that is gone. */
gint64 kiln_layer_reserve(KilnStore *s, GError **error)
{
    gint64 layer = 0;
    kiln_database_lock(s->db);
    bool ok = kiln_database_begin(s->db, error);
    if (ok && put_row(s, &layer, 0, 0, error) &&
        kiln_database_run(s->db, error, SQL_LAYER_DELETE, "i", layer)) {
        ok = kiln_database_commit(s->db, error);
    } else if (ok) {
        kiln_database_rollback(s->db);
        ok = false;
    }
    kiln_database_unlock(s->db);
    return ok ? layer : 0;
}

bool kiln_layer_put_packed(KilnStore *s, gint64 layer, guint64 size, GError **error)
{
    kiln_database_lock(s->db);
    bool ok = kiln_database_begin(s->db, error);
    if (ok && (is_unpacked(s, layer) || put_row(s, &layer, (gint64)size, -1, error))) {
        ok = kiln_database_commit(s->db, error);
    } else if (ok) {
        kiln_database_rollback(s->db);
        ok = false;
    }
    kiln_database_unlock(s->db);
    return ok;
}

void kiln_store_set_provider(KilnStore *s, KilnProvideFunc provide, void *data)
{
    s->provide = provide;
    s->provide_data = data;
}

bool kiln_layer_is_packed(KilnStore *s, gint64 layer)
{
    kiln_database_lock(s->db);
    sqlite3_stmt *q = kiln_database_query(s->db, SQL_LAYER_ENTRIES, "i", layer);
    bool packed = kiln_query_row(s->db, q, NULL) && sqlite3_column_int64(q, 0) < 0;
    kiln_query_end(q);
    kiln_database_unlock(s->db);
    return packed;
}

/* Sees to it that manifest and directory are there. What is not is met, and reported, by whoever opens it. */
static bool require(KilnStore *s, gint64 layer, GError **error)
{
    char name[24];
    g_mutex_lock(&s->layers_mutex);
    bool here = g_hash_table_contains(s->manifests, &layer) || g_hash_table_contains(s->layer_fds, &layer);
    g_mutex_unlock(&s->layers_mutex);
    snprintf(name, sizeof name, "%" G_GINT64_FORMAT, layer);
    if (here || s->provide == NULL || faccessat(s->manifests_fd, name, F_OK, 0) == 0)
        return true;
    return s->provide(s, layer, s->provide_data, error);
}

bool kiln_layers_require(KilnStore *s, const gint64 *layers, guint n, GError **error)
{
    for (guint i = 0; i < n; i++)
        if (!require(s, layers[i], error))
            return false;
    return true;
}

KilnManifest *kiln_layer_manifest(KilnStore *s, gint64 layer, GError **error)
{
    g_mutex_lock(&s->layers_mutex);
    KilnManifest *m = g_hash_table_lookup(s->manifests, &layer);
    if (m != NULL)
        kiln_manifest_ref(m);
    g_mutex_unlock(&s->layers_mutex);
    if (m != NULL)
        return m;

    if (!require(s, layer, error))
        return NULL;
    /* Two threads may read the same one at once; then the first to finish is kept. */
    char name[24];
    snprintf(name, sizeof name, "%" G_GINT64_FORMAT, layer);
    m = kiln_manifest_read(s->manifests_fd, name, error);
    if (m == NULL) {
        g_prefix_error(error, "layer %s of the store %s: ", name, s->root);
        kiln_layer_condemn(s, layer);
        return NULL;
    }
    g_mutex_lock(&s->layers_mutex);
    KilnManifest *other = g_hash_table_lookup(s->manifests, &layer);
    if (other != NULL) {
        kiln_manifest_unref(m);
        m = other;
    } else {
        g_hash_table_insert(s->manifests, g_memdup2(&layer, sizeof layer), m);
    }
    kiln_manifest_ref(m);
    g_mutex_unlock(&s->layers_mutex);
    return m;
}

int kiln_layer_fd(KilnStore *s, gint64 layer, GError **error)
{
    if (!require(s, layer, error))
        return -1;
    bool missing = false;
    g_mutex_lock(&s->layers_mutex);
    int fd = GPOINTER_TO_INT(g_hash_table_lookup(s->layer_fds, &layer)) - 1;
    if (fd < 0) {
        char name[24];
        snprintf(name, sizeof name, "%" G_GINT64_FORMAT, layer);
        fd = openat(s->layers_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd >= 0)
            g_hash_table_insert(s->layer_fds, g_memdup2(&layer, sizeof layer),
                                GINT_TO_POINTER(fd + 1));
        else
            missing = !kiln_store_fail(error, errno, "cannot open %s/layers/%s", s->root, name);
    }
    g_mutex_unlock(&s->layers_mutex);
    if (missing)
        kiln_layer_condemn(s, layer);
    return fd;
}

KilnView *kiln_layer_view(KilnStore *s, const gint64 *chain, guint n, GError **error)
{
    g_autoptr(GPtrArray) manifests =
        g_ptr_array_new_with_free_func((GDestroyNotify)kiln_manifest_unref);
    for (guint i = 0; i < n; i++) {
        KilnManifest *m = kiln_layer_manifest(s, chain[i], error);
        if (m == NULL)
            return NULL;
        g_ptr_array_add(manifests, m);
    }
    return kiln_view_new((KilnManifest *const *)manifests->pdata, n);
}

/* One text of one row, or NULL. */
static char *text_of(KilnStore *s, sqlite3_stmt *query)
{
    g_autoptr(KilnQuery) q = query;
    return kiln_query_row(s->db, q, NULL) ? kiln_query_text(q, 0) : NULL;
}

char *kiln_layer_diff_id(KilnStore *s, gint64 layer)
{
    return kiln_layer_tar_diff_id(s, layer, -1);
}

char *kiln_layer_tar_diff_id(KilnStore *s, gint64 layer, gint64 clamp)
{
    kiln_database_lock(s->db);
    char *diff_id = text_of(s, kiln_database_query(s->db, SQL_LAYER_DIFF_ID, "i", layer));
    if (diff_id == NULL)
        diff_id = text_of(s, kiln_database_query(s->db, SQL_TAR_DIFF_ID, "ii", layer, clamp));
    kiln_database_unlock(s->db);
    return diff_id;
}

void kiln_layer_ids(KilnStore *s, const gint64 *layers, guint n, gint64 clamp, char **diff_ids, char **chain_ids)
{
    kiln_database_lock(s->db);
    kiln_database_end_reading(s->db); /* an older one */
    kiln_database_begin_reading(s->db);
    for (guint i = 0; i < n; i++) {
        g_autoptr(KilnQuery) q = kiln_database_query(s->db, SQL_LAYER_IDS, "ii", layers[i], clamp);
        bool found = kiln_query_row(s->db, q, NULL);
        diff_ids[i] = found ? kiln_query_text(q, 0) : NULL;
        chain_ids[i] = found ? kiln_query_text(q, 1) : NULL;
    }
    kiln_database_end_reading(s->db);
    kiln_database_unlock(s->db);
}

char *kiln_layer_any_diff_id(KilnStore *s, gint64 layer)
{
    kiln_database_lock(s->db);
    char *diff_id = text_of(s, kiln_database_query(s->db, SQL_LAYER_DIFF_ID, "i", layer));
    if (diff_id == NULL)
        diff_id = text_of(s, kiln_database_query(s->db, SQL_TAR_ANY, "i", layer));
    kiln_database_unlock(s->db);
    return diff_id;
}

bool kiln_layer_tar_clamp(KilnStore *s, gint64 layer, const char *diff_id, gint64 *clamp)
{
    kiln_database_lock(s->db);
    sqlite3_stmt *q = kiln_database_query(s->db, SQL_TAR_CLAMP, "is", layer, diff_id);
    bool found = kiln_query_row(s->db, q, NULL);
    if (found)
        *clamp = sqlite3_column_int64(q, 0);
    kiln_query_end(q);
    kiln_database_unlock(s->db);
    return found;
}

bool kiln_layer_set_diff_id(KilnStore *s, gint64 layer, const char *diff_id, GError **error)
{
    kiln_database_lock(s->db);
    bool ok = kiln_database_run(s->db, error, SQL_LAYER_SET_DIFF_ID, "is", layer, diff_id);
    kiln_database_unlock(s->db);
    return ok;
}

bool kiln_layer_set_tar_diff_id(KilnStore *s, gint64 layer, gint64 clamp, const char *diff_id,
                                GError **error)
{
    kiln_database_lock(s->db);
    bool ok = kiln_database_run(s->db, error, SQL_TAR_SET, "iis", layer, clamp, diff_id);
    kiln_database_unlock(s->db);
    return ok;
}

/* What the row says, usable or not. */
static gint64 find_chain(KilnStore *s, const char *chain_id)
{
    kiln_database_lock(s->db);
    sqlite3_stmt *q = kiln_database_query(s->db, SQL_LAYER_BY_CHAIN, "sb", chain_id);
    gint64 layer = kiln_query_row(s->db, q, NULL) ? sqlite3_column_int64(q, 0) : 0;
    kiln_query_end(q);
    kiln_database_unlock(s->db);
    return layer && kiln_layer_lease(s, &layer, 1) ? layer : 0;
}

gint64 kiln_layer_by_chain(KilnStore *s, const char *chain_id)
{
    gint64 layer = find_chain(s, chain_id);
    for (gint64 last = 0; layer != 0 && !kiln_layer_is_usable(s, layer); last = layer) {
        kiln_layer_condemn(s, layer); /* then another one may have the chainID */
        layer = find_chain(s, chain_id);
        if (layer == last)
            return 0;
    }
    return layer;
}

bool kiln_layer_set_chain(KilnStore *s, gint64 layer, const char *chain_id, GError **error)
{
    kiln_database_lock(s->db);
    bool ok = kiln_database_run(s->db, error, SQL_LAYER_SET_CHAIN, "is", layer, chain_id);
    kiln_database_unlock(s->db);
    return ok;
}
