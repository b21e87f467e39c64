/* Writing to files. */
#pragma once

#include <stddef.h>

/* write(2) until all bytes are written. 0, or a negative errno. */
int kiln_write_all(int fd, const void *bytes, size_t size);
