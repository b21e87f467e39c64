/* kiln reset: removes a store, and nothing that is not kiln's. */
#include "store/state.h"

#include "store/owner.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* In this order: records before what they name; what says that this is a store comes last. */
static const char *const contents[] = {"store.db-wal", "store.db-shm", "store.db-journal",
                                       "store.db",     "tmp",          "layers",
                                       "manifests",    "blobs",        "index",
                                       "caches",       "stub",         "snapshotter",
                                       "snapshotter.new", "version.new",
                                       "version",      "leases",
                                       "lock"};

static bool is_store(int fd)
{
    char magic[sizeof KILN_VERSION_MAGIC] = "";
    int version = openat(fd, "version", O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (version < 0)
        return false;
    ssize_t n = read(version, magic, strlen(KILN_VERSION_MAGIC));
    close(version);
    return n == (ssize_t)strlen(KILN_VERSION_MAGIC) && strcmp(magic, KILN_VERSION_MAGIC) == 0;
}

/* How long to wait for others to leave: 10 s in steps of 50 ms. */
#define CONFIRM_TRIES 200
#define CONFIRM_WAIT 50000

static bool remove_contents(int fd, const char *root, GError **error)
{
    int lock = openat(fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (lock < 0)
        return kiln_store_fail(error, errno, "cannot open %s/lock", root);
    bool ok = true;
    int result = kiln_lock_set(lock, KILN_LOCK_USE, F_WRLCK, false);
    for (int tries = 0; result == -EAGAIN && tries < CONFIRM_TRIES; tries++) {
        g_usleep(CONFIRM_WAIT); /* a build that has just ended may be confirming its records */
        result = kiln_lock_set(lock, KILN_LOCK_USE, F_WRLCK, false);
    }
    if (result == -EAGAIN) {
        g_set_error(error, KILN_STORE_ERROR, KILN_STORE_ERROR_BUSY,
                    "another kiln is using the store %s; try again when it has ended", root);
        ok = false;
    } else if (result < 0) {
        ok = kiln_store_fail(error, -result, "cannot lock %s/lock", root);
    }
    for (gsize i = 0; ok && i < G_N_ELEMENTS(contents); i++) {
        ok = kiln_remove_tree(fd, contents[i], error);
        if (!ok)
            g_prefix_error(error, "cannot remove %s/%s: ", root, contents[i]);
    }
    close(lock);
    return ok;
}

bool kiln_store_reset(const char *root, GError **error)
{
    g_autofree char *absolute = g_canonicalize_filename(root, NULL);
    int fd = open(absolute, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return kiln_store_fail(error, errno, "cannot open the store %s", absolute);
    if (!is_store(fd)) {
        close(fd);
        g_set_error(error, KILN_STORE_ERROR, KILN_STORE_ERROR_NOT_FOUND,
                    "%s is not a kiln store (it has no version file of kiln); nothing was removed",
                    absolute);
        return false;
    }
    bool ok = remove_contents(fd, absolute, error);
    close(fd);
    /* Something else may lie in it, or it may be a mount point or reached by a symlink: then it
     * stays, empty of kiln's. */
    if (ok && rmdir(absolute) < 0 && errno != ENOTEMPTY && errno != EEXIST && errno != EBUSY &&
        errno != ENOTDIR && errno != EACCES && errno != EPERM)
        return kiln_store_fail(error, errno, "cannot remove %s", absolute);
    return ok;
}
