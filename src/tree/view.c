#include "tree/view.h"

#include <errno.h>
#include <string.h>

struct KilnView {
    KilnManifest **layers; /* bottom first */
    guint n;
};

enum { MAX_SYMLINKS = 40 }; /* as the kernel, path_resolution(7) */

/* The root of a chain in which no layer lists it. */
static const KilnEntry default_root = {.path = "", .type = KILN_TYPE_DIR, .mode = 0755};

KilnView *kiln_view_new(KilnManifest *const *layers, guint n)
{
    KilnView *v = g_new(KilnView, 1);
    v->n = n;
    v->layers = g_new(KilnManifest *, n);
    for (guint i = 0; i < n; i++)
        v->layers[i] = kiln_manifest_ref(layers[i]);
    return v;
}

void kiln_view_free(KilnView *v)
{
    if (!v)
        return;
    for (guint i = 0; i < v->n; i++)
        kiln_manifest_unref(v->layers[i]);
    g_free(v->layers);
    g_free(v);
}

/* Whether what the layers below have under this entry's path cannot be seen. */
static bool hides_below(const KilnEntry *e)
{
    return e->type != KILN_TYPE_DIR || e->opaque;
}

/* The root is a directory whatever a layer says about it. */
static bool counts(const KilnEntry *e)
{
    return e->path[0] != '\0' || e->type == KILN_TYPE_DIR;
}

/* Whether a parent of path in this layer hides the path of the layers below. `path` is written to,
 * and is as it was afterwards. */
static bool parents_hide(const KilnManifest *m, char *path)
{
    if (kiln_manifest_length(m) == 0)
        return false;
    const KilnEntry *e = kiln_manifest_get(m, 0);
    if (*path && !*e->path && counts(e) && hides_below(e))
        return true;
    for (char *slash = path; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        guint i = kiln_manifest_lower_bound(m, path);
        e = i < kiln_manifest_length(m) ? kiln_manifest_get(m, i) : NULL;
        bool here = e && strcmp(e->path, path) == 0;
        bool below = e && kiln_path_within(e->path, path);
        *slash = '/';
        if (here && hides_below(e))
            return true;
        if (!below)
            return false; /* the layer has nothing on the rest of the way either */
    }
    return false;
}

/* What the layers say about one path, taken from the top layer down. */
typedef struct {
    const KilnEntry *entry; /* what is visible, if anything */
    guint layer;
} Visible;

/* Returns true once nothing further down can change the result. */
static bool consider(Visible *seen, const KilnEntry *e, guint layer)
{
    if (e->type == KILN_TYPE_WHITEOUT)
        return true;
    if (e->type != KILN_TYPE_DIR && seen->entry)
        return true;
    if (!seen->entry || !e->implicit) {
        seen->entry = e;
        seen->layer = layer;
    }
    /* An implicit directory was only made because a tar did not list it: the layer below that does
     * list it says how it looks, also through an opaque one. */
    return !(e->type == KILN_TYPE_DIR && e->implicit);
}

const KilnEntry *kiln_view_lookup(const KilnView *v, const char *path, guint *layer)
{
    Visible seen = {0};
    g_autofree char *own = g_strdup(path);
    for (guint i = v->n; i-- > 0;) {
        const KilnEntry *e = kiln_manifest_lookup(v->layers[i], path);
        if (e && counts(e) && consider(&seen, e, i))
            break;
        if (parents_hide(v->layers[i], own))
            break;
    }
    if (!seen.entry && !*path)
        seen.entry = &default_root;
    if (layer && seen.entry)
        *layer = seen.layer;
    return seen.entry;
}

static void pop_component(GString *path)
{
    const char *slash = strrchr(path->str, '/');
    g_string_truncate(path, slash ? (gsize)(slash - path->str) : 0);
}

