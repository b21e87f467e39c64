#include "store/usage.h"

#include "store/disk-size.h"
#include "store/lease.h"
#include "store/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct KilnUsage {
    KilnStore *store; /* while it is being made */
    GPtrArray *items;
    GHashTable *layers; /* gint64 * → index + 1 */
    GHashTable *names;  /* "KIND id" → index + 1, of the others */
    KilnDiskSize disk;
    guint64 total, cache;
};

static void item_free(gpointer data)
{
    KilnItem *item = data;
    g_free(item->id);
    g_free(item->description);
    g_array_unref(item->below);
    g_ptr_array_unref(item->links);
    g_free(item);
}

void kiln_usage_free(KilnUsage *u)
{
    g_ptr_array_unref(u->items);
    g_hash_table_unref(u->layers);
    g_hash_table_unref(u->names);
    kiln_disk_size_clear(&u->disk);
    g_free(u);
}

guint kiln_usage_length(const KilnUsage *u)
{
    return u->items->len;
}

KilnItem *kiln_usage_get(const KilnUsage *u, guint i)
{
    return u->items->pdata[i];
}

guint64 kiln_usage_total(const KilnUsage *u)
{
    return u->total;
}

guint64 kiln_usage_cache(const KilnUsage *u)
{
    return u->cache;
}

#define SHORTEST_PREFIX 4

static bool id_matches(const char *id, const char *wanted)
{
    const char *colon = strchr(id, ':'), *hex = colon ? colon + 1 : id;
    return strcmp(id, wanted) == 0 || (strlen(wanted) >= SHORTEST_PREFIX && strlen(hex) >= 64 &&
                                       (g_str_has_prefix(id, wanted) || g_str_has_prefix(hex, wanted)));
}

bool kiln_item_matches(const KilnItem *item, const KilnItemFilter *filter)
{
    bool id = !filter->ids;
    for (const char **wanted = filter->ids; wanted && *wanted && !id; wanted++)
        id = id_matches(item->id, *wanted);
    return id && (!filter->types || g_strv_contains(filter->types, item->type)) &&
           (!filter->unused_since || item->used <= filter->unused_since);
}

/* --- Items and what they stand on ------------------------------------------------------------------------ */

static KilnItem *add(KilnUsage *u, KilnItemKind kind, const char *id, const char *type)
{
    KilnItem *item = g_new0(KilnItem, 1);
    item->kind = kind;
    item->id = g_strdup(id);
    item->type = type;
    item->below = g_array_new(FALSE, FALSE, sizeof(guint));
    item->links = g_ptr_array_new();
    g_ptr_array_add(u->items, item);
    if (kind == KILN_ITEM_LAYER) {
        item->layer = g_ascii_strtoll(id, NULL, 10);
        g_hash_table_insert(u->layers, g_memdup2(&item->layer, sizeof item->layer), GUINT_TO_POINTER(u->items->len));
    } else {
        g_hash_table_insert(u->names, g_strdup_printf("%d %s", kind, id), GUINT_TO_POINTER(u->items->len));
    }
    return item;
}

static guint find_layer(const KilnUsage *u, gint64 layer)
{
    return GPOINTER_TO_UINT(g_hash_table_lookup(u->layers, &layer));
}

static guint find_other(const KilnUsage *u, KilnItemKind kind, const char *id)
{
    g_autofree char *key = g_strdup_printf("%d %s", kind, id);
    return GPOINTER_TO_UINT(g_hash_table_lookup(u->names, key));
}

/* Both as the tables give them: index + 1, 0: not there. */
static void stand_on(KilnUsage *u, guint above, guint below)
{
    if (!above || !below || above == below)
        return;
    KilnItem *upper = u->items->pdata[above - 1], *lower = u->items->pdata[below - 1];
    guint index = below - 1;
    g_array_append_val(upper->below, index);
    lower->above++;
}

/* "1-7,12": as records and merged layers name layers. A range of which nothing is there is not counted through. */
static void stand_on_layers(KilnUsage *u, guint above, const char *text)
{
    while (text && g_ascii_isdigit(*text)) {
        char *end;
        gint64 first = g_ascii_strtoll(text, &end, 10), last = first;
        if (*end == '-')
            last = g_ascii_strtoll(end + 1, &end, 10);
        for (gint64 layer = first; layer <= last && layer - first < 100000; layer++)
            stand_on(u, above, find_layer(u, layer));
        text = *end == ',' ? end + 1 : NULL;
    }
}

static const char *text_of(sqlite3_stmt *q, int column)
{
    const char *text = (const char *)sqlite3_column_text(q, column);
    return text ? text : "";
}

/* --- Rows ------------------------------------------------------------------------------------------------ */

