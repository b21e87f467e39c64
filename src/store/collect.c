#include "store/collect.h"

#include "store/disk-size.h"
#include "store/lease.h"
#include "store/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* So many are removed in one transaction. */
#define BATCH 32

/* --- Choosing -------------------------------------------------------------------------------------------- */

/* calculateKeepBytes() of BuildKit (cache/manager.go). */
static guint64 bytes_to_keep(KilnStore *s, const KilnPruneOptions *o, guint64 cache)
{
    guint64 keep = o->max_used;
    struct statvfs st;
    guint64 free_bytes = fstatvfs(s->root_fd, &st) == 0 ? (guint64)st.f_bavail * st.f_frsize : G_MAXUINT64;
    if (o->min_free > free_bytes) {
        guint64 excess = o->min_free - free_bytes, less = cache > excess ? cache - excess : 0;
        keep = keep ? MIN(keep, less) : less;
    } else if (!keep && !o->reserved) {
        return o->min_free ? G_MAXUINT64 : 0;
    }
    return MAX(keep, o->reserved);
}

/* What was used least recently first; of those used at once what stands on others. */
static gint by_use(gconstpointer a, gconstpointer b)
{
    const KilnItem *x = *(KilnItem *const *)a, *y = *(KilnItem *const *)b;
    if (x->used != y->used)
        return x->used < y->used ? -1 : 1;
    if (x->level != y->level)
        return x->level > y->level ? -1 : 1;
    return x->layer > y->layer ? -1 : x->layer < y->layer;
}

typedef struct {
    KilnItem *item;
    guint64 bytes;
    bool blocked; /* what stands on it could not be removed */
} Victim;

static bool is_candidate(const KilnItem *item, const KilnPruneOptions *o, bool internal)
{
    bool spare = strcmp(item->type, "internal") == 0;
    return !item->needed && !item->in_use && item->above == 0 && spare == internal &&
           kiln_item_matches(item, &o->filter);
}

static void choose_from(KilnUsage *u, const GPtrArray *sorted, const KilnPruneOptions *o, bool internal,
                        guint64 keep, guint64 *cache, GArray *victims)
{
    for (guint i = 0; i < sorted->len; i++) {
        KilnItem *item = sorted->pdata[i];
        bool enough = keep > 0 && *cache <= keep;
        if (enough || !is_candidate(item, o, internal))
            continue;
        const Victim v = {.item = item, .bytes = kiln_usage_take_out(u, item)};
        *cache -= MIN(*cache, v.bytes);
        item->above = G_MAXUINT; /* not twice */
        g_array_append_val(victims, v);
    }
}

static GArray *choose(KilnStore *s, KilnUsage *u, const KilnPruneOptions *o)
{
    GArray *victims = g_array_new(FALSE, FALSE, sizeof(Victim));
    guint64 cache = kiln_usage_cache(u), keep = bytes_to_keep(s, o, cache);
    g_autoptr(GPtrArray) sorted = g_ptr_array_new();
    for (guint i = 0; i < kiln_usage_length(u); i++)
        g_ptr_array_add(sorted, kiln_usage_get(u, i));
    g_ptr_array_sort(sorted, by_use);
    choose_from(u, sorted, o, false, keep, &cache, victims);
    if (o->all)
        choose_from(u, sorted, o, true, keep, &cache, victims);
    return victims;
}

/* --- Removing -------------------------------------------------------------------------------------------- */

typedef struct {
    KilnStore *store;
    KilnUsage *usage;
    KilnWork *work; /* what directories are moved to before they are removed */
    guint moved;
    GHashTable *blocked; /* KilnItem *: has to stay after all */
} Removal;

static bool take_lease(Removal *r, const KilnItem *item, int *cache_lock)
{
    switch (item->kind) {
    case KILN_ITEM_LAYER:
        return kiln_lease_layer_try(r->store, item->layer);
    case KILN_ITEM_IMAGE:
    case KILN_ITEM_BLOB:
        return kiln_lease_blob_try(r->store, item->id);
    case KILN_ITEM_CACHE:
        *cache_lock = kiln_cache_lock(r->store, item->id, true, NULL);
        return *cache_lock >= 0;
    default:
        return true;
    }
}

