/* The value of a --mount or --device: a line of CSV, as BuildKit's csvvalue reads it. */
#pragma once

#include "dockerfile/dockerfile.h"

/* The fields, without their quotes. NULL if the text is empty, or a quote is not closed or stands
 * where none can. g_strfreev(). */
char **kiln_fields_split(const char *text);

/* What BuildKit checks of RUN's --mount and --device before any variable is known
 * (instructions/commands_runmount.go, commands_rundevice.go): that there are fields, that a mount's
 * "from" has no variable, and what a device's fields say. */
bool kiln_fields_check(const KilnDockerfile *d, const KilnInstruction *run, GError **error);
