/* Prints the plan of each Dockerfile as a line of JSON, every base being an empty image: what
 * scripts/conformance-plan holds against another planner. Not a test; built on demand.
 *
 *   plan-dump [--target T] [--build-arg K=V]… FILE…    (without FILE: paths on standard input) */
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "plan/plan.h"

static json_object *text(const char *value)
{
    if (!value)
        return NULL;
    g_autofree char *valid = g_utf8_make_valid(value, -1);
    return json_object_new_string(valid);
}

static json_object *texts(char *const *list)
{
    json_object *array = json_object_new_array();
    for (; list && *list; list++)
        json_object_array_add(array, text(*list));
    return array;
}

static json_object *origin(const KilnOrigin *o)
{
    static const char *const kinds[] = {"context", "stage", "image", "named"};
    json_object *object = json_object_new_object();
    json_object_object_add(object, "kind", text(kinds[o->kind]));
    json_object_object_add(object, "step",
                           o->step ? json_object_new_int((int)o->step->index) : NULL);
    return object;
}

static json_object *mounts(const GArray *list)
{
    static const char *const types[] = {"bind", "cache", "tmpfs", "secret", "ssh"};
    static const char *const sharing[] = {"shared", "private", "locked"};
    json_object *array = json_object_new_array();
    for (guint i = 0; list && i < list->len; i++) {
        const KilnMount *m = &g_array_index(list, KilnMount, i);
        json_object *o = json_object_new_object();
        json_object_object_add(o, "type", text(types[m->type]));
        json_object_object_add(o, "target", text(m->target));
        json_object_object_add(o, "source", text(m->source));
        json_object_object_add(o, "id", text(m->id));
        json_object_object_add(o, "from", origin(&m->from));
        json_object_object_add(o, "sharing", text(sharing[m->sharing]));
        json_object_object_add(o, "readonly", json_object_new_boolean(m->readonly));
        json_object_object_add(o, "size", json_object_new_uint64(m->size));
        json_object_object_add(o, "mode", json_object_new_int64(m->mode));
        json_object_object_add(o, "uid", json_object_new_int64(m->uid));
        json_object_object_add(o, "gid", json_object_new_int64(m->gid));
        json_object_array_add(array, o);
    }
    return array;
}

static void add_copy(json_object *o, const KilnStep *s)
{
    json_object *inlines = json_object_new_array();
    for (guint i = 0; i < s->inlines->len; i++) {
        const KilnInline *file = &g_array_index(s->inlines, KilnInline, i);
        json_object *pair = json_object_new_array();
        json_object_array_add(pair, text(file->name));
        json_object_array_add(pair, text(file->content));
        json_object_array_add(inlines, pair);
    }
    json_object_object_add(o, "from", origin(&s->from));
    json_object_object_add(o, "sources", texts(s->sources));
    json_object_object_add(o, "inlines", inlines);
    json_object_object_add(o, "dest", text(s->dest));
    json_object_object_add(o, "chown", text(s->chown));
    json_object_object_add(o, "chmod", text(s->chmod));
    json_object_object_add(o, "unpack", json_object_new_boolean(s->add));
    json_object_object_add(o, "link", json_object_new_boolean(s->link));
    json_object_object_add(o, "parents", json_object_new_boolean(s->parents));
    json_object_object_add(o, "excludes", texts(s->excludes));
}

static void add_run(json_object *o, const KilnStep *s)
{
    json_object_object_add(o, "argv", texts(s->argv));
    json_object_object_add(o, "env", texts(s->env));
    json_object_object_add(o, "proxy_env", texts(s->proxy_env));
    json_object_object_add(o, "script", text(s->script));
    json_object_object_add(o, "mounts", mounts(s->mounts));
}

static json_object *step(const KilnStep *s)
{
    static const char *const kinds[] = {"from", "run", "copy", "workdir"};
    json_object *o = json_object_new_object();
    json_object_object_add(o, "kind", text(kinds[s->kind]));
    json_object_object_add(o, "line", json_object_new_int((int)s->place.line));
    json_object_object_add(o, "name", text(s->name));
    json_object_object_add(o, "parent",
                           s->parent ? json_object_new_int((int)s->parent->index) : NULL);
    json_object_object_add(o, "user", text(s->user));
    json_object_object_add(o, "workdir", text(s->workdir));
    if (s->kind == KILN_STEP_RUN)
        add_run(o, s);
    else if (s->kind == KILN_STEP_COPY)
        add_copy(o, s);
    return o;
}