static void drop_lease(Removal *r, const KilnItem *item, int cache_lock)
{
    if (item->kind == KILN_ITEM_LAYER)
        kiln_lease_layer_drop(r->store, item->layer);
    else if (item->kind == KILN_ITEM_IMAGE || item->kind == KILN_ITEM_BLOB)
        kiln_lease_blob_drop(r->store, item->id);
    else if (cache_lock >= 0)
        close(cache_lock);
}

/* Whether it is still nobody's: it may have come into use, and out again, since the usage was read. */
static bool is_still_garbage(KilnStore *s, const KilnItem *item)
{
    sqlite3_stmt *q;
    if (item->kind == KILN_ITEM_LAYER)
        q = kiln_database_query(s->db, SQL_COLLECT_LAYER, "ii", item->layer, item->used);
    else if (item->kind == KILN_ITEM_IMAGE)
        q = kiln_database_query(s->db, SQL_COLLECT_IMAGE, "s", item->id);
    else if (item->kind == KILN_ITEM_BLOB)
        q = kiln_database_query(s->db, SQL_COLLECT_BLOB, "si", item->id, item->used);
    else
        return true;
    bool garbage = kiln_query_row(s->db, q, NULL);
    kiln_query_end(q);
    return garbage;
}

static bool delete_rows(KilnStore *s, const KilnItem *item, GError **error)
{
    static const KilnSql of_image[] = {SQL_CHAIN_CLEAR, SQL_IMAGE_DELETE};
    static const KilnSql of_layer[] = {SQL_RECORDS_DELETE_OF, SQL_TARS_DELETE_OF, SQL_LAYER_DELETE};
    static const KilnSql of_blob[] = {SQL_LAYER_BLOBS_DELETE_OF, SQL_URLS_DELETE_OF, SQL_BLOB_DELETE};
    static const KilnSql of_cache[] = {SQL_CACHE_DELETE};
    static const struct {
        const KilnSql *sql;
        gsize n;
    } tables[] = {[KILN_ITEM_IMAGE] = {of_image, G_N_ELEMENTS(of_image)},
                  [KILN_ITEM_LAYER] = {of_layer, G_N_ELEMENTS(of_layer)},
                  [KILN_ITEM_BLOB] = {of_blob, G_N_ELEMENTS(of_blob)},
                  [KILN_ITEM_CACHE] = {of_cache, G_N_ELEMENTS(of_cache)},
                  [KILN_ITEM_INDEX] = {NULL, 0}};
    for (gsize i = 0; i < tables[item->kind].n; i++)
        if (!(item->kind == KILN_ITEM_LAYER
                  ? kiln_database_run(s->db, error, tables[item->kind].sql[i], "i", item->layer)
                  : kiln_database_run(s->db, error, tables[item->kind].sql[i], "s", item->id)))
            return false;
    return true;
}

/* Moves what is there to the work folder. Of a directory ".." changes, for which it must be writable. */
static bool move_away(Removal *r, int dirfd, const char *name, GError **error)
{
    g_autofree char *target = g_strdup_printf("%u", r->moved++);
    if (renameat(dirfd, name, r->work->fd, target) == 0 || errno == ENOENT)
        return true;
    if (errno == EACCES && fchmodat(dirfd, name, S_IRWXU, 0) == 0 &&
        renameat(dirfd, name, r->work->fd, target) == 0)
        return true;
    return kiln_store_fail(error, errno, "cannot remove %s of the store %s", name, r->store->root);
}

static bool move_item(Removal *r, const KilnItem *item, GError **error)
{
    KilnStore *s = r->store;
    g_autofree char *path = NULL, *lock = NULL;
    switch (item->kind) {
    case KILN_ITEM_LAYER:
        return move_away(r, s->layers_fd, item->id, error) && move_away(r, s->manifests_fd, item->id, error);
    case KILN_ITEM_BLOB:
        return move_away(r, s->blobs_fd, item->id + strlen(KILN_BLOB_PREFIX), error);
    case KILN_ITEM_INDEX:
        path = g_build_filename("index", item->id, NULL);
        return move_away(r, s->root_fd, path, error);
    case KILN_ITEM_CACHE: /* the lock, which is held, comes last: kiln_cache_lock() sees that it has gone */
        path = g_build_filename("caches", item->id, NULL);
        lock = g_strconcat(path, ".lock", NULL);
        return move_away(r, s->root_fd, path, error) && move_away(r, s->root_fd, lock, error);
    default:
        return true;
    }
}

