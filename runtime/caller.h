/* What the kernel tells of a caller: its memory, and lines of /proc/TID/status. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct call;

/* Copies from and to the caller's memory. 0, -EFAULT, or another negative errno. */
int caller_read(const struct call *c, uint64_t address, void *out, size_t size);
int caller_write(const struct call *c, uint64_t address, const void *bytes, size_t size);
/* A NUL-terminated string; -ENAMETOOLONG if it does not fit. */
int caller_string(const struct call *c, uint64_t address, char *out, size_t room);

/* The last number of a line of /proc/TID/status (in the innermost pid namespace, where it has one
 * for each), or a negative errno. */
long long caller_status(const struct call *c, const char *name, int base);
