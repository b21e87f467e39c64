#include "cli/command.h"

#include <string.h>
#include <unistd.h>

int kiln_command_save(KilnCall *call, GError **error)
{
    g_autofree char *output = NULL, *format = NULL;
    const KilnFlag flags[] = {
        {'o', "output", KILN_FLAG_STRING, &output, "FILE",
         "File to write (default: standard output)"},
        {0, "format", KILN_FLAG_STRING, &format, "oci|docker",
         "OCI archive (default), or as docker save writes it"},
    };
    if (!kiln_call_parse(call, flags, G_N_ELEMENTS(flags), error)) {
        return 0;
    }
    if (format && strcmp(format, "oci") != 0 && strcmp(format, "docker") != 0) {
        g_set_error(error, KILN_ERROR, KILN_ERROR_USAGE, "--format %s: there are oci and docker",
                    format);
        return 0;
    }
    if ((!output || strcmp(output, "-") == 0) && isatty(STDOUT_FILENO)) {
        g_set_error(error, KILN_ERROR, KILN_ERROR_USAGE,
                    "the archive would go to the terminal; name a file with --output");
        return 0;
    }
    g_autoptr(KilnRequest) request = kiln_request_new("save");
    kiln_request_set_path(request, "dest", output ? output : "-");
    kiln_request_set(request, "format", format ? format : "oci");
    for (guint i = 0; i < call->arguments->len; i++) {
        kiln_request_add(request, "names", g_ptr_array_index(call->arguments, i));
    }
    json_object *result;
    int code = kiln_call_run(call, request, "auto", "Saving", &result, error);
    json_object_put(result);
    return code;
}
