/* The seccomp filter of a command. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct sock_filter;

/* The default filter (profiles/default.json); n: its instructions. */
const struct sock_filter *seccomp_default(size_t *n);
/* Installs a filter of `size` bytes, or the default one (NULL). Call it with CAP_SYS_ADMIN in the
 * process's user namespace (seccomp(2)). 0 or a negative errno. */
int seccomp_install(const struct sock_filter *filter, size_t size);
