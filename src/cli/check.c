/* kiln check: what BuildKit's rules and those on the order of steps find in a Dockerfile, printed
 * as `docker build --check` prints it. */
#include "cli/build.h"

#include <stdio.h>
#include <string.h>

/* Lines around what is quoted, as BuildKit shows them. */
#define CONTEXT_LINES 2
#define RULE "--------------------"

static json_object *member(json_object *o, const char *key)
{
    json_object *value = NULL;
    json_object_object_get_ex(o, key, &value);
    return value;
}

/* The lines of the only source; NULL-terminated. g_strfreev(). */
static char **source_lines(json_object *result, const char **name)
{
    json_object *source = json_object_array_get_idx(kiln_result_array(result, "sources"), 0);
    const char *data = kiln_result_string(source, "data");
    gsize size = 0;
    g_autofree guchar *bytes = g_base64_decode(data ? data : "", &size);
    g_autofree char *text = g_utf8_make_valid((const char *)bytes, (gssize)size);
    *name = kiln_result_string(source, "filename");
    char **lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        for (char *c = *line; *c; c++) {
            if (g_ascii_iscntrl(*c) && *c != '\t') { /* a terminal must not obey them */
                *c = *c == '\r' && !c[1] ? '\0' : '?';
            }
        }
    }
    return lines;
}

static guint range_line(json_object *location, const char *which)
{
    json_object *range = json_object_array_get_idx(kiln_result_array(location, "ranges"), 0);
    return (guint)json_object_get_int(member(member(range, which), "line"));
}

static void print_source(json_object *result, json_object *location)
{
    const char *name;
    g_auto(GStrv) lines = source_lines(result, &name);
    guint count = g_strv_length(lines);
    guint line = kiln_result_array(location, "ranges") &&
                         json_object_array_length(kiln_result_array(location, "ranges"))
                     ? range_line(location, "start")
                     : 0;
    if (line == 0) {
        return;
    }
    guint end = MIN(MAX(range_line(location, "end"), line), line + 20);
    printf("%s:%u\n" RULE "\n", name, line);
    for (guint n = line > CONTEXT_LINES ? line - CONTEXT_LINES : 1;
         n <= MIN(end + CONTEXT_LINES, count); n++) {
        printf("%4u | %s %s\n", n, n >= line && n <= end ? ">>>" : "   ", lines[n - 1]);
    }
    puts(RULE);
}

static void print_finding(json_object *result, json_object *finding, const char *kind)
{
    const char *url = kiln_result_string(finding, "url");
    printf("\n%s: %s%s%s\n%s\n", kind, kiln_result_string(finding, "ruleName"), url ? " - " : "",
           url ? url : "", kiln_result_string(finding, "detail"));
    print_source(result, member(finding, "location"));
    json_object *fix = kiln_result_array(finding, "fix");
    for (guint n = 0; n < kiln_array_length(fix); n++) {
        printf("%s    %s\n", n == 0 ? "Instead:\n" : "",
               json_object_get_string(json_object_array_get_idx(fix, n)));
    }
}

static void print_findings(json_object *result, const char *key, const char *kind)
{
    json_object *list = kiln_result_array(result, key);
    for (guint n = 0; n < kiln_array_length(list); n++) {
        print_finding(result, json_object_array_get_idx(list, n), kind);
    }
}

static void print_error(json_object *result, json_object *failure)
{
    printf("\nERROR: %s\n", kiln_result_string(failure, "message"));
    print_source(result, member(failure, "location"));
}

static void print_text(json_object *result)
{
    guint warnings = kiln_array_length(kiln_result_array(result, "warnings"));
    json_object *failure = member(result, "buildError"), *all = kiln_result_array(result, "errors");
    if (warnings == 0 && !failure) {
        puts("Check complete, no warnings found.");
    } else if (warnings > 0) {
        printf("Check complete, %u warning%s been found!\n", warnings,
               warnings == 1 ? " has" : "s have");
    }
    print_findings(result, "warnings", "WARNING");
    print_findings(result, "suggestions", "SUGGESTION");
    for (guint n = 0; n < kiln_array_length(all); n++) {
        print_error(result, json_object_array_get_idx(all, n));
    }
    if (failure && !all) {
        print_error(result, failure);
    }
}

static int print(json_object *result, bool json)
{
    if (json) {
        puts(json_object_to_json_string_ext(result, JSON_C_TO_STRING_PRETTY |
                                                        JSON_C_TO_STRING_SPACED |
                                                        JSON_C_TO_STRING_NOSLASHESCAPE));
    } else {
        print_text(result);
    }
    return kiln_array_length(kiln_result_array(result, "warnings")) > 0 ||
                   member(result, "buildError")
               ? 1
               : 0;
}

int kiln_build_check(KilnCall *call, KilnBuildFlags *f, bool json, GError **error)
{
    if (call->arguments->len == 0) {
        g_ptr_array_add(call->arguments, (gpointer) ".");
    }
    f->operation = "check";
    g_autoptr(KilnRequest) request = kiln_build_request(call, f, error);
    if (!request) {
        return 0;
    }
    json_object *result = NULL;
    int code = kiln_call_run(call, request, "brief", "Checking", &result, error);
    if (result) {
        code = print(result, json);
    }
    json_object_put(result);
    return code;
}

static bool parse_format(const char *format, bool *json, GError **error)
{
    *json = g_strcmp0(format, "json") == 0;
    if (!format || *json || strcmp(format, "text") == 0) {
        return true;
    }
    g_set_error(error, KILN_ERROR, KILN_ERROR_USAGE,
                "--format %s is not supported; there are text and json", format);
    return false;
}

int kiln_command_check(KilnCall *call, GError **error)
{
    KilnBuildFlags flags;
    int code = 0;
    bool json;
    kiln_build_flags_init(&flags);
    if (kiln_check_flags_parse(call, &flags, error) && parse_format(flags.format, &json, error)) {
        code = kiln_build_check(call, &flags, json, error);
    }
    kiln_build_flags_clear(&flags);
    return code;
}
