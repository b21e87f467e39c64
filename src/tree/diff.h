/* Reads what a RUN left in an overlay upper directory as the manifest of a new layer. */
#pragma once

#include "tree/place.h"
#include "tree/view.h"

#define KILN_DIFF_ERROR (kiln_diff_error_quark())
GQuark kiln_diff_error_quark(void); /* codes are errno values */

/* Walks the upper directory (an fd, borrowed; unmounted by now) over the chain that lay below it.
 *
 * - 0:0 character devices become whiteouts; one that hides nothing in `below` is removed from disk
 *   and left out. user.overlay.opaque=y makes an opaque directory (dropped where nothing is below).
 * - Owners are read through the caller's id map (stat(2) as it stands). With KILN_OWNERS_RECORDED,
 *   and for every file that has a user.kiln.stat, the record gives type, owner and device; the mode
 *   is the record's only for devices (a chmod after copy-up is real). A symlink or fifo cannot hold
 *   a record: in recorded mode one that equals `below` at the same path keeps that owner.
 * - xattrs: security.capability and user.*, without user.overlay.* and user.kiln.*.
 * - Hard links get link groups. Sockets are removed from disk and left out. Digests are pending.
 * - stubs: paths (NULL-terminated array, may be NULL) that kiln itself created as mount points; each
 *   that is still an empty file or directory is removed from disk and left out.
 *
 * Returns the sorted manifest; the root "" is in it. NULL on error. */
KilnManifest *kiln_diff_upper(int upperfd, const KilnView *below, const char *const *stubs,
                              KilnOwners owners, GError **error);
