#include "cli/command.h"
#include "cli/names.h"

#include <stdio.h>

int kiln_command_rmi(KilnCall *call, GError **error)
{
    bool force = false;
    const KilnFlag flags[] = {
        {'f', "force", KILN_FLAG_SWITCH, &force, NULL, "Remove an image that has several names"},
        {0, "no-prune", KILN_FLAG_IGNORED_SWITCH},
    };
    if (!kiln_call_parse(call, flags, G_N_ELEMENTS(flags), error)) {
        return 0;
    }
    g_autoptr(KilnRequest) request = kiln_request_new("rmi");
    kiln_request_set(request, "force", force ? "true" : NULL);
    for (guint i = 0; i < call->arguments->len; i++) {
        kiln_request_add(request, "names", g_ptr_array_index(call->arguments, i));
    }
    json_object *result;
    int code = kiln_call_run(call, request, "auto", "Removing", &result, error);
    json_object *untagged = kiln_result_array(result, "untagged");
    for (guint i = 0; i < kiln_array_length(untagged); i++) {
        g_autofree char *name =
            kiln_name_familiar(json_object_get_string(json_object_array_get_idx(untagged, i)));
        printf("Untagged: %s\n", name);
    }
    json_object *deleted = kiln_result_array(result, "deleted");
    for (guint i = 0; i < kiln_array_length(deleted); i++) {
        printf("Deleted: %s\n", json_object_get_string(json_object_array_get_idx(deleted, i)));
    }
    json_object_put(result);
    return code;
}
