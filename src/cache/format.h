/* What a cache says of steps and cache mounts: the document that `--cache-to` writes, as the config of an OCI
 * manifest or within an image's configuration. docs/cache-format.md has its fields and the rule of versions.
 *
 * A document that was read is whole: every index leads to an earlier node or to a blob, every digest is one, all
 * is within the limits. Nothing more is known of it: whoever wrote it may have lied about anything. */
#pragma once

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>

#define KILN_CACHE_FORMAT 1
#define KILN_CACHE_CONFIG_TYPE "application/vnd.kiln.cache.config.v1+json"
#define KILN_CACHE_ENTRIES_TYPE "application/vnd.kiln.cache.entries.v1"
/* The key of an image's configuration that holds an inline cache. */
#define KILN_CACHE_INLINE_KEY "kiln.cache.v1"

#define KILN_CACHE_ERROR (kiln_cache_error_quark())
GQuark kiln_cache_error_quark(void);
typedef enum {
    KILN_CACHE_ERROR_FORMAT,
    KILN_CACHE_ERROR_VERSION, /* a newer kiln's */
    KILN_CACHE_ERROR_NOT_FOUND,
    KILN_CACHE_ERROR_IO,
} KilnCacheError;

typedef struct {
    char *diff_id;
    guint blob; /* index in the manifest's layers, or (inline) in the image's rootfs */
} KilnCacheLayer;

/* A base (operation NULL), or a step. */
typedef struct {
    char **diff_ids;  /* base: bottom first */
    char *operation;  /* step: its operation key */
    gint *inputs;     /* step: nodes that it stands on and reads, all before it; -1: nothing (scratch) */
    guint n_inputs;
    bool has_layer;   /* else only its place among the others is known: what it made is not in the cache */
    KilnCacheLayer layer;
    gint64 clamp;     /* the latest mtime in the layer, where they were cut (SOURCE_DATE_EPOCH); -1: they were not */
    gint64 created;   /* seconds */
    gint64 duration;  /* microseconds */
    char *name;
} KilnCacheNode;

/* A cache mount's directory: layers, the bottom one first. */
typedef struct {
    char *name;    /* of the directory, as in docs/store.md, "Cache mounts" */
    char *id;
    GArray *layers; /* KilnCacheLayer */
    guint entries;  /* index of the blob that lists what all layers come to */
    guint32 mode, uid, gid; /* of the directory itself */
} KilnCacheMount;

typedef struct {
    GPtrArray *nodes;  /* KilnCacheNode* */
    GPtrArray *mounts; /* KilnCacheMount* */
} KilnCacheConfig;

KilnCacheConfig *kiln_cache_config_new(void);
void kiln_cache_config_free(KilnCacheConfig *c);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnCacheConfig, kiln_cache_config_free)
KilnCacheNode *kiln_cache_config_add_node(KilnCacheConfig *c);
KilnCacheMount *kiln_cache_config_add_mount(KilnCacheConfig *c);
void kiln_cache_mount_add_layer(KilnCacheMount *m, const char *diff_id, guint blob);
/* NULL if there is none. Borrowed. */
KilnCacheMount *kiln_cache_config_mount(const KilnCacheConfig *c, const char *name);

/* The document; free it with json_object_put(). */
json_object *kiln_cache_config_to_json(const KilnCacheConfig *c);
/* Reads one. n_blobs: how many there are to lead to. */
KilnCacheConfig *kiln_cache_config_from_json(json_object *document, guint n_blobs, GError **error);
