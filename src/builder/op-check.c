/* The operation "check": what is wrong, or could be better, in a Dockerfile and its context. The document is that of
 * `docker buildx build --call=check,format=json`, with "fix" and "suggestions" added. */
#include "builder/definition.h"
#include "check/rules.h"
#include "dockerfile/lint.h"

#include <string.h>

static json_object *text(const char *s)
{
    g_autofree char *valid = g_utf8_make_valid(s, -1); /* JSON is */
    return json_object_new_string(valid);
}

static json_object *position(guint line)
{
    json_object *o = json_object_new_object();
    json_object_object_add(o, "line", json_object_new_int((int)line));
    return o;
}

/* Ranges are lines, as BuildKit's are: it knows no columns. */
static json_object *location(guint line, guint end)
{
    json_object *o = json_object_new_object(), *ranges = json_object_new_array();
    json_object *range = json_object_new_object();
    json_object_object_add(o, "ranges", ranges);
    if (line == 0) {
        json_object_put(range);
        return o;
    }
    json_object_object_add(range, "start", position(line));
    json_object_object_add(range, "end", position(end));
    json_object_array_add(ranges, range);
    return o;
}

/* What is said of a keyword or a word is said of its instruction. */
static guint end_line(const KilnDefinition *d, const KilnPlace *place)
{
    for (guint n = 0; n < d->dockerfile->instructions->len; n++) {
        const KilnInstruction *i = d->dockerfile->instructions->pdata[n];
        if (i->place.line <= place->line && place->line <= i->place.end_line && i->place.line == place->line)
            return i->place.end_line;
    }
    return MAX(place->line, place->end_line);
}

static json_object *warning(const KilnDefinition *d, const KilnDockerfileWarning *w)
{
    const KilnCheckRule *rule = kiln_check_rule(w->rule);
    g_autofree char *url = rule ? kiln_check_rule_url(rule) : NULL;
    json_object *o = json_object_new_object();
    json_object_object_add(o, "ruleName", json_object_new_string(w->rule));
    if (rule)
        json_object_object_add(o, "description", json_object_new_string(rule->description));
    if (url)
        json_object_object_add(o, "url", json_object_new_string(url));
    json_object_object_add(o, "detail", text(w->text));
    json_object_object_add(o, "location", location(w->place.line, end_line(d, &w->place)));
    json_object *fix = w->fix ? json_object_new_array() : NULL;
    for (char **line = w->fix; line && *line; line++)
        json_object_array_add(fix, text(*line));
    if (fix)
        json_object_object_add(o, "fix", fix);
    return o;
}

static json_object *sources(const KilnDefinition *d)
{
    json_object *o = json_object_new_object(), *list = json_object_new_array();
    g_autofree char *data = g_base64_encode((const guchar *)d->text, d->size);
    json_object_object_add(o, "filename", text(d->dockerfile->name));
    json_object_object_add(o, "data", json_object_new_string(data));
    json_object_object_add(o, "language", json_object_new_string("Dockerfile"));
    json_object_array_add(list, o);
    return list;
}

/* Errors say "NAME:LINE:COLUMN: what is wrong", with the quoted line beneath, which the front quotes itself. */
static json_object *build_error(const KilnDefinition *d, const char *message)
{
    json_object *o = json_object_new_object();
    gsize length = strlen(d->dockerfile->name);
    guint line = 0;
    if (strncmp(message, d->dockerfile->name, length) == 0 && message[length] == ':') {
        char *end;
        line = (guint)g_ascii_strtoull(message + length + 1, &end, 10);
        if (line > 0 && *end == ':') {
            end++;
            end += strspn(end, "0123456789");
            message = g_str_has_prefix(end, ": ") ? end + 2 : end;
        }
    }
    g_autofree char *first = g_strndup(message, strcspn(message, "\n"));
    json_object_object_add(o, "message", text(first));
    json_object_object_add(o, "location", location(line, line));
    return o;
}

/* The first mistake; all of them, where there are several, as "errors". */
static void add_errors(const KilnDefinition *d, const GError *failure, json_object *o)
{
    json_object *all = json_object_new_array();
    for (guint n = 0; n < d->errors->len; n++)
        json_object_array_add(all, build_error(d, ((GError *)d->errors->pdata[n])->message));
    if (d->errors->len == 0)
        json_object_array_add(all, build_error(d, failure->message));
    json_object_object_add(o, "buildError", json_object_get(json_object_array_get_idx(all, 0)));
    if (d->errors->len > 1)
        json_object_object_add(o, "errors", json_object_get(all));
    json_object_put(all);
}

static gpointer copy_warning(gconstpointer warning, gpointer data)
{
    const KilnDockerfileWarning *w = warning;
    KilnDockerfileWarning *copy = g_new0(KilnDockerfileWarning, 1);
    (void)data;
    *copy = (KilnDockerfileWarning){g_strdup(w->text), w->place, w->rule, g_strdupv(w->fix)};
    return copy;
}

static json_object *document(const KilnDefinition *d, const GError *failure)
{
    g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func((GDestroyNotify)kiln_warning_free);
    g_ptr_array_extend(all, d->dockerfile->warnings, copy_warning, NULL);
    g_ptr_array_extend(all, d->warnings, copy_warning, NULL);
    if (d->errors->len == 0)
        kiln_definition_check_order(d, true, all);
    kiln_lint_sort(all);
    json_object *o = json_object_new_object();
    json_object *warnings = json_object_new_array(), *suggestions = json_object_new_array();
    for (guint n = 0; n < all->len; n++) {
        const KilnDockerfileWarning *w = all->pdata[n];
        const KilnCheckRule *rule = kiln_check_rule(w->rule);
        json_object_array_add(rule && rule->info ? suggestions : warnings, warning(d, w));
    }
    json_object_object_add(o, "warnings", warnings);
    json_object_object_add(o, "suggestions", suggestions);
    json_object_object_add(o, "sources", sources(d));
    if (failure)
        add_errors(d, failure, o);
    return o;
}

json_object *kiln_operation_check(KilnOperation *op, GError **error)
{
    g_autoptr(KilnDefinition) d = kiln_definition_read_all(op, error);
    if (!d)
        return NULL;
    /* Without a target all stages are checked, as in BuildKit. */
    d->all_stages = !kiln_request_text(op->request, "target");
    g_autoptr(GError) failure = NULL;
    KilnPlan *plan = kiln_definition_plan(d, &failure); /* for its warnings alone */
    g_clear_pointer(&plan, kiln_plan_free);
    return document(d, failure);
}