/* What a blocked item stands on stays as well. Victims come in an order in which that is still to come. */
static void block(Removal *r, KilnItem *item)
{
    if (!g_hash_table_add(r->blocked, item))
        return;
    for (guint i = 0; i < item->below->len; i++)
        block(r, kiln_usage_get(r->usage, g_array_index(item->below, guint, i)));
}

/* The rows of those that are leased go in one transaction. */
static bool commit_deletes(Removal *r, Victim *victims, guint n, GError **error)
{
    KilnStore *s = r->store;
    kiln_database_lock(s->db);
    bool ok = kiln_database_begin(s->db, error), begun = ok;
    for (guint i = 0; i < n && ok; i++) {
        if (!victims[i].blocked && (g_hash_table_contains(r->blocked, victims[i].item) ||
                                    !is_still_garbage(s, victims[i].item))) {
            block(r, victims[i].item);
            victims[i].blocked = true;
        }
        if (!victims[i].blocked)
            ok = delete_rows(s, victims[i].item, error);
    }
    if (begun && ok)
        ok = kiln_database_commit(s->db, error);
    else if (begun)
        kiln_database_rollback(s->db);
    kiln_database_unlock(s->db);
    return ok;
}

/* Nobody finds them any more. Their leases are held until they are out of the way: a blob may come again under
 * the same name. Who dies here leaves files without rows to the next collection. */
static bool move_all(Removal *r, const Victim *victims, guint n, GError **error)
{
    for (guint i = 0; i < n; i++)
        if (!victims[i].blocked && !move_item(r, victims[i].item, error))
            return false;
    return true;
}

static bool remove_batch(Removal *r, Victim *victims, guint n, GError **error)
{
    int locks[BATCH];
    bool held[BATCH];
    r->work = kiln_work_new(r->store, error);
    r->moved = 0;
    if (!r->work)
        return false;
    for (guint i = 0; i < n; i++) {
        locks[i] = -1;
        held[i] = !g_hash_table_contains(r->blocked, victims[i].item) &&
                  take_lease(r, victims[i].item, &locks[i]);
        victims[i].blocked = !held[i];
        if (!held[i])
            block(r, victims[i].item);
    }
    bool ok = commit_deletes(r, victims, n, error) && move_all(r, victims, n, error);
    for (guint i = 0; i < n; i++)
        if (held[i])
            drop_lease(r, victims[i].item, locks[i]);
    g_clear_pointer(&r->work, kiln_work_free);
    return ok;
}

/* Rows that were about what has gone. */
static bool settle(KilnStore *s, GError **error)
{
    static const KilnSql statements[] = {SQL_SETTLE_RECORDS, SQL_SETTLE_KEYS, SQL_SETTLE_LAYER_BLOBS};
    kiln_database_lock(s->db);
    bool ok = kiln_database_begin(s->db, error), begun = ok;
    for (gsize i = 0; i < G_N_ELEMENTS(statements) && ok; i++)
        ok = kiln_database_run(s->db, error, statements[i], "");
    if (begun && ok)
        ok = kiln_database_commit(s->db, error);
    else if (begun)
        kiln_database_rollback(s->db);
    kiln_database_unlock(s->db);
    return ok;
}

static bool remove_victims(KilnStore *s, KilnUsage *u, GArray *victims, KilnPruneFunc func, gpointer data,
                           GError **error)
{
    Removal r = {.store = s, .usage = u, .blocked = g_hash_table_new(NULL, NULL)};
    kiln_database_lock(s->db);
    bool ok = kiln_database_make_durable(s->db, error);
    kiln_database_unlock(s->db);
    for (guint done = 0; done < victims->len && ok; done += BATCH) {
        Victim *batch = &g_array_index(victims, Victim, done);
        guint n = MIN(BATCH, victims->len - done);
        ok = remove_batch(&r, batch, n, error);
        for (guint i = 0; i < n && ok && func; i++)
            if (!batch[i].blocked)
                func(batch[i].item, batch[i].bytes, data);
    }
    g_hash_table_unref(r.blocked);
    return ok && (victims->len == 0 || settle(s, error));
}

