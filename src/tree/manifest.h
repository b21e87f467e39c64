/* A manifest lists what a file tree holds: one entry a path, sorted, with the attributes that go
 * into an image. It is the truth about a layer; the layer's directory is only a materialisation of
 * it, on a host that may be unable to chown or mknod (docs/store.md, "Manifest").
 *
 * A manifest never touches the tree it describes. Paths are bytes, not text: relative to the root
 * of the tree, no leading or trailing slash, no "." or "..", "" is the root itself. They are
 * sorted by kiln_path_compare(), where '/' sorts before every other byte, so that a directory is
 * directly followed by everything below it. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define KILN_SHA256_SIZE 32

typedef enum {
    KILN_TYPE_FILE = 'f',
    KILN_TYPE_DIR = 'd',
    KILN_TYPE_SYMLINK = 'l',
    KILN_TYPE_FIFO = 'p',
    KILN_TYPE_CHAR = 'c',
    KILN_TYPE_BLOCK = 'b',
    KILN_TYPE_SOCKET = 's',   /* only in contexts; never in a layer */
    KILN_TYPE_WHITEOUT = 'w', /* the path is deleted from the layers below (image-spec layer.md) */
} KilnType;

typedef struct {
    const char *name; /* NUL-terminated, with its namespace: "security.capability" */
    const void *value;
    uint32_t size; /* bytes */
} KilnXattr;

/* One path. All pointers are owned by the manifest that the entry lies in. */
typedef struct {
    const char *path;
    KilnType type;
    uint16_t mode; /* permission bits with set-id and sticky, 07777 */
    bool opaque;   /* directory: hides the same directory of the layers below */
    bool implicit; /* directory that a tar did not list but needs; takes the attributes of the
                      layers below when the chain is known */
    bool has_digest;
    uint32_t uid, gid;     /* as written to the image */
    uint32_t major, minor; /* KILN_TYPE_CHAR and KILN_TYPE_BLOCK */
    uint32_t mtime_nsec;
    uint32_t link_group; /* entries with the same non-zero number are hard links to one file */
    int64_t mtime;       /* seconds since the epoch, may be negative */
    uint64_t size;       /* bytes, KILN_TYPE_FILE only */
    const char *target;  /* KILN_TYPE_SYMLINK, else NULL */
    const KilnXattr *xattrs; /* sorted by name; NULL if n_xattrs is 0 */
    uint32_t n_xattrs;
    uint8_t digest[KILN_SHA256_SIZE]; /* of a file's content, where has_digest */
} KilnEntry;

typedef struct KilnManifest KilnManifest;

#define KILN_MANIFEST_ERROR (kiln_manifest_error_quark())
GQuark kiln_manifest_error_quark(void);
typedef enum {
    KILN_MANIFEST_ERROR_IO,
    KILN_MANIFEST_ERROR_FORMAT, /* not a manifest, truncated, altered, or of a newer version */
} KilnManifestError;

/* Orders paths with '/' below every other byte; like strcmp() otherwise. */
int kiln_path_compare(const char *a, const char *b);

/* Whether path is dir or lies below it. dir "" holds every path. */
bool kiln_path_within(const char *path, const char *dir);

KilnManifest *kiln_manifest_new(void);
KilnManifest *kiln_manifest_ref(KilnManifest *m); /* atomic */
void kiln_manifest_unref(KilnManifest *m);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnManifest, kiln_manifest_unref)

/* Appends an entry for path (copied), all else zero, and returns it for the caller to fill in. The
 * pointer stays valid until the manifest is freed, also across kiln_manifest_sort(). Not
 * thread-safe: a manifest being filled has one owner; a sorted one can be read by many. */
KilnEntry *kiln_manifest_add(KilnManifest *m, const char *path);

/* Appends a deep copy of entry under another path (NULL: its own). */
KilnEntry *kiln_manifest_add_copy(KilnManifest *m, const KilnEntry *entry, const char *path);

/* Copies a string or bytes into the manifest's memory, for target and xattr fields. */
const char *kiln_manifest_string(KilnManifest *m, const char *s);
/* Sets the entry's xattrs to a copy of the n given, sorted by name. */
void kiln_manifest_set_xattrs(KilnManifest *m, KilnEntry *e, const KilnXattr *xattrs, uint32_t n);

/* Sorts by path. Of entries with the same path the one added last stays (as in a tar). Must be
 * called before lookup, lower_bound or write. */
void kiln_manifest_sort(KilnManifest *m);

/* Takes an entry out (by index, in sorted order or before sorting). */
void kiln_manifest_remove(KilnManifest *m, guint index);

guint kiln_manifest_length(const KilnManifest *m);
KilnEntry *kiln_manifest_get(const KilnManifest *m, guint index);

/* The entry of exactly this path, or NULL. */
const KilnEntry *kiln_manifest_lookup(const KilnManifest *m, const char *path);

/* The index of the first entry whose path does not sort before path; length if there is none. */
guint kiln_manifest_lower_bound(const KilnManifest *m, const char *path);

/* The sum of the file sizes, each hard-linked file counted once. */
uint64_t kiln_manifest_size(const KilnManifest *m);

/* Writes the sorted manifest as the file `name` in dirfd (created, mode 0600, must not exist).
 * The format has a version and a checksum: docs/store.md, "Manifest". */
bool kiln_manifest_write(const KilnManifest *m, int dirfd, const char *name, GError **error);

/* Reads it back. A file that is torn or altered gives KILN_MANIFEST_ERROR_FORMAT. NULL on error. */
KilnManifest *kiln_manifest_read(int dirfd, const char *name, GError **error);

/* Whether two files have the same attributes, of those that a layer directory holds: mode, owner, time to the
 * nanosecond, size, xattrs. Says nothing of their content. */
bool kiln_entry_same_attributes(const KilnEntry *a, const KilnEntry *b);

/* Whether there is such a file and it is as long as its header says: what a torn one is not. The checksum is not
 * looked at. */
bool kiln_manifest_is_whole(int dirfd, const char *name);

/* Feeds one entry, without mtime, to a hash over trees: name relative to `base` (a path that holds
 * the entry), type, mode, owner, device, link target, xattrs, content digest. `append` is called
 * with unambiguous, length-prefixed bytes. An entry of a file must have its digest. */
typedef void (*KilnAppendFunc)(void *hash, const void *bytes, size_t size);
void kiln_entry_feed(const KilnEntry *e, const char *base, KilnAppendFunc append, void *hash);
