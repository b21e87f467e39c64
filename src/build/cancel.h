/* The wish to end a build: set once by the front, seen by everything that takes long. Thread-safe. */
#pragma once

#include "runtime/kilnrun.h"

#include <glib.h>
#include <kiln/event.h>
#include <stdbool.h>

#define KILN_CANCEL_ERROR (kiln_cancel_error_quark())
GQuark kiln_cancel_error_quark(void);

typedef struct KilnCancel KilnCancel;
KilnCancel *kiln_cancel_new(void);
void kiln_cancel_free(KilnCancel *c);

/* Sets it and kills every command that is being watched. */
void kiln_cancel_trigger(KilnCancel *c);
/* The same for the engine's own purposes: what still runs is of no use. Unlike the user's wish it can be taken
 * back, when nothing runs any more. */
void kiln_cancel_stop(KilnCancel *c);
void kiln_cancel_resume(KilnCancel *c);
/* True if it is set; then error says so. */
bool kiln_cancel_check(KilnCancel *c, GError **error);

/* Waits so long (microseconds), or until it is set; then true, and error says so. */
bool kiln_cancel_wait(KilnCancel *c, gint64 microseconds, GError **error);

/* How a task ended that failed so (NULL: it did not). */
KilnVerdict kiln_verdict_of(const GError *failure);

/* A command to kill on cancel, from its start until it has been waited for (its output may end long before
 * it does). One that starts too late is killed at once. */
void kiln_cancel_watch(KilnCancel *c, struct kilnrun_step *step);
void kiln_cancel_unwatch(KilnCancel *c, struct kilnrun_step *step);
