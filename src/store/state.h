/* What a KilnStore is made of; for src/store/ alone. */
#pragma once

#include "store/database.h"
#include "store/error.h"
#include "store/store.h"

struct KilnStore {
    char *root;           /* absolute, without symlinks */
    char *blob_directory; /* root/blobs/sha256 */
    KilnOwners owners;
    KilnTarLimits limits;
    KilnDatabase *db;

    int root_fd, layers_fd, manifests_fd, blobs_fd, tmp_fd, stub_fd, lock_fd;

    KilnProvideFunc provide; /* or NULL */
    void *provide_data;

    GMutex layers_mutex;
    GHashTable *layer_fds; /* gint64 → fd + 1 */
    GHashTable *manifests; /* gint64 → KilnManifest* */
    GHashTable *condemned; /* gint64: layers that were found damaged; NULL: none */
    gint64 newly_condemned; /* the last of them that nobody has been told of, or 0 */

    GMutex session_mutex; /* the folder of this process in tmp/, made when first needed */
    char *session;        /* its name */
    int session_fd, session_lock_fd;
    guint next_work;

    int lease_fd; /* lease.c; -1: nothing is leased (any more) */
    GMutex lease_mutex;
    bool all_leased; /* kiln_store_look() */
    GHashTable *leased_layers, *leased_blobs; /* gint64 *, char *: sets */
    GHashTable *used_caches;                  /* name → id */
};

struct KilnWork {
    KilnStore *store;
    char *name; /* in the session's folder */
    char *path;
    int fd;
    GArray *fds; /* of subdirectories */
};

/* The folders of the store that hold content, as opened in KilnStore and removed by a reset. */
#define KILN_STORE_MODE 0700

/* src/store/work.c */
void kiln_session_close(KilnStore *s);
/* Removes the folders in tmp/ whose processes are gone. *killed: there were some, which may have left files
 * without a row; this is said again until kiln_session_forget(). */
bool kiln_session_clean(KilnStore *s, bool *killed, GError **error);
bool kiln_session_forget(KilnStore *s, GError **error);
/* Whether this name in tmp/ was left by a process that is gone. */
bool kiln_session_is_dead(KilnStore *s, const char *name);

/* src/store/cache.c: whether another process uses it now. */
bool kiln_cache_held(KilnStore *s, const char *name);

/* src/store/layer.c: whether the store has but the layer's tar. */
bool kiln_layer_is_packed(KilnStore *s, gint64 layer);
/* Sees to it that these layers are there, and not only their tars. */
bool kiln_layers_require(KilnStore *s, const gint64 *layers, guint n, GError **error);

/* src/store/sweep.c: removes the rows of other boots, and files without a row. Needs the store
 * exclusively. */
bool kiln_store_sweep(KilnStore *s, GError **error);

/* src/store/orphan.c: removes files without a row, beside others that use the store. */
bool kiln_store_sweep_orphans(KilnStore *s, GError **error);

/* Blobs are files without this of their digest. */
#define KILN_BLOB_PREFIX "sha256:"

/* OFD locks (fcntl(2)) on a byte of a file. kind: F_RDLCK, F_WRLCK, F_UNLCK. Returns 0 or a negative errno; -EAGAIN
 * if another holds it and wait is false. */
int kiln_lock_set(int fd, gint64 byte, short kind, bool wait);
/* The same, never waiting, on all bytes from first to last. */
int kiln_lock_set_range(int fd, gint64 first, gint64 last, short kind);
/* Bytes of `lock`: docs/store.md, "Locks and their order". */
enum {
    KILN_LOCK_USE = 0,
    KILN_LOCK_CREATE = 1,
    KILN_LOCK_COLLECT = 2,
};
#define KILN_LOCK_STEPS ((gint64)1 << 62) /* from here on: of the step's key */
