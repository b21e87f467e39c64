/* kiln advise: which instructions should stand lower, as a diff for patch(1). */
#include "cli/build.h"
#include "cli/table.h"

#include <stdio.h>
#include <string.h>

static double seconds_of(json_object *o)
{
    json_object *value;
    return json_object_object_get_ex(o, "seconds_saved", &value) ? json_object_get_double(value) : 0;
}

static gint64 number_of(json_object *o, const char *key)
{
    json_object *value;
    return json_object_object_get_ex(o, key, &value) ? json_object_get_int64(value) : 0;
}

/* A line that patch takes for no part of the diff. */
static void say(FILE *to, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void say(FILE *to, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_autofree char *line = kiln_printable(text);
    fprintf(to, "# %s\n", line);
}

static void print_advice(json_object *o, gint64 builds)
{
    const char *instruction = kiln_result_string(o, "instruction");
    json_object *below = kiln_result_array(o, "below"), *assumptions = kiln_result_array(o, "assumptions");
    say(stdout, "Line %" G_GINT64_FORMAT ": %s changes often above what is slow: lower, it would have saved %.1fs over %"
        G_GINT64_FORMAT " builds", number_of(o, "line"), instruction, seconds_of(o), builds);
    for (guint n = 0; n < kiln_array_length(below); n++) {
        json_object *run = json_object_array_get_idx(below, n);
        say(stdout, "  line %" G_GINT64_FORMAT ": %s ran again %" G_GINT64_FORMAT " times for nothing, %.1fs in sum",
            number_of(run, "line"), kiln_result_string(run, "instruction"), number_of(run, "times"), seconds_of(run));
    }
    for (guint n = 0; n < kiln_array_length(assumptions); n++)
        say(stdout, "  assumed: %s", json_object_get_string(json_object_array_get_idx(assumptions, n)));
}

static void print(json_object *result)
{
    json_object *advice = kiln_result_array(result, "advice"), *refused = kiln_result_array(result, "refused");
    const char *diff = kiln_result_string(result, "diff"), *file = kiln_result_string(result, "file");
    gint64 builds = number_of(result, "builds");
    for (guint n = 0; n < kiln_array_length(refused); n++) {
        json_object *o = json_object_array_get_idx(refused, n);
        say(stderr, "line %" G_GINT64_FORMAT ": %s should stand lower (%.1fs), but is not moved: %s",
            number_of(o, "line"), kiln_result_string(o, "instruction"), seconds_of(o), kiln_result_string(o, "refusal"));
    }
    if (diff) {
        for (guint n = 0; n < kiln_array_length(advice); n++)
            print_advice(json_object_array_get_idx(advice, n), builds);
        fputs(diff, stdout);
    } else if (builds == 0) {
        say(stderr, "no build of %s with this context and target is kept: build it a few times first", file);
    } else if (builds == 1) {
        say(stderr, "one build of %s is kept: what changes from build to build is not known yet", file);
    } else if (kiln_array_length(refused) == 0) {
        say(stderr, "nothing to advise: over %" G_GINT64_FORMAT " builds of %s no step ran again that could have been"
            " kept by another order", builds, file);
    }
}

/* As patch(1) finds it from the current directory: it refuses absolute names and those with "..". g_free(). */
static char *diff_name(const KilnBuildFlags *f, const char *context)
{
    g_autofree char *here = g_get_current_dir();
    g_autofree char *path = f->file ? g_canonicalize_filename(f->file, here)
                                    : g_build_filename(context, "Dockerfile", NULL);
    g_autofree char *absolute = g_canonicalize_filename(path, here);
    gsize n = strlen(here);
    return strncmp(absolute, here, n) == 0 && absolute[n] == '/' ? g_strdup(absolute + n + 1)
                                                                  : g_path_get_basename(absolute);
}

static int advise(KilnCall *call, KilnBuildFlags *flags, GError **error)
{
    bool json = g_strcmp0(flags->format, "json") == 0;
    if (flags->format && !json && strcmp(flags->format, "text") != 0) {
        kiln_usage_error(error, "--format %s is not supported; there are text and json", flags->format);
        return 0;
    }
    if (call->arguments->len == 0)
        g_ptr_array_add(call->arguments, (char *)".");
    flags->operation = "advise";
    g_autoptr(KilnRequest) request = kiln_build_request(call, flags, error);
    if (!request)
        return 0;
    g_autofree char *name = diff_name(flags, call->arguments->pdata[0]);
    kiln_request_set(request, "diff_name", name);
    json_object *result;
    int code = kiln_call_run(call, request, "brief", "Reading", &result, error);
    if (result && json)
        puts(json_object_to_json_string_ext(result, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
                                                        JSON_C_TO_STRING_NOSLASHESCAPE));
    else if (result)
        print(result);
    json_object_put(result);
    return code;
}

int kiln_command_advise(KilnCall *call, GError **error)
{
    KilnBuildFlags flags;
    kiln_build_flags_init(&flags);
    int code = kiln_check_flags_parse(call, &flags, error) ? advise(call, &flags, error) : 0;
    kiln_build_flags_clear(&flags);
    return code;
}
