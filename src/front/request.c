#include "front/request.h"

#include <string.h>

GQuark kiln_error_quark(void)
{
    return g_quark_from_static_string("kiln-error-quark");
}

/* What the builder may know of the caller's environment. */
static const char *const passed_variables[] = {"TMPDIR", "KILN_DEBUG", "KILN_SNAPSHOTTER"};

static const char *const kept_here[] = {"libexec", "secrets", "ssh", NULL};

struct KilnRequest {
    char *operation;
    json_object *values; /* key → string, or array of strings */
};

KilnRequest *kiln_request_new(const char *operation)
{
    KilnRequest *r = g_new0(KilnRequest, 1);
    r->operation = g_strdup(operation);
    r->values = json_object_new_object();
    return r;
}

void kiln_request_free(KilnRequest *r)
{
    if (r) {
        g_free(r->operation);
        json_object_put(r->values);
        g_free(r);
    }
}

void kiln_request_set(KilnRequest *r, const char *key, const char *value)
{
    if (value) {
        json_object_object_add(r->values, key, json_object_new_string(value));
    } else {
        json_object_object_del(r->values, key);
    }
}

void kiln_request_add(KilnRequest *r, const char *key, const char *value)
{
    json_object *list;
    if (!json_object_object_get_ex(r->values, key, &list) ||
        !json_object_is_type(list, json_type_array)) {
        list = json_object_new_array();
        json_object_object_add(r->values, key, list);
    }
    json_object_array_add(list, json_object_new_string(value));
}

const char *kiln_request_get(const KilnRequest *r, const char *key)
{
    json_object *value;
    return json_object_object_get_ex(r->values, key, &value) &&
                   json_object_is_type(value, json_type_string)
               ? json_object_get_string(value)
               : NULL;
}

static json_object *with_environment(json_object *arguments)
{
    json_object *list = json_object_new_array();
    for (size_t i = 0; i < json_object_array_length(arguments); i++) {
        const char *text = json_object_get_string(json_object_array_get_idx(arguments, i));
        if (strchr(text, '=')) {
            json_object_array_add(list, json_object_new_string(text));
            continue;
        }
        const char *value = g_getenv(text);
        if (value) {
            g_autofree char *pair = g_strconcat(text, "=", value, NULL);
            json_object_array_add(list, json_object_new_string(pair));
        }
    }
    return list;
}

static json_object *environment(void)
{
    json_object *env = json_object_new_object();
    for (guint i = 0; i < G_N_ELEMENTS(passed_variables); i++) {
        const char *value = g_getenv(passed_variables[i]);
        if (value) {
            json_object_object_add(env, passed_variables[i], json_object_new_string(value));
        }
    }
    return env;
}

json_object *kiln_request_to_json(const KilnRequest *r)
{
    json_object *json = json_object_new_object();
    json_object_object_add(json, "op", json_object_new_string(r->operation));
    json_object_object_foreach(r->values, key, value)
    {
        bool arguments =
            strcmp(key, "build_args") == 0 && json_object_is_type(value, json_type_array);
        if (!g_strv_contains(kept_here, key)) {
            json_object_object_add(json, key,
                                   arguments ? with_environment(value) : json_object_get(value));
        }
    }
    if (!kiln_request_get(r, "root")) {
        g_autofree char *root = kiln_default_root();
        json_object_object_add(json, "root", json_object_new_string(root));
    }
    json_object_object_add(json, "env", environment());
    return json;
}

GPtrArray *kiln_request_values(const KilnRequest *r, const char *key)
{
    GPtrArray *values = g_ptr_array_new();
    json_object *list;
    if (json_object_object_get_ex(r->values, key, &list) &&
        json_object_is_type(list, json_type_array)) {
        for (size_t i = 0; i < json_object_array_length(list); i++) {
            const char *text = json_object_get_string(json_object_array_get_idx(list, i));
            g_ptr_array_add(values, (gpointer)text);
        }
    }
    return values;
}

bool kiln_request_is_stream(const KilnRequest *r, const char *key)
{
    return g_strcmp0(kiln_request_get(r, key), "-") == 0;
}

bool kiln_request_only_reads(const KilnRequest *r)
{
    /* "reads" in the builder's table */
    static const char *const reading[] = {"advise", "check", "history", "outline", "plan", "targets", "why", NULL};
    return g_strv_contains(reading, r->operation);
}

bool kiln_request_runs(const KilnRequest *r)
{
    return strcmp(r->operation, "run") == 0;
}
