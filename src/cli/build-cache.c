/* --cache-to and --cache-from, in the words of `docker buildx build` (its reference, and BuildKit's
 * README, "Export cache"). */
#include "cli/build.h"

#include "cli/output.h"

#include <string.h>

typedef enum { TO = 1, FROM = 2 } Direction;

typedef struct {
    Direction direction;
    const char *flag, *text; /* as the user wrote it */
    const char *type;        /* borrowed */
    bool place;              /* it has a dest, src or ref */
} Entry;

static bool is_bool(const char *value)
{
    return strcmp(value, "true") == 0 || strcmp(value, "false") == 0 || strcmp(value, "1") == 0 ||
           strcmp(value, "0") == 0;
}

static bool is_digest(const char *value)
{
    const char *hex = g_str_has_prefix(value, "sha256:") ? value + strlen("sha256:") : "";
    return strlen(hex) == 64 && strspn(hex, "0123456789abcdef") == 64;
}

/* docs.docker.com/reference: a tag has these, and at most 128 of them. */
static bool is_tag(const char *value)
{
    return strlen(value) <= 128 && *value != '.' && *value != '-' &&
           value[strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")] == '\0';
}

static bool is_level(const char *value)
{
    guint64 level;
    return g_ascii_string_to_unsigned(value, 10, 0, 22, &level, NULL);
}

static bool is_any(const char *value)
{
    (void)value;
    return true;
}

/* Attributes and where they belong. `only`: the values that there are. */
static const struct {
    const char *key;
    int directions;
    const char *only;
    bool (*check)(const char *value);
    const char *wanted;
} attributes[] = {
    {"type", TO | FROM, NULL, is_any, NULL},
    {"dest", TO, NULL, is_any, NULL},
    {"src", FROM, NULL, is_any, NULL},
    {"ref", FROM, NULL, is_any, NULL},
    {"tag", TO | FROM, NULL, is_tag, "a tag"},
    {"digest", FROM, NULL, is_digest, "\"sha256:\" and 64 hex digits"},
    {"mode", TO, "min|max", is_any, NULL},
    {"mounts", TO, NULL, is_any, NULL},
    {"compression", TO, "zstd|gzip|uncompressed", is_any, NULL},
    {"compression-level", TO, NULL, is_level, "a level of zstd, 0 to 22"},
    {"force-compression", TO, NULL, is_bool, "true or false"},
    {"ignore-error", TO, NULL, is_bool, "true or false"},
    {"reset", TO, NULL, is_bool, "true or false"},
    /* the only form that is written */
    {"image-manifest", TO, "true|1", is_any, NULL},
    {"oci-mediatypes", TO, "true|1", is_any, NULL},
};

static bool refuse(const Entry *e, GError **error, const char *format, ...) G_GNUC_PRINTF(3, 4);
static bool refuse(const Entry *e, GError **error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *why = g_strdup_vprintf(format, args);
    va_end(args);
    return kiln_usage_error(error, "--%s \"%s\": %s", e->flag, e->text, why);
}

static bool is_one_of(const char *value, const char *choices)
{
    g_auto(GStrv) list = g_strsplit(choices, "|", -1);
    return g_strv_contains((const char *const *)list, value);
}

static bool check_value(const Entry *e, const char *key, const char *value, GError **error)
{
    for (guint i = 0; i < G_N_ELEMENTS(attributes); i++) {
        if (strcmp(attributes[i].key, key) != 0 || !(attributes[i].directions & (int)e->direction)) {
            continue;
        }
        if (!*value) {
            return refuse(e, error, "%s has no value", key);
        }
        if (strchr(value, '\n')) {
            return refuse(e, error, "the value of %s has a line break", key);
        }
        if (attributes[i].only && !is_one_of(value, attributes[i].only)) {
            return refuse(e, error, "%s=%s is not supported (%s)", key, value, attributes[i].only);
        }
        return attributes[i].check(value) ||
               refuse(e, error, "%s=%s is not %s", key, value, attributes[i].wanted);
    }
    return refuse(e, error, "there is no attribute \"%s\"", key);
}

/* Types that have attributes of their own, which need not be known. */
static bool check_later(const Entry *e, const char *key, const char *value, GError **error)
{
    bool later = strcmp(key, "type") == 0 &&
                 (is_one_of(value, "gha|s3|azblob") || (e->direction == TO && strcmp(value, "registry") == 0));
    return !later || refuse(e, error, "caches of type=%s are not supported yet; use type=local or type=inline", value);
}

static bool check_type(const Entry *e, GError **error)
{
    if (!e->type) {
        return refuse(e, error, "it has no type; write type=local,%s=DIR",
                      e->direction == TO ? "dest" : "src");
    }
    if (!is_one_of(e->type, e->direction == TO ? "local|inline" : "local|registry")) {
        return refuse(e, error, "there is no type \"%s\" (%s)%s", e->type,
                      e->direction == TO ? "local, inline" : "local, registry",
                      strcmp(e->type, "inline") == 0
                          ? ": an inline cache is read from the image that has it, by type=local,src=ARCHIVE "
                            "or type=registry,ref=IMAGE"
                          : "");
    }
    if (strcmp(e->type, "inline") != 0 && !e->place) {
        return refuse(e, error, "%s is missing",
                      strcmp(e->type, "registry") == 0 ? "ref" : e->direction == TO ? "dest" : "src");
    }
    return true;
}

/* An inline cache is a part of the image, whose layers are what they are. */
static bool check_inline(const Entry *e, GPtrArray *lines, GError **error)
{
    for (guint i = 0; g_strcmp0(e->type, "inline") == 0 && i < lines->len; i++) {
        const char *line = g_ptr_array_index(lines, i);
        if (!g_str_has_prefix(line, "type=") && strcmp(line, "mode=min") != 0 &&
            !g_str_has_prefix(line, "ignore-error=")) {
            return refuse(e, error, "type=inline takes no %s: the cache is in the image%s", line,
                          strcmp(line, "mode=max") == 0 ? ", which has the layers of mode=min" : "");
        }
    }
    return true;
}

static bool add_entry(KilnRequest *r, Direction direction, const char *key, const char *text, GError **error)
{
    Entry e = {.direction = direction, .flag = direction == TO ? "cache-to" : "cache-from", .text = text};
    g_autoptr(GPtrArray) fields = kiln_csv_split(text);
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
    if (!strchr(text, '=')) { /* buildx: a reference alone is one in a registry */
        g_autofree char *ref = g_strconcat("type=registry,ref=", text, NULL);
        return *text ? add_entry(r, direction, key, ref, error) : refuse(&e, error, "it is empty");
    }
    for (guint i = 0; i < fields->len; i++) {
        const char *field = g_ptr_array_index(fields, i);
        const char *equals = strchr(field, '=');
        const char *last = lines->len ? g_ptr_array_index(lines, lines->len - 1) : "";
        if (!equals && *field && g_str_has_prefix(last, "mounts=")) { /* mounts=ID,ID */
            g_ptr_array_add(lines, g_strconcat("mounts=", field, NULL));
            continue;
        }
        if (!equals) {
            return refuse(&e, error, "\"%s\" is not KEY=VALUE", field);
        }
        g_autofree char *name = g_ascii_strdown(field, equals - field);
        if (!check_later(&e, name, equals + 1, error) || !check_value(&e, name, equals + 1, error)) {
            return false;
        }
        bool path = strcmp(name, "dest") == 0 || strcmp(name, "src") == 0;
        g_autofree char *absolute = path ? kiln_path_absolute(equals + 1) : g_strdup(equals + 1);
        char *line = g_strconcat(name, "=", absolute, NULL);
        g_ptr_array_add(lines, line);
        if (strcmp(name, "type") == 0) {
            e.type = line + strlen("type=");
        }
        e.place = e.place || path || strcmp(name, "ref") == 0;
    }
    if (!check_type(&e, error) || !check_inline(&e, lines, error)) {
        return false;
    }
    g_ptr_array_add(lines, NULL);
    g_autofree char *request = g_strjoinv("\n", (char **)lines->pdata);
    kiln_request_add(r, key, request);
    return true;
}

bool kiln_build_add_caches(KilnRequest *r, const KilnBuildFlags *f, GError **error)
{
    for (guint i = 0; i < f->cache_from->len; i++) {
        if (!add_entry(r, FROM, "cache_from", g_ptr_array_index(f->cache_from, i), error)) {
            return false;
        }
    }
    for (guint i = 0; i < f->cache_to->len; i++) {
        if (!add_entry(r, TO, "cache_to", g_ptr_array_index(f->cache_to, i), error)) {
            return false;
        }
    }
    return true;
}
