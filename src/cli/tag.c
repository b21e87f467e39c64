#include "cli/command.h"
#include "cli/names.h"

int kiln_command_tag(KilnCall *call, GError **error)
{
    if (!kiln_call_parse(call, NULL, 0, error)) {
        return 0;
    }
    const char *name = g_ptr_array_index(call->arguments, 1);
    if (!kiln_name_check(name, true, error)) {
        return 0;
    }
    g_autoptr(KilnRequest) request = kiln_request_new("tag");
    kiln_request_set(request, "source", g_ptr_array_index(call->arguments, 0));
    kiln_request_set(request, "name", name);
    json_object *result;
    int code = kiln_call_run(call, request, "auto", "Tagging", &result, error);
    json_object_put(result);
    return code;
}
