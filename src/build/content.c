#include "build/content.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUFFER_SIZE (128 * 1024)
/* Places where two chains differed are looked at first when the next two are compared: mostly they stand on the
 * former. */
#define MOST_WITNESSES 16

/* --- Two entries ----------------------------------------------------------------------------------------------- */

static bool same_xattrs(const KilnEntry *a, const KilnEntry *b)
{
    if (a->n_xattrs != b->n_xattrs)
        return false;
    for (guint i = 0; i < a->n_xattrs; i++) {
        const KilnXattr *x = &a->xattrs[i], *y = &b->xattrs[i];
        if (strcmp(x->name, y->name) != 0 || x->size != y->size || memcmp(x->value, y->value, x->size) != 0)
            return false;
    }
    return true;
}

/* But for the bytes of a file without a digest. */
static bool same_attributes(const KilnEntry *a, const KilnEntry *b)
{
    if (a == b)
        return true;
    if (a->type != b->type || a->mode != b->mode || a->uid != b->uid || a->gid != b->gid || !same_xattrs(a, b))
        return false;
    switch (a->type) {
    case KILN_TYPE_FILE:
        return a->size == b->size && !(a->has_digest && b->has_digest && memcmp(a->digest, b->digest, KILN_SHA256_SIZE) != 0);
    case KILN_TYPE_SYMLINK:
        return strcmp(a->target, b->target) == 0;
    case KILN_TYPE_CHAR:
    case KILN_TYPE_BLOCK:
        return a->major == b->major && a->minor == b->minor;
    default:
        return true;
    }
}

static bool needs_reading(const KilnEntry *a, const KilnEntry *b)
{
    return a != b && a->type == KILN_TYPE_FILE && a->size > 0 && !(a->has_digest && b->has_digest);
}

static bool read_full(int fd, char *buffer, gsize size, gsize *n)
{
    for (*n = 0; *n < size;) {
        ssize_t got = read(fd, buffer + *n, size - *n);
        if (got == 0)
            return true;
        if (got < 0 && errno != EINTR)
            return false;
        *n += got > 0 ? (gsize)got : 0;
    }
    return true;
}

/* Closes both. */
static bool same_bytes(int a, int b)
{
    struct stat st, other;
    bool same = a >= 0 && b >= 0 && fstat(a, &st) == 0 && fstat(b, &other) == 0;
    bool linked = same && st.st_dev == other.st_dev && st.st_ino == other.st_ino;
    g_autofree char *buffer = same && !linked ? g_malloc(2 * BUFFER_SIZE) : NULL;
    for (gsize n = 1, m; same && !linked && n > 0;)
        same = read_full(a, buffer, BUFFER_SIZE, &n) && read_full(b, buffer + BUFFER_SIZE, BUFFER_SIZE, &m) && n == m &&
               memcmp(buffer, buffer + BUFFER_SIZE, n) == 0;
    if (a >= 0)
        close(a);
    if (b >= 0)
        close(b);
    return same;
}

/* --- Lists ----------------------------------------------------------------------------------------------------- */

static const char *below(const KilnContentSide *side, const KilnEntry *e)
{
    return e->path + strlen(side->base);
}

static bool same_files(const KilnContentSide *a, const KilnEntry *x, const KilnContentSide *b, const KilnEntry *y)
{
    return same_bytes(kiln_source_open(a->tree, NULL, x, NULL), kiln_source_open(b->tree, NULL, y, NULL));
}

bool kiln_content_same_lists(const KilnContentSide *a, const KilnContentSide *b)
{
    guint n = kiln_manifest_length(a->entries);
    if (n != kiln_manifest_length(b->entries))
        return false;
    for (guint i = 0; i < n; i++) { /* all that costs little first */
        const KilnEntry *x = kiln_manifest_get(a->entries, i), *y = kiln_manifest_get(b->entries, i);
        if (strcmp(below(a, x), below(b, y)) != 0 || x->implicit != y->implicit || !same_attributes(x, y))
            return false;
    }
    for (guint i = 0; i < n; i++) {
        const KilnEntry *x = kiln_manifest_get(a->entries, i), *y = kiln_manifest_get(b->entries, i);
        if (needs_reading(x, y) && !same_files(a, x, b, y))
            return false;
    }
    return true;
}

/* --- Chains ---------------------------------------------------------------------------------------------------- */

typedef struct {
    const KilnEntry *entry;
    gint64 layer;
} Found;

typedef struct {
    KilnStore *store;
    const GArray *chain;
    KilnView *view;
    char *root; /* the path, resolved */
    GArray *found;
} Side;

