/* What glob patterns are made of besides literal bytes: characters and [classes] of them, as Go's
 * path/filepath.Match reads them. */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* Takes the character that s begins with, and moves s behind it. s must not be at its end. A byte
 * that is not UTF-8 is a character of its own, beyond all of Unicode. */
guint32 kiln_char_take(const char **s);

/* Reads a class: *pattern is at its '[' and is moved behind its ']'. *matches tells whether c is in
 * it ("[^…]" is turned round). False if it is malformed. */
bool kiln_charclass_match(const char **pattern, guint32 c, bool *matches);
