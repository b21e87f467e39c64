/* kiln build --call=…: what can be built, as `docker buildx build --call` prints it. */
#include "cli/build.h"
#include "cli/table.h"

#include <stdio.h>
#include <string.h>

/* A method other than "build": the operation of that name, and its text. */
typedef struct {
    const char *name;
    void (*print)(json_object *result); /* NULL: kiln_build_check() */
} Method;

static const char *text_of(json_object *o, const char *key)
{
    const char *text = kiln_result_string(o, key);
    return text ? text : "";
}

static bool flag_of(json_object *o, const char *key)
{
    json_object *value;
    return json_object_object_get_ex(o, key, &value) && json_object_get_boolean(value);
}

static void print_table(const KilnTable *table, const char *after)
{
    g_autofree char *text = kiln_table_text(table);
    printf("%s%s", text, after);
}

/* Lines of the instructions that read an argument. g_free(). */
static char *used_text(json_object *argument)
{
    GString *text = g_string_new(NULL);
    json_object *lines = kiln_result_array(argument, "used");
    for (guint i = 0; i < kiln_array_length(lines); i++)
        g_string_append_printf(text, "%s%" G_GINT64_FORMAT, i ? "," : "",
                               json_object_get_int64(json_object_array_get_idx(lines, i)));
    return g_string_free(text, FALSE);
}

static void print_arguments(json_object *list)
{
    static const char *const headings[] = {"BUILD ARG", "VALUE", "USED AT LINE", "DESCRIPTION",
                                           NULL};
    if (kiln_array_length(list) == 0)
        return;
    g_autoptr(KilnTable) table = kiln_table_new(headings);
    for (guint i = 0; i < kiln_array_length(list); i++) {
        json_object *o = json_object_array_get_idx(list, i);
        g_autofree char *used = used_text(o);
        kiln_table_add(table, (const char *const[]){text_of(o, "name"), text_of(o, "value"), used,
                                                    text_of(o, "description")});
    }
    print_table(table, "\n");
}

static void print_mounts(json_object *list, const char *heading)
{
    const char *const headings[] = {heading, "REQUIRED", NULL};
    if (kiln_array_length(list) == 0)
        return;
    g_autoptr(KilnTable) table = kiln_table_new(headings);
    for (guint i = 0; i < kiln_array_length(list); i++) {
        json_object *o = json_object_array_get_idx(list, i);
        kiln_table_add(table, (const char *const[]){text_of(o, "name"),
                                                    flag_of(o, "required") ? "true" : ""});
    }
    print_table(table, "\n");
}

static void print_caches(json_object *list)
{
    static const char *const headings[] = {"CACHE MOUNT", NULL};
    if (kiln_array_length(list) == 0)
        return;
    g_autoptr(KilnTable) table = kiln_table_new(headings);
    for (guint i = 0; i < kiln_array_length(list); i++)
        kiln_table_add(table, (const char *const[]){
                                  text_of(json_object_array_get_idx(list, i), "ID")});
    print_table(table, "\n");
}

static void print_outline(json_object *result)
{
    g_autofree char *name = kiln_printable(text_of(result, "name"));
    g_autofree char *description = kiln_printable(text_of(result, "description"));
    printf("TARGET:      %s\n", *name ? name : "(default)");
    if (*description)
        printf("DESCRIPTION: %s\n", description);
    putchar('\n');
    print_arguments(kiln_result_array(result, "args"));
    print_mounts(kiln_result_array(result, "secrets"), "SECRET");
    print_mounts(kiln_result_array(result, "ssh"), "SSH");
    print_caches(kiln_result_array(result, "cache"));
}

static void print_targets(json_object *result)
{
    static const char *const headings[] = {"TARGET", "DESCRIPTION", NULL};
    g_autoptr(KilnTable) table = kiln_table_new(headings);
    json_object *targets = kiln_result_array(result, "targets");
    for (guint i = 0; i < kiln_array_length(targets); i++) {
        json_object *o = json_object_array_get_idx(targets, i);
        const char *name = text_of(o, "name"), *mark = flag_of(o, "default") ? "(default)" : "";
        g_autofree char *shown = g_strconcat(name, *name && *mark ? " " : "", mark, NULL);
        kiln_table_add(table, (const char *const[]){shown, text_of(o, "description")});
    }
    print_table(table, "");
}

static const Method methods[] = {{"check", NULL}, {"outline", print_outline}, {"targets", print_targets}};

static const Method *find_method(const char *name, GError **error)
{
    for (guint i = 0; i < G_N_ELEMENTS(methods); i++)
        if (strcmp(methods[i].name, name) == 0)
            return &methods[i];
    g_set_error(error, KILN_ERROR, KILN_ERROR_USAGE,
                "--call %s is not supported; there are build, check, outline and targets", name);
    return NULL;
}

/* METHOD and ",format=…". */
static const Method *parse(const char *text, bool *json, GError **error)
{
    g_auto(GStrv) fields = g_strsplit(text, ",", -1);
    const Method *method = find_method(fields[0] ? fields[0] : "", error);
    for (guint i = 1; method && fields[i]; i++) {
        *json = strcmp(fields[i], "format=json") == 0;
        if (!*json && strcmp(fields[i], "format=text") != 0) {
            g_set_error(error, KILN_ERROR, KILN_ERROR_USAGE,
                        "--call %s: \"%s\" is not format=text or format=json", text, fields[i]);
            return NULL;
        }
    }
    return method;
}

static int run(KilnCall *call, KilnBuildFlags *f, const Method *method, bool json, GError **error)
{
    if (!method->print)
        return kiln_build_check(call, f, json, error);
    f->operation = method->name;
    g_autoptr(KilnRequest) request = kiln_build_request(call, f, error);
    if (!request)
        return 0;
    json_object *result;
    int code = kiln_call_run(call, request, "brief", "Reading", &result, error);
    if (result && json)
        puts(json_object_to_json_string_ext(result, JSON_C_TO_STRING_PRETTY |
                                                        JSON_C_TO_STRING_SPACED |
                                                        JSON_C_TO_STRING_NOSLASHESCAPE));
    else if (result)
        method->print(result);
    json_object_put(result);
    return code;
}

int kiln_build_call(KilnCall *call, KilnBuildFlags *f, bool *handled, GError **error)
{
    bool json = false;
    const char *text = f->check ? "check" : f->call;
    *handled = text && strcmp(text, "build") != 0;
    const Method *method = *handled ? parse(text, &json, error) : NULL;
    return method ? run(call, f, method, json, error) : 0;
}
