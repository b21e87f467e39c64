/* why: what made the steps of a kept build run, or what a cached one is known by. */
#include "build/past.h"
#include "builder/operation.h"

#include <string.h>

#define BUILD_ERROR(error, ...) g_set_error(error, KILN_OPERATION_ERROR, 1, __VA_ARGS__)

/* "2/5", "builder 2/5", the number of a line, or a part of its text. */
static bool is_meant(const KilnBuildStepRow *row, const char *step)
{
    char *end;
    gint64 line = g_ascii_strtoll(step, &end, 10);
    if (end != step && *end == '\0')
        return row->line == line;
    g_autofree char *number = g_strdup_printf("%s]", step);
    const char *bracket = strstr(row->name, "] ");
    if (bracket && strchr(step, '/')) {
        g_autofree char *label = g_strndup(row->name + 1, (gsize)(bracket - row->name));
        if (strcmp(label, number) == 0 || (g_str_has_suffix(label, number) && label[strlen(label) - strlen(number) - 1] == ' '))
            return true;
    }
    return strstr(row->name, step) != NULL;
}

static void add_text(json_object *o, const char *key, const char *text)
{
    g_autofree char *valid = text ? g_utf8_make_valid(text, -1) : NULL;
    if (valid)
        json_object_object_add(o, key, json_object_new_string(valid));
}

static json_object *differences_json(const KilnDifferences *d)
{
    json_object *list = json_object_new_array();
    for (guint i = 0; i < kiln_differences_length(d); i++) {
        const KilnDifference *one = kiln_differences_get(d, i);
        json_object *o = json_object_new_object();
        g_autofree char *text = kiln_difference_text(one);
        if (strcmp(one->what, "input") == 0) {
            json_object_put(o);
            continue;
        }
        add_text(o, "what", one->what);
        add_text(o, "name", one->name);
        add_text(o, "before", one->before);
        add_text(o, "after", one->after);
        add_text(o, "text", text);
        json_object_array_add(list, o);
    }
    return list;
}

static json_object *parts_json(const KilnKeyParts *parts)
{
    json_object *list = json_object_new_array();
    for (guint i = 0; i < kiln_key_parts_length(parts); i++) {
        const KilnKeyPart *part = kiln_key_parts_get(parts, i);
        json_object *o = json_object_new_object();
        add_text(o, "what", part->what);
        add_text(o, "name", part->name);
        add_text(o, "value", part->value);
        json_object_array_add(list, o);
    }
    return list;
}

/* The way to the first cause, a step each. */
static json_object *why_json(const KilnWhy *w, const char *name)
{
    json_object *list = json_object_new_array();
    for (; w; name = w->input, w = w->first) {
        json_object *o = json_object_new_object();
        add_text(o, "step", name);
        add_text(o, "line", w->line);
        if (w->since)
            json_object_object_add(o, "since", json_object_new_int64(w->since));
        if (w->differences) {
            json_object_object_add(o, "differences", differences_json(w->differences));
            json_object_object_add(o, "files", json_object_new_int64(kiln_differences_n_files(w->differences)));
        }
        json_object_array_add(list, o);
    }
    return list;
}

/* follows: to the first cause; else only to what the build has made anew itself, which is shown with its own. */
static json_object *step_json(KilnStore *store, KilnPast *past, const KilnBuildStepRow *row, bool follows)
{
    json_object *o = json_object_new_object();
    add_text(o, "name", row->name);
    add_text(o, "verdict", row->verdict);
    add_text(o, "key", row->key);
    add_text(o, "cause", row->cause);
    json_object_object_add(o, "line", json_object_new_int64(row->line));
    json_object_object_add(o, "duration", json_object_new_int64(row->duration));
    KilnRecord record = {0};
    if (row->key && kiln_record_lookup(store, row->key, &record))
        json_object_object_add(o, "record_duration", json_object_new_int64(record.duration));
    kiln_record_clear(&record);
    bool cached = strcmp(row->verdict, "cached") == 0;
    g_autoptr(GBytes) bytes = row->key ? kiln_key_parts(store, row->key) : NULL;
    g_autoptr(KilnKeyParts) parts = bytes ? kiln_key_parts_read(bytes) : NULL;
    if (cached && parts)
        json_object_object_add(o, "parts", parts_json(parts));
    g_autoptr(KilnWhy) why = cached || !row->key ? NULL : kiln_past_why(past, row->name, row->key, NULL, follows);
    if (why)
        json_object_object_add(o, "why", why_json(why, row->name));
    if (why && !follows)
        add_text(o, "input", why->input);
    return o;
}

static json_object *build_json(const KilnBuildRow *build)
{
    json_object *o = json_object_new_object();
    json_object_object_add(o, "id", json_object_new_int64(build->id));
    json_object_object_add(o, "started", json_object_new_int64(build->started));
    add_text(o, "status", build->status);
    add_text(o, "context", build->context);
    add_text(o, "dockerfile", build->dockerfile);
    return o;
}

static const char *text_of(json_object *o, const char *key)
{
    json_object *value;
    return json_object_object_get_ex(o, key, &value) ? json_object_get_string(value) : NULL;
}

/* Without a step: those that were executed. */
static json_object *steps_json(KilnStore *store, const KilnBuildRow *build, const char *step, GError **error)
{
    g_autoptr(GPtrArray) rows = kiln_build_steps(store, build->id, error);
    if (!rows)
        return NULL;
    g_autoptr(KilnPast) past = kiln_past_new(store, build->project, build->id);
    json_object *list = json_object_new_array();
    g_autoptr(GHashTable) shown = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint i = 0; i < rows->len; i++) {
        const KilnBuildStepRow *row = rows->pdata[i];
        if (!(step ? is_meant(row, step) : strcmp(row->verdict, "cached") != 0))
            continue;
        json_object *o = step_json(store, past, row, step != NULL);
        const char *input = text_of(o, "input");
        if (input && !g_hash_table_contains(shown, input)) { /* it was cached, and is another all the same */
            json_object_put(o);
            o = step_json(store, past, row, true);
        }
        json_object_array_add(list, o);
        g_hash_table_add(shown, row->name);
    }
    if (!step || json_object_array_length(list))
        return list;
    json_object_put(list);
    BUILD_ERROR(error, "build %" G_GINT64_FORMAT " has no step \"%s\"; \"kiln history %" G_GINT64_FORMAT
                "\" lists them", build->id, step, build->id);
    return NULL;
}

json_object *kiln_operation_why(KilnOperation *op, GError **error)
{
    const char *which = kiln_request_text(op->request, "build");
    GError *failure = NULL;
    g_autoptr(KilnBuildRow) build = op->store ? kiln_build_get(op->store, which ? which : "last", &failure) : NULL;
    if (!build && (!failure || (!which && g_error_matches(failure, KILN_STORE_ERROR, KILN_STORE_ERROR_NOT_FOUND)))) {
        g_clear_error(&failure);
        BUILD_ERROR(error, "no build is known here yet: run \"kiln build\" first (with the same --root)");
        return NULL;
    }
    if (!build) {
        g_propagate_error(error, failure);
        return NULL;
    }
    json_object *steps = steps_json(op->store, build, kiln_request_text(op->request, "step"), error);
    if (!steps)
        return NULL;
    json_object *result = json_object_new_object();
    json_object_object_add(result, "build", build_json(build));
    json_object_object_add(result, "steps", steps);
    return result;
}
