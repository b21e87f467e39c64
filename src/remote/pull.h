/* `kiln-remote pull`: an image from a registry into a layout directory. */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "remote/events.h"
#include "remote/platform.h"
#include "remote/reference.h"

typedef struct {
    const KilnReference *reference;
    const RemotePlatform *platform;
    const char *config_file; /* of credentials */
    const char *have;        /* a directory of blobs that need no download; or NULL */
    gint64 max_blob;         /* bytes, 0: any; a larger one is not begun */
    const char *folder;      /* the layout's; exists and is empty */
    RemoteEvents *events;
    gint *cancelled; /* atomic; set on the first failure */
} RemotePull;

/* Downloads the image, at most three blobs at a time, and reports it as done. Errors: all kinds;
 * the layout then lacks its oci-layout file. */
bool remote_pull(const RemotePull *pull, GError **error);
