/* What can go wrong between here and a registry, and how it is told to the front process. */
#pragma once

#include <glib.h>

#define REMOTE_ERROR (remote_error_quark())
GQuark remote_error_quark(void);

typedef enum {
    REMOTE_ERROR_NOT_FOUND, /* the registry has no such repository, tag or blob */
    REMOTE_ERROR_AUTH,      /* credentials are missing, wrong or not sufficient */
    REMOTE_ERROR_NETWORK,   /* the registry cannot be reached or refuses to serve */
    REMOTE_ERROR_TRANSIENT, /* as NETWORK, but another try may succeed */
    REMOTE_ERROR_SCHEME,    /* as NETWORK: https was spoken to plain HTTP, or the reverse */
    REMOTE_ERROR_PLATFORM,  /* the image does not exist for the platform asked for */
    REMOTE_ERROR_DIGEST,    /* content is not what its digest or size says */
    REMOTE_ERROR_USAGE,     /* the command line is wrong */
    REMOTE_ERROR_FORMAT,    /* a document is malformed or of an unknown kind */
    REMOTE_ERROR_IO,        /* a local file cannot be read or written */
    REMOTE_ERROR_CANCELLED, /* given up because something else has failed already */
} RemoteError;

/* The "kind" of an error event for `error`; a static string. Errors of foreign domains are "io". */
const char *remote_error_kind(const GError *error);

/* A copy of `text` that is fit for a message: valid UTF-8, control characters (and with them escape
 * sequences for a terminal) replaced by spaces, cut after `max` characters. Registries choose what
 * they answer, so everything from them that is shown passes through here. Free with g_free(). */
char *remote_printable(const char *text, gsize max);
