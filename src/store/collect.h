/* Garbage collection: removes what no image with a name needs and nobody uses, what was used least recently first,
 * beside builds that run. docs/store.md, "Collection". */
#pragma once

#include "store/usage.h"

typedef struct {
    KilnItemFilter filter;
    bool all;     /* "internal" ones as well */
    bool dry_run; /* only says what it would remove */
    /* How much of the disk the cache may have, as BuildKit means it: bytes, 0: not said. Nothing is removed below
     * `reserved`; above, until the cache has `max_used` and the file system `min_free`. With none of them
     * everything is removed. */
    guint64 max_used, reserved, min_free;
} KilnPruneOptions;

/* For each item that has been removed, or would be. bytes: what the disk got back. */
typedef void (*KilnPruneFunc)(const KilnItem *item, guint64 bytes, gpointer data);

/* The store should be used for nothing else: what is leased through it is not seen. */
bool kiln_store_prune(KilnStore *s, const KilnPruneOptions *options, KilnPruneFunc func, gpointer data,
                      GError **error);

/* What `kiln build` does at its end, with a store of its own: removes what other processes' deaths left behind, then
 * what is too much. Costs little when nothing is. Does nothing while another process does the same.
 * max_used G_MAXUINT64: only the former; 0: the default, buildkitd's (gcpolicy_unix.go): 80 % of the disk and 100 GB
 * at most, leaving 20 % of it free, but 10 % or 10 GB in any case. */
bool kiln_store_collect(const char *root, guint64 max_used, GError **error);
