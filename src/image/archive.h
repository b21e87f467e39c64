/* The outer tar of an exported image: a list of members, written sorted and with fixed attributes.
 * For src/image/ alone. */
#pragma once

#include "store/store.h"

typedef struct KilnArchive KilnArchive;

KilnArchive *kiln_archive_new(KilnStore *s);
void kiln_archive_free(KilnArchive *a);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnArchive, kiln_archive_free)

/* Adds a member; a path that is on the list already is not added again (images share blobs). */
void kiln_archive_add_directory(KilnArchive *a, const char *path);
void kiln_archive_add_bytes(KilnArchive *a, const char *path, const void *bytes, gsize size);
/* A blob of the store, as it is. */
void kiln_archive_add_blob(KilnArchive *a, const char *path, const char *digest);
/* What a layer's blob holds, decompressed, checked against diff_id. */
void kiln_archive_add_content(KilnArchive *a, const char *path, const char *digest,
                              const char *diff_id);

/* Writes all to fd, which needs not be seekable. */
bool kiln_archive_write(KilnArchive *a, int fd, GError **error);
