/* What --chmod makes of a mode: an octal number, or symbolic clauses as of chmod(1): "u=rwX,go=rX".
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* Whether the text is an octal mode; *mode gets it. It holds for everything that is copied and for
 * the directories that are made for it. */
bool kiln_mode_parse_octal(const char *text, uint16_t *mode);

/* The mode that a file or directory of this mode gets by a text that the plan has checked. Clauses
 * without "ugoa" are for all, as with a umask of 0 (BuildKit's), and X looks at the mode before any
 * clause. */
uint16_t kiln_mode_apply(const char *text, uint16_t mode, bool directory);
