#include "tree/opener.h"

#include "tree/place.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

void kiln_opener_clear(KilnOpener *o)
{
    if (!o->parent)
        return;
    close(o->parent_fd);
    g_clear_pointer(&o->parent, g_free);
}

int kiln_opener_parent(KilnOpener *o, int rootfd, const char *path, const char **name)
{
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) : 0;
    *name = slash ? slash + 1 : path;
    if (o->parent && o->rootfd == rootfd && strncmp(o->parent, path, length) == 0 && !o->parent[length])
        return o->parent_fd;
    kiln_opener_clear(o);
    g_autofree char *parent = g_strndup(path, length);
    int fd = kiln_open_beneath(rootfd, parent, O_PATH | O_DIRECTORY);
    if (fd < 0)
        return fd;
    *o = (KilnOpener){.rootfd = rootfd, .parent = g_steal_pointer(&parent), .parent_fd = fd};
    return fd;
}

int kiln_opener_open(KilnOpener *o, int rootfd, const char *path, int flags)
{
    const char *name;
    int parent = kiln_opener_parent(o, rootfd, path, &name);
    if (parent < 0)
        return parent;
    int fd = openat(parent, name, flags | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}