static json_object *warning(const KilnDockerfileWarning *w)
{
    json_object *o = json_object_new_object();
    json_object_object_add(o, "rule", text(w->rule));
    json_object_object_add(o, "line", json_object_new_int((int)w->place.line));
    json_object_object_add(o, "message", text(w->text));
    return o;
}

static json_object *plan_json(const KilnDockerfile *file, const KilnPlan *plan)
{
    json_object *o = json_object_new_object();
    json_object *steps = json_object_new_array(), *history = json_object_new_array();
    json_object *warnings = json_object_new_array();
    for (guint i = 0; i < plan->steps->len; i++)
        json_object_array_add(steps, step(g_ptr_array_index(plan->steps, i)));
    for (guint i = 0; i < plan->history->len; i++) {
        const KilnHistory *h = g_ptr_array_index(plan->history, i);
        json_object *entry = json_object_new_object();
        json_object_object_add(entry, "created_by", text(h->created_by));
        json_object_object_add(entry, "empty", json_object_new_boolean(!h->step));
        json_object_array_add(history, entry);
    }
    for (guint i = 0; i < file->warnings->len; i++)
        json_object_array_add(warnings, warning(g_ptr_array_index(file->warnings, i)));
    for (guint i = 0; i < plan->warnings->len; i++)
        json_object_array_add(warnings, warning(g_ptr_array_index(plan->warnings, i)));
    json_object_object_add(o, "config", json_object_get(kiln_config_json(plan->config)));
    json_object_object_add(o, "history", history);
    json_object_object_add(o, "steps", steps);
    json_object_object_add(o, "warnings", warnings);
    return o;
}

static KilnResolved *empty_base(const char *name, const KilnPlatform *platform, void *data,
                                GError **error)
{
    (void)name, (void)data, (void)error;
    KilnResolved *r = g_new0(KilnResolved, 1);
    g_autofree char *json = g_strdup_printf("{\"architecture\":\"%s\",\"os\":\"%s\",\"config\":{},"
                                            "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}",
                                            platform->architecture, platform->os);
    r->config = kiln_config_parse(json, strlen(json), NULL);
    r->image_id = g_strdup("empty");
    return r;
}

static json_object *dump(const char *path, KilnPlanOptions *options)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *content = NULL;
    gsize length;
    json_object *o = NULL;
    if (g_file_get_contents(path, &content, &length, &error)) {
        g_autoptr(KilnDockerfile) file = kiln_dockerfile_parse(content, length, "", &error);
        g_autoptr(KilnPlan) plan = file ? kiln_plan_new(file, options, &error) : NULL;
        if (plan)
            o = plan_json(file, plan);
    }
    if (!o)
        o = json_object_new_object();
    json_object_object_add(o, "file", text(path));
    json_object_object_add(o, "error", error ? text(error->message) : NULL);
    return o;
}

int main(int argc, char **argv)
{
    g_autofree char *target = NULL;
    g_auto(GStrv) build_args = NULL, paths = NULL;
    const GOptionEntry entries[] = {
        {"target", 0, 0, G_OPTION_ARG_STRING, &target, "Stage", "STAGE"},
        {"build-arg", 0, 0, G_OPTION_ARG_STRING_ARRAY, &build_args, "Build argument", "K=V"},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &paths, NULL, "FILE…"},
        G_OPTION_ENTRY_NULL};
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_autoptr(GError) error = NULL;
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error)) {
        g_printerr("%s\n", error->message);
        return 2;
    }
    KilnPlanOptions options = {
        .target = target, .build_args = (const char *const *)build_args, .resolve = empty_base};
    char line[4096];
    for (guint i = 0;; i++) {
        const char *path = paths ? paths[i] : fgets(line, sizeof line, stdin);
        if (!path)
            return 0;
        line[strcspn(line, "\n")] = '\0';
        json_object *o = dump(path, &options);
        puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN |
                                                   JSON_C_TO_STRING_NOSLASHESCAPE));
        json_object_put(o);
    }
}
