/* Image references as people write them, by the rules of the distribution project's reference
 * package: "alpine", "alpine:3.19", "quay.io/me/app@sha256:…". Needs GLib only: the builder uses it
 * for names too. */
#pragma once

#include <glib.h>
#include <stdbool.h>

#define KILN_REFERENCE_ERROR (kiln_reference_error_quark())
GQuark kiln_reference_error_quark(void);
typedef enum {
    KILN_REFERENCE_ERROR_INVALID,
} KilnReferenceError;

typedef struct {
    char *domain; /* "docker.io", "localhost:5000", "[::1]:5000" */
    char *path;   /* the repository within it: "library/alpine" */
    char *tag;    /* "latest" where neither tag nor digest was written; NULL if only a digest was */
    char *digest; /* "sha256:…" or NULL */
} KilnReference;

/* Parses `text`. What has no "." or ":" in its first component, is not "localhost" and has no
 * capital letter belongs to docker.io; there a name of one component gets "library/". NULL with an
 * error that says which part is wrong. Free with kiln_reference_free(). Source:
 * distribution/reference, the grammar in its reference.go and ParseNormalizedNamed. */
KilnReference *kiln_reference_parse(const char *text, GError **error);
void kiln_reference_free(KilnReference *r);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnReference, kiln_reference_free)

/* "docker.io/library/alpine:3.19", with "@sha256:…" where there is a digest: parsing it again gives
 * the same reference. g_free(). */
char *kiln_reference_canonical(const KilnReference *r);

/* As people write it, without what is the default: "alpine:3.19", "me/app", "quay.io/me/app:1".
 * g_free(). */
char *kiln_reference_familiar(const KilnReference *r);

/* The host (and port) that serves the registry's API: the domain, but "registry-1.docker.io" for
 * "docker.io". Borrowed from `r`, or static. */
const char *kiln_reference_api_host(const KilnReference *r);

/* Whether `host` (a name or address, with or without ":port") is this machine by its very spelling:
 * localhost, 127.0.0.0/8 or ::1. No name is looked up. Plain HTTP is allowed there only. */
bool kiln_host_is_loopback(const char *host);
