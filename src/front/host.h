/* Why this host refuses what a build needs, found by looking. Private to kiln's own programs. */
#pragma once

#include <stdbool.h>

typedef struct {
    char *cause;  /* "kernel.unprivileged_userns_clone is 0 on this host" */
    char *remedy; /* the command or setting that mends it, or NULL */
} KilnHostProblem;
void kiln_host_problem_clear(KilnHostProblem *p);

/* The likely cause for which a user namespace was refused with `error` (an errno; unshare(2), and
 * user_namespaces(7)). proc: where proc is mounted ("/proc"). */
KilnHostProblem kiln_host_explain_userns(const char *proc, int error);

/* True if the caller has CAP_SYS_ADMIN in effect (in its own user namespace). */
bool kiln_host_is_admin(void);
/* The same of CAP_SYS_CHROOT. */
bool kiln_host_can_chroot(void);
