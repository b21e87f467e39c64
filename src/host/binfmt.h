/* Which programs for other processors this host can run. */
#pragma once

#include <glib.h>

/* The names of the enabled handlers for them ("qemu-aarch64, qemu-arm"), by binfmt_misc; NULL if
 * there are none. proc: where proc is mounted. g_free(). */
char *kiln_binfmt_handlers(const char *proc);
