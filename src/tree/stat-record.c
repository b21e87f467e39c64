/* The text of the xattr user.kiln.stat: see place.h. */
#include "tree/place.h"

#include <string.h>

enum { N_NUMBERS = 5 };

char *kiln_stat_record_format(const KilnEntry *e)
{
    return g_strdup_printf("%c %o %u %u %u %u", (int)e->type, e->mode, e->uid, e->gid, e->major,
                           e->minor);
}

/* Digits of the given base up to a space or the end, at most UINT32_MAX. */
static bool parse_number(const char **text, const char *end, unsigned base, uint32_t *number)
{
    const char *p = *text;
    uint64_t value = 0;
    while (p < end && *p >= '0' && *p < (char)('0' + base)) {
        value = value * base + (uint64_t)(*p++ - '0');
        if (value > UINT32_MAX)
            return false;
    }
    if (p == *text || (p < end && *p != ' '))
        return false;
    *text = p;
    *number = (uint32_t)value;
    return true;
}

bool kiln_stat_record_parse(const char *text, size_t size, KilnEntry *e)
{
    const char *p = text, *end = text + size;
    uint32_t numbers[N_NUMBERS]; /* mode, uid, gid, major, minor */

    if (p == end || *p == '\0' || !memchr("fdlpcb", *p, 6))
        return false;
    char type = *p++;
    for (int i = 0; i < N_NUMBERS; i++) {
        if (p == end || *p++ != ' ' || !parse_number(&p, end, i == 0 ? 8 : 10, &numbers[i]))
            return false;
    }
    if (p != end || numbers[0] > 07777)
        return false;
    e->type = (KilnType)type;
    e->mode = (uint16_t)numbers[0];
    e->uid = numbers[1];
    e->gid = numbers[2];
    e->major = numbers[3];
    e->minor = numbers[4];
    return true;
}
