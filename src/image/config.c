#include "image/document.h"
#include "image/platform.h"

#include "tree/digest.h"

#include <string.h>
#include <time.h>

/* What Docker and BuildKit give an image that sets no PATH (moby/buildkit, util/system/path.go). */
#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

G_DEFINE_QUARK(kiln - image - error - quark, kiln_image_error)

struct KilnConfig {
    json_object *top;
};

static KilnConfig *wrap(json_object *top)
{
    KilnConfig *c = g_new0(KilnConfig, 1);
    c->top = top;
    return c;
}

/* The object at key, made if it is missing or of another type (Docker writes null for empty ones).
 */
static json_object *ensure_object(json_object *o, const char *key)
{
    json_object *value = kiln_document_object(o, key);
    if (value == NULL) {
        value = json_object_new_object();
        json_object_object_add(o, key, value);
    }
    return value;
}

static json_object *ensure_array(json_object *o, const char *key)
{
    json_object *value = kiln_document_array(o, key);
    if (value == NULL) {
        value = json_object_new_array();
        json_object_object_add(o, key, value);
    }
    return value;
}

/* The "config" object for writing. */
static json_object *inner(KilnConfig *c)
{
    return ensure_object(c->top, "config");
}

/* For reading; NULL if there is none. */
static json_object *peek(const KilnConfig *c)
{
    return kiln_document_object(c->top, "config");
}

/* JSON is UTF-8; a Dockerfile need not be. As in Go, each other byte becomes U+FFFD. */
static json_object *new_string(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    return json_object_new_string(valid);
}

static void set_string(json_object *o, const char *key, const char *value)
{
    if (value == NULL)
        json_object_object_del(o, key);
    else
        json_object_object_add(o, key, new_string(value));
}

KilnConfig *kiln_config_new(const KilnPlatform *platform)
{
    KilnConfig *c = wrap(json_object_new_object());
    set_string(c->top, "architecture", platform->architecture);
    set_string(c->top, "os", platform->os);
    set_string(c->top, "variant", platform->variant);
    kiln_config_set_env(c, "PATH", DEFAULT_PATH);
    set_string(inner(c), "WorkingDir", "/");
    kiln_config_set_diff_ids(c, (const char *const[]){NULL});
    ensure_array(c->top, "history");
    return c;
}

KilnConfig *kiln_config_parse(const char *json, gsize size, GError **error)
{
    json_object *top = kiln_document_parse(json, size, false, "the image config", error);
    return top != NULL ? wrap(top) : NULL;
}

KilnConfig *kiln_config_copy(const KilnConfig *c)
{
    json_object *top = NULL;
    if (json_object_deep_copy(c->top, &top, NULL) < 0)
        g_error("out of memory while copying an image config");
    return wrap(top);
}

void kiln_config_free(KilnConfig *c)
{
    if (c == NULL)
        return;
    json_object_put(c->top);
    g_free(c);
}

char *kiln_config_dump(const KilnConfig *c, gsize *size)
{
    return kiln_document_dump(c->top, true, size);
}

json_object *kiln_config_json(const KilnConfig *c)
{
    return c->top;
}

/* The position of NAME=… in the environment, -1 if it is not there. */
static gssize find_env(json_object *env, const char *name)
{
    size_t length = strlen(name);
    for (size_t i = 0; env != NULL && i < json_object_array_length(env); i++) {
        const char *text = json_object_get_string(json_object_array_get_idx(env, i));
        if (text != NULL && strncmp(text, name, length) == 0 && text[length] == '=')
            return (gssize)i;
    }
    return -1;
}

const char *kiln_config_env(const KilnConfig *c, const char *name)
{
    json_object *env = kiln_document_array(peek(c), "Env");
    gssize i = find_env(env, name);
    if (i < 0)
        return NULL;
    return json_object_get_string(json_object_array_get_idx(env, (size_t)i)) + strlen(name) + 1;
}

void kiln_config_set_env(KilnConfig *c, const char *name, const char *value)
{
    json_object *env = ensure_array(inner(c), "Env");
    g_autofree char *text = g_strconcat(name, "=", value, NULL);
    gssize i = find_env(env, name);
    if (i < 0)
        json_object_array_add(env, new_string(text));
    else
        json_object_array_put_idx(env, (size_t)i, new_string(text));
}

char **kiln_config_environ(const KilnConfig *c)
{
    char **list = kiln_document_strings(peek(c), "Env");
    return list != NULL ? list : g_new0(char *, 1);
}

const char *kiln_config_string(const KilnConfig *c, const char *field)
{
    return kiln_document_string(peek(c), field);
}

void kiln_config_set_string(KilnConfig *c, const char *field, const char *value)
{
    set_string(inner(c), field, value);
}

char **kiln_config_list(const KilnConfig *c, const char *field)
{
    return kiln_document_strings(peek(c), field);
}

static json_object *new_list(const char *const *list)
{
    json_object *array = json_object_new_array();
    for (; *list != NULL; list++)
        json_object_array_add(array, new_string(*list));
    return array;
}

