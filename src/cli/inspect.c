#include "cli/command.h"

#include <stdio.h>

int kiln_command_inspect(KilnCall *call, GError **error)
{
    const KilnFlag flags[] = {
        {0, "type", KILN_FLAG_ONLY, NULL, "image"},
        {'f', "format", KILN_FLAG_UNSUPPORTED},
    };
    if (!kiln_call_parse(call, flags, G_N_ELEMENTS(flags), error)) {
        return 0;
    }
    g_autoptr(KilnRequest) request = kiln_request_new("inspect");
    for (guint i = 0; i < call->arguments->len; i++) {
        kiln_request_add(request, "names", g_ptr_array_index(call->arguments, i));
    }
    json_object *result;
    int code = kiln_call_run(call, request, "auto", "Inspecting", &result, error);
    json_object *images = kiln_result_array(result, "images");
    if (images) {
        puts(json_object_to_json_string_ext(images, JSON_C_TO_STRING_PRETTY |
                                                        JSON_C_TO_STRING_SPACED |
                                                        JSON_C_TO_STRING_NOSLASHESCAPE));
    }
    json_object_put(result);
    return code;
}
