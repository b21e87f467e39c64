/* Layer tars, in and out (image-spec layer.md), over libarchive's tar reader and pax writer. */
#pragma once

#include "tree/place.h"
#include "tree/tar-limits.h"

/* A name in a layer's tar that begins with it deletes the rest of the name below; so that no file of an
 * image can have such a name. */
#define KILN_WHITEOUT_PREFIX ".wh."

#define KILN_TAR_ERROR (kiln_tar_error_quark())
GQuark kiln_tar_error_quark(void);
typedef enum {
    KILN_TAR_ERROR_FORMAT, /* not a tar, truncated, or an entry that must be refused */
    KILN_TAR_ERROR_IO,
} KilnTarError;

/* A name of an archive as a message can have it: any bytes are made text, in one line and without what moves a
 * terminal's cursor. g_free(). */
char *kiln_tar_shown(const char *name);

/* Where bytes come from: sets *buffer (valid until the next call) and returns how many, 0 at the
 * end, -1 with error set. */
typedef ssize_t (*KilnReadFunc)(void *data, const void **buffer, GError **error);
/* Where bytes go: takes all of them, or returns false with error set. */
typedef bool (*KilnWriteFunc)(void *data, const void *buffer, size_t size, GError **error);

typedef struct {
    KilnOwners owners;
    bool whiteouts; /* ".wh.NAME" and ".wh..wh..opq" are whiteouts (layers), else plain names (ADD) */
    bool detect_compression; /* also gzip, bzip2, xz and zstd, by content (ADD); else plain tar only */
    /* For ADD: put everything below this path of dirfd ("" for the root), which must exist, and
     * give all entries this owner (-1: as the tar says). */
    const char *prefix;
    int64_t uid, gid;
    /* For ADD: what is at a resolved path below and around what is unpacked, or NULL. Its symlinks are
     * followed as those of the archive itself are, and its directories keep their attributes where the
     * archive only names what is in them. May be NULL. */
    const KilnEntry *(*below)(const char *path, void *data);
    void *below_data;
    /* An archive without its end marker is an error: what wrote it to a pipe may have died between two
     * entries, where nothing else would tell. */
    bool end_marker;
    KilnTarLimits limits;
} KilnUntarOptions;

/* Unpacks a tar stream into the directory dirfd and adds its entries (with content digests) to
 * `out`, which is left sorted.
 *
 * The stream is hostile, and refused (FORMAT) where it exceeds the limits. Names are taken relative to the root ("/a" is "a", "./a" is "a"); one with
 * a ".." component is KILN_TAR_ERROR_FORMAT that names it. Symlinks inside the layer in parent
 * components are followed within the root, as the image would; hard link targets likewise, and
 * must exist in the same layer. Symlink targets are kept as text. Missing parents are made
 * 0755 0:0 and marked implicit. Later entries replace earlier ones. Devices, sparse files, xattrs
 * (SCHILY.xattr; security.capability, user.*; others dropped; user.kiln.*, user.overlay.* and
 * trusted.* never), PAX and GNU long names and big numbers are understood. Sockets are left out.
 * Trailing garbage after the end of archive is read to the end of the stream (its bytes are part
 * of the digest). An empty stream is an error; an empty tar is not. */
bool kiln_untar(KilnReadFunc read, void *data, int dirfd, const KilnUntarOptions *options,
                KilnManifest *out, GError **error);

/* Whether the file begins like a tar that ADD would unpack, plain or compressed (Docker's rule: the
 * first header can be read). The file offset is left at 0. */
bool kiln_tar_detect(int fd);

/* Writes a layer as a deterministic tar: sorted, PAX where needed, no names of owners, no atime or
 * ctime, mtime in whole seconds, whiteouts in the OCI form, the root entry left out. `clamp` (seconds,
 * or -1) is the latest mtime written (SOURCE_DATE_EPOCH). dirfd is the layer's directory. */
bool kiln_tar_write(const KilnManifest *m, int dirfd, int64_t clamp, KilnWriteFunc write, void *data,
                    GError **error);

/* Returns once a file is in the directory, complete; false: the tar is not wanted any more. */
typedef bool (*KilnWaitFunc)(const KilnEntry *file, void *data);
/* The same for a directory that other threads still fill: `wait` is called before a file is read. */
bool kiln_tar_write_following(const KilnManifest *m, int dirfd, int64_t clamp, KilnWaitFunc wait, void *wait_data,
                              KilnWriteFunc write, void *data, GError **error);
