#include "report/wire.h"

#include <math.h>
#include <string.h>

static const char *const type_names[] = {
    [KILN_EVENT_STEP_START] = "step_start",
    [KILN_EVENT_STEP_LOG] = "step_log",
    [KILN_EVENT_STEP_PROGRESS] = "step_progress",
    [KILN_EVENT_STEP_DONE] = "step_done",
    [KILN_EVENT_WARNING] = "warning",
    [KILN_EVENT_CONSOLE] = "console",
    [KILN_EVENT_ERROR] = "error",
    [KILN_EVENT_RESULT] = "result",
};

static const char *const verdict_names[] = {
    [KILN_VERDICT_NONE] = "none",         [KILN_VERDICT_DONE] = "done",
    [KILN_VERDICT_CACHED] = "cached",     [KILN_VERDICT_ERROR] = "error",
    [KILN_VERDICT_CANCELED] = "canceled",
};

static int name_index(const char *const *names, guint n, const char *name)
{
    for (guint i = 0; i < n; i++) {
        if (strcmp(names[i], name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

static void add_string(json_object *json, const char *key, const char *value)
{
    if (!value) {
        return;
    }
    if (g_utf8_validate(value, -1, NULL)) {
        json_object_object_add(json, key, json_object_new_string(value));
    } else {
        g_autofree char *valid = g_utf8_make_valid(value, -1);
        json_object_object_add(json, key, json_object_new_string(valid));
    }
}

static void add_seconds(json_object *json, double seconds)
{
    if (seconds > 0 && isfinite(seconds)) {
        char text[32];
        g_ascii_formatd(text, sizeof text, "%.6f", seconds);
        json_object_object_add(json, "seconds", json_object_new_double_s(seconds, text));
    }
}

static void add_int(json_object *json, const char *key, int64_t value)
{
    if (value != 0) {
        json_object_object_add(json, key, json_object_new_int64(value));
    }
}

/* The result is a document inside the document, for readers of --progress=rawjson. */
static void add_data(json_object *json, const char *data)
{
    if (!data) {
        return;
    }
    json_object *document = json_tokener_parse(data);
    json_object_object_add(json, "data", document ? document : json_object_new_string(data));
}

json_object *kiln_event_to_json(const KilnEvent *e)
{
    json_object *json = json_object_new_object();
    json_object_object_add(json, "event", json_object_new_string(type_names[e->type]));
    add_int(json, "step", e->step);
    add_string(json, "name", e->name);
    add_string(json, "text", e->text);
    add_string(json, "rule", e->rule);
    if (e->verdict != KILN_VERDICT_NONE) {
        add_string(json, "verdict", verdict_names[e->verdict]);
    }
    add_seconds(json, e->seconds);
    add_int(json, "done", e->done);
    add_int(json, "total", e->total);
    add_int(json, "exit_code", e->exit_code);
    add_data(json, e->data);
    return json;
}

static const char *get_string(json_object *json, const char *key)
{
    json_object *value;
    if (!json_object_object_get_ex(json, key, &value) ||
        !json_object_is_type(value, json_type_string)) {
        return NULL;
    }
    return json_object_get_string(value);
}

static int64_t get_int(json_object *json, const char *key)
{
    json_object *value;
    return json_object_object_get_ex(json, key, &value) && json_object_is_type(value, json_type_int)
               ? json_object_get_int64(value)
               : 0;
}

static double get_seconds(json_object *json)
{
    json_object *value;
    if (!json_object_object_get_ex(json, "seconds", &value) ||
        !(json_object_is_type(value, json_type_double) ||
          json_object_is_type(value, json_type_int))) {
        return 0;
    }
    double seconds = json_object_get_double(value);
    return isfinite(seconds) && seconds > 0 ? seconds : 0;
}

static const char *get_data(json_object *json)
{
    json_object *value;
    if (!json_object_object_get_ex(json, "data", &value)) {
        return NULL;
    }
    /* json-c keeps the text with the object, so it lives as long as `json`. */
    return json_object_is_type(value, json_type_string)
               ? json_object_get_string(value)
               : json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN |
                                                           JSON_C_TO_STRING_NOSLASHESCAPE);
}

bool kiln_event_from_json(json_object *json, KilnEvent *out)
{
    memset(out, 0, sizeof *out);
    if (!json_object_is_type(json, json_type_object)) {
        return false;
    }
    const char *name = get_string(json, "event");
    int type = name ? name_index(type_names, G_N_ELEMENTS(type_names), name) : -1;
    if (type < 0) {
        return false;
    }
    const char *verdict = get_string(json, "verdict");
    int v = verdict ? name_index(verdict_names, G_N_ELEMENTS(verdict_names), verdict) : 0;
    out->type = (KilnEventType)type;
    out->step = (unsigned)CLAMP(get_int(json, "step"), 0, G_MAXINT32);
    out->name = get_string(json, "name");
    out->text = get_string(json, "text");
    out->rule = get_string(json, "rule");
    out->verdict = v < 0 ? KILN_VERDICT_NONE : (KilnVerdict)v;
    out->seconds = get_seconds(json);
    out->done = get_int(json, "done");
    out->total = get_int(json, "total");
    out->exit_code = (int)CLAMP(get_int(json, "exit_code"), 0, 255);
    out->data = get_data(json);
    return true;
}
