/* Reads what a RUN left in an overlay upper directory as the manifest of a new layer. */
#pragma once

#include "tree/place.h"
#include "tree/view.h"

#define KILN_DIFF_ERROR (kiln_diff_error_quark())
GQuark kiln_diff_error_quark(void); /* codes are errno values */

/* What the sandbox knows of the files that a command made, and the disk cannot tell. */
typedef struct {
    bool xattrs_are_true; /* the command could not write user.kiln.*: what is there is the sandbox's */
    /* What is recorded of the file behind the fd (O_PATH): type, owner and device; false if nothing
     * is. May be NULL. */
    bool (*find)(int fd, KilnEntry *record, void *data);
    void *data;
    /* The directory in which the command made them, by the same paths, where the upper directory has but copies;
     * borrowed, 0: none. */
    int made_in;
} KilnDiffRecords;

/* Walks the upper directory (an fd, borrowed; unmounted by now) over the chain that lay below it.
 *
 * - 0:0 character devices become whiteouts; one that hides nothing in `below` is removed from disk
 *   and left out. user.overlay.opaque=y makes an opaque directory (dropped where nothing is below).
 * - Owners are read through the caller's id map (stat(2) as it stands). With KILN_OWNERS_RECORDED
 *   the user.kiln.stat of a file tells its owner; otherwise it does for an owner outside the map, as
 *   long as the file has not been given away. The mode is always that on disk.
 * - A file with user.kiln.stat of a device is one if records say that the xattr is true, or if the
 *   layers below have it, at this path or at one that this layer hides (a rename). One that was made
 *   by the command (records) gets the xattr.
 * - A symlink or fifo holds no xattr: in recorded mode records tell its owner, else one that equals
 *   `below`, at this path or at one that this layer hides, has the owner that it had there.
 * - xattrs: security.capability and user.*, without user.overlay.* and user.kiln.*.
 * - Hard links get link groups. Sockets are removed from disk and left out. Digests are pending.
 * - stubs: paths (NULL-terminated array, may be NULL) that kiln itself created as mount points; each
 *   that is still an empty file or directory is removed from disk and left out.
 *
 * records: NULL if there are none. Returns the sorted manifest; the root "" is in it. NULL on error. */
KilnManifest *kiln_diff_upper(int upperfd, const KilnView *below, const char *const *stubs,
                              KilnOwners owners, const KilnDiffRecords *records, GError **error);

/* The same where commands cannot have made files named ".wh.…": ".wh.NAME" is a whiteout, too, and ".wh..wh..opq"
 * makes its directory opaque, as fuse-overlayfs and kiln_placer_put() leave them where 0:0 devices are refused. */
KilnManifest *kiln_diff_marked_upper(int upperfd, const KilnView *below, const char *const *stubs,
                                     KilnOwners owners, const KilnDiffRecords *records, GError **error);

/* What both do first, for another directory that the mount points were made in. */
bool kiln_diff_remove_stubs(int dirfd, const char *const *stubs, GError **error);