char *kiln_view_resolve(const KilnView *v, const char *path, bool follow_last, GError **error)
{
    g_autoptr(GString) done = g_string_new(NULL);
    g_autofree char *todo = g_strdup(path);
    const char *p = todo;
    int symlinks = 0;

    for (;;) {
        p += strspn(p, "/");
        if (!*p)
            break;
        gsize length = strcspn(p, "/"), parent = done->len;
        const char *component = p;
        p += length;
        if (length == 1 && component[0] == '.')
            continue;
        if (length == 2 && component[0] == '.' && component[1] == '.') {
            pop_component(done);
            continue;
        }
        if (done->len)
            g_string_append_c(done, '/');
        g_string_append_len(done, component, (gssize)length);

        /* A last component with a slash behind it is followed, as the kernel does. */
        if (!*p && !follow_last)
            break;
        const KilnEntry *e = kiln_view_lookup(v, done->str, NULL);
        if (!e || e->type != KILN_TYPE_SYMLINK || !e->target)
            continue;
        if (++symlinks > MAX_SYMLINKS) {
            g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_LOOP,
                        "cannot resolve \"%s\" in the image: %s (more than %d, the last one at "
                        "\"/%s\")",
                        path, g_strerror(ELOOP), MAX_SYMLINKS, done->str);
            return NULL;
        }
        g_string_truncate(done, e->target[0] == '/' ? 0 : parent);
        char *rest = g_strconcat(e->target, p, NULL); /* p is empty or begins with a slash */
        g_free(todo);
        p = todo = rest;
    }
    return g_string_free(g_steal_pointer(&done), FALSE);
}

/* --- the merge of all layers, in path order --- */

typedef struct {
    const KilnManifest *manifest;
    guint layer, index, end;
    const KilnEntry *entry; /* at index */
} Cursor;

/* A directory on the way to the current path, and the lowest layer that shows through it. */
typedef struct {
    const char *path;
    guint floor;
} Level;

typedef struct {
    Cursor *heap; /* least path first; of the same path, the top layer first */
    guint n;
    GArray *levels;
    guint floor;  /* above the first level */
    bool shallow; /* only what lies directly below the starting path */
} Merge;

static bool cursor_less(const Cursor *a, const Cursor *b)
{
    int order = kiln_path_compare(a->entry->path, b->entry->path);
    return order < 0 || (order == 0 && a->layer > b->layer);
}

static void sift_down(Merge *m, guint i)
{
    for (;;) {
        guint least = i;
        for (guint child = 2 * i + 1; child <= 2 * i + 2 && child < m->n; child++)
            if (cursor_less(&m->heap[child], &m->heap[least]))
                least = child;
        if (least == i)
            return;
        Cursor c = m->heap[i];
        m->heap[i] = m->heap[least];
        m->heap[least] = c;
        i = least;
    }
}

/* The first index from `from` on that does not lie within path. Everything within is in one run
 * that begins at `from`, if anywhere. */
