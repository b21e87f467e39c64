#include "cli/command.h"
#include "cli/names.h"
#include "cli/unpack-limits.h"

#include <stdio.h>
#include <unistd.h>

static void print_loaded(json_object *image)
{
    json_object *names = kiln_result_array(image, "names");
    for (guint i = 0; i < kiln_array_length(names); i++) {
        g_autofree char *name =
            kiln_name_familiar(json_object_get_string(json_object_array_get_idx(names, i)));
        printf("Loaded image: %s\n", name);
    }
    const char *id = kiln_result_string(image, "image_id");
    if (kiln_array_length(names) == 0 && id) {
        printf("Loaded image ID: %s\n", id);
    }
}

int kiln_command_load(KilnCall *call, GError **error)
{
    g_autofree char *input = NULL, *platform = NULL;
    bool quiet = false;
    g_auto(KilnUnpackLimits) limits = {0};
    KilnFlag flags[] = {
        {'i', "input", KILN_FLAG_STRING, &input, "FILE|DIR",
         "Archive or OCI layout (default: standard input)"},
        {0, "platform", KILN_FLAG_STRING, &platform, "OS/ARCH",
         "Which image of a multi-platform index"},
        {'q', "quiet", KILN_FLAG_SWITCH, &quiet, NULL, "Do not show progress"},
        {0},
        {0}, /* kiln_unpack_flags() */
    };
    kiln_unpack_flags(&limits, flags + G_N_ELEMENTS(flags) - KILN_N_UNPACK_FLAGS);
    if (!kiln_call_parse(call, flags, G_N_ELEMENTS(flags), error)) {
        return 0;
    }
    if (!input && isatty(STDIN_FILENO)) {
        g_set_error(error, KILN_ERROR, KILN_ERROR_USAGE,
                    "standard input is a terminal; name an archive with --input");
        return 0;
    }
    g_autoptr(KilnRequest) request = kiln_request_new("load");
    kiln_request_set_path(request, "path", input ? input : "-");
    kiln_request_set(request, "platform", platform);
    if (!kiln_unpack_limits_add(request, call, &limits, error)) {
        return 0;
    }
    json_object *result;
    int code = kiln_call_run(call, request, quiet ? "quiet" : "auto", "Loading", &result, error);
    json_object *images = kiln_result_array(result, "images");
    for (guint i = 0; i < kiln_array_length(images); i++) {
        print_loaded(json_object_array_get_idx(images, i));
    }
    json_object_put(result);
    return code;
}
