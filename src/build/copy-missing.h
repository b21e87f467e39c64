/* A source of COPY or ADD that is not there: why, and what was perhaps meant. */
#pragma once

#include "build/engine.h"

/* Sets *error. path is as it was written; tree is what the step copies from. */
void kiln_copy_missing(const KilnEngine *e, const KilnStep *step, KilnSource *tree, const char *path,
                       GError **error);
