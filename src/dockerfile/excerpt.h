/* Parts of a hostile file, made fit to be shown on a terminal. */
#pragma once

#include "dockerfile/dockerfile.h"

/* At most some 60 characters of a text; what is not printable UTF-8 appears as \xNN. Free with
 * g_free(). */
char *kiln_excerpt_text(const char *text, gsize length);

/* The line of the place with its number, and a second line that underlines the place:
 *
 *     12 | COPY --fromm=builder /a /b
 *        |      ^~~~~~~~~~~~~~~
 *
 * Of a long line only what is around the column. NULL if the file has no such line. Free with
 * g_free(). */
char *kiln_excerpt_line(const KilnDockerfile *d, const KilnPlace *place);
