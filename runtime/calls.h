/* The default filter as a table, made from the profile when kiln is built (tool-seccomp.c), for
 * those who show it or name calls. A library of its own, kiln-calls: the front uses it and nothing
 * else of this. */
#pragma once

#include <stddef.h>

enum kilnrun_verdict {
    KILNRUN_CALL_ALLOWED,
    KILNRUN_CALL_CONDITIONAL, /* allowed if `condition`, else EPERM */
    KILNRUN_CALL_EPERM,
    KILNRUN_CALL_ENOSYS,
};

struct kilnrun_call {
    const char *name;
    enum kilnrun_verdict verdict;
    const char *condition;     /* "a0 < 38 || a0 == 39", by argument; or NULL */
    const char *why;           /* or NULL */
    const char *architectures; /* of those of the filter, which have it: "x86_64 x86 x32" */
};

/* All calls that the architectures of the filter have, by name. */
const struct kilnrun_call *kilnrun_calls(size_t *n);
/* This architecture, and the highest number of a call that the profile knows: numbers above it
 * answer ENOSYS. */
const char *kilnrun_native_arch(void);
unsigned kilnrun_newest_call(void);
/* The number of a call that is newer than some libseccomp; -1 if the profile does not number it. */
int kilnrun_new_call(const char *name);
