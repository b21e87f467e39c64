/* Removing a tree whose shape a RUN chose: it may be deeper than the table of open files or
 * PATH_MAX allow, and hold directories without permission bits. */
#include "tree/place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* One fd a level; directories further down are first moved up into the top directory. */
enum { MAX_DEPTH = 64, MAX_PASSES = 1000000 };

typedef struct {
    int top;        /* the directory whose content is being removed */
    unsigned moved; /* directories that were moved up into it */
} Removal;

/* An fd to list and change the directory with, its permission bits opened up where needed. */
static int open_for_removal(int dirfd, const char *name)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(dirfd, name, flags);
    if (fd < 0 && errno == EACCES) {
        int path_fd = openat(dirfd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (path_fd < 0)
            return -errno;
        /* chmod(2) by way of /proc: an O_PATH fd is not enough for fchmod(2), and a name could
         * be followed. */
        char proc[64];
        snprintf(proc, sizeof(proc), "/proc/self/fd/%d", path_fd);
        int failed = chmod(proc, 0700) < 0 ? errno : 0;
        close(path_fd);
        if (failed)
            return -failed;
        fd = openat(dirfd, name, flags);
    }
    if (fd < 0)
        return -errno;
    struct stat st;
    if (fstat(fd, &st) == 0 && (st.st_mode & 0700) != 0700)
        (void)fchmod(fd, 0700); /* root does not need it; for others the unlink below tells */
    return fd;
}

static int remove_content(Removal *r, int fd, int depth);

static int move_up(Removal *r, int dirfd, const char *name)
{
    int fd = open_for_removal(dirfd, name); /* renaming a directory needs write permission on it */
    if (fd < 0)
        return fd;
    close(fd);
    for (;;) {
        char up[32];
        snprintf(up, sizeof(up), ".kiln-removed-%u", r->moved++);
        if (renameat2(dirfd, name, r->top, up, RENAME_NOREPLACE) == 0)
            return 0;
        if (errno != EEXIST)
            return -errno;
    }
}

static int remove_directory(Removal *r, int dirfd, const char *name, int depth)
{
    if (unlinkat(dirfd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return 0;
    if (errno != ENOTEMPTY && errno != EEXIST && errno != EACCES)
        return -errno;
    if (depth >= MAX_DEPTH)
        return move_up(r, dirfd, name);
    int fd = open_for_removal(dirfd, name);
    if (fd < 0)
        return fd;
    int result = remove_content(r, fd, depth + 1);
    if (result == 0 && unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
        result = -errno;
    return result;
}

static int remove_entry(Removal *r, int dirfd, const struct dirent *d, int depth)
{
    if (d->d_type != DT_DIR) {
        if (unlinkat(dirfd, d->d_name, 0) == 0 || errno == ENOENT)
            return 0;
        if (errno != EISDIR) /* Linux says EISDIR, not POSIX's EPERM: unlink(2) */
            return -errno;
    }
    return remove_directory(r, dirfd, d->d_name, depth);
}

/* Takes fd over. Reads the directory again until nothing is left: some file systems skip entries
 * of a directory that changes, and directories may have been moved up into this one. */
static int remove_content(Removal *r, int fd, int depth)
{
    DIR *dir = fdopendir(fd);
    if (!dir) {
        int failed = errno;
        close(fd);
        return -failed;
    }
    int result = 0;
    for (int pass = 0, found = 1; found && result == 0; pass++) {
        const struct dirent *d;
        found = 0;
        while (result == 0 && (errno = 0, d = readdir(dir))) {
            if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
                continue;
            found = 1;
            result = remove_entry(r, dirfd(dir), d, depth);
        }
        if (result == 0 && errno)
            result = -errno;
        if (pass == MAX_PASSES && result == 0)
            result = -ENOTEMPTY;
        rewinddir(dir);
    }
    closedir(dir);
    return result;
}

static int remove_tree(int dirfd, const char *name)
{
    if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR)
        return -errno;
    int fd = open_for_removal(dirfd, name);
    if (fd < 0)
        return fd;
    Removal r = {.top = fd};
    int result = remove_content(&r, fd, 0);
    if (result == 0 && unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
        result = -errno;
    return result;
}

bool kiln_remove_tree(int dirfd, const char *name, GError **error)
{
    int result = remove_tree(dirfd, name);
    if (result == 0)
        return true;
    g_autofree char *shown = g_utf8_make_valid(name, -1);
    g_set_error(error, KILN_PLACE_ERROR, -result, "cannot remove the tree “%s”: %s", shown,
                g_strerror(-result));
    return false;
}
