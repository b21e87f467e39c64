#include "tree/glob.h"

#include "tree/charclass.h"

#include <string.h>

bool kiln_glob_has_wildcard(const char *s)
{
    for (; *s; s++) {
        if (*s == '\\' && s[1])
            s++;
        else if (strchr("*?[", *s))
            return true;
    }
    return false;
}

char *kiln_glob_unescape(const char *pattern)
{
    char *plain = g_malloc(strlen(pattern) + 1), *p = plain;
    for (; *pattern; pattern++) {
        if (*pattern == '\\' && pattern[1])
            pattern++;
        *p++ = *pattern;
    }
    *p = '\0';
    return plain;
}

/* The syntax alone: a bad pattern is bad whatever name it is held against. */
static bool is_well_formed(const char *p)
{
    while (*p) {
        bool ignored;
        if (*p == '[') {
            if (!kiln_charclass_match(&p, 0, &ignored))
                return false;
        } else if (*p == '\\') {
            if (!p[1])
                return false;
            p += 2;
        } else {
            p++;
        }
    }
    return true;
}

/* Matches the pattern's next item, which is not a star, and moves both on. */
static bool match_one(const char **pattern, const char **name)
{
    bool matches = false;
    if (!**name)
        return false;
    switch (**pattern) {
    case '\0':
        return false;
    case '?':
        *pattern += 1;
        return kiln_char_take(name) != '/';
    case '[':
        return kiln_charclass_match(pattern, kiln_char_take(name), &matches) && matches;
    case '\\':
        *pattern += 1;
        break;
    default:
        break;
    }
    matches = **pattern == **name;
    *pattern += 1;
    *name += 1;
    return matches;
}

bool kiln_glob_match(const char *pattern, const char *name, bool *bad)
{
    bool ok = is_well_formed(pattern);
    if (bad)
        *bad = !ok;
    if (!ok)
        return false;

    /* Where to go on after a mismatch: only the last star can usefully take more, since whatever an
     * earlier one would take, this one can. */
    const char *retry_pattern = NULL, *retry_name = NULL;
    while (*pattern || *name) {
        if (*pattern == '*') {
            while (*pattern == '*')
                pattern++;
            retry_pattern = pattern;
            retry_name = name;
            continue;
        }
        if (match_one(&pattern, &name))
            continue;
        if (!retry_pattern || !*retry_name || *retry_name == '/')
            return false;
        pattern = retry_pattern;
        name = ++retry_name;
    }
    return true;
}
