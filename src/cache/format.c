#include "cache/format.h"

#include "image/document.h"
#include "tree/digest.h"

#include <string.h>

G_DEFINE_QUARK(kiln-cache-error-quark, kiln_cache_error)

enum {
    MAX_NODES = 20000,
    MAX_INPUTS = 1000, /* of one step */
    MAX_DIFF_IDS = 10000,
    MAX_MOUNTS = 1000,
    MAX_MOUNT_LAYERS = 100,
    MAX_NAME = 4096, /* bytes */
    NAME_SIZE = 64,
};

/* --- Making --------------------------------------------------------------------------------------------- */

static void node_free(gpointer node)
{
    KilnCacheNode *n = node;
    g_strfreev(n->diff_ids);
    g_free(n->operation);
    g_free(n->inputs);
    g_free(n->layer.diff_id);
    g_free(n->name);
    g_free(n);
}

static void layer_clear(gpointer layer)
{
    g_free(((KilnCacheLayer *)layer)->diff_id);
}

static void mount_free(gpointer mount)
{
    KilnCacheMount *m = mount;
    g_free(m->name);
    g_free(m->id);
    g_array_unref(m->layers);
    g_free(m);
}

KilnCacheConfig *kiln_cache_config_new(void)
{
    KilnCacheConfig *c = g_new0(KilnCacheConfig, 1);
    c->nodes = g_ptr_array_new_with_free_func(node_free);
    c->mounts = g_ptr_array_new_with_free_func(mount_free);
    return c;
}

void kiln_cache_config_free(KilnCacheConfig *c)
{
    if (!c)
        return;
    g_ptr_array_unref(c->nodes);
    g_ptr_array_unref(c->mounts);
    g_free(c);
}

KilnCacheNode *kiln_cache_config_add_node(KilnCacheConfig *c)
{
    KilnCacheNode *n = g_new0(KilnCacheNode, 1);
    n->clamp = -1;
    g_ptr_array_add(c->nodes, n);
    return n;
}

KilnCacheMount *kiln_cache_config_add_mount(KilnCacheConfig *c)
{
    KilnCacheMount *m = g_new0(KilnCacheMount, 1);
    m->layers = g_array_new(FALSE, TRUE, sizeof(KilnCacheLayer));
    g_array_set_clear_func(m->layers, layer_clear);
    g_ptr_array_add(c->mounts, m);
    return m;
}

void kiln_cache_mount_add_layer(KilnCacheMount *m, const char *diff_id, guint blob)
{
    KilnCacheLayer layer = {g_strdup(diff_id), blob};
    g_array_append_val(m->layers, layer);
}

KilnCacheMount *kiln_cache_config_mount(const KilnCacheConfig *c, const char *name)
{
    for (guint i = 0; i < c->mounts->len; i++) {
        KilnCacheMount *m = c->mounts->pdata[i];
        if (strcmp(m->name, name) == 0)
            return m;
    }
    return NULL;
}

/* --- Writing -------------------------------------------------------------------------------------------- */

static void add_string(json_object *o, const char *key, const char *value)
{
    json_object_object_add(o, key, json_object_new_string(value));
}

static void add_number(json_object *o, const char *key, gint64 value)
{
    json_object_object_add(o, key, json_object_new_int64(value));
}

static json_object *layer_to_json(const KilnCacheLayer *l)
{
    json_object *o = json_object_new_object();
    add_string(o, "diffID", l->diff_id);
    add_number(o, "blob", l->blob);
    return o;
}

static json_object *node_to_json(const KilnCacheNode *n)
{
    json_object *o = json_object_new_object(), *list = json_object_new_array();
    if (!n->operation) {
        for (char **id = n->diff_ids; *id; id++)
            json_object_array_add(list, json_object_new_string(*id));
        json_object_object_add(o, "base", list);
        return o;
    }
    add_string(o, "operation", n->operation);
    for (guint i = 0; i < n->n_inputs; i++)
        json_object_array_add(list, json_object_new_int64(n->inputs[i]));
    json_object_object_add(o, "inputs", list);
    if (n->has_layer)
        json_object_object_add(o, "layer", layer_to_json(&n->layer));
    if (n->clamp >= 0)
        add_number(o, "clamp", n->clamp);
    add_number(o, "created", n->created);
    add_number(o, "duration", n->duration);
    if (n->name) {
        g_autofree char *name = g_utf8_make_valid(n->name, (gssize)MIN(strlen(n->name), MAX_NAME / 4));
        add_string(o, "name", name);
    }
    return o;
}

