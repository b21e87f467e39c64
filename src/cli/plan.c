/* kiln plan: the steps of a build, without running any. */
#include "cli/build.h"
#include "cli/table.h"

#include <stdio.h>
#include <string.h>

typedef enum { FORMAT_TEXT, FORMAT_JSON, FORMAT_DOT } Format;

static gint64 number_of(json_object *o, const char *key)
{
    json_object *value;
    return json_object_object_get_ex(o, key, &value) && value ? json_object_get_int64(value) : -1;
}

/* --- Text ------------------------------------------------------------------------------------- */

/* What a verdict is called; docs/kiln-plan.1 explains each. g_free(). */
static char *verdict_text(json_object *step)
{
    const char *verdict = kiln_result_string(step, "verdict");
    if (g_strcmp0(verdict, "unknown") == 0)
        return g_strdup_printf("unknown: depends on step %" G_GINT64_FORMAT,
                               number_of(step, "depends_on"));
    return g_strdup(g_strcmp0(verdict, "stored") == 0   ? "in store"
                    : g_strcmp0(verdict, "absent") == 0 ? "would be fetched"
                                                        : verdict);
}

/* Numbers of the steps that it stands on: the parent first. g_free(). */
static char *needs_text(json_object *step)
{
    GString *text = g_string_new(NULL);
    if (number_of(step, "parent") >= 0)
        g_string_append_printf(text, "%" G_GINT64_FORMAT, number_of(step, "parent"));
    json_object *needs = kiln_result_array(step, "needs");
    for (guint i = 0; i < kiln_array_length(needs); i++)
        g_string_append_printf(text, "%s%" G_GINT64_FORMAT, text->len ? "," : "",
                               json_object_get_int64(json_object_array_get_idx(needs, i)));
    return g_string_free(text->len ? text : g_string_append(text, "-"), FALSE);
}

/* One line, and not all of a long one. g_free(). */
static char *name_text(json_object *step)
{
    const char *name = kiln_result_string(step, "name");
    const glong limit = 72;
    g_autofree char *line = kiln_printable(name ? name : "");
    if (g_utf8_strlen(line, -1) <= limit)
        return g_steal_pointer(&line);
    g_autofree char *head = g_utf8_substring(line, 0, limit - 1);
    return g_strconcat(head, "…", NULL);
}

static void print_text(json_object *plan)
{
    static const char *const headings[] = {"STEP",    "LINE", "NEEDS", "KEY",
                                           "VERDICT", "NAME", NULL};
    g_autoptr(KilnTable) table = kiln_table_new(headings);
    json_object *steps = kiln_result_array(plan, "steps");
    for (guint i = 0; i < kiln_array_length(steps); i++) {
        json_object *step = json_object_array_get_idx(steps, i);
        const char *whole_key = kiln_result_string(step, "key");
        const char *hex = whole_key ? strchr(whole_key, ':') : NULL;
        g_autofree char *index = g_strdup_printf("%u", i);
        g_autofree char *line = g_strdup_printf("%" G_GINT64_FORMAT, number_of(step, "line"));
        g_autofree char *needs = needs_text(step), *name = name_text(step);
        g_autofree char *key = whole_key ? g_strndup(hex ? hex + 1 : whole_key, 12) : g_strdup("-");
        g_autofree char *verdict = verdict_text(step);
        kiln_table_add(table, (const char *const[]){index, line, needs, key, verdict, name});
    }
    g_autofree char *text = kiln_table_text(table);
    fputs(text, stdout);
}

/* --- Graphviz --------------------------------------------------------------------------------- */

/* A quoted string of the DOT language: only the quotation mark is escaped there, but in labels a
 * backslash begins an escape sequence (graphviz.org, "escString"). */
static void put_label(const char *text)
{
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            putchar('\\');
        putchar(*text);
    }
}

