/* --security-opt, in the words of `docker run`. */
#include "cli/build.h"

#include "cli/output.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* What others confine commands with, and kiln does not. */
static bool refuse(const char *text, const char *key, GError **error)
{
    static const struct {
        const char *key, *why;
    } known[] = {
        {"apparmor", "kiln puts commands under no AppArmor profile but that of the host's kiln"},
        {"label", "kiln gives commands no SELinux label"},
        {"systempaths", "RUN --security=insecure shows /proc and /sys as they are"},
        {"credentialspec", "it is about Windows"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(known); i++) {
        if (strcmp(key, known[i].key) == 0) {
            return kiln_usage_error(error, "--security-opt %s is not supported: %s", text,
                                    known[i].why);
        }
    }
    return kiln_usage_error(
        error,
        "--security-opt %s: unknown option (seccomp=FILE|unconfined|builtin, no-new-privileges)",
        text);
}

static bool add_profile(KilnRequest *r, const char *value, GError **error)
{
    if (strcmp(value, "unconfined") == 0 || strcmp(value, "builtin") == 0) {
        kiln_request_set(r, "seccomp", value);
        return true;
    }
    g_autofree char *path = kiln_path_absolute(value);
    if (access(path, R_OK) < 0) {
        return kiln_usage_error(error, "--security-opt seccomp=%s: %s", value, g_strerror(errno));
    }
    kiln_request_set(r, "seccomp", path);
    return true;
}

static bool add_no_new_privileges(KilnRequest *r, const char *text, const char *value,
                                  GError **error)
{
    static const char *const yes[] = {"true", "1", NULL}, *const no[] = {"false", "0", NULL};
    if (!g_strv_contains(yes, value) && !g_strv_contains(no, value)) {
        return kiln_usage_error(error, "--security-opt %s: \"%s\" is neither true nor false", text,
                                value);
    }
    kiln_request_set(r, "no_new_privs", g_strv_contains(yes, value) ? "true" : NULL);
    return true;
}

/* KEY=VALUE; Docker also takes the older KEY:VALUE. The last one of a key counts. */
bool kiln_build_add_security(KilnRequest *r, const GPtrArray *options, GError **error)
{
    for (guint i = 0; i < options->len; i++) {
        const char *text = g_ptr_array_index(options, i);
        gsize n = strcspn(text, "=:");
        g_autofree char *key = g_strndup(text, n);
        const char *value = text[n] ? text + n + 1 : NULL;
        bool good;
        if (strcmp(key, "no-new-privileges") == 0) {
            good = add_no_new_privileges(r, text, value ? value : "true", error);
        } else if (strcmp(key, "seccomp") == 0 && value && *value) {
            good = add_profile(r, value, error);
        } else {
            good = refuse(text, key, error);
        }
        if (!good) {
            return false;
        }
    }
    return true;
}
