/* The download of one blob: verified while it streams, resumed where it broke. */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "remote/events.h"
#include "remote/layout.h"
#include "remote/registry.h"

/* Brings a blob into the layout under its name; nothing is left there on failure. Digest and size
 * are verified. A broken transfer goes on from where it was (Range), or from the start if the
 * registry cannot; tries without any progress are counted. Progress events: one at least every 100
 * ms, and one at the end. Errors: all kinds. */
bool remote_download(RemoteRegistry *registry, RemoteHttp *http, RemoteLayout *layout,
                     RemoteEvents *events, const RemoteDescriptor *blob, GError **error);