static void print_dot_step(json_object *step)
{
    static const struct {
        const char *verdict, *color;
    } colors[] = {{"stored", "palegreen"}, {"cached", "palegreen"}, {"miss", "khaki"},
                  {"absent", "khaki"},     {"unknown", "lightgray"}, {"error", "salmon"}};
    gint64 index = number_of(step, "index"), parent = number_of(step, "parent");
    g_autofree char *name = name_text(step), *verdict = verdict_text(step);
    const char *color = "white";
    for (guint i = 0; i < G_N_ELEMENTS(colors); i++)
        if (g_strcmp0(kiln_result_string(step, "verdict"), colors[i].verdict) == 0)
            color = colors[i].color;
    printf("  s%" G_GINT64_FORMAT " [label=\"%" G_GINT64_FORMAT ": ", index, index);
    put_label(name);
    printf("\\n%s\", fillcolor=%s];\n", verdict, color);
    if (parent >= 0)
        printf("  s%" G_GINT64_FORMAT " -> s%" G_GINT64_FORMAT ";\n", parent, index);
    json_object *needs = kiln_result_array(step, "needs");
    for (guint i = 0; i < kiln_array_length(needs); i++)
        printf("  s%" G_GINT64_FORMAT " -> s%" G_GINT64_FORMAT " [style=dashed];\n",
               json_object_get_int64(json_object_array_get_idx(needs, i)), index);
}

static void print_dot(json_object *plan)
{
    json_object *steps = kiln_result_array(plan, "steps");
    puts("digraph plan {\n  node [shape=box, style=filled];");
    for (guint i = 0; i < kiln_array_length(steps); i++)
        print_dot_step(json_object_array_get_idx(steps, i));
    puts("}");
}

/* --- Command ---------------------------------------------------------------------------------- */

/* Tells why the build would fail, if it is known to. */
static bool report_errors(json_object *plan)
{
    bool any = false;
    json_object *steps = kiln_result_array(plan, "steps");
    for (guint i = 0; i < kiln_array_length(steps); i++) {
        const char *text = kiln_result_string(json_object_array_get_idx(steps, i), "error");
        if (text)
            fprintf(stderr, "ERROR: %s\n", text);
        any = any || text;
    }
    return any;
}

static void print(json_object *plan, Format format)
{
    if (format == FORMAT_TEXT)
        print_text(plan);
    else if (format == FORMAT_DOT)
        print_dot(plan);
    else
        puts(json_object_to_json_string_ext(plan, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
                                                      JSON_C_TO_STRING_NOSLASHESCAPE));
}

static bool parse_format(const char *text, Format *format, GError **error)
{
    static const char *const names[] = {"text", "json", "dot", NULL};
    for (guint i = 0; names[i]; i++)
        if (strcmp(text, names[i]) == 0) {
            *format = (Format)i;
            return true;
        }
    g_set_error(error, KILN_ERROR, KILN_ERROR_USAGE,
                "--format %s is not supported; there are text, json and dot", text);
    return false;
}

static int plan(KilnCall *call, KilnBuildFlags *flags, Format format, GError **error)
{
    if (call->arguments->len == 0)
        g_ptr_array_add(call->arguments, (char *)".");
    flags->operation = "plan";
    g_autoptr(KilnRequest) request = kiln_build_request(call, flags, error);
    if (!request)
        return 0;
    json_object *result;
    int code = kiln_call_run(call, request, "brief", "Planning", &result, error);
    if (result) {
        print(result, format);
        code = report_errors(result) ? 1 : code;
    }
    json_object_put(result);
    return code;
}

int kiln_command_plan(KilnCall *call, GError **error)
{
    KilnBuildFlags flags;
    g_autofree char *text = NULL;
    const KilnFlag own = {0, "format", KILN_FLAG_STRING, &text, "text|json|dot",
                          "A table, everything as JSON, or a graph for Graphviz"};
    Format format = FORMAT_TEXT;
    int code = 0;
    kiln_build_flags_init(&flags);
    if (kiln_build_flags_parse(call, &flags, &own, 1, error) &&
        (!text || parse_format(text, &format, error)))
        code = plan(call, &flags, format, error);
    kiln_build_flags_clear(&flags);
    return code;
}
