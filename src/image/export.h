/* Images out of the store: layers to blobs, documents, and an archive. */
#pragma once

#include "image/config.h"
#include "store/store.h"
#include "tree/tar.h"

/* The diffID of a layer: from its record, else by writing its tar through SHA-256 (2 GB/s). With `blob` also
 * makes the compressed blob (gzip by ISA-L, level 1, mtime 0, deterministic) in the same pass and fills it
 * in. Thread-safe; meant for worker threads. clamp: SOURCE_DATE_EPOCH, or -1 (a layer whose blob was made
 * with another clamp is made again). g_free() the result; NULL on error. */
char *kiln_layer_digest(KilnStore *s, gint64 layer, gint64 clamp, KilnLayerBlob *blob, GError **error);

/* The diffID of a layer that is still being made in dirfd: see kiln_tar_write_following(). NULL if it was not to be had. */
char *kiln_layer_digest_early(const KilnManifest *m, int dirfd, gint64 clamp, KilnWaitFunc wait, void *data);
/* Records it once the layer, which no image came with, is in the store. */
bool kiln_layer_digest_record(KilnStore *s, gint64 layer, const KilnManifest *m, gint64 clamp, const char *diff_id,
                              GError **error);

/* "sha256:…" of a chain (image-spec config.md, Layer ChainID): of the layer diff_id upon the chain `below` (NULL:
 * nothing). g_free(). */
char *kiln_chain_id(const char *below, const char *diff_id);

typedef struct {
    const char *image_id; /* in the store */
    char *const *names;   /* canonical references, NULL-terminated, may be empty */
    /* An image of which the store has the layers (bottom first) but no record: its configuration's bytes,
     * whose digest is image_id. NULL: it is looked up. */
    const char *config;
    gsize config_size;
    const gint64 *chain;
    guint n_chain;
} KilnExport;

/* Writes images as an OCI archive (image-spec 1.1 image-layout.md: oci-layout, index.json with
 * org.opencontainers.image.ref.name (the tag) and io.containerd.image.name (the full name), blobs) to fd,
 * deterministic: byte-identical for the same images and names. *digest gets the first manifest's digest.
 * docker: as `docker save` instead (manifest.json, uncompressed layers). */
bool kiln_export(KilnStore *s, const KilnExport *images, guint n, bool docker, int fd, char **digest,
                 GError **error);
