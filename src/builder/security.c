#include "builder/security.h"

#include "seccomp/profile.h"

#include <string.h>
#include <sys/stat.h>

/* Docker's default profile has 20 kB. */
#define PROFILE_MAX (1024 * 1024)

static char *read_profile(const char *path, GError **error)
{
    struct stat st;
    char *text = NULL;
    gsize size = 0;
    g_autoptr(GError) cause = NULL;
    if (stat(path, &st) == 0 && (!S_ISREG(st.st_mode) || st.st_size > PROFILE_MAX))
        g_set_error(error, KILN_OPERATION_ERROR, 2, "seccomp profile %s: %s", path,
                    S_ISREG(st.st_mode) ? "larger than 1 MB" : "not a regular file");
    else if (!g_file_get_contents(path, &text, &size, &cause))
        g_set_error(error, KILN_OPERATION_ERROR, 2, "seccomp profile %s: %s", path, cause->message);
    else if (strlen(text) != size) {
        g_set_error(error, KILN_OPERATION_ERROR, 2, "seccomp profile %s: it is not text", path);
        g_clear_pointer(&text, g_free);
    }
    return text;
}

static bool compile(KilnOperation *op, const char *path, KilnRunSettings *out, GError **error)
{
    const KilnSeccompHost host = kiln_seccomp_host();
    g_autofree char *text = read_profile(path, error);
    g_autofree char *unknown = NULL;
    g_autoptr(GError) cause = NULL;
    if (!text)
        return false;
    out->filter = kiln_seccomp_compile(text, &host, &unknown, &cause);
    if (!out->filter) {
        g_set_error(error, KILN_OPERATION_ERROR, 2, "seccomp profile %s: %s", path, cause->message);
        return false;
    }
    if (unknown) {
        g_autofree char *warning = g_strdup_printf(
            "seccomp profile %s names system calls that nobody here knows: %s", path, unknown);
        kiln_emit_warning(op->emitter, NULL, warning);
    }
    return true;
}

bool kiln_security_read(KilnOperation *op, KilnRunSettings *out, GError **error)
{
    const char *seccomp = kiln_request_text(op->request, "seccomp");
    out->no_new_privs = kiln_request_flag(op->request, "no_new_privs");
    out->unconfined = g_strcmp0(seccomp, "unconfined") == 0;
    return !seccomp || out->unconfined || strcmp(seccomp, "builtin") == 0 ||
           compile(op, seccomp, out, error);
}
