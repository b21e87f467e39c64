#include "cli/settings.h"

#include "front/root.h"
#include "limits/limits.h"

#include <json-c/json.h>
#include <kiln/kiln.h>

#include <stddef.h>
#include <string.h>

#define JOBS_MAX 1024

static bool check_absolute(const char *value, const char *where, GError **error);
static bool check_pull(const char *value, const char *where, GError **error);
static bool check_any(const char *value, const char *where, GError **error);
static bool check_size(const char *value, const char *where, GError **error);
static bool check_count(const char *value, const char *where, GError **error);
static bool check_keep(const char *value, const char *where, GError **error);

static const struct {
    const char *key;
    size_t offset;
    bool (*check)(const char *value, const char *where, GError **error);
} keys[] = {
    {"root", offsetof(KilnSettings, root), check_absolute},
    {"libexec", offsetof(KilnSettings, libexec), check_absolute},
    {"progress", offsetof(KilnSettings, progress), kiln_setting_check_progress},
    {"jobs", offsetof(KilnSettings, jobs), kiln_setting_check_jobs},
    {"platform", offsetof(KilnSettings, platform), check_any},
    {"pull", offsetof(KilnSettings, pull), check_pull},
    {"keep-builds", offsetof(KilnSettings, keep_builds), check_count},
    {"keep-storage", offsetof(KilnSettings, keep_storage), check_keep},
    {"max-layer-size", offsetof(KilnSettings, max_layer_size), check_size},
    {"max-layer-entries", offsetof(KilnSettings, max_layer_entries), check_count},
};

static char **field(KilnSettings *s, guint i)
{
    return (char **)((char *)s + keys[i].offset);
}

void kiln_settings_clear(KilnSettings *s)
{
    for (guint i = 0; i < G_N_ELEMENTS(keys); i++) {
        g_clear_pointer(field(s, i), g_free);
    }
}

static bool refuse(GError **error, const char *where, const char *value, const char *wanted)
{
    g_set_error(error, KILN_ERROR, KILN_ERROR_USAGE, "%s: \"%s\" is not %s", where, value, wanted);
    return false;
}

static bool check_any(const char *value, const char *where, GError **error)
{
    return *value || refuse(error, where, value, "a value");
}

static bool check_absolute(const char *value, const char *where, GError **error)
{
    return g_path_is_absolute(value) || refuse(error, where, value, "an absolute path");
}

static bool check_pull(const char *value, const char *where, GError **error)
{
    return kiln_setting_pull(value, where, error) != NULL;
}

static bool check_size(const char *value, const char *where, GError **error)
{
    guint64 bytes;
    return kiln_setting_size(value, where, &bytes, error);
}

static bool check_count(const char *value, const char *where, GError **error)
{
    guint64 count;
    return kiln_setting_count(value, where, &count, error);
}

static bool check_keep(const char *value, const char *where, GError **error)
{
    g_autofree char *text = NULL;
    return kiln_setting_keep(value, where, &text, error);
}

bool kiln_setting_keep(const char *value, const char *where, char **text, GError **error)
{
    guint64 bytes = 0;
    bool everything = strcmp(value, "unlimited") == 0;
    if (!everything && !kiln_size_parse(value, &bytes)) {
        return refuse(error, where, value, "a size, such as 500m or 64g, nor \"unlimited\"");
    }
    *text = everything ? g_strdup(value) : g_strdup_printf("%" G_GUINT64_FORMAT, bytes);
    return true;
}

bool kiln_setting_size(const char *value, const char *where, guint64 *bytes, GError **error)
{
    return kiln_size_parse(value, bytes) ||
           refuse(error, where, value, "a size, such as 500m or 64g");
}

bool kiln_setting_count(const char *value, const char *where, guint64 *count, GError **error)
{
    return g_ascii_string_to_unsigned(value, 10, 0, G_MAXINT64, count, NULL) ||
           refuse(error, where, value, "a number");
}

bool kiln_setting_check_progress(const char *value, const char *where, GError **error)
{
    static const char *const modes[] = {"auto", "tty", "plain", "quiet", "rawjson", NULL};
    return g_strv_contains(modes, value) ||
           refuse(error, where, value, "one of auto, tty, plain, quiet, rawjson");
}

bool kiln_setting_check_jobs(const char *value, const char *where, GError **error)
{
    return g_ascii_string_to_unsigned(value, 10, 1, JOBS_MAX, NULL, NULL) ||
           refuse(error, where, value, "a number from 1 to 1024");
}

const char *kiln_setting_pull(const char *value, const char *where, GError **error)
{
    static const struct {
        const char *written, *meant;
    } words[] = {{"always", "always"},   {"true", "always"},   {"1", "always"},
                 {"missing", "missing"}, {"false", "missing"}, {"0", "missing"},
                 {"never", "never"}};
    for (guint i = 0; i < G_N_ELEMENTS(words); i++) {
        if (strcmp(words[i].written, value) == 0) {
            return words[i].meant;
        }
    }
    refuse(error, where, value, "one of always, missing, never");
    return NULL;
}

const char *kiln_setting_choose(const char *flag, const char *variable, const char *setting)
{
    const char *environment = variable ? g_getenv(variable) : NULL;
    if (flag && *flag) {
        return flag;
    }
    return environment && *environment ? environment : setting;
}

static char *home_file(const char *variable, const char *below_home, const char *file)
{
    const char *directory = g_getenv(variable);
    if (directory && g_path_is_absolute(directory)) {
        return g_build_filename(directory, file, NULL);
    }
    g_autofree char *home = kiln_home_directory();
    return home ? g_build_filename(home, below_home, file, NULL) : NULL;
}

