/* How a tree looked at one moment, to find out later what a command has changed in it, where no file system
 * says so (overlayfs's upper directory does). Files are known by their inode's number and change time, which
 * no command can set back, besides size, mode and owner; contents are not read. */
#pragma once

#include "tree/manifest.h"

typedef struct KilnSnapshot KilnSnapshot;

/* Looks at every path below rootfd (borrowed). Errors: KILN_DIFF_ERROR. */
KilnSnapshot *kiln_snapshot_take(int rootfd, GError **error);
void kiln_snapshot_free(KilnSnapshot *s);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnSnapshot, kiln_snapshot_free)

/* Waits until the file system's clock, which ticks every few milliseconds, has passed all that was seen: a file
 * written later cannot have the change time that it has here. dirfd: a directory of the same file system for a
 * file "clock". */
bool kiln_snapshot_settle(const KilnSnapshot *s, int dirfd, GError **error);

/* Whether the path (of a manifest) is as it was then: a directory itself, not what is in it. */
bool kiln_snapshot_is_current(const KilnSnapshot *s, int rootfd, const char *path);
/* What is done to the path from outside of the command shall not count: it is looked at anew. */
void kiln_snapshot_refresh(KilnSnapshot *s, int rootfd, const char *path);

typedef struct {
    const char *path; /* in the snapshot's memory */
    bool deleted;
} KilnTreeChange;

/* What differs between two snapshots of one tree, sorted by path: what is new or was changed, and the directories
 * above, the root always; of what was deleted the top alone. Paths within one of `ignored` (NULL-terminated, may
 * be NULL) are left out. Array of KilnTreeChange, valid as long as both snapshots; g_array_unref(). */
GArray *kiln_snapshot_compare(const KilnSnapshot *before, const KilnSnapshot *after,
                              const char *const *ignored);