static bool prune(KilnStore *s, const KilnPruneOptions *o, KilnPruneFunc func, gpointer data, GError **error)
{
    g_autoptr(KilnUsage) u = kiln_usage_new(s, true, error);
    if (!u)
        return false;
    g_autoptr(GArray) victims = choose(s, u, o);
    if (!o->dry_run)
        return remove_victims(s, u, victims, func, data, error);
    for (guint i = 0; i < victims->len; i++) {
        const Victim *v = &g_array_index(victims, Victim, i);
        func(v->item, v->bytes, data);
    }
    return true;
}

bool kiln_store_prune(KilnStore *s, const KilnPruneOptions *options, KilnPruneFunc func, gpointer data,
                      GError **error)
{
    return (options->dry_run || kiln_store_sweep_orphans(s, error)) && prune(s, options, func, data, error);
}

/* --- At the end of a build ------------------------------------------------------------------------------- */

/* buildkitd's defaults: cmd/buildkitd/config/gcpolicy_unix.go. */
#define RESERVED_PERCENT 10
#define RESERVED_BYTES (G_GUINT64_CONSTANT(10) * 1000 * 1000 * 1000)
#define MIN_FREE_PERCENT 20
#define MAX_USED_PERCENT 80
#define MAX_USED_BYTES (G_GUINT64_CONSTANT(100) * 1000 * 1000 * 1000)

static KilnPruneOptions default_options(KilnStore *s, guint64 max_used)
{
    struct statvfs st;
    KilnPruneOptions o = {.all = true, .max_used = max_used, .reserved = max_used};
    if (max_used || fstatvfs(s->root_fd, &st) < 0)
        return o;
    guint64 percent = (guint64)st.f_blocks * st.f_frsize / 100;
    o.max_used = MIN(percent * MAX_USED_PERCENT, MAX_USED_BYTES);
    o.reserved = MIN(percent * RESERVED_PERCENT, RESERVED_BYTES);
    o.min_free = percent * MIN_FREE_PERCENT;
    return o;
}

/* Sizes of the cache mounts that were used since they were measured. */
static void measure_caches(KilnStore *s)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    kiln_database_lock(s->db);
    sqlite3_stmt *q = kiln_database_query(s->db, SQL_CACHE_UNMEASURED, "");
    while (kiln_query_row(s->db, q, NULL))
        g_ptr_array_add(names, kiln_query_text(q, 0));
    kiln_query_end(q);
    kiln_database_unlock(s->db);
    for (guint i = 0; i < names->len; i++) {
        guint64 size = 0;
        KilnDiskSize disk;
        g_autoptr(GPtrArray) links = g_ptr_array_new();
        g_autofree char *path = g_build_filename("caches", names->pdata[i], NULL);
        kiln_disk_size_init(&disk);
        kiln_disk_size_add(&disk, s->root_fd, path, 0, &size, links);
        for (guint k = 0; k < links->len; k++)
            size += ((KilnSharedFile *)links->pdata[k])->size;
        kiln_disk_size_clear(&disk);
        kiln_database_lock(s->db);
        (void)kiln_database_run(s->db, NULL, SQL_CACHE_SET_SIZE, "si", (char *)names->pdata[i], (gint64)size);
        kiln_database_unlock(s->db);
    }
}

/* The cache cannot be larger than what the rows say of all. */
static bool may_be_too_much(KilnStore *s, const KilnPruneOptions *o)
{
    measure_caches(s);
    kiln_database_lock(s->db);
    sqlite3_stmt *q = kiln_database_query(s->db, SQL_USAGE_BOUND, "");
    guint64 bound = kiln_query_row(s->db, q, NULL) ? (guint64)sqlite3_column_int64(q, 0) : 0;
    kiln_query_end(q);
    kiln_database_unlock(s->db);
    return bound > bytes_to_keep(s, o, bound);
}

bool kiln_store_collect(const char *root, guint64 max_used, GError **error)
{
    g_autoptr(KilnStore) s = kiln_store_open(root, KILN_STORE_SHARED, error);
    if (!s)
        return false;
    if (kiln_lock_set(s->lock_fd, KILN_LOCK_COLLECT, F_WRLCK, false) < 0)
        return true;
    if (!kiln_store_sweep_orphans(s, error))
        return false;
    if (max_used == G_MAXUINT64)
        return true;
    const KilnPruneOptions o = default_options(s, max_used);
    return !may_be_too_much(s, &o) || prune(s, &o, NULL, NULL, error);
}
