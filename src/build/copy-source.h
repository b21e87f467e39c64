/* What a COPY or ADD copies: its source arguments, matched and listed. Files of the host are listed and
 * digested for the key; a stage's or image's tree only when the copy is executed. */
#pragma once

#include "build/add-remote.h"
#include "build/engine.h"

typedef struct {
    char *name; /* what it is called in a destination directory */
    char *path; /* resolved, in the source */
    const KilnPlace *place;
    KilnManifest *entries; /* at path and below, sorted; empty if all of it is excluded */
    KilnAddRemote *remote; /* is fetched, and has no entries yet; or NULL */
} KilnCopyItem;

typedef struct KilnCopySource KilnCopySource;

KilnCopySource *kiln_copy_source_new(KilnEngine *e, KilnStep *step, GError **error);
/* Adds what is copied to the operation key: of files of the host their contents, else only their names. */
void kiln_copy_source_feed(KilnCopySource *s, KilnKey *key);
/* Whether these are many files. */
bool kiln_copy_source_feeds_much(const KilnCopySource *s);
/* Whether what the step copies is the same in the stage or image that `chain` is. */
bool kiln_copy_source_same(KilnEngine *e, KilnStep *step, KilnCopySource *s, const GArray *chain);
void kiln_copy_source_free(KilnCopySource *s);
/* KilnCopyItem*, borrowed. NULL on error. */
GPtrArray *kiln_copy_source_items(KilnCopySource *s, GError **error);
/* Opens a file's content, with the help of an opener (or NULL). Thread-safe. -1 on error. */
int kiln_copy_source_open(KilnCopySource *s, KilnOpener *opener, const KilnEntry *e, GError **error);
/* The entry of a file of a stage or image in its layer, whose directory is *fd (borrowed). NULL: the source is
 * none, or that layer cannot tell over which others it is put (--link). */
const KilnEntry *kiln_copy_source_twin(KilnCopySource *s, const KilnEntry *e, int *fd);
/* Thread-safe. Checks that path in dirfd, a copy of the open file `original`, has the content that was listed, where the
 * original may have changed since. dirfd -1: the original itself is checked. */
bool kiln_copy_source_check(KilnCopySource *s, const KilnEntry *e, int original, int dirfd, const char *path,
                            GError **error);

/* What ADD has fetched, as a source of one item: a blob of the store, whose entry has the file's name for its
 * path; or all that is in a directory (the fd is taken over). */
KilnCopySource *kiln_copy_source_new_blob(KilnEngine *e, KilnStep *step, const KilnEntry *entry,
                                          const char *digest, GError **error);
KilnCopySource *kiln_copy_source_new_directory(KilnEngine *e, KilnStep *step, int fd, GError **error);
