/* Directories and programs that the front uses. Private to kiln's own programs. */
#pragma once

#include <stdbool.h>

/* The home directory: $HOME, else that of the passwd entry; NULL if there is none or it is "/" (as
 * for the arbitrary uids of OpenShift). g_free(). */
char *kiln_home_directory(void);

/* The user's name by passwd entry; NULL without one. g_free(). */
char *kiln_user_name(void);

/* kiln-builder or kiln-remote: in `libexec` (may be NULL; then nowhere else), else $KILN_LIBEXEC,
 * the directory of the running program, ../libexec/kiln beside it, the directory compiled in. NULL
 * if it is in none. g_free(). */
char *kiln_program_find(const char *libexec, const char *name);
