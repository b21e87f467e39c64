/* BuildKit (dockerfile2llb/convert_copy.go, dispatchCopy) copies the directory before the pivot
 * with the rest as an include pattern of moby/patternmatcher. An ignore list says the same: all but
 * that pattern. */
#include "build/copy-parents.h"

#include "plan/plan.h"
#include "tree/glob.h"

#include <string.h>

bool kiln_copy_parents_read(const char *source, KilnCopyParents *out, GError **error)
{
    static const char pivot_mark[] = "/./";
    const char *pivot = strstr(source, pivot_mark);
    const char *kept = pivot ? pivot + strlen(pivot_mark) : source;
    g_autofree char *clean = kiln_path_clean("/", kept);
    g_autofree char *wanted = g_strconcat("!", clean + 1, NULL);
    /* A pivot at the end leaves nothing that could be named: nothing is copied, as in BuildKit. */
    const char *patterns[] = {"*", clean[1] ? wanted : NULL, NULL};

    *out = (KilnCopyParents){.base = pivot ? g_strndup(source, (gsize)(pivot - source))
                                           : g_strdup("/")};
    out->required = !kiln_glob_has_wildcard(out->base) && !kiln_glob_has_wildcard(clean);
    out->others = kiln_ignore_new(patterns, source, error);
    return out->others != NULL;
}

void kiln_copy_parents_clear(KilnCopyParents *p)
{
    g_clear_pointer(&p->base, g_free);
    g_clear_pointer(&p->others, kiln_ignore_free);
}
