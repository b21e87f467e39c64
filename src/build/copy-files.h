/* The files of a COPY: gathered while the step decides what goes where, then put on disk by several threads. A file
 * that a committed layer holds with the same content and attributes is hard linked from there: docs/store.md,
 * "Shared files". */
#pragma once

#include "build/copy-digest.h"
#include "build/copy-source.h"

typedef struct KilnCopyFiles KilnCopyFiles;

/* Into upperfd, of a step over `below`; both are borrowed. */
KilnCopyFiles *kiln_copy_files_new(KilnEngine *e, const KilnStep *step, const KilnView *below, int upperfd);
void kiln_copy_files_free(KilnCopyFiles *f);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnCopyFiles, kiln_copy_files_free)

/* The file `from` of a source is to be put as `to`, an entry of the layer's manifest whose parents are on disk. Both
 * entries and the source are borrowed until kiln_copy_files_place(). */
void kiln_copy_files_add(KilnCopyFiles *f, KilnCopySource *source, const KilnEntry *from, const KilnEntry *to);
/* `path` is to be a hard link to `existing`, which was added before. Both are borrowed likewise. */
void kiln_copy_files_add_link(KilnCopyFiles *f, const char *existing, const char *path);

/* Whether there is so much to place that it pays to do something beside it. */
bool kiln_copy_files_are_many(const KilnCopyFiles *f);

/* Puts all that was added on disk. To be called before anything else is put at one of these paths. digest: what is to
 * follow, or NULL; all that the layer has beside these files is on disk then. */
bool kiln_copy_files_place(KilnCopyFiles *f, KilnCopyDigest *digest, GError **error);
