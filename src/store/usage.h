/* What the store's space is used for, and what stands on what. Sizes are those on the disk, not logical ones:
 * layers share files by hard links, which are counted once. */
#pragma once

#include "store/store.h"

typedef enum {
    KILN_ITEM_IMAGE, /* the rows alone: its configuration is a blob */
    KILN_ITEM_LAYER,
    KILN_ITEM_BLOB,
    KILN_ITEM_CACHE, /* a cache mount's directory */
    KILN_ITEM_INDEX, /* a stat index */
} KilnItemKind;

typedef struct {
    KilnItemKind kind;
    gint64 layer;         /* of a layer */
    char *id;             /* "12", "sha256:…", a name in caches/ or index/ */
    const char *type;     /* Docker's: "regular", "internal" (can be made again of what stays), "exec.cachemount",
                             "source.local"; and "image", "source.http" */
    char *description;    /* the step, the cache mount's id, an image's names; or NULL */
    gint64 created, used; /* seconds, 0: not known. Used: by what stands on it, too */
    guint64 own;          /* bytes that it alone has */
    guint64 shared;       /* bytes that others have as well */
    bool needed;          /* an image that has a name is this, or stands on it */
    bool in_use;          /* a process has a lease on it, or on what stands on it */
    guint above;          /* how many items stand on it */
    guint level;          /* higher than any that it stands on */
    GArray *below;        /* guint: those that it stands on */
    GPtrArray *links;     /* its files that others may have as well (disk-size.h) */
} KilnItem;

/* Which items are meant: all that are set must hold. */
typedef struct {
    gint64 unused_since;  /* seconds: not used after this; 0: whenever */
    const char **ids;     /* NULL-terminated; one of them, or the beginning of a digest or name; NULL: any */
    const char **types;   /* likewise, whole */
} KilnItemFilter;
bool kiln_item_matches(const KilnItem *item, const KilnItemFilter *filter);

typedef struct KilnUsage KilnUsage;

/* sizes: reads every directory. in_use is about other stores than this one, be they of the same process. */
KilnUsage *kiln_usage_new(KilnStore *s, bool sizes, GError **error);
void kiln_usage_free(KilnUsage *u);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnUsage, kiln_usage_free)

guint kiln_usage_length(const KilnUsage *u);
KilnItem *kiln_usage_get(const KilnUsage *u, guint i);
/* Bytes of all, and of those that no image needs: the cache. */
guint64 kiln_usage_total(const KilnUsage *u);
guint64 kiln_usage_cache(const KilnUsage *u);
/* Counts an item out, and those below it as having one less above. Returns the bytes that come free by that. */
guint64 kiln_usage_take_out(KilnUsage *u, const KilnItem *item);
