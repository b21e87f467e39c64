/* Image references: "busybox", "user/app:1.2", "localhost:5000/x@sha256:…" (distribution/reference rules).
 * Needs GLib alone; used by the store's side too. */
#pragma once

#include <glib.h>
#include <stdbool.h>

#define KILN_REFERENCE_ERROR (kiln_reference_error_quark())
GQuark kiln_reference_error_quark(void);

typedef struct {
    char *domain;     /* "docker.io", "localhost:5000" */
    char *repository; /* "library/busybox" */
    char *tag;        /* "latest" if neither tag nor digest was given; else NULL with a digest alone */
    char *digest;     /* "sha256:…" or NULL */
} KilnReference;

/* NULL with an error that says which part is wrong and why. */
KilnReference *kiln_reference_parse(const char *text, GError **error);
void kiln_reference_free(KilnReference *r);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnReference, kiln_reference_free)

/* "docker.io/library/busybox:latest", "…@sha256:…" or both. g_free(). */
char *kiln_reference_canonical(const KilnReference *r);
/* As people write it: "busybox:latest". g_free(). */
char *kiln_reference_familiar(const KilnReference *r);
