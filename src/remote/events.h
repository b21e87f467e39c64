/* What kiln-remote tells the front process: one JSON object a line on standard output. */
#pragma once

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>

/* Usable from several threads. When the reader has gone, `*cancelled` is set and nothing more is
 * written. */
typedef struct RemoteEvents RemoteEvents;
RemoteEvents *remote_events_new(int fd, gint *cancelled); /* `fd` stays the caller's */
void remote_events_free(RemoteEvents *e);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RemoteEvents, remote_events_free)

/* {"event":"progress","what":…,"done":…,"total":…}; bytes. */
void remote_events_progress(RemoteEvents *e, const char *digest, gint64 done, gint64 total);

/* {"event":"done","digest":…,"manifest":…} */
void remote_events_done(RemoteEvents *e, const char *digest, const char *manifest);

/* {"event":"warning","message":…}: worth telling, but nothing has failed. */
void remote_events_warning(RemoteEvents *e, const char *message);

/* {"event":"error","kind":…,"message":…} */
void remote_events_error(RemoteEvents *e, const GError *error);

/* {"digest":…,"mediaType":…,"size":…}: the answer of `resolve`. */
void remote_events_resolved(RemoteEvents *e, const char *digest, const char *media_type,
                            gint64 size);

/* Any other event, which is freed. */
void remote_events_send(RemoteEvents *e, json_object *event);
