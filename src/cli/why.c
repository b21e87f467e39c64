/* kiln why: what made steps run again. */
#include "cli/command.h"
#include "cli/table.h"

#include <stdio.h>
#include <string.h>

static gint64 number_of(json_object *o, const char *key)
{
    json_object *value;
    return json_object_object_get_ex(o, key, &value) ? json_object_get_int64(value) : 0;
}

G_GNUC_PRINTF(2, 3) static void print_line(const char *indent, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_autofree char *printable = kiln_printable(text);
    printf("%s%s\n", indent, printable);
}

/* The steps on the way to the first cause, and what has changed there. input: that this is one of the other steps. */
static void print_why(json_object *why, const char *input)
{
    if (input) {
        print_line("    ", "stands on or reads what was made anew: %s", input);
        return;
    }
    for (guint i = 0; i < kiln_array_length(why); i++) {
        json_object *o = json_object_array_get_idx(why, i);
        json_object *differences = kiln_result_array(o, "differences");
        gint64 since = number_of(o, "since");
        bool more = i + 1 < kiln_array_length(why);
        if (i > 0)
            print_line("  ", "%s", kiln_result_string(o, "step"));
        if (more)
            print_line("    ", "stands on or reads what is another than in build %" G_GINT64_FORMAT ":", since);
        else if (kiln_array_length(differences) == 0)
            print_line("    ", "%s", kiln_result_string(o, "line"));
        else
            print_line("    ", "since build %" G_GINT64_FORMAT ":", since);
        for (guint k = 0; k < kiln_array_length(differences) && !more; k++)
            print_line("      ", "%s", kiln_result_string(json_object_array_get_idx(differences, k), "text"));
    }
}

/* What says nothing: counts of parts, and flags that were not given. */
static bool says_nothing(const char *what, const char *value)
{
    static const char *const counts[] = {"format", "files", "files of mount", "from", "heredocs", "directory", NULL};
    bool flag = g_str_has_prefix(what, "--") || strcmp(what, "unpacked") == 0;
    return (g_strv_contains(counts, what) && !(value && *value == '/')) || !value || (flag && strcmp(value, "0") == 0);
}

static void print_parts(json_object *parts)
{
    if (kiln_array_length(parts))
        puts("    known by:");
    for (guint i = 0; i < kiln_array_length(parts); i++) {
        json_object *o = json_object_array_get_idx(parts, i);
        const char *name = kiln_result_string(o, "name"), *value = kiln_result_string(o, "value");
        const char *what = kiln_result_string(o, "what");
        if (what && !says_nothing(what, value))
            print_line("      ", "%s%s%s: %s", what, name ? " " : "", name ? name : "", value);
    }
}

static void print_step(json_object *step)
{
    gint64 took = number_of(step, "duration"), before = number_of(step, "record_duration");
    const char *verdict = kiln_result_string(step, "verdict");
    bool cached = g_strcmp0(verdict, "cached") == 0;
    print_line("", "%s", kiln_result_string(step, "name"));
    if (cached && before)
        print_line("    ", "cached; it took %.1fs when it was made", (double)before / G_USEC_PER_SEC);
    else
        print_line("    ", "%s, %.1fs", verdict, (double)took / G_USEC_PER_SEC);
    json_object *why = kiln_result_array(step, "why");
    const char *input = kiln_result_string(step, "input");
    const char *cause = kiln_result_string(step, "cause");
    if (why && !(cause && g_str_has_prefix(cause, "--")))
        print_why(why, input);
    else if (!cached)
        print_line("    ", "%s", cause ? cause : "no earlier build of this is known");
    print_parts(kiln_result_array(step, "parts"));
}

static void print_text(json_object *result)
{
    json_object *build, *steps = kiln_result_array(result, "steps");
    json_object_object_get_ex(result, "build", &build);
    gint64 age = (g_get_real_time() - number_of(build, "started")) / G_USEC_PER_SEC;
    g_autofree char *ago = kiln_human_duration(MAX(age, 0));
    const char *context = kiln_result_string(build, "context");
    print_line("", "build %" G_GINT64_FORMAT " (%s, %s ago)%s%s", number_of(build, "id"),
               kiln_result_string(build, "status"), ago, context ? ": " : "", context ? context : "");
    if (kiln_array_length(steps) == 0)
        puts("every step was cached");
    for (guint i = 0; i < kiln_array_length(steps); i++) {
        puts("");
        print_step(json_object_array_get_idx(steps, i));
    }
}

int kiln_command_why(KilnCall *call, GError **error)
{
    g_autofree char *format = NULL, *build = NULL;
    bool last = false;
    const KilnFlag flags[] = {
        {0, "last", KILN_FLAG_SWITCH, &last, NULL, "The newest build, which is also the default"},
        {0, "build", KILN_FLAG_STRING, &build, "BUILD", "Another build of \"kiln history\""},
        {0, "format", KILN_FLAG_STRING, &format, "text|json", "For people, or a JSON document"},
    };
    if (!kiln_call_parse(call, flags, G_N_ELEMENTS(flags), error))
        return 0;
    bool json = g_strcmp0(format, "json") == 0;
    if (format && !json && strcmp(format, "text") != 0) {
        g_set_error(error, KILN_ERROR, KILN_ERROR_USAGE, "--format %s is not supported; there are text and json",
                    format);
        return 0;
    }
    if (last && build) {
        g_set_error(error, KILN_ERROR, KILN_ERROR_USAGE, "--last and --build name two builds");
        return 0;
    }
    g_autoptr(KilnRequest) request = kiln_request_new("why");
    kiln_request_set(request, "build", build);
    if (call->arguments->len)
        kiln_request_set(request, "step", call->arguments->pdata[0]);
    json_object *result;
    int code = kiln_call_run(call, request, "brief", "Looking", &result, error);
    if (result && json)
        puts(json_object_to_json_string_ext(result, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
    else if (result)
        print_text(result);
    json_object_put(result);
    return code;
}
