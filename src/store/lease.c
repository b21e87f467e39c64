/* Leases: what this process may be using, no collector removes. docs/store.md, "Collection". */
#include "store/lease.h"

#include "store/state.h"
#include "tree/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Layer N is byte N of `leases`; a blob one above this, by the first bits of its digest. That two blobs
 * share a byte is unlikely, and does no harm. */
#define FIRST_BLOB ((gint64)1 << 61)
#define LAST_BLOB (((gint64)1 << 62) - 1)

bool kiln_leases_open(KilnStore *s, GError **error)
{
    s->lease_fd = openat(s->root_fd, "leases", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    return s->lease_fd >= 0 || kiln_store_fail(error, errno, "cannot open %s/leases", s->root);
}

void kiln_leases_init(KilnStore *s)
{
    s->lease_fd = -1;
    g_mutex_init(&s->lease_mutex);
    s->leased_layers = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    s->leased_blobs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    s->used_caches = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
}

void kiln_leases_clear(KilnStore *s)
{
    kiln_leases_release(s);
    g_hash_table_unref(s->leased_layers);
    g_hash_table_unref(s->leased_blobs);
    g_hash_table_unref(s->used_caches);
    g_mutex_clear(&s->lease_mutex);
}

void kiln_leases_release(KilnStore *s)
{
    g_mutex_lock(&s->lease_mutex);
    if (s->lease_fd >= 0)
        close(s->lease_fd);
    s->lease_fd = -1;
    s->all_leased = false;
    g_mutex_unlock(&s->lease_mutex);
}

static gint64 blob_offset(const char *digest)
{
    uint8_t bytes[KILN_SHA256_SIZE];
    guint64 first;
    if (!kiln_digest_parse(digest, bytes))
        return -1;
    memcpy(&first, bytes, sizeof first);
    return FIRST_BLOB + (gint64)(GUINT64_FROM_BE(first) >> 3);
}

/* A collector that has it is about to delete, and does not take long. It is waited for without the mutex: a
 * lease that two threads take at once is one. */
static bool take(KilnStore *s, gint64 offset)
{
    return s->lease_fd < 0 || kiln_lock_set(s->lease_fd, offset, F_RDLCK, true) == 0;
}

/* Whether it has been used before, or is leased with all the rest: then it is remembered, and there is no more to do. */
static bool is_leased(KilnStore *s, GHashTable *set, gconstpointer key, gsize size)
{
    g_mutex_lock(&s->lease_mutex);
    bool known = g_hash_table_contains(set, key);
    if (!known && s->all_leased)
        g_hash_table_add(set, g_memdup2(key, size));
    known = known || s->all_leased;
    g_mutex_unlock(&s->lease_mutex);
    return known;
}

static void remember(KilnStore *s, GHashTable *set, gconstpointer key, gsize size)
{
    g_mutex_lock(&s->lease_mutex);
    if (!g_hash_table_contains(set, key))
        g_hash_table_add(set, g_memdup2(key, size));
    g_mutex_unlock(&s->lease_mutex);
}

static bool row_exists(KilnStore *s, gint64 layer)
{
    kiln_database_lock(s->db);
    sqlite3_stmt *q = kiln_database_query(s->db, SQL_LAYER_EXISTS, "ib", layer);
    bool found = kiln_query_row(s->db, q, NULL);
    kiln_query_end(q);
    kiln_database_unlock(s->db);
    return found;
}

bool kiln_layer_lease(KilnStore *s, const gint64 *layers, guint n)
{
    for (guint i = 0; i < n; i++) {
        if (s->lease_fd < 0 || is_leased(s, s->leased_layers, layers + i, sizeof *layers))
            continue; /* who only reads, or is at its end, leases nothing */
        if (!take(s, layers[i]) || !row_exists(s, layers[i]))
            return false;
        /* only now: another thread that sees it here does not look again */
        remember(s, s->leased_layers, layers + i, sizeof *layers);
    }
    return true;
}

bool kiln_lease_new_layer(KilnStore *s, gint64 layer)
{
    if (s->lease_fd >= 0 && kiln_lock_set(s->lease_fd, layer, F_RDLCK, false) < 0)
        return false;
    remember(s, s->leased_layers, &layer, sizeof layer);
    return true;
}

bool kiln_lease_blob(KilnStore *s, const char *digest)
{
    gint64 offset = blob_offset(digest);
    if (offset < 0 || is_leased(s, s->leased_blobs, digest, strlen(digest) + 1))
        return true;
    if (!take(s, offset))
        return false;
    remember(s, s->leased_blobs, digest, strlen(digest) + 1);
    return true;
}

void kiln_cache_used(KilnStore *s, const char *name, const char *id)
{
    g_mutex_lock(&s->lease_mutex);
    g_hash_table_insert(s->used_caches, g_strdup(name), g_strdup(id));
    g_mutex_unlock(&s->lease_mutex);
}

/* --- All at once -------------------------------------------------------------------------------------- */

void kiln_store_look(KilnStore *s)
{
    g_mutex_lock(&s->lease_mutex);
    s->all_leased = s->lease_fd >= 0 && kiln_lock_set_range(s->lease_fd, 1, LAST_BLOB, F_RDLCK) == 0;
    if (s->all_leased) { /* so that nothing goes which is seen in it */
        kiln_database_lock(s->db);
        kiln_database_begin_reading(s->db);
        kiln_database_unlock(s->db);
    }
    g_mutex_unlock(&s->lease_mutex);
}

static int compare_offsets(gconstpointer a, gconstpointer b)
{
    const gint64 *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* The bytes of what has been looked up, in order. */
static GArray *used_offsets(KilnStore *s)
{
    GArray *offsets = g_array_new(FALSE, FALSE, sizeof(gint64));
    GHashTableIter iter;
    gpointer key;
    g_hash_table_iter_init(&iter, s->leased_layers);
    while (g_hash_table_iter_next(&iter, &key, NULL))
        g_array_append_vals(offsets, key, 1);
    g_hash_table_iter_init(&iter, s->leased_blobs);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        gint64 offset = blob_offset(key);
        g_array_append_val(offsets, offset);
    }
    g_array_sort(offsets, compare_offsets);
    return offsets;
}

void kiln_store_looked(KilnStore *s)
{
    g_mutex_lock(&s->lease_mutex);
    if (s->all_leased) {
        kiln_database_lock(s->db);
        kiln_database_end_reading(s->db);
        kiln_database_unlock(s->db);
        s->all_leased = false;
        g_autoptr(GArray) used = used_offsets(s);
        gint64 last = LAST_BLOB + 1, next = 1;
        g_array_append_val(used, last);
        for (guint i = 0; i < used->len; i++) { /* what lies between them is given back */
            gint64 offset = g_array_index(used, gint64, i);
            if (offset > next)
                kiln_lock_set_range(s->lease_fd, next, offset - 1, F_UNLCK);
            next = offset + 1;
        }
    }
    g_mutex_unlock(&s->lease_mutex);
}

/* --- For the collector -------------------------------------------------------------------------------- */

static bool try_exclusive(KilnStore *s, gint64 offset)
{
    return offset > 0 && s->lease_fd >= 0 && kiln_lock_set(s->lease_fd, offset, F_WRLCK, false) == 0;
}

static void release(KilnStore *s, gint64 offset)
{
    if (offset > 0 && s->lease_fd >= 0)
        kiln_lock_set(s->lease_fd, offset, F_UNLCK, false);
}

static bool is_locked(KilnStore *s, gint64 offset)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = offset, .l_len = 1};
    return offset > 0 && s->lease_fd >= 0 && fcntl(s->lease_fd, F_OFD_GETLK, &lock) == 0 &&
           lock.l_type != F_UNLCK;
}

