/* How a step says what went wrong: fills struct kilnrun_failure. */
#pragma once

#include "kilnrun.h"

/* Records error (a negative errno) at a stage, with a formatted detail, and returns the error, so
 * that a caller writes `return failure_set(…)`. The first failure recorded stays. */
__attribute__((format(printf, 4, 5))) int failure_set(struct kilnrun_failure *f, int error,
                                                      const char *stage, const char *format, ...);
