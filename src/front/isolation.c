#include "front/isolation.h"

#include "front/host.h"

#include <string.h>
#include <unistd.h>

static const char *const names[] = {
    [KILN_ISOLATION_AUTO] = "auto",
    [KILN_ISOLATION_USERNS] = "userns",
    [KILN_ISOLATION_CHROOT] = "chroot",
    [KILN_ISOLATION_PROOT] = "proot",
};

const char *kiln_isolation_name(KilnIsolation i)
{
    return names[i];
}

bool kiln_isolation_parse(const char *name, KilnIsolation *out)
{
    *out = KILN_ISOLATION_AUTO;
    if (!name || !*name || strcmp(name, "default") == 0) {
        return true;
    }
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        if (strcmp(names[i], name) == 0) {
            *out = (KilnIsolation)i;
            return true;
        }
    }
    return false;
}

bool kiln_isolation_check(KilnIsolation i, char **why)
{
    *why = NULL;
    if (i == KILN_ISOLATION_CHROOT && (geteuid() != 0 || !kiln_host_can_chroot())) {
        *why = g_strdup(geteuid() != 0 ? "it needs root" : "it needs CAP_SYS_CHROOT");
    } else if (i == KILN_ISOLATION_PROOT) {
        g_autofree char *program = g_find_program_in_path("proot");
        if (!program) {
            *why = g_strdup("the program proot is not installed (sudo apt-get install proot)");
        }
    }
    return !*why;
}

KilnIsolation kiln_isolation_without_namespaces(char **why)
{
    if (kiln_isolation_check(KILN_ISOLATION_CHROOT, why)) {
        return KILN_ISOLATION_CHROOT;
    }
    g_free(*why);
    return kiln_isolation_check(KILN_ISOLATION_PROOT, why) ? KILN_ISOLATION_PROOT
                                                           : KILN_ISOLATION_AUTO;
}
