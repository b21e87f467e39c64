/* The part of a request that says what RUNs are given. */
#pragma once

#include "build/run-settings.h"
#include "builder/operation.h"

/* Fills *out, which is zero. Nothing in it outlives the operation. False with an error (exit code 2) where the
 * request makes no sense; kiln_run_settings_clear() in either case. */
bool kiln_run_settings_read(KilnOperation *op, KilnRunSettings *out, GError **error);
void kiln_run_settings_clear(KilnRunSettings *s);
