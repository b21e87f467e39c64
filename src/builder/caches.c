#include "builder/caches.h"

#include <string.h>

#define DEFAULT_TAG "latest"

/* The last value of a key in lines KEY=VALUE; borrowed. */
static const char *value_of(char *const *lines, const char *key)
{
    const char *value = NULL;
    gsize length = strlen(key);
    for (; *lines; lines++)
        if (strncmp(*lines, key, length) == 0 && (*lines)[length] == '=')
            value = *lines + length + 1;
    return value;
}

static bool is_true(char *const *lines, const char *key)
{
    const char *value = value_of(lines, key);
    return value && (strcmp(value, "true") == 0 || strcmp(value, "1") == 0);
}

/* --- Reading -------------------------------------------------------------------------------------------- */

/* A name of an image: those of the store alone, so far. */
static KilnCacheSource *open_image(KilnOperation *op, const char *ref, GError **error)
{
    g_autoptr(GError) missing = NULL;
    g_autoptr(KilnImage) image = kiln_find_image(op->store, ref, &missing);
    if (!image) {
        g_set_error(error, KILN_CACHE_ERROR, KILN_CACHE_ERROR_NOT_FOUND,
                    "the store has no such image, and caches are not read from registries yet; \"kiln pull\" it, or "
                    "use type=local");
        return NULL;
    }
    g_autoptr(KilnConfig) config = kiln_image_config(op->store, image->id, error);
    return config ? kiln_cache_source_of_image(op->store, image, config, error) : NULL;
}

static KilnCacheSource *open_source(KilnOperation *op, char *const *lines, GError **error)
{
    const char *ref = value_of(lines, "ref"), *src = value_of(lines, "src");
    if (g_strcmp0(value_of(lines, "type"), "registry") == 0)
        return open_image(op, ref ? ref : "", error);
    return kiln_cache_source_open(op->store, src ? src : "", value_of(lines, "tag"), value_of(lines, "digest"), error);
}

static void add_source(KilnOperation *op, const char *entry, GPtrArray *sources)
{
    g_auto(GStrv) lines = g_strsplit(entry, "\n", -1);
    const char *place = value_of(lines, "src") ? value_of(lines, "src") : value_of(lines, "ref");
    g_autofree char *name = g_strdup_printf("importing cache from %s", place);
    KilnTask *task = kiln_task_start(op->emitter, name);
    GError *error = NULL;
    KilnCacheSource *source = open_source(op, lines, &error);
    kiln_task_end(task, source ? KILN_VERDICT_DONE : KILN_VERDICT_ERROR, source ? NULL : error->message);
    if (source) {
        g_ptr_array_add(sources, source);
        return;
    }
    g_autofree char *text = g_strdup_printf("the cache %s is not used: %s", place, error->message);
    kiln_emit_warning(op->emitter, NULL, text);
    g_error_free(error);
}

GPtrArray *kiln_caches_open(KilnOperation *op)
{
    GPtrArray *sources = g_ptr_array_new_with_free_func((GDestroyNotify)kiln_cache_source_free);
    g_autofree const char **entries = kiln_request_list(op->request, "cache_from");
    for (const char **e = entries; *e; e++)
        add_source(op, *e, sources);
    return sources;
}

/* --- Writing -------------------------------------------------------------------------------------------- */

static KilnCacheTarget *read_target(KilnOperation *op, const char *entry, GError **error)
{
    g_auto(GStrv) lines = g_strsplit(entry, "\n", -1);
    const char *type = value_of(lines, "type"), *dest = value_of(lines, "dest"), *tag = value_of(lines, "tag");
    const char *compression = value_of(lines, "compression"), *level = value_of(lines, "compression-level");
    bool is_inline = g_strcmp0(type, "inline") == 0;
    if (!is_inline && (g_strcmp0(type, "local") != 0 || !dest)) {
        g_set_error(error, KILN_OPERATION_ERROR, 2, "a cache of type \"%s\" cannot be written", type ? type : "");
        return NULL;
    }
    KilnCacheTarget *t = g_new0(KilnCacheTarget, 1);
    t->directory = is_inline ? NULL : g_strdup(dest);
    t->tag = g_strdup(tag ? tag : DEFAULT_TAG);
    t->max = g_strcmp0(value_of(lines, "mode"), "max") == 0;
    t->ignore_error = is_true(lines, "ignore-error");
    t->umask = op->umask;
    t->mounts = g_ptr_array_new_with_free_func(g_free);
    for (char **l = lines; *l; l++)
        if (g_str_has_prefix(*l, "mounts="))
            g_ptr_array_add(t->mounts, g_strdup(*l + strlen("mounts=")));
    t->options = (KilnCacheExportOptions){
        .tag = t->tag,
        .compression = g_strcmp0(compression, "gzip") == 0           ? KILN_COMPRESSION_GZIP
                       : g_strcmp0(compression, "uncompressed") == 0 ? KILN_COMPRESSION_NONE
                                                                     : KILN_COMPRESSION_ZSTD,
        .level = level ? (int)g_ascii_strtoll(level, NULL, 10) : 0,
        .force = is_true(lines, "force-compression"),
        .reset = is_true(lines, "reset"),
    };
    return t;
}

GPtrArray *kiln_caches_targets(KilnOperation *op, GError **error)
{
    g_autoptr(GPtrArray) targets = g_ptr_array_new_with_free_func((GDestroyNotify)kiln_cache_target_free);
    g_autofree const char **entries = kiln_request_list(op->request, "cache_to");
    for (const char **e = entries; *e; e++) {
        KilnCacheTarget *t = read_target(op, *e, error);
        if (!t)
            return NULL;
        g_ptr_array_add(targets, t);
    }
    return g_steal_pointer(&targets);
}
