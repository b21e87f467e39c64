#include "dockerfile/suggest.h"

#include <string.h>

#define MAX_LENGTH 63 /* longer words are not compared */
#define MAX_DISTANCE 2

static guint distance(const char *a, const char *b)
{
    guint row[MAX_LENGTH + 1];
    gsize width = strlen(b);
    for (guint n = 0; n <= width; n++)
        row[n] = n;
    for (guint y = 1; a[y - 1]; y++) {
        guint diagonal = row[0];
        row[0] = y;
        for (gsize x = 1; x <= width; x++) {
            guint changed = diagonal + (a[y - 1] != b[x - 1]);
            diagonal = row[x];
            row[x] = MIN(changed, MIN(row[x], row[x - 1]) + 1);
        }
    }
    return row[width];
}

const char *kiln_suggest(const char *word, const char *const *candidates, bool ignore_case)
{
    if (strlen(word) > MAX_LENGTH)
        return NULL;
    g_autofree char *wanted = ignore_case ? g_ascii_strdown(word, -1) : g_strdup(word);
    const char *best = NULL;
    guint best_distance = MAX_DISTANCE + 1;
    for (; *candidates; candidates++) {
        if (strlen(*candidates) > MAX_LENGTH)
            continue;
        g_autofree char *candidate =
            ignore_case ? g_ascii_strdown(*candidates, -1) : g_strdup(*candidates);
        guint d = distance(wanted, candidate);
        if (d == 0)
            return NULL;
        if (d < best_distance) {
            best = *candidates;
            best_distance = d;
        }
    }
    return best;
}
