/* Asking the front to run kiln-remote: the builder itself never speaks to the network. */
#pragma once

#include "report/wire.h"

#define KILN_REMOTE_ERROR (kiln_remote_error_quark())
GQuark kiln_remote_error_quark(void);

typedef struct KilnRemote KilnRemote;
KilnRemote *kiln_remote_new(KilnWire *wire);
void kiln_remote_free(KilnRemote *r);

/* Runs it and waits; called by any thread. progress (may be NULL) is called for each progress line, in the
 * calling thread. Returns the "done" line (or the only line of resolve), to be put; NULL with the message
 * of its error line. */
typedef void (*KilnRemoteProgress)(const char *what, gint64 done, gint64 total, void *data);
json_object *kiln_remote_run(KilnRemote *r, const char *const *argv, KilnRemoteProgress progress,
                             void *data, GError **error);

/* A "remote" message that came over the wire (by the thread that reads it). */
void kiln_remote_message(KilnRemote *r, json_object *message);
/* The wire is gone: everything that waits fails. */
void kiln_remote_abandon(KilnRemote *r);
