/* Image names as people write and read them. */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* False with KILN_ERROR_USAGE if it is no image reference; tag_only: nor one to give to an image (a
 * digest cannot be given). */
bool kiln_name_check(const char *name, bool tag_only, GError **error);

/* "busybox:latest" for "docker.io/library/busybox:latest". g_free(). */
char *kiln_name_familiar(const char *canonical);

/* The familiar name's parts, for a table: "<none>" where there is no tag. g_free() both. */
void kiln_name_split(const char *canonical, char **repository, char **tag);

/* "0123456789ab" of "sha256:0123…". g_free(). */
char *kiln_id_short(const char *id);