static void side_clear(Side *s)
{
    g_clear_pointer(&s->view, kiln_view_free);
    g_clear_pointer(&s->found, g_array_unref);
    g_free(s->root);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Side, side_clear)

static bool side_open(Side *s, KilnEngine *e, const GArray *chain, const char *path)
{
    s->store = e->options->store;
    s->chain = chain;
    s->view = kiln_layer_view(s->store, (const gint64 *)(const void *)chain->data, chain->len, NULL);
    s->root = s->view ? kiln_view_resolve(s->view, path, true, NULL) : NULL;
    return s->root != NULL;
}

static gint64 layer_at(const Side *s, guint index)
{
    return index < s->chain->len ? g_array_index(s->chain, gint64, index) : 0;
}

static bool collect(const KilnEntry *entry, guint layer, void *data)
{
    Side *s = data;
    const Found found = {entry, layer_at(s, layer)};
    g_array_append_val(s->found, found);
    return true;
}

static int open_found(const Side *s, const Found *f)
{
    int fd = kiln_layer_fd(s->store, f->layer, NULL);
    return fd < 0 ? -1 : kiln_open_beneath(fd, f->entry->path, O_RDONLY);
}

static bool same_found(const Side *a, const Found *x, const Side *b, const Found *y)
{
    if (!needs_reading(x->entry, y->entry))
        return true;
    return same_bytes(open_found(a, x), open_found(b, y));
}

/* Whether the two are known to differ at a place. */
static bool differ_at(const Side *a, const Side *b, const char *path)
{
    guint i = 0, k = 0;
    const KilnEntry *x = kiln_view_lookup(a->view, path, &i), *y = kiln_view_lookup(b->view, path, &k);
    if (!x || !y)
        return x != y;
    const Found f = {x, layer_at(a, i)}, g = {y, layer_at(b, k)};
    return !same_attributes(x, y) || !same_found(a, &f, b, &g);
}

static bool has_witness(KilnEngine *e, const Side *a, const Side *b)
{
    bool differ = false;
    g_mutex_lock(&e->lock);
    g_autoptr(GPtrArray) paths = g_ptr_array_copy(e->witnesses, (GCopyFunc)(void *)g_strdup, NULL);
    g_mutex_unlock(&e->lock);
    g_ptr_array_set_free_func(paths, g_free);
    for (guint i = paths->len; i > 0 && !differ; i--)
        differ = kiln_path_within(paths->pdata[i - 1], a->root) && differ_at(a, b, paths->pdata[i - 1]);
    return differ;
}

static void add_witness(KilnEngine *e, const char *path)
{
    g_mutex_lock(&e->lock);
    if (e->witnesses->len == MOST_WITNESSES)
        g_ptr_array_remove_index(e->witnesses, 0);
    g_ptr_array_add(e->witnesses, g_strdup(path));
    g_mutex_unlock(&e->lock);
}

/* Where they differ, without reading files if it can be told so; NULL: nowhere. */
static const char *find_difference(const Side *a, const Side *b)
{
    guint n = MIN(a->found->len, b->found->len);
    for (guint i = 0; i < n; i++) {
        const KilnEntry *x = g_array_index(a->found, Found, i).entry, *y = g_array_index(b->found, Found, i).entry;
        int order = kiln_path_compare(x->path, y->path);
        if (order != 0 || !same_attributes(x, y))
            return order > 0 ? y->path : x->path;
    }
    if (a->found->len != b->found->len)
        return g_array_index((a->found->len > n ? a : b)->found, Found, n).entry->path;
    for (guint i = 0; i < n; i++) {
        const Found *x = &g_array_index(a->found, Found, i), *y = &g_array_index(b->found, Found, i);
        if (!same_found(a, x, b, y))
            return x->entry->path;
    }
    return NULL;
}

static bool equal_chains(const GArray *a, const GArray *b)
{
    return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len * sizeof(gint64)) == 0);
}

bool kiln_content_same(KilnEngine *e, const GArray *a, const GArray *b, const char *path)
{
    g_auto(Side) now = {0}, before = {0};
    if (equal_chains(a, b))
        return true;
    if (!side_open(&now, e, a, path) || !side_open(&before, e, b, path) || strcmp(now.root, before.root) != 0 ||
        has_witness(e, &now, &before))
        return false;
    now.found = g_array_new(FALSE, FALSE, sizeof(Found));
    before.found = g_array_new(FALSE, FALSE, sizeof(Found));
    kiln_view_foreach(now.view, now.root, collect, &now);
    kiln_view_foreach(before.view, before.root, collect, &before);
    const char *difference = find_difference(&now, &before);
    if (difference)
        add_witness(e, difference);
    return !difference;
}
