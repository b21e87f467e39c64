#include "store/disk-size.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK 512 /* of st_blocks: stat(2) */
/* A directory that is deeper is not looked into: each level costs a file descriptor. */
#define DEEPEST 512

void kiln_disk_size_init(KilnDiskSize *d)
{
    d->shared = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
}

void kiln_disk_size_clear(KilnDiskSize *d)
{
    g_clear_pointer(&d->shared, g_hash_table_unref);
}

typedef struct {
    KilnDiskSize *size;
    guint user;
    guint64 *own;
    GPtrArray *links;
} Walk;

static void add_link(const Walk *w, const struct stat *st)
{
    gint64 inode = (gint64)st->st_ino;
    KilnSharedFile *file = g_hash_table_lookup(w->size->shared, &inode);
    if (!file) {
        file = g_new0(KilnSharedFile, 1);
        file->size = (guint64)st->st_blocks * BLOCK;
        g_hash_table_insert(w->size->shared, g_memdup2(&inode, sizeof inode), file);
    } else if (file->last == w->user) {
        return;
    }
    file->last = w->user;
    file->users++;
    g_ptr_array_add(w->links, file);
}

static void walk(const Walk *w, int dirfd, const char *name, guint depth)
{
    struct stat st;
    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return;
    if (st.st_nlink > 1 && !S_ISDIR(st.st_mode)) {
        add_link(w, &st);
        return;
    }
    *w->own += (guint64)st.st_blocks * BLOCK;
    int fd = S_ISDIR(st.st_mode) && depth < DEEPEST
                 ? openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
                 : -1;
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) {
        if (fd >= 0)
            close(fd);
        return;
    }
    struct dirent *e;
    while ((e = readdir(d)))
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            walk(w, fd, e->d_name, depth + 1);
    closedir(d);
}

void kiln_disk_size_add(KilnDiskSize *d, int dirfd, const char *name, guint user, guint64 *own, GPtrArray *links)
{
    const Walk w = {d, user, own, links};
    walk(&w, dirfd, name, 0);
}
