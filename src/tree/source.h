/* A tree that COPY and ADD read from: a directory of the host (the context, a named context) or
 * the merged layers of a stage or image. Both look the same from here: entries by path, content by
 * entry. */
#pragma once

#include "tree/ignore.h"
#include "tree/opener.h"
#include "tree/statindex.h"
#include "tree/view.h"

#define KILN_SOURCE_ERROR (kiln_source_error_quark())
GQuark kiln_source_error_quark(void); /* codes are errno values */

typedef struct KilnSource KilnSource;

/* A host directory. fd is taken over. ignore and index are borrowed and may be NULL. Entries have
 * owner 0:0, as Docker gives files of a context; xattrs are left out. Hard links are kept among the
 * entries of one list. */
KilnSource *kiln_source_new_dir(int fd, const char *display_name, const KilnIgnore *ignore,
                                KilnStatIndex *index);

/* Layers. view and layer_fds (n directory fds, bottom first) are borrowed. */
KilnSource *kiln_source_new_view(const KilnView *view, const int *layer_fds,
                                 const char *display_name);
void kiln_source_free(KilnSource *s);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnSource, kiln_source_free)

/* What a COPY source argument names: pattern as written (leading '/' or "./" allowed; ".." stops at
 * the root; wildcards if `wildcards`). Symlinks in parent components and, where there is no
 * wildcard, in the last one are followed inside the root (Docker does so: `COPY link /x` copies
 * what it points to). Ignored paths do not exist. Returns resolved paths in order, possibly none;
 * NULL with error on a malformed pattern or a read failure. */
GPtrArray *kiln_source_match(KilnSource *s, const char *pattern, bool wildcards, GError **error);

/* Adds the entry at path (resolved) and all below it to `out`, with path as they are in the source,
 * sorted, each file with its content digest if `digests` (directory sources; computed by several
 * threads through the index). Sockets are left out. A device in a host directory is an error. False
 * if the path does not exist (ENOENT) or cannot be read (the error names the file). */
bool kiln_source_list(KilnSource *s, const char *path, bool digests, KilnManifest *out,
                      GError **error);

/* What of a tree is wanted: what none of these lists (NULL: none) excludes; their patterns are
 * matched against paths relative to `base`, a resolved path, which is wanted itself. */
typedef struct {
    const char *base;
    const KilnIgnore *ignores[2];
} KilnSourceFilter;

/* As kiln_source_list(), but only what is wanted. A directory that is not but has something
 * below it that is, comes before that as an `implicit` entry. */
bool kiln_source_list_wanted(KilnSource *s, const char *path, const KilnSourceFilter *filter,
                             bool digests, KilnManifest *out, GError **error);

/* Whether what was listed of a host directory had sockets or FIFOs in it: who can see these can talk
 * to the process at the other end, even on a read-only mount. */
bool kiln_source_has_endpoints(const KilnSource *s);

/* The names in a directory (resolved path) of the source, sorted; NULL on error. */
GPtrArray *kiln_source_names(KilnSource *s, const char *dir, GError **error);

/* Opens the content of a file entry that kiln_source_list() gave. Checks for a directory source
 * that it is still the file that was listed (size, mtime). Thread-safe, with an opener (or NULL) for each
 * thread. -1 on error. */
int kiln_source_open(KilnSource *s, KilnOpener *opener, const KilnEntry *e, GError **error);

/* Whether an opened file may have been written since the source was made, whatever its size and
 * mtime say (ctime cannot be set): then what was copied from it must be checked against its digest,
 * or the copy would be kept under a key that stands for another content. */
bool kiln_source_may_have_changed(const KilnSource *s, int fd);