char *kiln_settings_path(void)
{
    return home_file("XDG_CONFIG_HOME", ".config", "kiln/config.json");
}

char *kiln_docker_config_path(void)
{
    return home_file("DOCKER_CONFIG", ".docker", "config.json");
}

/* --- config.json ------------------------------------------------------------------------------ */

static bool set_key(KilnSettings *s, const char *path, const char *key, json_object *value,
                    GError **error)
{
    g_autofree char *where = g_strdup_printf("%s: key \"%s\"", path, key);
    for (guint i = 0; i < G_N_ELEMENTS(keys); i++) {
        if (strcmp(keys[i].key, key) != 0) {
            continue;
        }
        bool number = (strcmp(key, "jobs") == 0 || strcmp(key, "keep-storage") == 0 ||
                       g_str_has_prefix(key, "max-layer-")) &&
                      json_object_is_type(value, json_type_int);
        if (!json_object_is_type(value, json_type_string) && !number) {
            return refuse(error, where, json_object_to_json_string(value), "a string");
        }
        g_free(*field(s, i));
        *field(s, i) = g_strdup(json_object_get_string(value));
        return keys[i].check(*field(s, i), where, error);
    }
    g_set_error(error, KILN_ERROR, KILN_ERROR_USAGE,
                "%s: unknown key \"%s\"; there are root, libexec, progress, jobs, platform, pull, "
                "keep-builds, keep-storage, max-layer-size, max-layer-entries",
                path, key);
    return false;
}

bool kiln_settings_parse(const char *path, const char *json, KilnSettings *out, GError **error)
{
    enum json_tokener_error code;
    json_object *document = json_tokener_parse_verbose(json, &code);
    bool good = json_object_is_type(document, json_type_object);
    *out = (KilnSettings){0};
    if (!good) {
        g_set_error(error, KILN_ERROR, KILN_ERROR_USAGE, "%s: %s", path,
                    document || code == json_tokener_success ? "not a JSON object"
                                                             : json_tokener_error_desc(code));
    } else {
        json_object_object_foreach(document, key, value)
        {
            good = good && set_key(out, path, key, value, error);
        }
    }
    json_object_put(document);
    if (!good) {
        kiln_settings_clear(out);
    }
    return good;
}

bool kiln_settings_load(const char *path, KilnSettings *out, GError **error)
{
    *out = (KilnSettings){0};
    g_autofree char *json = NULL;
    g_autoptr(GError) local = NULL;
    /* For the message of one that is not there GLib would load a converter of character sets. */
    if (!path || !g_file_test(path, G_FILE_TEST_EXISTS)) {
        return true;
    }
    if (!g_file_get_contents(path, &json, NULL, &local)) {
        if (g_error_matches(local, G_FILE_ERROR, G_FILE_ERROR_NOENT) ||
            g_error_matches(local, G_FILE_ERROR, G_FILE_ERROR_NOTDIR) ||
            g_error_matches(local, G_FILE_ERROR, G_FILE_ERROR_ACCES)) {
            return true; /* a home that is not ours to read (an arbitrary uid) has no settings for
                            us */
        }
        g_set_error(error, KILN_ERROR, KILN_ERROR_USAGE, "cannot read the settings: %s",
                    local->message);
        return false;
    }
    return kiln_settings_parse(path, json, out, error);
}

/* --- Docker's config.json --------------------------------------------------------------------- */

static json_object *proxies_of_host(json_object *document)
{
    json_object *proxies, *entry;
    const char *host = g_getenv("DOCKER_HOST");
    if (!host || !*host) {
        host = "unix:///var/run/docker.sock";
    }
    if (!json_object_object_get_ex(document, "proxies", &proxies) ||
        !json_object_is_type(proxies, json_type_object)) {
        return NULL;
    }
    if (!json_object_object_get_ex(proxies, host, &entry) &&
        !json_object_object_get_ex(proxies, "default", &entry)) {
        return NULL;
    }
    return json_object_is_type(entry, json_type_object) ? entry : NULL;
}

char **kiln_docker_proxies(const char *json)
{
    static const struct {
        const char *key, *variable;
    } names[] = {{"httpProxy", "HTTP_PROXY"},
                 {"httpsProxy", "HTTPS_PROXY"},
                 {"noProxy", "NO_PROXY"},
                 {"ftpProxy", "FTP_PROXY"},
                 {"allProxy", "ALL_PROXY"}};
    g_autoptr(GPtrArray) list = g_ptr_array_new();
    json_object *document = json ? json_tokener_parse(json) : NULL;
    json_object *entry =
        json_object_is_type(document, json_type_object) ? proxies_of_host(document) : NULL;
    for (guint i = 0; entry && i < G_N_ELEMENTS(names); i++) {
        json_object *value;
        if (!json_object_object_get_ex(entry, names[i].key, &value) ||
            !json_object_is_type(value, json_type_string) ||
            json_object_get_string_len(value) == 0) {
            continue;
        }
        g_autofree char *lower = g_ascii_strdown(names[i].variable, -1);
        const char *text = json_object_get_string(value);
        g_ptr_array_add(list, g_strconcat(names[i].variable, "=", text, NULL));
        g_ptr_array_add(list, g_strconcat(lower, "=", text, NULL));
    }
    json_object_put(document);
    g_ptr_array_add(list, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&list), FALSE);
}
