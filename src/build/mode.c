#include "build/mode.h"

#include <string.h>

enum {
    SET_UID = 04000,
    SET_GID = 02000,
    STICKY = 01000,
    READ = 0444,
    WRITE = 0222,
    EXECUTE = 0111,
};

bool kiln_mode_parse_octal(const char *text, uint16_t *mode)
{
    guint64 value;
    if (!g_ascii_string_to_unsigned(text, 8, 0, 07777, &value, NULL))
        return false;
    *mode = (uint16_t)value;
    return true;
}

/* The bits that a clause is about: those of its users and groups. */
static uint16_t read_who(const char **text)
{
    uint16_t who = 0;
    for (;; ++*text) {
        switch (**text) {
        case 'u':
            who |= SET_UID | 0700;
            break;
        case 'g':
            who |= SET_GID | 0070;
            break;
        case 'o':
            who |= 0007;
            break;
        case 'a':
            who |= SET_UID | SET_GID | 0777;
            break;
        default:
            return who ? who : SET_UID | SET_GID | STICKY | 0777;
        }
    }
}

/* The bits behind an operator, for all users; what they have now for "u", "g" and "o". */
static uint16_t read_permissions(const char **text, uint16_t before, uint16_t now, bool directory)
{
    static const char classes[] = "ugo";
    uint16_t bits = 0;
    for (;; ++*text) {
        const char *class = **text ? strchr(classes, **text) : NULL;
        if (class)
            bits |= (now >> (6 - 3 * (class - classes)) & 07) * 0111;
        else if (**text == 'r')
            bits |= READ;
        else if (**text == 'w')
            bits |= WRITE;
        else if (**text == 'x')
            bits |= EXECUTE;
        else if (**text == 'X')
            bits |= directory || before & EXECUTE ? EXECUTE : 0;
        else if (**text == 's')
            bits |= SET_UID | SET_GID;
        else if (**text == 't')
            bits |= STICKY;
        else
            return bits;
    }
}

/* "=" leaves the sticky bit, and the set-id bits where it copies ("g=u"). */
static uint16_t assigned(uint16_t who, bool copies)
{
    return who & (copies ? 0777 : SET_UID | SET_GID | 0777);
}

uint16_t kiln_mode_apply(const char *text, uint16_t mode, bool directory)
{
    const uint16_t before = mode;
    uint16_t octal;
    if (kiln_mode_parse_octal(text, &octal))
        return octal;
    for (const char *p = text; *p; p += *p == ',') {
        const uint16_t who = read_who(&p);
        while (*p && strchr("+-=", *p)) {
            const char sign = *p++;
            const bool copies = *p && strchr("ugo", *p);
            uint16_t bits = read_permissions(&p, before, mode, directory);
            /* "u+t" means the sticky bit, which belongs to nobody; "o+t" does not */
            bits &= who | (who & ~0007 ? STICKY : 0);
            if (sign == '=')
                mode &= (uint16_t)~assigned(who, copies);
            mode = sign == '-' ? mode & (uint16_t)~bits : mode | bits;
        }
        if (*p && *p != ',')
            break; /* the plan has refused such a text */
    }
    return mode;
}
