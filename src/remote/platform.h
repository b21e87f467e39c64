/* Platforms (operating system, architecture, variant) and which of them can stand in for another.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef struct {
    char *os, *architecture;
    char *variant; /* NULL where there is none; "v8" of arm64 and "v1" of amd64 count as none */
} RemotePlatform;

/* "linux/arm64/v8", "linux/amd64", "arm64" (linux is meant). Spellings of the kernel and of Debian
 * (x86_64, aarch64, armhf …) become those of image-spec. REMOTE_ERROR_USAGE error if malformed. */
RemotePlatform *remote_platform_parse(const char *text, GError **error);

/* From an index's or a config's fields; `variant` may be NULL. Normalised in the same way. */
RemotePlatform *remote_platform_new(const char *os, const char *architecture, const char *variant);

/* The platform of this machine, from uname(2). */
RemotePlatform *remote_platform_host(void);
void remote_platform_free(RemotePlatform *p);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RemotePlatform, remote_platform_free)

char *remote_platform_text(const RemotePlatform *p); /* g_free() */

/* How well an image for `offered` serves on `wanted`: 0 is exact, larger is worse, -1 is not at
 * all. Lower variants serve on higher ones, 386 on amd64, 32-bit arm on arm64. Source: containerd's
 * platforms package, Only(). */
int remote_platform_rank(const RemotePlatform *wanted, const RemotePlatform *offered);
