/* Errors of the store: what was being done, to what, and what to try. */
#pragma once

#include "store/store.h"

/* Sets an error whose code follows from errnum (an errno value): full disk, no permission, other.
 * The message is the formatted text, the system's words, and a hint where there is one. Always
 * returns false. */
bool kiln_store_fail(GError **error, int errnum, const char *format, ...) G_GNUC_PRINTF(3, 4);
