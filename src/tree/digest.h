/* SHA-256 over bytes and files (OpenSSL libcrypto), and digests in the form of the OCI image-spec
 * descriptor.md: "sha256:" and 64 lower-case hex digits. */
#pragma once

#include "tree/manifest.h"

#define KILN_DIGEST_PREFIX "sha256:"
#define KILN_DIGEST_TEXT_SIZE (7 + 64 + 1) /* with its NUL */

typedef struct KilnHash KilnHash;

KilnHash *kiln_hash_new(void);
void kiln_hash_free(KilnHash *h);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnHash, kiln_hash_free)
void kiln_hash_update(KilnHash *h, const void *bytes, size_t size);
/* A length-prefixed string, so that neighbours cannot run together; NULL differs from "". */
void kiln_hash_string(KilnHash *h, const char *s);
/* Ends the hash; it can be used again afterwards, from empty. */
void kiln_hash_finish(KilnHash *h, uint8_t digest[KILN_SHA256_SIZE]);
/* Same, as text: "sha256:…"; free with g_free(). */
char *kiln_hash_finish_text(KilnHash *h);

char *kiln_digest_text(const uint8_t digest[KILN_SHA256_SIZE]);
/* "sha256:…" to bytes. False if it is not exactly that. */
bool kiln_digest_parse(const char *text, uint8_t digest[KILN_SHA256_SIZE]);
char *kiln_digest_of_bytes(const void *bytes, size_t size);

/* Hashes a file's content from offset 0 to its end, by pread: the file offset is not moved.
 * Returns 0 or a negative errno. *size, if not NULL, gets the number of bytes hashed. */
int kiln_digest_fd(int fd, uint8_t digest[KILN_SHA256_SIZE], uint64_t *size);
