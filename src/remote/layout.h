/* An OCI image layout directory in the making (image-spec image-layout.md): blobs first, index.json
 * and oci-layout last, so that an unfinished one does not pass for an image. */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "remote/manifest.h"

typedef struct RemoteLayout RemoteLayout;

/* `folder` is an existing, empty directory. `have`, if not NULL, is a directory of blobs named by
 * the 64 digits of their digests. Errors of all functions here: REMOTE_ERROR_IO, naming the path;
 * USAGE if `folder` does not fit. */
RemoteLayout *remote_layout_open(const char *folder, const char *have, GError **error);
void remote_layout_free(RemoteLayout *l);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RemoteLayout, remote_layout_free)

/* The directory's path, for messages; borrowed. */
const char *remote_layout_folder(const RemoteLayout *l);

/* Takes a blob from `have`, by a hard link, else a copy, if a regular file of the descriptor's size
 * is there. Its content is not looked at: whoever loads the layout verifies it. `*found` says
 * whether it was there. */
bool remote_layout_adopt(RemoteLayout *l, const RemoteDescriptor *blob, bool *found,
                         GError **error);

/* A new blob: begin gives a descriptor to write to, under a temporary name; then either commit,
 * which gives it the name of its digest, or abandon, which removes it. The caller has verified the
 * content, and closes the fd. */
int remote_layout_begin(RemoteLayout *l, const RemoteDescriptor *blob, GError **error);
bool remote_layout_commit(RemoteLayout *l, const RemoteDescriptor *blob, GError **error);
void remote_layout_abandon(RemoteLayout *l, const RemoteDescriptor *blob);

/* A whole blob from memory. */
bool remote_layout_put(RemoteLayout *l, const RemoteDescriptor *blob, GBytes *bytes,
                       GError **error);

/* The content of a blob of at most REMOTE_CONFIG_MAX bytes that is already there. g_bytes_unref().
 */
GBytes *remote_layout_read(RemoteLayout *l, const RemoteDescriptor *blob, GError **error);

/* Writes index.json, with `manifest` as its one entry, and oci-layout. `tag` (NULL: left out)
 * becomes the annotation org.opencontainers.image.ref.name, `source` io.kiln.source. */
bool remote_layout_finish(RemoteLayout *l, const RemoteDescriptor *manifest, const char *tag,
                          const char *source, GError **error);