static guint subtree_end(const KilnManifest *m, guint from, const char *path)
{
    guint n = kiln_manifest_length(m), step = 1, low = from;
    while (from + step < n && kiln_path_within(kiln_manifest_get(m, from + step)->path, path)) {
        low = from + step;
        step *= 2;
    }
    guint high = MIN(from + step, n);
    while (low < high) {
        guint middle = low + (high - low) / 2;
        if (kiln_path_within(kiln_manifest_get(m, middle)->path, path))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Moves the first cursor on; it leaves the heap at its end. */
static void advance(Merge *m, const char *start)
{
    Cursor *c = &m->heap[0];
    if (m->shallow && strcmp(c->entry->path, start) != 0)
        c->index = subtree_end(c->manifest, c->index, c->entry->path);
    else
        c->index++;
    if (c->index < c->end)
        c->entry = kiln_manifest_get(c->manifest, c->index);
    else
        m->heap[0] = m->heap[--m->n];
    sift_down(m, 0);
}

static void merge_init(Merge *m, const KilnView *v, const char *path, bool shallow)
{
    *m = (Merge){.heap = g_new(Cursor, v->n),
                 .levels = g_array_new(FALSE, FALSE, sizeof(Level)),
                 .shallow = shallow};
    g_autofree char *own = g_strdup(path);
    for (guint i = v->n; i-- > 0;) {
        const KilnManifest *layer = v->layers[i];
        Cursor c = {.manifest = layer, .layer = i};
        c.index = kiln_manifest_lower_bound(layer, path);
        c.end = subtree_end(layer, c.index, path);
        if (c.index < c.end) {
            c.entry = kiln_manifest_get(layer, c.index);
            m->heap[m->n++] = c;
        }
        if (parents_hide(layer, own)) {
            m->floor = i;
            break;
        }
    }
    for (guint i = m->n / 2; i-- > 0;)
        sift_down(m, i);
}

static void merge_clear(Merge *m)
{
    g_free(m->heap);
    g_array_unref(m->levels);
}

/* Takes all entries of the least path; gives what is visible of them, if anything. */
static Visible merge_next(Merge *m, const char *start)
{
    const char *path = m->heap[0].entry->path;
    while (m->levels->len &&
           !kiln_path_within(path, g_array_index(m->levels, Level, m->levels->len - 1).path))
        g_array_set_size(m->levels, m->levels->len - 1);
    guint floor =
        m->levels->len ? g_array_index(m->levels, Level, m->levels->len - 1).floor : m->floor;

    Level level = {.path = path, .floor = floor};
    Visible seen = {0};
    bool decided = false;
    do {
        const Cursor *c = &m->heap[0];
        if (c->layer >= floor && counts(c->entry)) {
            if (!decided)
                decided = consider(&seen, c->entry, c->layer);
            if (hides_below(c->entry))
                level.floor = MAX(level.floor, c->layer);
        }
        advance(m, start);
    } while (m->n && strcmp(m->heap[0].entry->path, path) == 0);
    g_array_append_val(m->levels, level);
    return seen;
}

static bool merge_run(const KilnView *v, const char *path, bool shallow, KilnViewFunc func,
                      void *data)
{
    guint layer = 0;
    const KilnEntry *top = kiln_view_lookup(v, path, &layer);
    if (!top)
        return true;
    if (!func(top, layer, data))
        return false;
    if (top->type != KILN_TYPE_DIR)
        return true;

    Merge m;
    merge_init(&m, v, path, shallow);
    bool go_on = true;
    while (go_on && m.n) {
        bool is_top = strcmp(m.heap[0].entry->path, path) == 0;
        Visible seen = merge_next(&m, path);
        if (seen.entry && !is_top)
            go_on = func(seen.entry, seen.layer, data);
    }
    merge_clear(&m);
    return go_on;
}

bool kiln_view_foreach(const KilnView *v, const char *path, KilnViewFunc func, void *data)
{
    return merge_run(v, path, false, func, data);
}

typedef struct {
    GPtrArray *names;
    gsize prefix; /* length of the directory's path with its slash */
} Listing;

static bool add_name(const KilnEntry *entry, guint layer, void *data)
{
    (void)layer;
    Listing *l = data;
    /* The directory itself comes first and is shorter than the prefix, or is the root, "". */
    if (strlen(entry->path) <= l->prefix)
        return true;
    const char *name = entry->path + l->prefix;
    if (!strchr(name, '/'))
        g_ptr_array_add(l->names, g_strdup(name));
    return true;
}

GPtrArray *kiln_view_list(const KilnView *v, const char *path)
{
    Listing l = {.names = g_ptr_array_new_with_free_func(g_free),
                 .prefix = *path ? strlen(path) + 1 : 0};
    merge_run(v, path, true, add_name, &l);
    return l.names;
}

void kiln_view_each_file(const KilnView *v, KilnViewFileFunc func, void *data)
{
    for (guint i = 0; i < v->n; i++)
        for (guint k = 0; k < kiln_manifest_length(v->layers[i]); k++) {
            const KilnEntry *e = kiln_manifest_get(v->layers[i], k);
            if (e->type == KILN_TYPE_FILE)
                func(e, data);
        }
}
