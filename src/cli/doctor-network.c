/* What `kiln doctor` says of the private network of RUNs. */
#include "cli/checks.h"

#include "cli/command.h"

#include <string.h>

/* What it calls itself, "pasta 0.0~git20230309", of the first line; NULL: it does not say. */
static char *version_of(const char *pasta)
{
    const char *argv[] = {pasta, "--version", NULL};
    g_autofree char *output = NULL;
    if (!g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL, &output, NULL,
                      NULL, NULL) ||
        !output || strstr(output, "unknown version")) {
        return NULL;
    }
    output[strcspn(output, "\n")] = 0;
    return *output ? g_steal_pointer(&output) : NULL;
}

void kiln_checks_add_network(GPtrArray *checks, json_object *probe)
{
    json_object *network;
    if (!json_object_object_get_ex(probe, "network", &network)) {
        return;
    }
    const char *pasta = kiln_result_string(network, "pasta");
    const char *problem = kiln_result_string(network, "problem");
    g_autofree char *version = pasta ? version_of(pasta) : NULL;
    g_autofree char *shown =
        g_strdup_printf("%s%s%s", pasta ? pasta : "", version ? ", " : "", version ? version : "");
    g_autofree char *detail =
        problem ? g_strdup_printf("RUN has the network of this host: %s%s%s%s", problem,
                                  pasta ? " [" : "", shown, pasta ? "]" : "")
                : g_strdup_printf("each RUN has one, by %s", shown);
    kiln_checks_add(checks, "private network", problem ? KILN_CHECK_WARN : KILN_CHECK_OK, detail,
                    problem && !pasta ? "sudo apt-get install passt (Debian, Ubuntu); passt (Fedora)"
                                      : NULL);
}
