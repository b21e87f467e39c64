#include "cli/command.h"
#include "cli/table.h"

#include <stdio.h>

static gint64 number_of(json_object *result, const char *key)
{
    json_object *value;
    return json_object_object_get_ex(result, key, &value) ? json_object_get_int64(value) : 0;
}

static bool is_true(json_object *result, const char *key)
{
    json_object *value;
    return json_object_object_get_ex(result, key, &value) && json_object_get_boolean(value);
}

/* The exit code: 1 if something is wrong and stays so. */
static int print_result(json_object *result, bool repair)
{
    json_object *problems = kiln_result_array(result, "problems");
    gint64 found = number_of(result, "found");
    g_autofree char *size = kiln_human_size(number_of(result, "bytes"));
    for (guint i = 0; i < kiln_array_length(problems); i++) {
        g_autofree char *line = kiln_printable(json_object_get_string(json_object_array_get_idx(problems, i)));
        puts(line);
    }
    printf("%" G_GINT64_FORMAT " layers, %" G_GINT64_FORMAT " blobs (%s), %" G_GINT64_FORMAT " images, %" G_GINT64_FORMAT
           " step records: ",
           number_of(result, "layers"), number_of(result, "blobs"), size, number_of(result, "images"),
           number_of(result, "records"));
    if (found == 0) {
        puts("all is well");
        return 0;
    }
    bool repaired = is_true(result, "repaired");
    printf("%" G_GINT64_FORMAT " %s%s\n", found, found == 1 ? "problem" : "problems",
           repaired ? ", repaired: what failed was dropped"
           : repair ? ", and the database cannot be repaired; remove the store with \"kiln reset\""
                    : "; \"kiln fsck --repair\" drops what fails, and what needs it");
    return repaired ? 0 : 1;
}

int kiln_command_fsck(KilnCall *call, GError **error)
{
    bool repair = false;
    const KilnFlag flags[] = {
        {0, "repair", KILN_FLAG_SWITCH, &repair, NULL, "Drop what fails, and what needs it"},
    };
    if (!kiln_call_parse(call, flags, G_N_ELEMENTS(flags), error)) {
        return 0;
    }
    g_autoptr(KilnRequest) request = kiln_request_new("fsck");
    if (repair) {
        kiln_request_set(request, "repair", "true");
    }
    json_object *result;
    int code = kiln_call_run(call, request, "auto", "Checking", &result, error);
    if (result && code == 0) {
        code = print_result(result, repair);
    }
    json_object_put(result);
    return code;
}
