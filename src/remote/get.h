/* `kiln-remote get`: one file by HTTP. */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "remote/events.h"

/* The most that a file may have, in bytes: what a server sends without end must not fill the disk. */
#define REMOTE_GET_MAX (G_GINT64_CONSTANT(64) << 30)

/*   get [--checksum ALG:HEX] [--etag E] [--last-modified SECONDS] [--max BYTES] URL DEST
 *
 * Fetches URL (http or https, also after redirects) into the new file DEST, mode 0600. ALG is sha256,
 * sha384 or sha512. --etag and --last-modified are those of an earlier answer: if the file is still that
 * one, nothing is downloaded and DEST is not made. Ends with
 *
 *   {"event":"done","unchanged":false,"digest":"sha256:…","size":N,
 *    "name":…,"etag":…,"lastModified":N,"contentType":…}
 *
 * where what is not known is left out: `name` as remote_file_name(), `lastModified` in seconds, no digest
 * and size if `unchanged`. argv[0] is "get". */
bool remote_get_run(int argc, char **argv, RemoteEvents *events, gint *cancelled, GError **error);
