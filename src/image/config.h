/* An image's configuration (image-spec config.md), as json-c keeps it: fields that kiln does not know
 * pass through from a base untouched. */
#pragma once

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>

#define KILN_IMAGE_ERROR (kiln_image_error_quark())
GQuark kiln_image_error_quark(void);
typedef enum {
    KILN_IMAGE_ERROR_FORMAT,   /* a document is malformed or of an unknown kind */
    KILN_IMAGE_ERROR_DIGEST,   /* a blob is not what its digest says */
    KILN_IMAGE_ERROR_PLATFORM, /* nothing for this platform */
    KILN_IMAGE_ERROR_NOT_FOUND,
    KILN_IMAGE_ERROR_IO,
} KilnImageError;

/* "linux/amd64", "linux/arm64/v8" … */
typedef struct {
    char *os, *architecture, *variant; /* variant may be NULL */
} KilnPlatform;
KilnPlatform *kiln_platform_parse(const char *text, GError **error); /* normalises x86_64, aarch64 … */
KilnPlatform *kiln_platform_host(void);
char *kiln_platform_text(const KilnPlatform *p);
bool kiln_platform_equal(const KilnPlatform *a, const KilnPlatform *b);
/* How well an image for `have` does where `wanted` was asked for: -1 not at all, else more is
 * better. An older variant of the same architecture does (v6 on v7), as in containerd's
 * platforms.Only. */
int kiln_platform_match(const KilnPlatform *wanted, const KilnPlatform *have);
void kiln_platform_free(KilnPlatform *p);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnPlatform, kiln_platform_free)

typedef struct KilnConfig KilnConfig;

KilnConfig *kiln_config_new(const KilnPlatform *platform); /* FROM scratch: PATH is Docker's default */
KilnConfig *kiln_config_parse(const char *json, gsize size, GError **error);
KilnConfig *kiln_config_copy(const KilnConfig *c); /* deep */
void kiln_config_free(KilnConfig *c);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnConfig, kiln_config_free)
/* The document, with keys in a fixed order and no spaces; the same config gives the same bytes. */
char *kiln_config_dump(const KilnConfig *c, gsize *size);
/* The whole document, borrowed, for reading. */
json_object *kiln_config_json(const KilnConfig *c);

const char *kiln_config_env(const KilnConfig *c, const char *name); /* NULL if not set */
void kiln_config_set_env(KilnConfig *c, const char *name, const char *value); /* keeps its position */
char **kiln_config_environ(const KilnConfig *c); /* "NAME=value" list; g_strfreev() */

/* Fields of .config by their name in the spec: "User", "WorkingDir", "StopSignal". NULL if unset. */
const char *kiln_config_string(const KilnConfig *c, const char *field);
void kiln_config_set_string(KilnConfig *c, const char *field, const char *value); /* NULL: remove */
/* "Cmd", "Entrypoint", "Shell", "OnBuild": string lists. NULL if unset. g_strfreev(). */
char **kiln_config_list(const KilnConfig *c, const char *field);
void kiln_config_set_list(KilnConfig *c, const char *field, const char *const *list); /* NULL: remove */
/* "ExposedPorts", "Volumes": sets. */
void kiln_config_add_to_set(KilnConfig *c, const char *field, const char *key);
void kiln_config_set_label(KilnConfig *c, const char *name, const char *value);
void kiln_config_set_healthcheck(KilnConfig *c, json_object *healthcheck); /* taken over */
/* Top level: "author", "created" … */
void kiln_config_set_top(KilnConfig *c, const char *field, const char *value);

/* Appends to history. created: RFC 3339. comment may be NULL. */
void kiln_config_add_history(KilnConfig *c, const char *created, const char *created_by,
                             const char *comment, bool empty_layer);
void kiln_config_set_diff_ids(KilnConfig *c, const char *const *diff_ids); /* whole list, bottom first */
char **kiln_config_diff_ids(const KilnConfig *c); /* g_strfreev() */
KilnPlatform *kiln_config_platform(const KilnConfig *c);
/* Checks that rootfs and history agree; FORMAT error otherwise. */
bool kiln_config_validate(const KilnConfig *c, GError **error);

/* RFC 3339 in UTC, "2026-11-22T02:08:47Z"; nanoseconds left out when 0. */
char *kiln_time_format(gint64 seconds, guint nanoseconds);

/* `kiln import --change`, and what metadata instructions do to a config, is plan's business. */