typedef void (*RowFunc)(KilnUsage *u, sqlite3_stmt *q);

static bool each_row(KilnUsage *u, KilnSql sql, RowFunc func, GError **error)
{
    GError *failed = NULL;
    sqlite3_stmt *q = kiln_database_query(u->store->db, sql, "");
    while (kiln_query_row(u->store->db, q, &failed))
        func(u, q);
    kiln_query_end(q);
    if (failed)
        g_propagate_error(error, failed);
    return !failed;
}

static void take_blob(KilnUsage *u, sqlite3_stmt *q)
{
    KilnItem *item = add(u, KILN_ITEM_BLOB, text_of(q, 0), "regular");
    item->own = (guint64)sqlite3_column_int64(q, 1);
    item->used = sqlite3_column_int64(q, 2);
}

static void take_layer(KilnUsage *u, sqlite3_stmt *q)
{
    KilnItem *item = add(u, KILN_ITEM_LAYER, text_of(q, 0), "regular");
    item->created = sqlite3_column_int64(q, 1);
    item->used = MAX(sqlite3_column_int64(q, 2), item->created);
    const char *chain = text_of(q, 3);
    if (g_str_has_prefix(chain, "merge:")) {
        item->type = "internal";
        item->description = g_strdup("merged layers");
        stand_on_layers(u, u->items->len, chain + strlen("merge:"));
    }
}

/* layer, name, inputs: the first line is about the parent, on whose chain the layer stands. */
static void take_record(KilnUsage *u, sqlite3_stmt *q)
{
    guint layer = find_layer(u, sqlite3_column_int64(q, 0));
    if (!layer)
        return;
    KilnItem *item = u->items->pdata[layer - 1];
    const char *name = text_of(q, 1), *space = strchr(text_of(q, 2), ' ');
    if (*name && !item->description)
        item->description = g_strdup(name);
    const char *line = strchr(text_of(q, 2), '\n');
    if (space && (!line || space < line))
        stand_on_layers(u, layer, space + 1);
}

/* id, created, a name or NULL: a row for each name. */
static void take_image(KilnUsage *u, sqlite3_stmt *q)
{
    guint there = find_other(u, KILN_ITEM_IMAGE, text_of(q, 0));
    KilnItem *item = there ? u->items->pdata[there - 1] : add(u, KILN_ITEM_IMAGE, text_of(q, 0), "image");
    const char *name = text_of(q, 2);
    if (!there) {
        guint config = find_other(u, KILN_ITEM_BLOB, item->id);
        item->created = sqlite3_column_int64(q, 1);
        item->used = config ? ((KilnItem *)u->items->pdata[config - 1])->used : item->created;
        stand_on(u, u->items->len, config);
    }
    if (!*name)
        return;
    item->needed = true;
    char *names = item->description ? g_strconcat(item->description, ", ", name, NULL) : g_strdup(name);
    g_free(item->description);
    item->description = names;
}

/* After their names are known. */
static void describe_configs(KilnUsage *u)
{
    for (guint i = 0; i < u->items->len; i++) {
        const KilnItem *image = u->items->pdata[i];
        guint config = image->kind == KILN_ITEM_IMAGE ? find_other(u, KILN_ITEM_BLOB, image->id) : 0;
        if (config)
            ((KilnItem *)u->items->pdata[config - 1])->description =
                g_strconcat("configuration of ", image->description ? image->description : "<none>", NULL);
    }
}

static void take_image_layer(KilnUsage *u, sqlite3_stmt *q)
{
    guint image = find_other(u, KILN_ITEM_IMAGE, text_of(q, 0));
    guint layer = find_layer(u, sqlite3_column_int64(q, 1));
    stand_on(u, image, layer);
    const KilnItem *above = image ? u->items->pdata[image - 1] : NULL;
    KilnItem *item = layer ? u->items->pdata[layer - 1] : NULL;
    if (above && item && !item->description && above->description)
        item->description = g_strconcat("layer of ", above->description, NULL);
}

/* digest, layer, whether it is the tar that the layer came in, which cannot be written again; else one that was
 * written for it. */
static void take_layer_blob(KilnUsage *u, sqlite3_stmt *q)
{
    guint blob = find_other(u, KILN_ITEM_BLOB, text_of(q, 0));
    guint layer = find_layer(u, sqlite3_column_int64(q, 1));
    if (!blob || !layer)
        return;
    KilnItem *item = u->items->pdata[blob - 1];
    bool original = sqlite3_column_int(q, 2);
    stand_on(u, original ? layer : blob, original ? blob : layer);
    if (!original)
        item->type = "internal";
    if (!item->description)
        item->description = g_strdup_printf("archive of layer %s", ((KilnItem *)u->items->pdata[layer - 1])->id);
}

