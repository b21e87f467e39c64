#include "remote/error.h"

#include <stdbool.h>

G_DEFINE_QUARK(kiln - remote - error - quark, remote_error)

static const char *const kinds[] = {
    [REMOTE_ERROR_NOT_FOUND] = "not-found", [REMOTE_ERROR_AUTH] = "auth",
    [REMOTE_ERROR_NETWORK] = "network",     [REMOTE_ERROR_TRANSIENT] = "network",
    [REMOTE_ERROR_SCHEME] = "network",      [REMOTE_ERROR_PLATFORM] = "platform",
    [REMOTE_ERROR_DIGEST] = "digest",       [REMOTE_ERROR_USAGE] = "usage",
    [REMOTE_ERROR_FORMAT] = "format",       [REMOTE_ERROR_IO] = "io",
    [REMOTE_ERROR_CANCELLED] = "network",
};

const char *remote_error_kind(const GError *error)
{
    if (error->domain != REMOTE_ERROR || error->code < 0 ||
        (gsize)error->code >= G_N_ELEMENTS(kinds)) {
        return "io";
    }
    return kinds[error->code];
}

char *remote_printable(const char *text, gsize max)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    GString *out = g_string_new(NULL);
    gsize count = 0;
    for (const char *p = valid; *p != '\0'; p = g_utf8_next_char(p)) {
        gunichar c = g_utf8_get_char(p);
        if (count++ == max) {
            g_string_append(out, "…");
            break;
        }
        /* U+202A… and U+2066… turn the direction of text round: also not for messages. */
        bool hidden = g_unichar_iscntrl(c) || g_unichar_type(c) == G_UNICODE_FORMAT;
        g_string_append_unichar(out, hidden ? ' ' : c);
    }
    return g_string_free(out, FALSE);
}
