#include "tree/merge.h"

typedef struct {
    const KilnEntry *entry;
    guint source;
    bool opaque; /* whatever the entry says */
} Item;

/* What an upper entry hides of a lower one of the same path, and all that is below it there. */
static bool hides(const KilnEntry *upper)
{
    return upper->type != KILN_TYPE_DIR || upper->opaque;
}

/* Directories merge; one that a tar did not list takes the attributes of what lies below it. A directory over
 * anything else ends overlayfs's way down, as an opaque one does. */
static Item combine(const Item *lower, const Item *upper)
{
    if (upper->entry->implicit && lower->entry->type == KILN_TYPE_DIR)
        return *lower;
    Item both = *upper;
    if (upper->entry->type == KILN_TYPE_DIR)
        both.opaque = upper->opaque || lower->opaque || lower->entry->type != KILN_TYPE_DIR;
    return both;
}

/* Lays a layer over the items, both in path order. */
static GArray *lay_over(const GArray *below, const KilnManifest *layer, guint source)
{
    GArray *out = g_array_new(FALSE, FALSE, sizeof(Item));
    const guint n = kiln_manifest_length(layer);
    const char *hidden = NULL; /* nothing of `below` shows under this path */
    guint i = 0, j = 0;
    while (i < below->len || j < n) {
        const Item *lower = i < below->len ? &g_array_index(below, Item, i) : NULL;
        const KilnEntry *e = j < n ? kiln_manifest_get(layer, j) : NULL;
        int order = !lower ? 1 : !e ? -1 : kiln_path_compare(lower->entry->path, e->path);
        if (order < 0) {
            if (!hidden || !kiln_path_within(lower->entry->path, hidden))
                g_array_append_val(out, *lower);
            i++;
            continue;
        }
        Item item = {.entry = e, .source = source, .opaque = e->opaque};
        bool shown = !hidden || !kiln_path_within(e->path, hidden);
        if (shown && hides(e))
            hidden = e->path;
        if (order == 0 && shown)
            item = combine(lower, &item);
        g_array_append_val(out, item);
        i += order == 0;
        j++;
    }
    return out;
}

KilnManifest *kiln_manifest_merge(KilnManifest *const *layers, guint n, guint **sources)
{
    g_autoptr(GArray) items = g_array_new(FALSE, FALSE, sizeof(Item));
    for (guint i = 0; i < n; i++) {
        GArray *more = lay_over(items, layers[i], i);
        g_array_unref(items);
        items = more;
    }
    KilnManifest *merged = kiln_manifest_new();
    *sources = g_new(guint, MAX(items->len, 1));
    for (guint i = 0; i < items->len; i++) {
        const Item *item = &g_array_index(items, Item, i);
        KilnEntry *e = kiln_manifest_add_copy(merged, item->entry, NULL);
        e->opaque = item->opaque;
        e->link_group = 0;
        (*sources)[i] = item->source;
    }
    kiln_manifest_sort(merged); /* they are in order: this only says so */
    return merged;
}
