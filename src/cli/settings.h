/* What the user has set once and for all: $XDG_CONFIG_HOME/kiln/config.json, below the flags and
 * the environment; and what Docker's config.json says of proxies. */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* Keys of config.json, each of them a flag too; NULL where it is not set. */
typedef struct {
    char *root;    /* absolute */
    char *libexec; /* absolute */
    char *progress;
    char *jobs; /* a number above 0 */
    char *platform;
    char *pull; /* "missing", "always" or "never" */
    char *keep_builds; /* a number */
    char *keep_storage; /* as kiln_setting_keep() takes it */
    char *max_layer_size, *max_layer_entries; /* as kiln_setting_size() and _count() take them */
} KilnSettings;

void kiln_settings_clear(KilnSettings *s);

/* $XDG_CONFIG_HOME/kiln/config.json, else ~/.config/kiln/config.json; NULL without a home.
 * g_free(). */
char *kiln_settings_path(void);
/* True with nothing set if there is no such file. KILN_ERROR_USAGE names the file and the key. */
bool kiln_settings_load(const char *path, KilnSettings *out, GError **error);
bool kiln_settings_parse(const char *path, const char *json, KilnSettings *out, GError **error);

/* The first that is set and not empty, or NULL: flag, environment variable, setting. */
const char *kiln_setting_choose(const char *flag, const char *variable, const char *setting);

/* Values that flags and settings share. */
bool kiln_setting_check_progress(const char *value, const char *where, GError **error);
bool kiln_setting_check_jobs(const char *value, const char *where, GError **error);
/* "64m", "1.5GiB": bytes, in units of 1024 as docker/go-units' RAMInBytes. */
bool kiln_setting_size(const char *value, const char *where, guint64 *bytes, GError **error);
bool kiln_setting_count(const char *value, const char *where, guint64 *count, GError **error);
/* What a build keeps of the cache: a size, or "unlimited". *text: bytes, or that; g_free(). */
bool kiln_setting_keep(const char *value, const char *where, char **text, GError **error);
/* "true" (--pull alone) is "always", "false" is "missing". NULL with an error. Static. */
const char *kiln_setting_pull(const char *value, const char *where, GError **error);

/* $DOCKER_CONFIG/config.json, else ~/.docker/config.json; NULL without a home. g_free(). */
char *kiln_docker_config_path(void);
/* "HTTP_PROXY=…" and "http_proxy=…" and the like, from "proxies": of the daemon named by
 * DOCKER_HOST, else "default" (docs.docker.com, "Use a proxy server with the Docker CLI"). Empty if
 * there are none, or the file does not exist or is malformed (kiln doctor tells). g_strfreev(). */
char **kiln_docker_proxies(const char *json);