bool kiln_lease_layer_try(KilnStore *s, gint64 layer)
{
    return try_exclusive(s, layer);
}

void kiln_lease_layer_drop(KilnStore *s, gint64 layer)
{
    release(s, layer);
}

bool kiln_lease_layer_held(KilnStore *s, gint64 layer)
{
    return is_locked(s, layer);
}

bool kiln_lease_blob_try(KilnStore *s, const char *digest)
{
    return try_exclusive(s, blob_offset(digest));
}

void kiln_lease_blob_drop(KilnStore *s, const char *digest)
{
    release(s, blob_offset(digest));
}

bool kiln_lease_blob_held(KilnStore *s, const char *digest)
{
    return is_locked(s, blob_offset(digest));
}

/* --- When it was used --------------------------------------------------------------------------------- */

/* As exact as anybody needs: a build within the hour of the last one writes nothing. */
#define USED_EXACT 3600

static bool is_old(KilnStore *s, sqlite3_stmt *q, gint64 now)
{
    bool old = kiln_query_row(s->db, q, NULL) && ABS(now - sqlite3_column_int64(q, 0)) > USED_EXACT;
    kiln_query_end(q);
    return old;
}

/* The keys whose rows say another hour. */
static GPtrArray *find_old(KilnStore *s, GHashTable *set, bool layers, gint64 now)
{
    GPtrArray *old = g_ptr_array_new();
    GHashTableIter iter;
    gpointer key;
    g_hash_table_iter_init(&iter, set);
    while (g_hash_table_iter_next(&iter, &key, NULL))
        if (is_old(s, layers ? kiln_database_query(s->db, SQL_LAYER_USED, "i", *(gint64 *)key)
                             : kiln_database_query(s->db, SQL_BLOB_USED, "s", (char *)key), now))
            g_ptr_array_add(old, key);
    return old;
}

static bool write_used(KilnStore *s, const GPtrArray *layers, const GPtrArray *blobs, gint64 now, GError **error)
{
    GHashTableIter iter;
    gpointer name, id;
    for (guint i = 0; i < layers->len; i++)
        if (!kiln_database_run(s->db, error, SQL_LAYER_TOUCH, "ii", *(gint64 *)layers->pdata[i], now))
            return false;
    for (guint i = 0; i < blobs->len; i++)
        if (!kiln_database_run(s->db, error, SQL_BLOB_TOUCH, "si", (char *)blobs->pdata[i], now))
            return false;
    g_hash_table_iter_init(&iter, s->used_caches);
    while (g_hash_table_iter_next(&iter, &name, &id))
        if (!kiln_database_run(s->db, error, SQL_CACHE_TOUCH, "ssi", (char *)name, (char *)id, now))
            return false;
    return true;
}

bool kiln_store_touch(KilnStore *s, GError **error)
{
    gint64 now = g_get_real_time() / G_USEC_PER_SEC;
    g_mutex_lock(&s->lease_mutex);
    kiln_database_lock(s->db);
    kiln_database_begin_reading(s->db);
    g_autoptr(GPtrArray) layers = find_old(s, s->leased_layers, true, now);
    g_autoptr(GPtrArray) blobs = find_old(s, s->leased_blobs, false, now);
    kiln_database_end_reading(s->db);
    bool ok = true;
    if (layers->len || blobs->len || g_hash_table_size(s->used_caches)) {
        ok = kiln_database_begin(s->db, error);
        if (ok && write_used(s, layers, blobs, now, error)) {
            ok = kiln_database_commit(s->db, error);
        } else if (ok) {
            kiln_database_rollback(s->db);
            ok = false;
        }
    }
    kiln_database_unlock(s->db);
    g_mutex_unlock(&s->lease_mutex);
    return ok;
}
