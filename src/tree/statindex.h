/* The stat index: remembers the content digest of context files by (device, inode, ctime, mtime,
 * size), so that an unchanged context is digested without reading it. An index that was written in the future
 * is empty: the clock was set back. An entry is trusted only if
 * the file's ctime and mtime are older than the moment the index was written by more than the
 * file system's clock step (git's rule for racily clean entries). One file a context directory in
 * the store: docs/store.md, "Stat index". */
#pragma once

#include "tree/manifest.h"

#include <sys/stat.h>

typedef struct KilnStatIndex KilnStatIndex;

/* Reads the index `name` in dirfd; a missing, torn or older file is an empty index, not an error. */
KilnStatIndex *kiln_statindex_open(int dirfd, const char *name);
void kiln_statindex_free(KilnStatIndex *x);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnStatIndex, kiln_statindex_free)

/* Thread-safe. True if the digest is known for a file in exactly this state. */
bool kiln_statindex_lookup(KilnStatIndex *x, const struct stat *st, uint8_t digest[KILN_SHA256_SIZE]);
/* Whether a file in this state was changed so recently (within 20 ms; within 2.02 s where its times
 * have no nanoseconds) that a change from now on could leave its times as they are. To be asked
 * before the content is read: the digest of such a file must not be stored. */
bool kiln_statindex_racy(const struct stat *st);
/* Whether a file in this state may have been changed since that time of CLOCK_REALTIME_COARSE: its ctime, which
 * nobody can set, is not before it, or is in whole seconds and so shortly before that it may be rounded. */
bool kiln_statindex_changed_since(const struct stat *st, const struct timespec *since);
/* Thread-safe. `st` is the state before the content was read, checked again after. Does nothing if
 * the file is still kiln_statindex_racy(). */
void kiln_statindex_store(KilnStatIndex *x, const struct stat *st,
                          const uint8_t digest[KILN_SHA256_SIZE]);

/* Writes the index back by rename, if it has changed. Entries neither looked up nor stored in the
 * last 10 writes are dropped. */
bool kiln_statindex_write(KilnStatIndex *x, int dirfd, const char *name, GError **error);
