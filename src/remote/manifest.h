/* The documents that a registry keeps under "manifests": images and indexes, OCI's and Docker's. */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "remote/platform.h"

#define REMOTE_MANIFEST_MAX                                                                        \
    (4 * 1024 * 1024)                       /* bytes; distribution-spec: 4 MiB are to be accepted */
#define REMOTE_CONFIG_MAX (8 * 1024 * 1024) /* bytes; no known image comes near */

/* The media types that kiln understands, for an Accept header. */
#define REMOTE_MANIFEST_ACCEPT                                                                     \
    "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "        \
    "application/vnd.docker.distribution.manifest.list.v2+json, "                                  \
    "application/vnd.docker.distribution.manifest.v2+json"

/* image-spec descriptor.md. */
typedef struct {
    char *media_type;
    char *digest;             /* checked */
    gint64 size;              /* bytes, not negative */
    RemotePlatform *platform; /* NULL if not given */
    bool attestation;         /* BuildKit's provenance and the like: not an image to run */
} RemoteDescriptor;

RemoteDescriptor *remote_descriptor_new(const char *media_type, const char *digest, gint64 size);
void remote_descriptor_free(RemoteDescriptor *d);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RemoteDescriptor, remote_descriptor_free)

typedef struct {
    RemoteDescriptor *self;   /* what these bytes are: media type, digest, size */
    GBytes *bytes;            /* as the registry sent them */
    GPtrArray *manifests;     /* of RemoteDescriptor, if it is an index; else NULL */
    RemoteDescriptor *config; /* if it is an image's manifest; else NULL */
    GPtrArray *layers;        /* of RemoteDescriptor, the lowest first; with config */
} RemoteManifest;

/* Reads a document. `content_type` is the HTTP header (NULL if none); a document that contradicts
 * it, or is an index and an image at once (CVE-2021-41190), is refused, as are schema 1 and
 * artifacts that are not images. `name` names it in the REMOTE_ERROR_FORMAT errors. `bytes` gets a
 * new reference. */
RemoteManifest *remote_manifest_parse(GBytes *bytes, const char *content_type, const char *name,
                                      GError **error);
void remote_manifest_free(RemoteManifest *m);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RemoteManifest, remote_manifest_free)

/* Whether a media type is one of the formats of before 2016 that kiln does not read; sets the
 * REMOTE_ERROR_FORMAT error then. `media_type` may be NULL. */
bool remote_media_type_is_schema1(const char *media_type, const char *name, GError **error);

/* The best entry of an index for a platform; the first of equals. Attestations are never chosen; an
 * entry without a platform is only if it is the only image. REMOTE_ERROR_PLATFORM error that lists
 * what there is. Borrowed from `index`. */
const RemoteDescriptor *remote_manifest_choose(const RemoteManifest *index,
                                               const RemotePlatform *wanted, const char *name,
                                               GError **error);
