#include "dockerfile/duration.h"

#include <string.h>

static gint64 unit_at(const char **text)
{
    static const struct {
        const char *name;
        gint64 nanoseconds;
    } units[] = {
        {"ns", 1},       {"us", 1000},       {"µs", 1000} /* U+00B5 */, {"μs", 1000} /* U+03BC */,
        {"ms", 1000000}, {"s", 1000000000L}, {"m", 60 * 1000000000L},   {"h", 3600 * 1000000000L},
    };
    for (gsize n = 0; n < G_N_ELEMENTS(units); n++) {
        gsize length = strlen(units[n].name);
        if (strncmp(*text, units[n].name, length) == 0) {
            *text += length;
            return units[n].nanoseconds;
        }
    }
    return 0;
}

/* "12", "1.5", ".5" and a unit; adds to *sum. */
static bool read_part(const char **text, gint64 *sum)
{
    gint64 whole = 0;
    double fraction = 0, scale = 1;
    bool any = false;
    for (; g_ascii_isdigit(**text); (*text)++, any = true) {
        if (__builtin_mul_overflow(whole, (gint64)10, &whole) ||
            __builtin_add_overflow(whole, (gint64)(**text - '0'), &whole))
            return false;
    }
    if (**text == '.') {
        for ((*text)++; g_ascii_isdigit(**text); (*text)++, any = true) {
            if (scale > 1e18)
                continue; /* beyond a nanosecond in any unit */
            fraction = fraction * 10 + (**text - '0');
            scale *= 10;
        }
    }
    gint64 unit = any ? unit_at(text) : 0;
    return unit != 0 && !__builtin_mul_overflow(whole, unit, &whole) &&
           !__builtin_add_overflow(*sum, whole, sum) &&
           !__builtin_add_overflow(*sum, (gint64)(fraction * ((double)unit / scale)), sum);
}

bool kiln_duration_parse(const char *text, gint64 *nanoseconds)
{
    bool negative = *text == '-';
    if (*text == '-' || *text == '+')
        text++;
    *nanoseconds = 0;
    if (strcmp(text, "0") == 0)
        return true;
    if (*text == '\0')
        return false;
    while (*text) {
        if (!read_part(&text, nanoseconds))
            return false;
    }
    if (negative)
        *nanoseconds = -*nanoseconds;
    return true;
}
