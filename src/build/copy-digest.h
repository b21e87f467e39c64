/* The diffID of a COPY's layer, made by a thread of its own that follows those that put the files on disk: to put a file
 * there is work for the kernel, to hash the tar is work for one thread, and both take as long. */
#pragma once

#include "tree/manifest.h"

typedef struct KilnCopyDigest KilnCopyDigest;

/* m: the whole manifest, sorted, which is not changed any more; upperfd: the layer's directory, duplicated. */
KilnCopyDigest *kiln_copy_digest_new(KilnManifest *m, int upperfd, gint64 clamp);
/* Ends the thread, whose work is of no use any more. */
void kiln_copy_digest_free(KilnCopyDigest *d);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnCopyDigest, kiln_copy_digest_free)

/* Before the start: the file at this path of the manifest (the entry's own string) is not on disk yet. */
void kiln_copy_digest_expect(KilnCopyDigest *d, const char *path);
void kiln_copy_digest_start(KilnCopyDigest *d);
/* It is now; by any thread. */
void kiln_copy_digest_placed(KilnCopyDigest *d, const char *path);

/* Waits for the diffID, g_free(); NULL if it failed or was never started: the layer must be digested again. */
char *kiln_copy_digest_wait(KilnCopyDigest *d);
