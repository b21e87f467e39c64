/* The value of --output. */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* "type=oci,dest=FILE" as the builder takes it, with FILE made absolute, of what the user wrote: a
 * list of KEY=VALUE in CSV. KILN_ERROR_USAGE for what this version does not do, which names what it
 * does. */
char *kiln_output_parse(const char *text, GError **error);
/* Its dest, borrowed; "-" is standard output. */
const char *kiln_output_dest(const char *parsed);

/* Fields of one CSV record (RFC 4180): a field may be in quotes, with "" for a quote. */
GPtrArray *kiln_csv_split(const char *text);
