/* Parser directives: "# syntax=", "# escape=" and "# check=" ahead of everything else in the file.
 */
#pragma once

#include "dockerfile/dockerfile.h"

/* Reads them into d->escape, d->syntax, d->check (unless it is set: BUILDKIT_DOCKERFILE_CHECK) and
 * d->directives. `text` is the file without a byte order mark.
 * Fails for one given twice, for an escape character that is neither \ nor `, and for a syntax that
 * names a frontend other than docker/dockerfile.
 *
 * As in BuildKit (parser/directives.go) an unknown name, a blank line or anything else ends the
 * directives; behind a "#!" first line syntax and check are still read, escape is not. */
bool kiln_directives_read(KilnDockerfile *d, const char *text, gsize size, GError **error);
