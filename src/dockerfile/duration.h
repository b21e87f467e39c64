/* Durations of HEALTHCHECK as Go's time.ParseDuration reads them: "1m30s", "1.5h", "300ms". */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* False if the text is no duration or one that 64 bits of nanoseconds cannot hold. */
bool kiln_duration_parse(const char *text, gint64 *nanoseconds);
