/* What a chain of layers looks like from above: a lookup through their manifests with overlay's
 * rules (whiteouts, opaque directories, upper hides lower), without any mount. */
#pragma once

#include "tree/manifest.h"

typedef struct KilnView KilnView;

/* n layers, the bottom one first; each manifest is sorted and referenced by the view. n may be 0
 * (scratch): then only the root exists, 0755 root:root. A view is immutable and may be read by
 * several threads. */
KilnView *kiln_view_new(KilnManifest *const *layers, guint n);
void kiln_view_free(KilnView *v);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnView, kiln_view_free)

/* The entry that a lookup without following a last symlink finds, or NULL. No component of the
 * path is followed either: the path must be resolved already. *layer, if not NULL, gets the index
 * of the layer that holds it. Never a whiteout. */
const KilnEntry *kiln_view_lookup(const KilnView *v, const char *path, guint *layer);

/* Resolves path ("/a/b", "a/b", "../x" …) as chroot would: symlinks in it are followed inside the
 * root, ".." stops at the root, at most 40 symlinks. The last component is followed if follow_last.
 * Components that do not exist are kept as they are. Returns a manifest path ("" for the root); on
 * a symlink loop NULL with ELOOP text in error. Free with g_free(). */
char *kiln_view_resolve(const KilnView *v, const char *path, bool follow_last, GError **error);

/* Calls func for the entry at path and all below it in path order. Stops and returns false when
 * func returns false. Hard links are reported with link_group numbers as in their own layer. */
typedef bool (*KilnViewFunc)(const KilnEntry *entry, guint layer, void *data);
bool kiln_view_foreach(const KilnView *v, const char *path, KilnViewFunc func, void *data);

/* Names (last components) directly below directory path, sorted; free with g_ptr_array_unref(). */
GPtrArray *kiln_view_list(const KilnView *v, const char *path);

/* Calls func for the files of every layer, also those that none above shows. */
typedef void (*KilnViewFileFunc)(const KilnEntry *file, void *data);
void kiln_view_each_file(const KilnView *v, KilnViewFileFunc func, void *data);
