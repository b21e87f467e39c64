#include "build/layer-writer.h"

#include <string.h>

struct KilnLayerWriter {
    const KilnView *below;
    KilnPlacer *placer;
    KilnManifest *manifest;
    GHashTable *entries; /* path → KilnEntry* of the manifest */
    guint32 uid, gid;
    uint16_t directory_mode;
    guint32 last_group;
    gint64 now;
};

KilnLayerWriter *kiln_layer_writer_new(const KilnView *below, int upperfd, KilnOwners owners,
                                       guint32 uid, guint32 gid, gint64 now)
{
    KilnLayerWriter *w = g_new0(KilnLayerWriter, 1);
    w->below = below;
    w->placer = kiln_placer_new(upperfd, owners);
    w->manifest = kiln_manifest_new();
    w->entries = g_hash_table_new(g_str_hash, g_str_equal);
    w->uid = uid;
    w->gid = gid;
    w->now = now;
    w->directory_mode = KILN_LAYER_WRITER_DIRECTORY_MODE;
    return w;
}

void kiln_layer_writer_set_directory_mode(KilnLayerWriter *w, uint16_t mode)
{
    w->directory_mode = mode;
}

void kiln_layer_writer_free(KilnLayerWriter *w)
{
    g_hash_table_unref(w->entries);
    g_clear_pointer(&w->manifest, kiln_manifest_unref);
    kiln_placer_free(w->placer);
    g_free(w);
}

const KilnEntry *kiln_layer_writer_lookup(KilnLayerWriter *w, const char *path)
{
    const KilnEntry *own = g_hash_table_lookup(w->entries, path);
    return own ? own : kiln_view_lookup(w->below, path, NULL);
}

/* Records the entry in the manifest in the place of an earlier one of the same path. */
static KilnEntry *record(KilnLayerWriter *w, const KilnEntry *e, const char *path)
{
    KilnEntry *own = kiln_manifest_add_copy(w->manifest, e, path);
    g_hash_table_replace(w->entries, (gpointer)own->path, own);
    return own;
}

static bool place(KilnLayerWriter *w, const KilnEntry *e, const char *path, int fd, GError **error)
{
    KilnEntry *own = record(w, e, path);
    return kiln_placer_put(w->placer, own, fd, error);
}

static bool refuse(const KilnEntry *there, const char *path, const char *what, GError **error)
{
    g_set_error(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_STEP, "cannot put %s at /%s: a %s is there", what,
                path, there->type == KILN_TYPE_DIR ? "directory" : "file that is no directory");
    return false;
}

static bool directory_itself(KilnLayerWriter *w, const char *path, GError **error)
{
    if (g_hash_table_contains(w->entries, path)) {
        const KilnEntry *own = g_hash_table_lookup(w->entries, path);
        return own->type == KILN_TYPE_DIR || refuse(own, path, "a directory", error);
    }
    const KilnEntry *there = kiln_view_lookup(w->below, path, NULL);
    if (there && there->type != KILN_TYPE_DIR)
        return refuse(there, path, "a directory", error);
    KilnEntry made = {.type = KILN_TYPE_DIR, .mode = w->directory_mode, .uid = w->uid, .gid = w->gid, .mtime = w->now};
    if (there) {
        made = *there;
        made.opaque = false; /* that was about the layers below the one that had it */
        made.implicit = false;
    }
    return place(w, &made, path, -1, error);
}

bool kiln_layer_writer_directory(KilnLayerWriter *w, const char *path, GError **error)
{
    if (!directory_itself(w, "", error))
        return false;
    for (const char *slash = path; *path; slash++) {
        slash += strcspn(slash, "/");
        g_autofree char *prefix = g_strndup(path, (gsize)(slash - path));
        if (!directory_itself(w, prefix, error))
            return false;
        if (!*slash)
            break;
    }
    return true;
}

static bool check_type(KilnLayerWriter *w, const KilnEntry *e, const char *path, GError **error)
{
    const KilnEntry *there = kiln_layer_writer_lookup(w, path);
    return !there || (there->type == KILN_TYPE_DIR) == (e->type == KILN_TYPE_DIR) ||
           refuse(there, path, e->type == KILN_TYPE_DIR ? "a directory" : "a file", error);
}

bool kiln_layer_writer_put(KilnLayerWriter *w, const KilnEntry *e, const char *path, int content_fd,
                           GError **error)
{
    return check_type(w, e, path, error) && place(w, e, path, content_fd, error);
}

const KilnEntry *kiln_layer_writer_record(KilnLayerWriter *w, const KilnEntry *e, const char *path, GError **error)
{
    return check_type(w, e, path, error) ? record(w, e, path) : NULL;
}

bool kiln_layer_writer_holds(const KilnLayerWriter *w, const char *path)
{
    const KilnEntry *own = g_hash_table_lookup(w->entries, path);
    return own && own->type != KILN_TYPE_DIR;
}

guint32 kiln_layer_writer_new_group(KilnLayerWriter *w)
{
    return ++w->last_group;
}

void kiln_layer_writer_adopt(KilnLayerWriter *w, const KilnManifest *m)
{
    const guint32 base = w->last_group;
    for (guint i = 0; i < kiln_manifest_length(m); i++) {
        KilnEntry e = *kiln_manifest_get(m, i);
        if (e.link_group) {
            e.link_group += base;
            w->last_group = MAX(w->last_group, e.link_group);
        }
        record(w, &e, e.path);
    }
}

KilnManifest *kiln_layer_writer_complete(KilnLayerWriter *w, GError **error)
{
    if (!directory_itself(w, "", error))
        return NULL;
    kiln_manifest_sort(w->manifest);
    return w->manifest;
}

KilnManifest *kiln_layer_writer_finish(KilnLayerWriter *w, GError **error)
{
    if (!kiln_layer_writer_complete(w, error) || !kiln_placer_finish(w->placer, error))
        return NULL;
    return g_steal_pointer(&w->manifest);
}
