/* How much of the disk directories take, with files that they share by hard links counted once. Private to
 * src/store. */
#pragma once

#include <glib.h>

/* A file that has several links. */
typedef struct {
    guint64 size; /* bytes */
    guint users;  /* how many have it */
    guint last;   /* the last one that was seen with it */
} KilnSharedFile;

typedef struct {
    GHashTable *shared; /* inode number → KilnSharedFile * */
} KilnDiskSize;

void kiln_disk_size_init(KilnDiskSize *d);
void kiln_disk_size_clear(KilnDiskSize *d);
/* Adds the blocks of a tree to *own, but of files with several links, which are appended to links (KilnSharedFile *,
 * borrowed) once for this user. What cannot be read counts as nothing. */
void kiln_disk_size_add(KilnDiskSize *d, int dirfd, const char *name, guint user, guint64 *own, GPtrArray *links);
