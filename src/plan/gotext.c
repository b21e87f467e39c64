#include "plan/gotext.h"

static void append_escaped(GString *out, const char *p, const char *next, gunichar c)
{
    static const char names[] = "abtnvfr"; /* from 7 on */
    if (c == '"' || c == '\\')
        g_string_append_printf(out, "\\%c", (char)c);
    else if (c >= 7 && c <= 13)
        g_string_append_printf(out, "\\%c", names[c - 7]);
    else if (c == ' ' || (c > ' ' && g_unichar_isprint(c) && !g_unichar_isspace(c)))
        g_string_append_len(out, p, next - p);
    else if (c < 0x20 || c == 0x7f)
        g_string_append_printf(out, "\\x%02x", c);
    else
        g_string_append_printf(out, c > 0xffff ? "\\U%08x" : "\\u%04x", c);
}

char *kiln_go_quote(const char *text)
{
    GString *out = g_string_new("\"");
    for (const char *p = text; *p;) {
        gunichar c = g_utf8_get_char_validated(p, -1);
        if (c == (gunichar)-1 || c == (gunichar)-2) {
            g_string_append_printf(out, "\\x%02x", (guchar)*p++);
            continue;
        }
        const char *next = g_utf8_next_char(p);
        append_escaped(out, p, next, c);
        p = next;
    }
    g_string_append_c(out, '"');
    return g_string_free(out, FALSE);
}

char *kiln_go_list(char *const *list)
{
    g_autofree char *joined = list ? g_strjoinv(" ", (char **)list) : g_strdup("");
    return g_strdup_printf("[%s]", joined);
}

char *kiln_go_quoted_list(char *const *list)
{
    g_autoptr(GPtrArray) quoted = g_ptr_array_new_with_free_func(g_free);
    for (; list && *list; list++)
        g_ptr_array_add(quoted, kiln_go_quote(*list));
    g_ptr_array_add(quoted, NULL);
    return kiln_go_list((char *const *)quoted->pdata);
}

/* n / unit without trailing zeros: "1.5". */
static void append_fraction(GString *out, guint64 n, guint64 unit)
{
    g_string_append_printf(out, "%" G_GUINT64_FORMAT, n / unit);
    guint64 rest = n % unit;
    if (rest == 0)
        return;
    g_string_append_c(out, '.');
    for (guint64 digit = unit / 10; rest > 0; digit /= 10) {
        g_string_append_c(out, (char)('0' + rest / digit));
        rest %= digit;
    }
}

char *kiln_go_duration(gint64 nanoseconds)
{
    GString *out = g_string_new(nanoseconds < 0 ? "-" : NULL);
    guint64 n = nanoseconds < 0 ? -(guint64)nanoseconds : (guint64)nanoseconds;
    if (n == 0) {
        g_string_append(out, "0s");
    } else if (n < 1000000000) {
        guint64 unit = n < 1000 ? 1 : n < 1000000 ? 1000 : 1000000;
        append_fraction(out, n, unit);
        g_string_append(out, unit == 1 ? "ns" : unit == 1000 ? "µs" : "ms");
    } else {
        guint64 minutes = n / 60000000000;
        if (minutes >= 60)
            g_string_append_printf(out, "%" G_GUINT64_FORMAT "h", minutes / 60);
        if (minutes > 0)
            g_string_append_printf(out, "%" G_GUINT64_FORMAT "m", minutes % 60);
        append_fraction(out, n % 60000000000, 1000000000);
        g_string_append_c(out, 's');
    }
    return g_string_free(out, FALSE);
}
