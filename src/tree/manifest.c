#include "tree/manifest-private.h"

#include <string.h>

G_DEFINE_QUARK(kiln - manifest - error - quark, kiln_manifest_error)

int kiln_path_compare(const char *a, const char *b)
{
    const unsigned char *p = (const unsigned char *)a, *q = (const unsigned char *)b;
    while (*p == *q && *p) {
        p++;
        q++;
    }
    if (*p == *q)
        return 0;
    if (!*p || !*q)
        return *p ? 1 : -1;
    if (*p == '/' || *q == '/')
        return *p == '/' ? -1 : 1;
    return *p < *q ? -1 : 1;
}

bool kiln_path_within(const char *path, const char *dir)
{
    gsize length = strlen(dir);
    if (!length)
        return true;
    return strncmp(path, dir, length) == 0 && (path[length] == '\0' || path[length] == '/');
}

KilnManifest *kiln_manifest_new(void)
{
    KilnManifest *m = g_new0(KilnManifest, 1);
    g_atomic_ref_count_init(&m->refs);
    kiln_arena_init(&m->arena);
    m->entries = g_ptr_array_new();
    return m;
}

KilnManifest *kiln_manifest_ref(KilnManifest *m)
{
    g_atomic_ref_count_inc(&m->refs);
    return m;
}

void kiln_manifest_unref(KilnManifest *m)
{
    if (!m || !g_atomic_ref_count_dec(&m->refs))
        return;
    g_ptr_array_unref(m->entries);
    kiln_arena_clear(&m->arena);
    g_free(m);
}

KilnEntry *kiln_manifest_add_borrowed(KilnManifest *m, const char *path)
{
    KilnEntry *e = kiln_arena_alloc(&m->arena, sizeof(*e), _Alignof(KilnEntry));
    memset(e, 0, sizeof(*e));
    e->path = path;
    g_ptr_array_add(m->entries, e);
    return e;
}

KilnEntry *kiln_manifest_add(KilnManifest *m, const char *path)
{
    return kiln_manifest_add_borrowed(m, kiln_manifest_string(m, path));
}

KilnEntry *kiln_manifest_add_copy(KilnManifest *m, const KilnEntry *entry, const char *path)
{
    KilnEntry *e = kiln_manifest_add(m, path ? path : entry->path);
    const char *own_path = e->path;
    *e = *entry;
    e->path = own_path;
    if (entry->target)
        e->target = kiln_manifest_string(m, entry->target);
    kiln_manifest_set_xattrs(m, e, entry->xattrs, entry->n_xattrs);
    return e;
}

const char *kiln_manifest_string(KilnManifest *m, const char *s)
{
    return kiln_arena_copy(&m->arena, s, strlen(s));
}

static gint compare_xattrs(gconstpointer a, gconstpointer b, gpointer data)
{
    (void)data;
    return strcmp(((const KilnXattr *)a)->name, ((const KilnXattr *)b)->name);
}

void kiln_manifest_set_xattrs(KilnManifest *m, KilnEntry *e, const KilnXattr *xattrs, uint32_t n)
{
    e->xattrs = NULL;
    e->n_xattrs = 0;
    if (!n)
        return;
    KilnXattr *copy = kiln_arena_alloc(&m->arena, n * sizeof(*copy), _Alignof(KilnXattr));
    for (uint32_t i = 0; i < n; i++) {
        copy[i].name = kiln_manifest_string(m, xattrs[i].name);
        copy[i].value = kiln_arena_copy(&m->arena, xattrs[i].value, xattrs[i].size);
        copy[i].size = xattrs[i].size;
    }
    /* Stable, and of the same name the last one stays, as if set one after the other on a file. */
    g_qsort_with_data(copy, (gint)n, sizeof(*copy), compare_xattrs, NULL);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (kept && strcmp(copy[kept - 1].name, copy[i].name) == 0)
            kept--;
        copy[kept++] = copy[i];
    }
    e->xattrs = copy;
    e->n_xattrs = kept;
}

static gint compare_entries(gconstpointer a, gconstpointer b)
{
    return kiln_path_compare((*(KilnEntry *const *)a)->path, (*(KilnEntry *const *)b)->path);
}

void kiln_manifest_sort(KilnManifest *m)
{
    KilnEntry **entries = (KilnEntry **)m->entries->pdata;
    guint n = m->entries->len, i = 1;

    while (i < n && kiln_path_compare(entries[i - 1]->path, entries[i]->path) < 0)
        i++;
    if (i >= n)
        return;

    g_ptr_array_sort(m->entries, compare_entries); /* documented to be stable */
    guint kept = 0;
    for (i = 0; i < n; i++) {
        if (kept && strcmp(entries[kept - 1]->path, entries[i]->path) == 0)
            kept--;
        entries[kept++] = entries[i];
    }
    g_ptr_array_set_size(m->entries, (gint)kept);
}

