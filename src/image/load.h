/* Images into the store: from an OCI layout (directory or tar), a docker-archive, or a rootfs tar. */
#pragma once

#include "image/config.h"
#include "store/store.h"

typedef struct {
    char *name;          /* canonical name to give it, or NULL */
    char *id;            /* image ID */
} KilnLoaded;
void kiln_loaded_free(KilnLoaded *l);

/* Loads what lies at path: an OCI layout directory, or a file that is an OCI archive or a docker-archive
 * (told apart by content; the outer tar may be compressed with gzip or zstd). Of a multi-platform index the
 * given platform's manifest is taken (PLATFORM error listing what there is). `ref`: only the manifest with
 * this org.opencontainers.image.ref.name or ("sha256:…") digest, NULL for all. Names come from io.containerd.image.name,
 * org.opencontainers.image.ref.name (if it is a full reference) and RepoTags; `name` overrides.
 *
 * Every blob is verified against its digest and every layer against its diffID (DIGEST error naming it).
 * Layers: gzip, zstd, uncompressed; each is unpacked once, shared by chainID; several are unpacked at once,
 * then fixed up in order (implicit directories). Blobs are kept in the store. Nothing is recorded unless the
 * whole image is good. source_digest is recorded with it (may be NULL).
 * Returns an array of KilnLoaded*, or NULL. */
GPtrArray *kiln_load(KilnStore *s, const char *path, const char *ref, const char *name,
                     const KilnPlatform *platform, const char *source_digest, GError **error);

/* `docker import`: a rootfs tar (plain, gzip, bzip2, xz, zstd; fd is read to its end, not closed) becomes an
 * image of one layer. config: what --change made of an empty one (see plan/change.h); borrowed. Returns the
 * image ID. */
char *kiln_import(KilnStore *s, int fd, const char *name, const char *message,
                  const KilnConfig *config, GError **error);

/* A KilnProvideFunc: unpacks a layer of which the store has but the tar. */
bool kiln_layer_unpack(KilnStore *s, gint64 layer, void *data, GError **error);
