/* Image references as people write them, by the rules of the distribution project's reference
 * package: "alpine", "alpine:3.19", "quay.io/me/app@sha256:…". */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef struct {
    char *domain; /* "docker.io", "localhost:5000", "[::1]:5000" */
    char *path;   /* the repository within it: "library/alpine" */
    char *tag;    /* "latest" where neither tag nor digest was written; NULL if only a digest was */
    char *digest; /* "sha256:…" or NULL */
} RemoteReference;

/* Parses `text`. What has no "." or ":" in its first component, is not "localhost" and has no capital
 * letter belongs to docker.io; there a name of one component gets "library/". Returns NULL with a
 * REMOTE_ERROR_USAGE error that says which part is wrong. Free with remote_reference_free().
 * Source: distribution/reference, the grammar in its reference.go and ParseNormalizedNamed. */
RemoteReference *remote_reference_parse(const char *text, GError **error);
void remote_reference_free(RemoteReference *r);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RemoteReference, remote_reference_free)

/* "docker.io/library/alpine:3.19", with "@sha256:…" where there is a digest. g_free(). */
char *remote_reference_text(const RemoteReference *r);

/* "docker.io/library/alpine@sha256:…": what distribution/reference calls canonical. g_free(). */
char *remote_reference_canonical(const RemoteReference *r, const char *digest);

/* The host (and port) that serves the registry's API: the domain, but "registry-1.docker.io" for
 * "docker.io". Borrowed from `r`, or static. */
const char *remote_reference_api_host(const RemoteReference *r);

/* Whether `host` (a name or address, with or without ":port") is this machine by its very spelling:
 * localhost, 127.0.0.0/8 or ::1. No name is looked up. Plain HTTP is allowed there only. */
bool remote_host_is_loopback(const char *host);