void kiln_manifest_remove(KilnManifest *m, guint index)
{
    g_ptr_array_remove_index(m->entries, index);
}

guint kiln_manifest_length(const KilnManifest *m)
{
    return m->entries->len;
}

KilnEntry *kiln_manifest_get(const KilnManifest *m, guint index)
{
    return g_ptr_array_index(m->entries, index);
}

guint kiln_manifest_lower_bound(const KilnManifest *m, const char *path)
{
    guint low = 0, high = m->entries->len;
    while (low < high) {
        guint middle = low + (high - low) / 2;
        if (kiln_path_compare(kiln_manifest_get(m, middle)->path, path) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const KilnEntry *kiln_manifest_lookup(const KilnManifest *m, const char *path)
{
    guint index = kiln_manifest_lower_bound(m, path);
    if (index == m->entries->len)
        return NULL;
    const KilnEntry *e = kiln_manifest_get(m, index);
    return strcmp(e->path, path) == 0 ? e : NULL;
}

uint64_t kiln_manifest_size(const KilnManifest *m)
{
    g_autoptr(GHashTable) groups = g_hash_table_new(NULL, NULL);
    uint64_t size = 0;
    for (guint i = 0; i < m->entries->len; i++) {
        const KilnEntry *e = kiln_manifest_get(m, i);
        if (e->type != KILN_TYPE_FILE)
            continue;
        if (e->link_group && !g_hash_table_add(groups, GUINT_TO_POINTER(e->link_group)))
            continue;
        size += e->size;
    }
    return size;
}

bool kiln_entry_same_attributes(const KilnEntry *a, const KilnEntry *b)
{
    if (a->type != b->type || a->mode != b->mode || a->uid != b->uid || a->gid != b->gid ||
        a->mtime != b->mtime || a->mtime_nsec != b->mtime_nsec || a->size != b->size ||
        a->n_xattrs != b->n_xattrs)
        return false;
    for (uint32_t i = 0; i < a->n_xattrs; i++) {
        const KilnXattr *x = &a->xattrs[i], *y = &b->xattrs[i];
        if (strcmp(x->name, y->name) != 0 || x->size != y->size ||
            (x->size && memcmp(x->value, y->value, x->size) != 0))
            return false;
    }
    return true;
}

static void feed_number(KilnAppendFunc append, void *hash, uint64_t number)
{
    number = GUINT64_TO_LE(number);
    append(hash, &number, sizeof(number));
}

static void feed_bytes(KilnAppendFunc append, void *hash, const void *bytes, size_t size)
{
    feed_number(append, hash, size);
    if (size)
        append(hash, bytes, size);
}

void kiln_entry_feed(const KilnEntry *e, const char *base, KilnAppendFunc append, void *hash)
{
    /* A hash without the content would be equal for different files: a wrong cache hit. */
    g_assert(e->type != KILN_TYPE_FILE || e->has_digest);
    g_assert(kiln_path_within(e->path, base));

    const char *name = e->path + strlen(base);
    if (*base && *name == '/')
        name++;
    feed_bytes(append, hash, name, strlen(name));

    bool device = e->type == KILN_TYPE_CHAR || e->type == KILN_TYPE_BLOCK;
    const uint32_t fields[] = {
        GUINT32_TO_LE((uint32_t)e->type),
        GUINT32_TO_LE(e->mode),
        GUINT32_TO_LE(e->opaque), /* what it hides below is part of what it does */
        GUINT32_TO_LE(e->uid),
        GUINT32_TO_LE(e->gid),
        device ? GUINT32_TO_LE(e->major) : 0,
        device ? GUINT32_TO_LE(e->minor) : 0,
        GUINT32_TO_LE(e->n_xattrs),
    };
    append(hash, fields, sizeof(fields));
    for (uint32_t i = 0; i < e->n_xattrs; i++) {
        feed_bytes(append, hash, e->xattrs[i].name, strlen(e->xattrs[i].name));
        feed_bytes(append, hash, e->xattrs[i].value, e->xattrs[i].size);
    }
    if (e->type == KILN_TYPE_SYMLINK)
        feed_bytes(append, hash, e->target, e->target ? strlen(e->target) : 0);
    if (e->type == KILN_TYPE_FILE)
        append(hash, e->digest, sizeof(e->digest));
}
