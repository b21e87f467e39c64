#include "cli/command.h"
#include "cli/names.h"
#include "cli/unpack-limits.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool fill(KilnRequest *r, const KilnCall *call, const char *message, const char *platform,
                 const GPtrArray *changes, GError **error)
{
    const char *path = g_ptr_array_index(call->arguments, 0);
    const char *name = call->arguments->len > 1 ? g_ptr_array_index(call->arguments, 1) : NULL;
    if (g_str_has_prefix(path, "http://") || g_str_has_prefix(path, "https://")) {
        g_set_error(error, KILN_ERROR, KILN_ERROR_USAGE,
                    "importing from a URL is not supported yet; fetch %s first", path);
        return false;
    }
    if (strcmp(path, "-") == 0 && isatty(STDIN_FILENO)) {
        g_set_error(error, KILN_ERROR, KILN_ERROR_USAGE,
                    "standard input is a terminal; redirect it from a tar archive");
        return false;
    }
    if (name && !kiln_name_check(name, true, error)) {
        return false;
    }
    kiln_request_set_path(r, "path", path);
    kiln_request_set(r, "name", name);
    kiln_request_set(r, "message", message);
    kiln_request_set(
        r, "platform",
        kiln_setting_choose(platform, "DOCKER_DEFAULT_PLATFORM", call->settings.platform));
    for (guint i = 0; i < changes->len; i++) {
        kiln_request_add(r, "changes", g_ptr_array_index(changes, i));
    }
    return true;
}

int kiln_command_import(KilnCall *call, GError **error)
{
    g_autofree char *message = NULL, *platform = NULL;
    g_autoptr(GPtrArray) changes = g_ptr_array_new_with_free_func(g_free);
    g_auto(KilnUnpackLimits) limits = {0};
    KilnFlag flags[] = {
        {'c', "change", KILN_FLAG_LIST, &changes, "INSTRUCTION",
         "Apply a Dockerfile instruction to the image, as 'CMD [\"sh\"]'"},
        {'m', "message", KILN_FLAG_STRING, &message, "TEXT", "Comment in the image's history"},
        {0, "platform", KILN_FLAG_STRING, &platform, "OS/ARCH", "Platform of the image"},
        {0},
        {0}, /* kiln_unpack_flags() */
    };
    kiln_unpack_flags(&limits, flags + G_N_ELEMENTS(flags) - KILN_N_UNPACK_FLAGS);
    if (!kiln_call_parse(call, flags, G_N_ELEMENTS(flags), error)) {
        return 0;
    }
    g_autoptr(KilnRequest) request = kiln_request_new("import");
    if (!fill(request, call, message, platform, changes, error) ||
        !kiln_unpack_limits_add(request, call, &limits, error)) {
        return 0;
    }
    json_object *result;
    int code = kiln_call_run(call, request, "auto", "Importing", &result, error);
    const char *id = kiln_result_string(result, "image_id");
    if (id) {
        puts(id);
    }
    json_object_put(result);
    return code;
}
