/* Seccomp profiles in Docker's JSON form (--security-opt seccomp=FILE), compiled by libseccomp to
 * the BPF that the runtime loads; it never sees libseccomp. The profile that is in force without
 * one is compiled when kiln is built (runtime/tool-seccomp.c). */
#pragma once

#include <glib.h>

typedef enum {
    KILN_SECCOMP_ERROR_PROFILE, /* the profile is not valid, or asks for what cannot be had */
    KILN_SECCOMP_ERROR_LIBRARY,
} KilnSeccompError;

#define KILN_SECCOMP_ERROR (kiln_seccomp_error_quark())
GQuark kiln_seccomp_error_quark(void);

/* What the conditions of a profile ("includes", "excludes") are about. The capabilities are those
 * of a command: Docker's default ones. */
typedef struct {
    const char *arch; /* as libseccomp names it: "x86_64", "aarch64"; NULL: of this program */
    unsigned kernel_major, kernel_minor;
} KilnSeccompHost;

/* This program's architecture and the running kernel. */
KilnSeccompHost kiln_seccomp_host(void);

/* The profile as an array of struct sock_filter. As in runc, names that nobody knows are passed
 * over, and calls newer than all that the profile names answer ENOSYS. *unknown, if not NULL, gets
 * those names, with commas, or NULL; g_free(). NULL with an error that names the place in the
 * profile. */
GBytes *kiln_seccomp_compile(const char *json, const KilnSeccompHost *host, char **unknown,
                             GError **error);
