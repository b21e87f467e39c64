/* One repository of one registry, as distribution-spec (v1.1) and Docker's registry API serve it:
 * authentication, retries, manifests. */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "remote/http.h"
#include "remote/manifest.h"
#include "remote/reference.h"

/* Usable from several threads, each with a RemoteHttp of its own. */
typedef struct RemoteRegistry RemoteRegistry;

/* Opens the repository of `reference`, which must outlive it. Asks nothing of a registry elsewhere;
 * a loopback host is asked once to find out whether it speaks plain HTTP (taken first) or https.
 * `config_file` is where credentials are looked for, once they are needed. */
RemoteRegistry *remote_registry_open(const KilnReference *reference, const char *config_file,
                                     RemoteHttp *http, GError **error);
void remote_registry_free(RemoteRegistry *r);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RemoteRegistry, remote_registry_free)

/* "docker.io/library/alpine", for messages; borrowed. */
const char *remote_registry_name(const RemoteRegistry *r);

/* The URL of a blob or a manifest. `kind` is "blobs" or "manifests", `which` a checked digest or
 * tag. g_free(). */
char *remote_registry_url(const RemoteRegistry *r, const char *kind, const char *which);

/* Performs a request once, answering a challenge for credentials if one comes. `request`'s
 * authorization and plain are set here. A 401 or 403 of the registry is a REMOTE_ERROR_AUTH error;
 * other statuses are the caller's. */
bool remote_registry_send(RemoteRegistry *r, RemoteHttp *http, RemoteHttpRequest *request,
                          RemoteHttpResponse **response, GError **error);

/* The error for a status that is not a success. `what` is what was asked for: "tag 3.19", "layer
 * sha256:…". */
void remote_registry_refusal(const RemoteRegistry *r, const RemoteHttpResponse *response,
                             const char *what, GError **error);

/* Fetches and reads the manifest or index of a tag, or of a digest, which is verified then. With
 * retries. Errors: all kinds. */
RemoteManifest *remote_registry_manifest(RemoteRegistry *r, RemoteHttp *http, const char *which,
                                         GError **error);

/* What a tag or digest names now, by HEAD, or where the registry does not answer that fully, by
 * GET. */
RemoteDescriptor *remote_registry_resolve(RemoteRegistry *r, RemoteHttp *http, const char *which,
                                          GError **error);