static void take_url(KilnUsage *u, sqlite3_stmt *q)
{
    guint blob = find_other(u, KILN_ITEM_BLOB, text_of(q, 0));
    if (!blob)
        return;
    KilnItem *item = u->items->pdata[blob - 1];
    item->type = "source.http";
    if (!item->description && *text_of(q, 1))
        item->description = g_strdup(text_of(q, 1));
}

static void take_cache(KilnUsage *u, sqlite3_stmt *q)
{
    guint cache = find_other(u, KILN_ITEM_CACHE, text_of(q, 0));
    if (!cache)
        return;
    KilnItem *item = u->items->pdata[cache - 1];
    g_free(item->description);
    item->description = g_strdup_printf("cache mount %s", text_of(q, 1));
    item->used = sqlite3_column_int64(q, 2);
}

static bool read_rows(KilnUsage *u, GError **error)
{
    static const struct {
        KilnSql sql;
        RowFunc func;
    } tables[] = {
        {SQL_USAGE_BLOBS, take_blob},
        {SQL_USAGE_LAYERS, take_layer}, /* by number: what a merged one stands on comes before it */
        {SQL_USAGE_RECORDS, take_record},
        {SQL_USAGE_IMAGES, take_image},
        {SQL_USAGE_CHAINS, take_image_layer},
        {SQL_USAGE_LAYER_BLOBS, take_layer_blob},
        {SQL_USAGE_URLS, take_url},
        {SQL_USAGE_CACHES, take_cache},
    };
    bool ok = true;
    kiln_database_lock(u->store->db);
    for (gsize i = 0; i < G_N_ELEMENTS(tables) && ok; i++)
        ok = each_row(u, tables[i].sql, tables[i].func, error);
    kiln_database_unlock(u->store->db);
    describe_configs(u);
    return ok;
}

/* --- Directories ----------------------------------------------------------------------------------------- */

