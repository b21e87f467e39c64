/* Values as Go's fmt and time packages print them: BuildKit writes its history entries with those.
 */
#pragma once

#include <glib.h>

/* fmt's %q of a string: quoted, with escapes for what does not print. g_free(). */
char *kiln_go_quote(const char *text);
/* fmt's %v and %q of a string list: [a b] and ["a" "b"]. list may be NULL. g_free(). */
char *kiln_go_list(char *const *list);
char *kiln_go_quoted_list(char *const *list);
/* 90 s are "1m30s", half a second is "500ms", nothing is "0s" (time.Duration.String). g_free(). */
char *kiln_go_duration(gint64 nanoseconds);
