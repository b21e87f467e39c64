#include "cli/build.h"

#include "cli/output.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* --metadata-file, with the keys of buildx. */
static char *metadata(json_object *result)
{
    static const char *const keys[][2] = {{"containerimage.config.digest", "image_id"},
                                          {"containerimage.digest", "digest"}};
    json_object *document = json_object_new_object();
    for (guint i = 0; i < G_N_ELEMENTS(keys); i++) {
        const char *value = kiln_result_string(result, keys[i][1]);
        if (value) {
            json_object_object_add(document, keys[i][0], json_object_new_string(value));
        }
    }
    json_object *names = kiln_result_array(result, "names");
    g_autoptr(GString) list = g_string_new(NULL);
    for (guint i = 0; i < kiln_array_length(names); i++) {
        g_string_append_printf(list, "%s%s", i ? "," : "",
                               json_object_get_string(json_object_array_get_idx(names, i)));
    }
    if (list->len > 0) {
        json_object_object_add(document, "image.name", json_object_new_string(list->str));
    }
    char *text =
        g_strconcat(json_object_to_json_string_ext(document, JSON_C_TO_STRING_PRETTY |
                                                                 JSON_C_TO_STRING_NOSLASHESCAPE),
                    "\n", NULL);
    json_object_put(document);
    return text;
}

static bool write_results(const KilnBuildFlags *f, json_object *result, GError **error)
{
    const char *id = kiln_result_string(result, "image_id");
    if (f->iidfile && id && !g_file_set_contents(f->iidfile, id, -1, error)) {
        g_prefix_error_literal(error, "--iidfile: ");
        return false;
    }
    g_autofree char *text = f->metadata_file ? metadata(result) : NULL;
    if (text && !g_file_set_contents(f->metadata_file, text, -1, error)) {
        g_prefix_error_literal(error, "--metadata-file: ");
        return false;
    }
    if (f->quiet && id) {
        puts(id);
    }
    return true;
}

/* An image ID of an earlier build must not be taken for that of one that failed. */
static bool remove_old_id(const KilnBuildFlags *f, GError **error)
{
    if (f->iidfile && unlink(f->iidfile) < 0 && errno != ENOENT) {
        g_set_error(error, KILN_ERROR, KILN_ERROR_USAGE, "--iidfile %s: %s", f->iidfile,
                    g_strerror(errno));
        return false;
    }
    return true;
}

static bool check_stdout(const KilnBuildFlags *f, const KilnRequest *r, GError **error)
{
    const char *output = kiln_request_get(r, "output");
    if (!output || strcmp(kiln_output_dest(output), "-") != 0) {
        return true;
    }
    if (f->quiet || isatty(STDOUT_FILENO)) {
        g_set_error(error, KILN_ERROR, KILN_ERROR_USAGE,
                    f->quiet ? "--quiet and an archive both want standard output; name a file"
                             : "the archive would go to the terminal; name a file with dest=");
        return false;
    }
    return true;
}

int kiln_command_build(KilnCall *call, GError **error)
{
    KilnBuildFlags flags;
    int code = 0;
    json_object *result = NULL;
    kiln_build_flags_init(&flags);
    bool handled = true;
    if (kiln_build_flags_parse(call, &flags, NULL, 0, error)) {
        code = kiln_build_call(call, &flags, &handled, error);
    }
    if (!handled) {
        const char *progress = kiln_build_progress(call, &flags, error);
        g_autoptr(KilnRequest) request = progress ? kiln_build_request(call, &flags, error) : NULL;
        if (request && check_stdout(&flags, request, error) && remove_old_id(&flags, error)) {
            code = kiln_call_run(call, request, progress, "Building", &result, error);
        }
    }
    if (result) {
        write_results(&flags, result, error);
    }
    json_object_put(result);
    kiln_build_flags_clear(&flags);
    return code;
}
