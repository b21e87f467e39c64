/* Files without a row: of processes that died between the two. docs/store.md, "Collection". */
#include "store/lease.h"
#include "store/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void keep(const char *key, gpointer set)
{
    g_hash_table_add(set, g_strdup(g_str_has_prefix(key, KILN_BLOB_PREFIX) ? key + strlen(KILN_BLOB_PREFIX) : key));
}

/* Names in the folder that are not in the table. The folder is read first: what comes into the store meanwhile has
 * its row before anybody looks. */
static GPtrArray *find(KilnStore *s, int dirfd, const char *table, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GHashTable) rows = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) {
        if (fd >= 0)
            close(fd);
        kiln_store_fail(error, errno, "cannot read the %s of the store %s", table, s->root);
        return NULL;
    }
    struct dirent *e;
    while ((e = readdir(d)))
        if (e->d_name[0] != '.')
            g_ptr_array_add(names, g_strdup(e->d_name));
    closedir(d);
    kiln_database_lock(s->db);
    bool ok = kiln_database_keys(s->db, table, keep, rows, error);
    kiln_database_unlock(s->db);
    for (guint i = names->len; i > 0; i--)
        if (g_hash_table_contains(rows, names->pdata[i - 1]))
            g_ptr_array_remove_index_fast(names, i - 1);
    return ok ? g_steal_pointer(&names) : NULL;
}

static bool has_row(KilnStore *s, const char *name, const char *digest)
{
    sqlite3_stmt *q = digest ? kiln_database_query(s->db, SQL_ROW_BLOB, "s", digest)
                             : kiln_database_query(s->db, SQL_ROW_LAYER, "i", g_ascii_strtoll(name, NULL, 10));
    bool found = kiln_query_row(s->db, q, NULL);
    kiln_query_end(q);
    return found;
}

/* In a transaction nobody else is between the rename and the commit, and no other row can come. A blob may
 * moreover be about to be adopted (blob.c). */
static bool remove_one(KilnStore *s, KilnWork *work, int dirfd, const char *name, const char *digest, GError **error)
{
    if (digest && !kiln_lease_blob_try(s, digest))
        return true;
    kiln_database_lock(s->db);
    bool ok = kiln_database_begin(s->db, error), begun = ok;
    if (ok && !has_row(s, name, digest)) {
        bool moved = renameat(dirfd, name, work->fd, name) == 0;
        if (!moved && errno == EACCES && fchmodat(dirfd, name, 0700, 0) == 0)
            moved = renameat(dirfd, name, work->fd, name) == 0;
        ok = moved || errno == ENOENT || kiln_store_fail(error, errno, "cannot remove %s of the store %s", name, s->root);
    }
    if (begun)
        kiln_database_rollback(s->db);
    kiln_database_unlock(s->db);
    if (digest)
        kiln_lease_blob_drop(s, digest);
    return ok;
}

static bool sweep_folder(KilnStore *s, int dirfd, const char *table, GError **error)
{
    g_autoptr(GPtrArray) names = find(s, dirfd, table, error);
    if (!names)
        return false;
    g_autoptr(KilnWork) work = names->len ? kiln_work_new(s, error) : NULL;
    bool blobs = strcmp(table, "blobs") == 0, ok = work || !names->len;
    for (guint i = 0; i < names->len && ok; i++) {
        g_autofree char *digest = blobs ? g_strconcat(KILN_BLOB_PREFIX, names->pdata[i], NULL) : NULL;
        ok = remove_one(s, work, dirfd, names->pdata[i], digest, error);
    }
    return ok;
}

bool kiln_store_sweep_orphans(KilnStore *s, GError **error)
{
    return sweep_folder(s, s->layers_fd, "layers", error) && sweep_folder(s, s->manifests_fd, "layers", error) &&
           sweep_folder(s, s->blobs_fd, "blobs", error);
}
