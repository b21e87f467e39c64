/* Digests of content: "sha256:" and 64 lower-case hexadecimal digits (image-spec descriptor.md). */
#pragma once

#include <glib.h>
#include <stdbool.h>

#define REMOTE_DIGEST_HEX 64

/* Whether `digest` is a SHA-256 digest, spelt exactly. Anything else, other algorithms included, is
 * a REMOTE_ERROR_FORMAT error. After this the part behind "sha256:" is safe as a file name. */
bool remote_digest_check(const char *digest, GError **error);

/* The 64 digits of a digest that has passed remote_digest_check(); borrowed from it. */
const char *remote_digest_hex(const char *digest);

/* The digest of `size` bytes. g_free(). */
char *remote_digest_of(const void *data, gsize size);

/* SHA-256 of content that comes in pieces. */
typedef struct RemoteHash RemoteHash;
RemoteHash *remote_hash_new(void);
void remote_hash_restart(RemoteHash *h);
void remote_hash_update(RemoteHash *h, const void *data, gsize size);
char *remote_hash_finish(RemoteHash *h); /* "sha256:…"; g_free(). Restart before further use. */
void remote_hash_free(RemoteHash *h);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RemoteHash, remote_hash_free)
