/* Opens files of trees one after the other: the directory of the last one stays open, so that a path is walked
 * once for all files of a directory. */
#pragma once

#include <stdbool.h>

/* All zero to begin with. Of one thread. */
typedef struct {
    int rootfd; /* borrowed; it and parent_fd count only where parent is set */
    char *parent;
    int parent_fd;
} KilnOpener;

void kiln_opener_clear(KilnOpener *o);

/* An O_PATH fd, borrowed until the next call, of the directory that holds path in rootfd; *name is the last
 * component. No symlink is followed. Negative errno. */
int kiln_opener_parent(KilnOpener *o, int rootfd, const char *path, const char **name);

/* As kiln_open_beneath(rootfd, path, flags | O_NOFOLLOW). path is not "". */
int kiln_opener_open(KilnOpener *o, int rootfd, const char *path, int flags);
