#include "binds.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "mounts.h"
#include "overlay.h"

int binds_take(struct binds *b)
{
    size_t n = b->spec->n_binds;

    b->mounts = calloc(n + 1, sizeof *b->mounts);
    if (!b->mounts)
        return failure_set(b->failure, -ENOMEM, "bind", "allocate");
    for (size_t i = 0; i < n; i++) {
        const struct kilnrun_bind *bind = &b->spec->binds[i];

        b->mounts[i] = -1;
        if (bind->kind == KILNRUN_BIND)
            b->mounts[i] =
                mounts_detach(bind->source_fd, bind->readonly, b->failure, bind->target);
        else if (bind->kind == KILNRUN_LAYERS)
            b->mounts[i] = overlay_detached(&bind->layers, b->options->overlay, b->failure);
        if (b->failure->error)
            return b->failure->error;
    }
    return 0;
}

/* The whole overlay is mounted, out of the way of lookups, and goes with the host's mounts. */
static int make_layers(struct binds *b, const struct kilnrun_bind *bind, int detached)
{
    int root = detached >= 0 ? overlay_attach(detached, b->failure)
                             : overlay_by_mount(&bind->layers, b->failure);
    int part;

    if (root < 0)
        return root;
    part = mounts_subpath(root, bind->path, bind->readonly);
    close(root);
    return part < 0 ? failure_set(b->failure, part, "bind", "%s, which %s is to show", bind->path,
                                  bind->target)
                    : part;
}

static int make_bind(struct binds *b, const struct kilnrun_bind *bind, int taken)
{
    int mount = taken;

    if (bind->kind == KILNRUN_LAYERS)
        return make_layers(b, bind, taken);
    if (bind->kind == KILNRUN_TMPFS)
        mount = mounts_tmpfs(bind->size, bind->readonly);
    else if (bind->kind == KILNRUN_SECRET)
        mount = mounts_secret(bind->source_fd, bind->mode, bind->uid, bind->gid,
                              b->options->single_id);
    return mount < 0 ? failure_set(b->failure, mount, "bind", "make the mount for %s", bind->target)
                     : mount;
}

int binds_make(struct binds *b)
{
    for (size_t i = 0; i < b->spec->n_binds; i++) {
        b->mounts[i] = make_bind(b, &b->spec->binds[i], b->mounts[i]);
        if (b->mounts[i] < 0)
            return b->mounts[i];
    }
    return 0;
}
