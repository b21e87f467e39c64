/* What hosts refuse to builds, by symptom: the cause and what mends it, in the same words in a
 * failing build and in `kiln doctor`. */
#pragma once

#include <glib.h>

typedef enum {
    KILN_REFUSAL_USERNS_LIMIT,
    KILN_REFUSAL_MASKED_PROC,
    KILN_REFUSAL_OVERLAY_ON_OVERLAY,
    KILN_REFUSAL_NO_XATTRS,
    KILN_REFUSAL_OVERLAY,
    KILN_REFUSAL_NO_BINFMT,
    KILN_N_REFUSALS,
} KilnRefusal;

const char *kiln_refusal_cause(KilnRefusal refusal);
const char *kiln_refusal_remedy(KilnRefusal refusal);

/* A sandbox that could not be prepared, by the runtime's stage and (positive) errno:
 * what to tell the user, or NULL if that is not the host's doing. fs: the store's file system
 * ("overlay", "nfs" …), or NULL. g_free(). */
char *kiln_refusal_explain(const char *stage, int error, const char *fs);
