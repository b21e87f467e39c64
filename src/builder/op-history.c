/* The operations "history", which tells of kept builds, and "history-rm". */
#include "build/history.h"
#include "builder/operation.h"

#include <string.h>

static void add_string(json_object *to, const char *key, const char *value)
{
    json_object_object_add(to, key, value ? json_object_new_string(value) : NULL);
}

static void add_number(json_object *to, const char *key, gint64 value)
{
    json_object_object_add(to, key, json_object_new_int64(value));
}

static json_object *build_new(const KilnBuildRow *b)
{
    json_object *o = json_object_new_object();
    json_object *names = json_object_new_array();
    g_auto(GStrv) list = g_strsplit(b->names ? b->names : "", " ", -1);
    for (char **name = list; *name; name++)
        if (**name)
            json_object_array_add(names, json_object_new_string(*name));
    add_number(o, "id", b->id);
    add_string(o, "status", b->status);
    add_number(o, "started", b->started);
    add_number(o, "duration", b->duration);
    json_object_object_add(o, "names", names);
    add_string(o, "context", b->context);
    add_string(o, "dockerfile", b->dockerfile);
    add_string(o, "target", b->target);
    add_string(o, "image", b->image);
    add_string(o, "error", b->error);
    return o;
}

static json_object *step_new(const KilnBuildStepRow *s)
{
    json_object *o = json_object_new_object();
    add_number(o, "index", s->position);
    add_string(o, "stage", s->stage);
    add_string(o, "name", s->name);
    add_number(o, "line", s->line);
    add_string(o, "verdict", s->verdict);
    add_string(o, "key", s->key);
    json_object_object_add(o, "size", s->size < 0 ? NULL : json_object_new_int64(s->size));
    add_number(o, "started", s->started);
    add_number(o, "duration", s->duration);
    add_string(o, "cause", s->cause);
    return o;
}

static json_object *list(const KilnOperation *op, GError **error)
{
    g_autoptr(GPtrArray) builds = op->store ? kiln_builds_list(op->store, NULL, 0, error) : g_ptr_array_new();
    if (!builds)
        return NULL;
    json_object *result = json_object_new_object(), *array = json_object_new_array();
    for (guint i = 0; i < builds->len; i++)
        json_object_array_add(array, build_new(builds->pdata[i]));
    json_object_object_add(result, "builds", array);
    return result;
}

/* Its events; lines that are none are left out. */
static json_object *log_new(KilnStore *store, gint64 build)
{
    json_object *events = json_object_new_array();
    gsize size = 0;
    g_autofree char *text = kiln_build_history_log(store, build, &size);
    for (char *line = text; line && *line;) {
        char *end = strchr(line, '\n');
        if (end)
            *end = '\0';
        json_object *event = json_tokener_parse(line);
        KilnEvent unused;
        if (event && kiln_event_from_json(event, &unused))
            json_object_array_add(events, event);
        else
            json_object_put(event);
        line = end ? end + 1 : NULL;
    }
    return events;
}

static json_object *one(const KilnOperation *op, const char *which, GError **error)
{
    g_autoptr(KilnBuildRow) build = kiln_build_get(op->store, which, error);
    g_autoptr(GPtrArray) steps = build ? kiln_build_steps(op->store, build->id, error) : NULL;
    if (!steps)
        return NULL;
    json_object *result = build_new(build), *array = json_object_new_array();
    for (guint i = 0; i < steps->len; i++)
        json_object_array_add(array, step_new(steps->pdata[i]));
    json_object_object_add(result, "steps", array);
    if (kiln_request_flag(op->request, "log"))
        json_object_object_add(result, "log", log_new(op->store, build->id));
    return result;
}

json_object *kiln_operation_history(KilnOperation *op, GError **error)
{
    const char *which = kiln_request_text(op->request, "build");
    if (!which)
        return list(op, error);
    if (op->store)
        return one(op, which, error);
    g_set_error(error, KILN_OPERATION_ERROR, 1, "no build is kept: there is no store at %s",
                kiln_request_text(op->request, "root"));
    return NULL;
}

json_object *kiln_operation_history_rm(KilnOperation *op, GError **error)
{
    g_autofree const char **which = kiln_request_list(op->request, "builds");
    g_autoptr(GPtrArray) builds = kiln_request_flag(op->request, "all")
                                      ? kiln_builds_list(op->store, NULL, 0, error)
                                      : g_ptr_array_new_with_free_func((GDestroyNotify)kiln_build_row_free);
    bool ok = builds != NULL;
    for (const char **w = which; *w && ok; w++) { /* all are found before one is removed: "^1" is what it was */
        KilnBuildRow *build = kiln_build_get(op->store, *w, error);
        ok = build != NULL;
        if (build)
            g_ptr_array_add(builds, build);
    }
    json_object *removed = json_object_new_array();
    for (guint i = 0; ok && i < builds->len; i++) {
        gint64 id = ((KilnBuildRow *)builds->pdata[i])->id;
        ok = kiln_build_remove(op->store, id, error);
        json_object_array_add(removed, json_object_new_int64(id));
    }
    if (!ok) {
        json_object_put(removed);
        return NULL;
    }
    json_object *result = json_object_new_object();
    json_object_object_add(result, "removed", removed);
    return result;
}
