/* Cache mounts: caches/NAME, used under the lock of caches/NAME.lock. docs/store.md. */
#include "store/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

int kiln_cache_lock(KilnStore *s, const char *name, bool exclusive, GError **error)
{
    g_autofree char *path = g_strconcat("caches/", name, ".lock", NULL);
    if (mkdirat(s->root_fd, "caches", KILN_STORE_MODE) < 0 && errno != EEXIST) {
        kiln_store_fail(error, errno, "cannot create %s/caches", s->root);
        return -1;
    }
    int result = 0;
    for (int attempt = 0; attempt < 16 && result == 0; attempt++) {
        int fd = openat(s->root_fd, path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        struct stat st;
        result =
            fd < 0 ? -errno : kiln_lock_set(fd, KILN_LOCK_USE, exclusive ? F_WRLCK : F_RDLCK, false);
        if (result == 0 && fstat(fd, &st) == 0 && st.st_nlink > 0)
            return fd;
        if (fd >= 0)
            close(fd); /* without a name: a collector has just removed it */
    }
    result = result ? result : -EAGAIN;
    if (result != -EAGAIN)
        kiln_store_fail(error, -result, "cannot lock %s/%s", s->root, path);
    return -1;
}

bool kiln_cache_held(KilnStore *s, const char *name)
{
    g_autofree char *path = g_strconcat("caches/", name, ".lock", NULL);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = KILN_LOCK_USE, .l_len = 1};
    int fd = openat(s->root_fd, path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    bool held = fd >= 0 && fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    if (fd >= 0)
        close(fd);
    return held;
}

int kiln_cache_open(KilnStore *s, const char *name, GError **error)
{
    g_autofree char *path = g_strconcat("caches/", name, NULL);
    int fd = openat(s->root_fd, path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno != ENOENT)
        kiln_store_fail(error, errno, "cannot open %s/%s", s->root, path);
    return fd;
}

bool kiln_cache_commit(KilnStore *s, KilnWork *w, const char *directory, const char *name,
                       GError **error)
{
    g_autofree char *path = g_strconcat("caches/", name, NULL);
    if (renameat2(w->fd, directory, s->root_fd, path, RENAME_NOREPLACE) == 0 || errno == EEXIST)
        return true;
    return kiln_store_fail(error, errno, "cannot create %s/%s", s->root, path);
}
