/* Operations on the store's space: du, prune. */
#include "builder/operation.h"
#include "store/collect.h"

/* --- Items as results have them -------------------------------------------------------------------------- */

static void add_text(json_object *to, const char *key, const char *text)
{
    g_autofree char *valid = text ? g_utf8_make_valid(text, -1) : NULL;
    json_object_object_add(to, key, valid ? json_object_new_string(valid) : NULL);
}

static void add_number(json_object *to, const char *key, guint64 number)
{
    json_object_object_add(to, key, json_object_new_int64((gint64)number));
}

static bool is_reclaimable(const KilnItem *item)
{
    return !item->needed && !item->in_use;
}

static json_object *item_new(const KilnItem *item)
{
    json_object *o = json_object_new_object();
    add_text(o, "id", item->id);
    add_text(o, "type", item->type);
    add_text(o, "description", item->description);
    add_number(o, "created", (guint64)item->created);
    add_number(o, "used", (guint64)item->used);
    add_number(o, "size", item->own + item->shared);
    add_number(o, "shared", item->shared);
    json_object_object_add(o, "in_use", json_object_new_boolean(item->in_use));
    json_object_object_add(o, "reclaimable", json_object_new_boolean(is_reclaimable(item)));
    return o;
}

/* --- Filters --------------------------------------------------------------------------------------------- */

typedef struct {
    const char **ids, **types;
    KilnItemFilter filter;
} Filter;

static guint64 get_number(json_object *request, const char *key)
{
    const char *text = kiln_request_text(request, key);
    return text ? g_ascii_strtoull(text, NULL, 10) : 0;
}

static void filter_read(Filter *f, json_object *request)
{
    f->ids = kiln_request_list(request, "ids");
    f->types = kiln_request_list(request, "types");
    f->filter = (KilnItemFilter){.unused_since = (gint64)get_number(request, "unused_since"),
                                 .ids = *f->ids ? f->ids : NULL,
                                 .types = *f->types ? f->types : NULL};
}

static void filter_clear(Filter *f)
{
    g_free(f->ids);
    g_free(f->types);
}

/* --- du -------------------------------------------------------------------------------------------------- */

static json_object *parents_of(const KilnUsage *u, const KilnItem *item)
{
    json_object *list = json_object_new_array();
    for (guint i = 0; i < item->below->len; i++)
        json_object_array_add(
            list, json_object_new_string(kiln_usage_get(u, g_array_index(item->below, guint, i))->id));
    return list;
}

/* How many images stand on each item. g_free(). */
static guint *count_images(const KilnUsage *u)
{
    guint *images = g_new0(guint, kiln_usage_length(u) + 1);
    for (guint i = 0; i < kiln_usage_length(u); i++) {
        const KilnItem *item = kiln_usage_get(u, i);
        for (guint k = 0; item->kind == KILN_ITEM_IMAGE && k < item->below->len; k++)
            images[g_array_index(item->below, guint, k)]++;
    }
    return images;
}

/* As `docker system df --verbose` has it: what the image alone needs, and what others need as well. */
static json_object *image_new(const KilnUsage *u, const KilnItem *image, const guint *images)
{
    guint64 unique = 0, shared = 0;
    for (guint k = 0; k < image->below->len; k++) {
        guint index = g_array_index(image->below, guint, k);
        const KilnItem *item = kiln_usage_get(u, index);
        bool alone = images[index] == 1;
        unique += alone ? item->own : 0;
        shared += item->shared + (alone ? 0 : item->own);
    }
    json_object *o = json_object_new_object();
    add_text(o, "id", image->id);
    add_text(o, "names", image->description);
    add_number(o, "created", (guint64)image->created);
    add_number(o, "size", unique + shared);
    add_number(o, "shared", shared);
    add_number(o, "unique", unique);
    return o;
}

json_object *kiln_operation_du(KilnOperation *op, GError **error)
{
    g_autoptr(KilnUsage) u = kiln_usage_new(op->store, true, error);
    if (!u)
        return NULL;
    Filter f;
    filter_read(&f, op->request);
    g_autofree guint *counts = count_images(u);
    json_object *result = json_object_new_object();
    json_object *items = json_object_new_array(), *images = json_object_new_array();
    guint64 reclaimable = 0, shared = kiln_usage_total(u);
    for (guint i = 0; i < kiln_usage_length(u); i++) {
        const KilnItem *item = kiln_usage_get(u, i);
        shared -= item->own;
        if (item->kind == KILN_ITEM_IMAGE)
            json_object_array_add(images, image_new(u, item, counts));
        if (item->kind == KILN_ITEM_IMAGE || !kiln_item_matches(item, &f.filter))
            continue;
        json_object *o = item_new(item);
        json_object_object_add(o, "parents", parents_of(u, item));
        json_object_array_add(items, o);
    }
    for (guint i = 0; i < kiln_usage_length(u); i++)
        if (is_reclaimable(kiln_usage_get(u, i)))
            reclaimable += kiln_usage_take_out(u, kiln_usage_get(u, i));
    filter_clear(&f);
    json_object_object_add(result, "items", items);
    json_object_object_add(result, "images", images);
    add_number(result, "total", kiln_usage_total(u));
    add_number(result, "shared", shared);
    add_number(result, "reclaimable", reclaimable);
    return result;
}

/* --- prune ----------------------------------------------------------------------------------------------- */

typedef struct {
    json_object *items;
    guint64 bytes;
} Pruned;

static void note(const KilnItem *item, guint64 bytes, gpointer data)
{
    Pruned *p = data;
    json_object *o = item_new(item);
    add_number(o, "reclaimed", bytes);
    json_object_array_add(p->items, o);
    p->bytes += bytes;
}

json_object *kiln_operation_prune(KilnOperation *op, GError **error)
{
    Filter f;
    filter_read(&f, op->request);
    const KilnPruneOptions options = {
        .filter = f.filter,
        .all = kiln_request_flag(op->request, "all"),
        .dry_run = kiln_request_flag(op->request, "dry_run"),
        .max_used = get_number(op->request, "max_used"),
        .reserved = get_number(op->request, "reserved"),
        .min_free = get_number(op->request, "min_free"),
    };
    Pruned pruned = {.items = json_object_new_array()};
    bool ok = kiln_store_prune(op->store, &options, note, &pruned, error);
    filter_clear(&f);
    json_object *result = json_object_new_object();
    json_object_object_add(result, "items", pruned.items);
    add_number(result, "reclaimed", pruned.bytes);
    if (ok)
        return result;
    json_object_put(result);
    return NULL;
}
