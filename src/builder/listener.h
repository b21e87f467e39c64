/* The thread that hears the front: wishes to end, and what kiln-remote says.
 *
 * A wish to end is first a request: commands are killed, and every step ends at its next check. An
 * operation that is not over a second later, or a second wish, ends the process by force: what it
 * was doing is left as it is, and the same process becomes one that only tidies up
 * (kiln_listener_tidy()), so that nothing is left when whoever started it has waited for it. The
 * end of the wire is such a wish too. */
#pragma once

#include "build/cancel.h"
#include "builder/remote.h"
#include "builder/secret.h"

typedef struct KilnListener KilnListener;

/* Starts the thread. All are borrowed. root: of the store to tidy up, NULL for none. */
KilnListener *kiln_listener_new(KilnWire *wire, KilnCancel *cancel, KilnRemote *remote,
                                KilnSecrets *secrets, const char *root);
/* The operation is over: from now on nothing is broken off. Returns whether it was asked to end. */
bool kiln_listener_over(KilnListener *l);
/* Waits until the front has closed the wire. */
void kiln_listener_free(KilnListener *l);

/* The argument of main() with which a process that was ended by force goes on, before the store's
 * root. */
#define KILN_LISTENER_TIDY "--tidy"
/* What it does then: waits for the children that it had, and has the store clean up. Returns its
 * exit status. */
int kiln_listener_tidy(const char *root);