void kiln_config_set_list(KilnConfig *c, const char *field, const char *const *list)
{
    if (list == NULL)
        json_object_object_del(inner(c), field);
    else
        json_object_object_add(inner(c), field, new_list(list));
}

void kiln_config_add_to_set(KilnConfig *c, const char *field, const char *key)
{
    g_autofree char *valid = g_utf8_make_valid(key, -1);
    json_object_object_add(ensure_object(inner(c), field), valid, json_object_new_object());
}

void kiln_config_set_label(KilnConfig *c, const char *name, const char *value)
{
    g_autofree char *valid = g_utf8_make_valid(name, -1);
    set_string(ensure_object(inner(c), "Labels"), valid, value);
}

void kiln_config_set_healthcheck(KilnConfig *c, json_object *healthcheck)
{
    json_object_object_add(inner(c), "Healthcheck", healthcheck);
}

void kiln_config_set_top(KilnConfig *c, const char *field, const char *value)
{
    set_string(c->top, field, value);
}

void kiln_config_add_history(KilnConfig *c, const char *created, const char *created_by,
                             const char *comment, bool empty_layer)
{
    json_object *entry = json_object_new_object();
    /* in the order of the document that is written (kiln_document_dump()), which has not to be made anew then */
    if (comment != NULL)
        set_string(entry, "comment", comment);
    if (created != NULL)
        set_string(entry, "created", created);
    if (created_by != NULL)
        set_string(entry, "created_by", created_by);
    if (empty_layer)
        json_object_object_add(entry, "empty_layer", json_object_new_boolean(true));
    json_object_array_add(ensure_array(c->top, "history"), entry);
}

void kiln_config_set_diff_ids(KilnConfig *c, const char *const *diff_ids)
{
    json_object *rootfs = ensure_object(c->top, "rootfs");
    set_string(rootfs, "type", "layers");
    json_object_object_add(rootfs, "diff_ids", new_list(diff_ids));
}

char **kiln_config_diff_ids(const KilnConfig *c)
{
    char **list = kiln_document_strings(kiln_document_object(c->top, "rootfs"), "diff_ids");
    return list != NULL ? list : g_new0(char *, 1);
}

KilnPlatform *kiln_config_platform(const KilnConfig *c)
{
    const char *os = kiln_document_string(c->top, "os");
    const char *architecture = kiln_document_string(c->top, "architecture");
    return kiln_platform_new(os != NULL ? os : "linux",
                             architecture != NULL ? architecture : "unknown",
                             kiln_document_string(c->top, "variant"));
}

static bool invalid(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);
static bool invalid(GError **error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(error, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_FORMAT, "the image config is wrong: %s",
                text);
    return false;
}

bool kiln_config_validate(const KilnConfig *c, GError **error)
{
    json_object *rootfs = kiln_document_object(c->top, "rootfs");
    if (rootfs == NULL)
        return invalid(error, "it has no rootfs");
    const char *type = kiln_document_string(rootfs, "type");
    if (type != NULL && strcmp(type, "layers") != 0)
        return invalid(error, "its rootfs is of type \"%s\", not \"layers\"", type);
    json_object *ids = kiln_document_array(rootfs, "diff_ids");
    size_t n = ids != NULL ? json_object_array_length(ids) : 0;
    for (size_t i = 0; i < n; i++) {
        json_object *id = json_object_array_get_idx(ids, i);
        const char *text =
            json_object_is_type(id, json_type_string) ? json_object_get_string(id) : "";
        uint8_t bytes[KILN_SHA256_SIZE];
        if (!kiln_digest_parse(text, bytes))
            return invalid(error, "diff_ids[%zu] is \"%s\", not a sha256 digest", i, text);
    }
    json_object *history = kiln_document_array(c->top, "history");
    size_t entries = history != NULL ? json_object_array_length(history) : 0, layers = 0;
    for (size_t i = 0; i < entries; i++) {
        json_object *entry = json_object_array_get_idx(history, i), *empty = NULL;
        if (!json_object_is_type(entry, json_type_object))
            return invalid(error, "history[%zu] is not an object", i);
        json_object_object_get_ex(entry, "empty_layer", &empty);
        layers += !json_object_get_boolean(empty);
    }
    /* history is optional */
    if (entries > 0 && layers != n)
        return invalid(error, "its history speaks of %zu layers, its rootfs of %zu", layers, n);
    return true;
}

char *kiln_time_format(gint64 seconds, guint nanoseconds)
{
    time_t t = (time_t)seconds;
    struct tm tm;
    if (gmtime_r(&t, &tm) == NULL) {
        t = 0;
        gmtime_r(&t, &tm);
    }
    g_autoptr(GString) text = g_string_new(NULL);
    g_string_printf(text, "%04d-%02d-%02dT%02d:%02d:%02d", tm.tm_year + 1900, tm.tm_mon + 1,
                    tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
    if (nanoseconds != 0) {
        g_string_append_printf(text, ".%09u", nanoseconds);
        while (text->str[text->len - 1] == '0') /* as Go's RFC3339Nano does */
            g_string_truncate(text, text->len - 1);
    }
    g_string_append_c(text, 'Z');
    return g_string_free(g_steal_pointer(&text), FALSE);
}
