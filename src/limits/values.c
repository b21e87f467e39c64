/* Values as people write them: sizes, durations, lists of numbers. */
#include "limits/limits.h"

#include "dockerfile/duration.h"

#include <string.h>

bool kiln_size_parse(const char *text, guint64 *bytes)
{
    static const char letters[] = "bkmgtp";
    char *end;
    double size = g_ascii_strtod(text, &end);
    if (!g_ascii_isdigit(*text) || end != text + strspn(text, "0123456789."))
        return false; /* strtod would take hexadecimal numbers and exponents, too */
    while (*end == ' ')
        end++;
    if (*end) {
        const char *letter = strchr(letters, g_ascii_tolower(*end));
        if (!letter)
            return false;
        for (long n = letter - letters; n > 0; n--)
            size *= 1024;
        end++;
        if (letter != letters && g_ascii_strcasecmp(end, "b") != 0 && g_ascii_strcasecmp(end, "ib") != 0 &&
            *end)
            return false;
        if (letter == letters && *end)
            return false;
    }
    if (!(size < 9e18))
        return false;
    *bytes = (guint64)size;
    return true;
}

bool kiln_timeout_parse(const char *text, guint64 *milliseconds)
{
    gint64 nanoseconds;
    if (!kiln_duration_parse(text, &nanoseconds) || nanoseconds <= 0)
        return false;
    *milliseconds = MAX((guint64)nanoseconds / 1000000, 1);
    return true;
}

static bool take_number(const char **at, guint *number)
{
    guint64 value = 0;
    gsize digits = strspn(*at, "0123456789");
    g_autofree char *text = g_strndup(*at, digits);
    if (!g_ascii_string_to_unsigned(text, 10, 0, 8191, &value, NULL)) /* CONFIG_NR_CPUS is at most 8192 */
        return false;
    *at += digits;
    *number = (guint)value;
    return true;
}

GArray *kiln_list_parse(const char *text)
{
    g_autofree bool *there = g_new0(bool, 8192);
    const char *at = text;
    do {
        guint first, last;
        if (!take_number(&at, &first))
            return NULL;
        last = first;
        if (*at == '-' && (at++, !take_number(&at, &last)))
            return NULL;
        if (last < first || (*at && *at != ','))
            return NULL;
        for (guint i = first; i <= last; i++)
            there[i] = true;
    } while (*at++ == ',');
    GArray *list = g_array_new(FALSE, FALSE, sizeof(guint));
    for (guint i = 0; i < 8192; i++)
        if (there[i])
            g_array_append_val(list, i);
    return list;
}
