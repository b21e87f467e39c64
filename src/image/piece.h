/* Reading a stream in large pieces of one size, whatever read(2) gives at a time. For src/image/
 * alone. */
#pragma once

#include <glib.h>
#include <stdint.h>
#include <sys/types.h>

enum { KILN_PIECE = 256 * 1024 }; /* bytes */

/* Fills buffer (KILN_PIECE bytes) from fd; fewer only at the end of the stream, 0 there. -1 with
 * KILN_IMAGE_ERROR_IO that says it was reading `what`. */
ssize_t kiln_piece_read(int fd, uint8_t *buffer, const char *what, GError **error);
