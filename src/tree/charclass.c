#include "tree/charclass.h"

enum { RAW_BYTE = 0x110000 }; /* the first number behind Unicode's last */

guint32 kiln_char_take(const char **s)
{
    const guchar *p = (const guchar *)*s;
    if (*p < 0x80) {
        *s += 1;
        return *p;
    }
    gunichar c = g_utf8_get_char_validated(*s, -1);
    if (c == (gunichar)-1 || c == (gunichar)-2) {
        *s += 1;
        return RAW_BYTE + *p;
    }
    *s = g_utf8_next_char(*s);
    return c;
}

/* One end of a range. '-' and ']' have to be escaped here, wherever they stand. */
static bool take_bound(const char **pattern, guint32 *bound)
{
    if (**pattern == '-' || **pattern == ']')
        return false;
    if (**pattern == '\\')
        *pattern += 1;
    if (!**pattern)
        return false;
    *bound = kiln_char_take(pattern);
    return true;
}

bool kiln_charclass_match(const char **pattern, guint32 c, bool *matches)
{
    const char *p = *pattern + 1;
    bool negated = *p == '^', found = false;
    if (negated)
        p++;
    do {
        guint32 low, high;
        if (!take_bound(&p, &low))
            return false;
        high = low;
        if (*p == '-') {
            p++;
            if (!take_bound(&p, &high))
                return false;
        }
        if (low <= c && c <= high)
            found = true;
    } while (*p != ']');
    *pattern = p + 1;
    *matches = found != negated;
    return true;
}