static json_object *mount_to_json(const KilnCacheMount *m)
{
    json_object *o = json_object_new_object(), *layers = json_object_new_array();
    add_string(o, "name", m->name);
    g_autofree char *id = g_utf8_make_valid(m->id, -1);
    add_string(o, "id", id);
    for (guint i = 0; i < m->layers->len; i++)
        json_object_array_add(layers, layer_to_json(&g_array_index(m->layers, KilnCacheLayer, i)));
    json_object_object_add(o, "layers", layers);
    add_number(o, "entries", m->entries);
    add_number(o, "mode", m->mode);
    add_number(o, "uid", m->uid);
    add_number(o, "gid", m->gid);
    return o;
}

json_object *kiln_cache_config_to_json(const KilnCacheConfig *c)
{
    json_object *o = json_object_new_object(), *nodes = json_object_new_array(), *mounts = json_object_new_array();
    add_number(o, "version", KILN_CACHE_FORMAT);
    for (guint i = 0; i < c->nodes->len; i++)
        json_object_array_add(nodes, node_to_json(c->nodes->pdata[i]));
    json_object_object_add(o, "nodes", nodes);
    for (guint i = 0; i < c->mounts->len; i++)
        json_object_array_add(mounts, mount_to_json(c->mounts->pdata[i]));
    json_object_object_add(o, "mounts", mounts);
    return o;
}

/* --- Reading -------------------------------------------------------------------------------------------- */

static bool wrong(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);
static bool wrong(GError **error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(error, KILN_CACHE_ERROR, KILN_CACHE_ERROR_FORMAT, "it is not a cache that kiln wrote: %s", text);
    return false;
}

static bool is_digest(const char *text)
{
    uint8_t bytes[KILN_SHA256_SIZE];
    return text && kiln_digest_parse(text, bytes);
}

/* A number of 0 to max. */
static bool read_number(json_object *o, const char *key, gint64 max, gint64 *out, GError **error)
{
    *out = kiln_document_number(o, key);
    return (*out >= 0 && *out <= max) || wrong(error, "\"%s\" is not a number that it can be", key);
}

static bool read_base(json_object *list, KilnCacheNode *n, GError **error)
{
    gsize length = json_object_array_length(list);
    if (length > MAX_DIFF_IDS)
        return wrong(error, "a base has %" G_GSIZE_FORMAT " layers", length);
    n->diff_ids = g_new0(char *, length + 1);
    for (gsize i = 0; i < length; i++) {
        const char *id = json_object_get_string(json_object_array_get_idx(list, i));
        if (!is_digest(id))
            return wrong(error, "a base has a layer without a diffID");
        n->diff_ids[i] = g_strdup(id);
    }
    return true;
}

static bool read_layer(json_object *o, guint n_blobs, KilnCacheLayer *out, GError **error)
{
    const char *diff_id = kiln_document_string(o, "diffID");
    gint64 blob;
    if (n_blobs == 0 || !is_digest(diff_id))
        return wrong(error, "a layer has no diffID");
    if (!read_number(o, "blob", (gint64)n_blobs - 1, &blob, error))
        return false;
    out->diff_id = g_strdup(diff_id);
    out->blob = (guint)blob;
    return true;
}

/* All lead backwards, so that there are no circles. */
static bool read_inputs(json_object *list, guint before, KilnCacheNode *n, GError **error)
{
    gsize length = list ? json_object_array_length(list) : 0;
    if (!list || length > MAX_INPUTS)
        return wrong(error, "a step has no inputs, or too many");
    n->inputs = g_new0(gint, length + 1);
    for (gsize i = 0; i < length; i++) {
        json_object *value = json_object_array_get_idx(list, i);
        gint64 input = json_object_is_type(value, json_type_int) ? json_object_get_int64(value) : -2;
        if (input < -1 || input >= (gint64)before)
            return wrong(error, "a step has an input that does not come before it");
        n->inputs[i] = (gint)input;
    }
    n->n_inputs = (guint)length;
    return true;
}

