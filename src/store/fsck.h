/* Looks whether what the store keeps is as it was put there: every blob, layer, record and image, and the database
 * itself. docs/store.md, "Checking". */
#pragma once

#include "store/store.h"

typedef struct {
    guint64 layers, blobs, images, records; /* that were looked at */
    guint64 bytes;                          /* of blobs and layers */
    guint64 problems;
    bool repaired; /* nothing is wrong any more */
} KilnFsck;

/* problem: one sentence, for people. */
typedef void (*KilnFsckFunc)(const char *problem, void *data);
/* How far it is, in bytes; false: end here. May be NULL. */
typedef bool (*KilnFsckProgress)(guint64 done, guint64 total, void *data);

/* Reads everything, which takes as long as the disk does. With `repair` the store must have been opened exclusively;
 * what fails is dropped then, with what needs it, and files that nothing refers to. False on error, or when it was
 * ended; what is wrong in the store is no error. */
bool kiln_store_fsck(KilnStore *s, bool repair, KilnFsckFunc found, KilnFsckProgress progress, void *data,
                     KilnFsck *out, GError **error);
