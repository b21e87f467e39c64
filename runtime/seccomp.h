/* The seccomp filter that is compiled in (runtime/profiles/default.json). */
#pragma once

/* Installs it for the calling process. Without no_new_privs, so that setuid programs work: needs
 * CAP_SYS_ADMIN in the process's user namespace (seccomp(2)). 0 or a negative errno. */
int seccomp_install(void);