static void read_folder(KilnUsage *u, const char *folder, KilnItemKind kind, const char *type)
{
    int fd = openat(u->store->root_fd, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) {
        if (fd >= 0)
            close(fd);
        return; /* caches/ is made with the first one */
    }
    struct dirent *e;
    struct stat st;
    while ((e = readdir(d))) {
        if (e->d_name[0] == '.' || g_str_has_suffix(e->d_name, ".lock") ||
            fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        KilnItem *item = add(u, kind, e->d_name, type);
        item->created = item->used = (gint64)st.st_mtime;
        item->description = g_strdup(kind == KILN_ITEM_INDEX ? "stat index of a context" : "cache mount");
    }
    closedir(d);
}

static void measure(KilnUsage *u, KilnItem *item, guint user)
{
    static const char *const folders[] = {
        [KILN_ITEM_LAYER] = "layers", [KILN_ITEM_CACHE] = "caches", [KILN_ITEM_INDEX] = "index"};
    if (item->kind == KILN_ITEM_BLOB || item->kind == KILN_ITEM_IMAGE)
        return;
    g_autofree char *path = g_build_filename(folders[item->kind], item->id, NULL);
    kiln_disk_size_add(&u->disk, u->store->root_fd, path, user, &item->own, item->links);
    struct stat st;
    if (item->kind == KILN_ITEM_LAYER && fstatat(u->store->manifests_fd, item->id, &st, AT_SYMLINK_NOFOLLOW) == 0)
        item->own += (guint64)st.st_blocks * 512;
}

/* A file whose links are all in one item is that one's own. */
static void settle_links(KilnItem *item)
{
    for (guint i = item->links->len; i > 0; i--) {
        const KilnSharedFile *file = item->links->pdata[i - 1];
        if (file->users > 1) {
            item->shared += file->size;
            continue;
        }
        item->own += file->size;
        g_ptr_array_remove_index_fast(item->links, i - 1);
    }
}

static void measure_all(KilnUsage *u)
{
    for (guint i = 0; i < u->items->len; i++)
        measure(u, u->items->pdata[i], i);
    for (guint i = 0; i < u->items->len; i++)
        settle_links(u->items->pdata[i]);
}

/* --- What follows from what stands on what ---------------------------------------------------------------- */

static bool is_held(KilnUsage *u, const KilnItem *item)
{
    KilnStore *s = u->store;
    if (item->kind == KILN_ITEM_LAYER)
        return kiln_lease_layer_held(s, item->layer);
    if (item->kind == KILN_ITEM_BLOB || item->kind == KILN_ITEM_IMAGE)
        return kiln_lease_blob_held(s, item->id);
    if (item->kind != KILN_ITEM_CACHE)
        return false;
    return kiln_cache_held(s, item->id);
}

/* Items from the top: each comes before those that it stands on. */
static void sort_down(KilnUsage *u, GArray *order)
{
    g_autofree guint *above = g_new(guint, u->items->len + 1);
    for (guint i = 0; i < u->items->len; i++) {
        above[i] = ((KilnItem *)u->items->pdata[i])->above;
        if (above[i] == 0)
            g_array_append_val(order, i);
    }
    for (guint done = 0; done < order->len; done++) {
        const KilnItem *item = u->items->pdata[g_array_index(order, guint, done)];
        for (guint k = 0; k < item->below->len; k++) {
            guint below = g_array_index(item->below, guint, k);
            if (--above[below] == 0)
                g_array_append_val(order, below);
        }
    }
}

/* A merged layer, or an archive that was written, of something that stays. */
static bool is_spare(const KilnUsage *u, const KilnItem *item)
{
    for (guint k = 0; k < item->below->len; k++)
        if (!((KilnItem *)u->items->pdata[g_array_index(item->below, guint, k)])->needed)
            return false;
    return item->below->len > 0;
}

static void conclude(KilnUsage *u)
{
    g_autoptr(GArray) order = g_array_new(FALSE, FALSE, sizeof(guint));
    sort_down(u, order);
    for (guint i = 0; i < order->len; i++) {
        KilnItem *item = u->items->pdata[g_array_index(order, guint, i)];
        item->in_use = item->in_use || is_held(u, item);
        for (guint k = 0; k < item->below->len; k++) {
            KilnItem *below = u->items->pdata[g_array_index(item->below, guint, k)];
            below->needed = below->needed || item->needed;
            below->in_use = below->in_use || item->in_use;
            below->used = MAX(below->used, item->used);
        }
    }
    for (guint i = order->len; i > 0; i--) {
        KilnItem *item = u->items->pdata[g_array_index(order, guint, i - 1)];
        for (guint k = 0; k < item->below->len; k++) {
            const KilnItem *below = u->items->pdata[g_array_index(item->below, guint, k)];
            item->level = MAX(item->level, below->level + 1);
        }
        if (strcmp(item->type, "internal") == 0 && !is_spare(u, item))
            item->type = "regular";
    }
}

static void sum_up(KilnUsage *u)
{
    for (guint i = 0; i < u->items->len; i++) {
        const KilnItem *item = u->items->pdata[i];
        u->total += item->own;
        if (!item->needed)
            u->cache += item->own;
        for (guint k = 0; k < item->links->len; k++) {
            const KilnSharedFile *file = item->links->pdata[k];
            if (file->last == i) /* each once */
                u->total += file->size;
        }
    }
    /* what an image has as well is not the cache's */
    g_autoptr(GHashTable) needed = g_hash_table_new(NULL, NULL), counted = g_hash_table_new(NULL, NULL);
    for (guint i = 0; i < u->items->len; i++) {
        const KilnItem *item = u->items->pdata[i];
        for (guint k = 0; k < item->links->len && item->needed; k++)
            g_hash_table_add(needed, item->links->pdata[k]);
    }
    for (guint i = 0; i < u->items->len; i++) {
        const KilnItem *item = u->items->pdata[i];
        for (guint k = 0; k < item->links->len && !item->needed; k++) {
            const KilnSharedFile *file = item->links->pdata[k];
            if (!g_hash_table_contains(needed, file) && g_hash_table_add(counted, (gpointer)file))
                u->cache += file->size;
        }
    }
}

KilnUsage *kiln_usage_new(KilnStore *s, bool sizes, GError **error)
{
    g_autoptr(KilnUsage) u = g_new0(KilnUsage, 1);
    u->store = s;
    u->items = g_ptr_array_new_with_free_func(item_free);
    u->layers = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    u->names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    kiln_disk_size_init(&u->disk);
    read_folder(u, "caches", KILN_ITEM_CACHE, "exec.cachemount");
    read_folder(u, "index", KILN_ITEM_INDEX, "source.local");
    if (!read_rows(u, error))
        return NULL;
    if (sizes)
        measure_all(u);
    conclude(u);
    sum_up(u);
    return g_steal_pointer(&u);
}

guint64 kiln_usage_take_out(KilnUsage *u, const KilnItem *item)
{
    guint64 bytes = item->own;
    for (guint i = 0; i < item->links->len; i++) {
        KilnSharedFile *file = item->links->pdata[i];
        if (--file->users == 0)
            bytes += file->size;
    }
    for (guint i = 0; i < item->below->len; i++)
        ((KilnItem *)u->items->pdata[g_array_index(item->below, guint, i)])->above--;
    return bytes;
}
