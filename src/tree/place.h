/* Puts entries of a manifest on disk, in a layer directory that kiln is filling and nobody else
 * sees. The only code that creates files in a layer, besides overlayfs itself.
 *
 * Everything is done relative to directory fds and never through a symlink. What the host cannot
 * hold (an owner outside the id map, a device node) is recorded in the xattr user.kiln.stat of the
 * file, which overlayfs carries along on copy-up, so that it can be found again after a RUN:
 * see kiln_stat_record_*. */
#pragma once

#include "tree/manifest.h"

typedef enum {
    KILN_OWNERS_REAL,     /* ids of the image are chowned to, as the id map allows */
    KILN_OWNERS_RECORDED, /* single-id map: everything is 0:0 on disk, owners are recorded */
} KilnOwners;

#define KILN_STAT_XATTR "user.kiln.stat"

#define KILN_PLACE_ERROR (kiln_place_error_quark())
GQuark kiln_place_error_quark(void); /* codes are errno values */

typedef struct KilnPlacer KilnPlacer;

/* dirfd is the layer directory, borrowed. */
KilnPlacer *kiln_placer_new(int dirfd, KilnOwners owners);
/* Frees without applying deferred directory attributes (after a failure). */
void kiln_placer_free(KilnPlacer *p);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnPlacer, kiln_placer_free)

/* Creates the entry: parents must exist already. A file's bytes are taken from content_fd (from
 * offset 0, e->size bytes; reflink, else copy_file_range with holes kept, else read and write);
 * -1 for every other type. KILN_TYPE_WHITEOUT makes overlay's 0:0 character device; an opaque
 * directory gets user.overlay.opaque. A directory that exists already (placed before) only gets
 * the new attributes; anything else that exists is replaced. A directory's mode and mtime are set
 * by kiln_placer_finish(), so that what is put below cannot disturb them. */
bool kiln_placer_put(KilnPlacer *p, const KilnEntry *e, int content_fd, GError **error);

/* The same in two steps, for content that arrives in pieces: open a file for writing (-1 on
 * error), then set its attributes and close it. */
int kiln_placer_open_file(KilnPlacer *p, const KilnEntry *e, GError **error);
bool kiln_placer_close_file(KilnPlacer *p, const KilnEntry *e, int fd, GError **error);

/* Hard link within the layer. Replaces what is at path. */
bool kiln_placer_link(KilnPlacer *p, const char *existing, const char *path, GError **error);

/* Hard link to what lies at the same path of another committed layer directory: any type but a directory. Safe
 * as long as both stay lower directories, which nobody writes. A file with as many links as its file system
 * can count is copied. */
bool kiln_placer_share(KilnPlacer *p, int layerfd, const KilnEntry *e, GError **error);

/* The same for a file that lies at another path there, if it is on disk just as e would be put: *done tells.
 * Otherwise, or if it cannot be linked, nothing is done, without an error. placed: a placer of this store put it
 * there for an entry with the same attributes, so that its xattrs need no look (each would cost an open file). */
bool kiln_placer_link_twin(KilnPlacer *p, int layerfd, const char *twin, bool placed, const KilnEntry *e, bool *done,
                           GError **error);

/* Removes path and all below it; no error if it does not exist. */
bool kiln_placer_remove(KilnPlacer *p, const char *path, GError **error);

/* Applies what was deferred, deepest directories first. Call once at the end. */
bool kiln_placer_finish(KilnPlacer *p, GError **error);

/* Opens a path of a layer directory below dirfd for reading, refusing symlinks in every component
 * (openat2 RESOLVE_BENEATH|RESOLVE_NO_SYMLINKS). Returns an fd or a negative errno. */
int kiln_open_beneath(int dirfd, const char *path, int flags);

/* Whether layers carry the xattr: security.capability and what belongs to the user (user.*), but
 * never what overlayfs and kiln store themselves, with which an image could lie to them. */
bool kiln_xattr_in_image(const char *name);

/* The value of user.kiln.stat: "<type letter> <octal mode> <uid> <gid> <major> <minor>". */
char *kiln_stat_record_format(const KilnEntry *e);
bool kiln_stat_record_parse(const char *text, size_t size, KilnEntry *e);

/* Deletes the tree at name in dirfd, also one with directories that have no permission bits; no
 * error if it does not exist. Never follows a symlink. */
bool kiln_remove_tree(int dirfd, const char *name, GError **error);