static bool read_step(json_object *o, guint before, guint n_blobs, KilnCacheNode *n, GError **error)
{
    const char *operation = kiln_document_string(o, "operation"), *name = kiln_document_string(o, "name");
    json_object *layer = kiln_document_object(o, "layer");
    if (!is_digest(operation))
        return wrong(error, "a step has no operation");
    n->operation = g_strdup(operation);
    n->name = name ? g_strndup(name, MAX_NAME) : NULL;
    n->has_layer = layer != NULL;
    return read_inputs(kiln_document_array(o, "inputs"), before, n, error) &&
           (!layer || read_layer(layer, n_blobs, &n->layer, error)) &&
           (!json_object_object_get_ex(o, "clamp", NULL) ||
            read_number(o, "clamp", G_MAXINT64, &n->clamp, error)) &&
           read_number(o, "created", G_MAXINT32 * (gint64)100, &n->created, error) &&
           read_number(o, "duration", G_MAXINT64 / 2, &n->duration, error);
}

static bool read_node(KilnCacheConfig *c, json_object *o, guint n_blobs, GError **error)
{
    guint before = c->nodes->len;
    json_object *base = kiln_document_array(o, "base");
    KilnCacheNode *n = kiln_cache_config_add_node(c);
    return base ? read_base(base, n, error) : read_step(o, before, n_blobs, n, error);
}

/* What kiln_cache_lock() takes: hex digits alone, no instance of a private one. */
static bool is_name(const char *name)
{
    return name && strlen(name) == NAME_SIZE && strspn(name, "0123456789abcdef") == NAME_SIZE;
}

static bool read_mount(KilnCacheConfig *c, json_object *o, guint n_blobs, GError **error)
{
    const char *name = kiln_document_string(o, "name"), *id = kiln_document_string(o, "id");
    json_object *layers = kiln_document_array(o, "layers");
    gsize n = layers ? json_object_array_length(layers) : 0;
    gint64 entries, mode, uid, gid;
    if (!is_name(name) || !id || strlen(id) > MAX_NAME || n == 0 || n > MAX_MOUNT_LAYERS)
        return wrong(error, "a cache mount has no name, or no layers");
    if (!read_number(o, "entries", (gint64)n_blobs - 1, &entries, error) ||
        !read_number(o, "mode", 07777, &mode, error) || !read_number(o, "uid", G_MAXUINT32 - 1, &uid, error) ||
        !read_number(o, "gid", G_MAXUINT32 - 1, &gid, error))
        return false;
    if (kiln_cache_config_mount(c, name))
        return wrong(error, "a cache mount is there twice");
    KilnCacheMount *m = kiln_cache_config_add_mount(c);
    m->name = g_strdup(name);
    m->id = g_strdup(id);
    m->entries = (guint)entries;
    m->mode = (guint32)mode;
    m->uid = (guint32)uid;
    m->gid = (guint32)gid;
    for (gsize i = 0; i < n; i++) {
        KilnCacheLayer layer = {0};
        if (!read_layer(json_object_array_get_idx(layers, i), n_blobs, &layer, error))
            return false;
        g_array_append_val(m->layers, layer);
    }
    return true;
}

static bool read_all(KilnCacheConfig *c, json_object *document, guint n_blobs, GError **error)
{
    json_object *nodes = kiln_document_array(document, "nodes"), *mounts = kiln_document_array(document, "mounts");
    gsize n_nodes = nodes ? json_object_array_length(nodes) : 0;
    gsize n_mounts = mounts ? json_object_array_length(mounts) : 0;
    if (!nodes || n_nodes > MAX_NODES || n_mounts > MAX_MOUNTS)
        return wrong(error, "it has no nodes, or too many");
    for (gsize i = 0; i < n_nodes; i++)
        if (!read_node(c, json_object_array_get_idx(nodes, i), n_blobs, error))
            return false;
    for (gsize i = 0; i < n_mounts; i++)
        if (!read_mount(c, json_object_array_get_idx(mounts, i), n_blobs, error))
            return false;
    return true;
}

KilnCacheConfig *kiln_cache_config_from_json(json_object *document, guint n_blobs, GError **error)
{
    gint64 version = kiln_document_number(document, "version");
    if (version > KILN_CACHE_FORMAT) {
        g_set_error(error, KILN_CACHE_ERROR, KILN_CACHE_ERROR_VERSION,
                    "it was written by a newer kiln (format %" G_GINT64_FORMAT ", this one reads %d)", version,
                    KILN_CACHE_FORMAT);
        return NULL;
    }
    if (version < 1) {
        wrong(error, "it has no version");
        return NULL;
    }
    g_autoptr(KilnCacheConfig) c = kiln_cache_config_new();
    return read_all(c, document, n_blobs, error) ? g_steal_pointer(&c) : NULL;
}
