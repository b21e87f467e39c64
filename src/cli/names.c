#include "cli/names.h"

#include "remote/reference.h"

#include <kiln/kiln.h>

#include <string.h>

#define SHORT_ID 12

bool kiln_name_check(const char *name, bool tag_only, GError **error)
{
    g_autoptr(GError) local = NULL;
    g_autoptr(KilnReference) r = kiln_reference_parse(name, &local);
    if (!r) {
        g_set_error_literal(error, KILN_ERROR, KILN_ERROR_USAGE, local->message);
        return false;
    }
    if (tag_only && r->digest) {
        g_set_error(error, KILN_ERROR, KILN_ERROR_USAGE,
                    "invalid name \"%s\": a digest cannot be given to an image, only NAME[:TAG]",
                    name);
        return false;
    }
    return true;
}

char *kiln_name_familiar(const char *canonical)
{
    if (g_str_has_prefix(canonical, "docker.io/")) {
        canonical += strlen("docker.io/");
        if (g_str_has_prefix(canonical, "library/") &&
            !strchr(canonical + strlen("library/"), '/')) {
            canonical += strlen("library/");
        }
    }
    return g_strdup(canonical);
}

void kiln_name_split(const char *canonical, char **repository, char **tag)
{
    g_autofree char *name = kiln_name_familiar(canonical);
    char *digest = strchr(name, '@');
    if (digest) {
        *digest = 0;
    }
    char *slash = strrchr(name, '/');
    char *colon = strrchr(slash ? slash : name, ':');
    if (colon) {
        *colon = 0;
    }
    *tag = g_strdup(colon ? colon + 1 : "<none>");
    *repository = g_steal_pointer(&name);
}

char *kiln_id_short(const char *id)
{
    const char *colon = strchr(id, ':');
    return g_strndup(colon ? colon + 1 : id, SHORT_ID);
}
