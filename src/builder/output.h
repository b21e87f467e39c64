/* Where a result goes: -o type=oci,dest=FILE. A file appears whole or not at all. */
#pragma once

#include "builder/operation.h"
#include "image/export.h"

typedef struct {
    char *path; /* absolute, or "-": standard output; NULL: the store */
    bool docker; /* type=docker */
} KilnOutput;

/* NULL or "" is the store. */
bool kiln_output_parse(const char *text, KilnOutput *out, GError **error);
void kiln_output_clear(KilnOutput *out);
/* Writes images; *digest as kiln_export(). */
bool kiln_output_write(KilnOperation *op, const KilnOutput *out, const KilnExport *images, guint n,
                       char **digest, GError **error);
