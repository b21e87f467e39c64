#include "cli/command.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool confirmed(const char *root)
{
    char answer[16];
    fprintf(stderr, "Delete the store %s with all its images, layers and cache? [y/N] ", root);
    return fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

int kiln_command_reset(KilnCall *call, GError **error)
{
    bool force = false;
    const KilnFlag flags[] = {
        {'f', "force", KILN_FLAG_SWITCH, &force, NULL, "Do not ask"},
    };
    if (!kiln_call_parse(call, flags, G_N_ELEMENTS(flags), error)) {
        return 0;
    }
    const char *chosen = kiln_setting_choose(call->root, "KILN_ROOT", call->settings.root);
    g_autofree char *root = chosen ? kiln_path_absolute(chosen) : kiln_default_root();
    if (!force && !isatty(STDIN_FILENO)) {
        g_set_error(error, KILN_ERROR, KILN_ERROR_USAGE,
                    "would delete the store %s; say --force where nobody can be asked", root);
        return 0;
    }
    if (access(root, F_OK) < 0) {
        return 0; /* what is not there need not be deleted */
    }
    if (!force && !confirmed(root)) {
        return 1;
    }
    g_autoptr(KilnRequest) request = kiln_request_new("reset");
    json_object *result;
    int code = kiln_call_run(call, request, "auto", "Deleting", &result, error);
    json_object_put(result);
    return code;
}
