/* The limits of RUNs (limits/limits.h) as the sandbox gets them: by cgroups where these can be used, else by
 * what a process can be limited with alone, of which the user is warned. */
#pragma once

#include "build/engine.h"

/* Made for the first RUN that is executed: warns of limits that cannot be kept. kiln_build_limits_free(). */
void kiln_build_limits_free(KilnBuildLimits *b);

typedef struct KilnStepLimits KilnStepLimits;

/* Makes what a step needs, and fills `out`, whose arrays last as long as it. */
KilnStepLimits *kiln_step_limits_new(KilnEngine *e, struct kilnrun_limits *out, GError **error);
/* When the step is over. */
void kiln_step_limits_free(KilnStepLimits *l);

/* Why a step that failed was made to end, as the last words of a sentence ("was …"); NULL: by none of the
 * limits. g_free(). */
char *kiln_step_limits_verdict(const KilnEngine *e, const KilnStepLimits *l,
                               const struct kilnrun_result *result);
