#include "cli/command.h"
#include "cli/names.h"
#include "cli/unpack-limits.h"

#include <stdio.h>

int kiln_command_pull(KilnCall *call, GError **error)
{
    g_autofree char *platform = NULL;
    bool quiet = false;
    g_auto(KilnUnpackLimits) limits = {0};
    KilnFlag flags[] = {
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
    const char *name = g_ptr_array_index(call->arguments, 0);
    if (!kiln_name_check(name, false, error)) {
        return 0;
    }
    g_autoptr(KilnRequest) request = kiln_request_new("pull");
    kiln_request_set(request, "name", name);
    kiln_request_set(request, "pull", "always");
    kiln_request_set(
        request, "platform",
        kiln_setting_choose(platform, "DOCKER_DEFAULT_PLATFORM", call->settings.platform));
    if (!kiln_unpack_limits_add(request, call, &limits, error)) {
        return 0;
    }
    json_object *result;
    int code = kiln_call_run(call, request, quiet ? "quiet" : "auto", "Pulling", &result, error);
    const char *digest = kiln_result_string(result, "digest");
    if (digest && !quiet) {
        printf("Digest: %s\n", digest);
    }
    json_object *names = kiln_result_array(result, "names");
    for (guint i = 0; i < kiln_array_length(names); i++) {
        puts(json_object_get_string(json_object_array_get_idx(names, i)));
    }
    json_object_put(result);
    return code;
}
