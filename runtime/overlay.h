/* An overlay of the layers' directories, the rootfs of a step or what one of its binds shows:
 * mounted with "userxattr" (whiteouts and opaque marks need no privilege) and "volatile" (no sync
 * when it is unmounted). */
#pragma once

#include "failure.h"

/* First half, in the mount namespace that the fds were opened in: overlayfs takes layers
 * from the current one only. Returns a detached mount, -ENOSYS if the kernel has no "lowerdir+" and
 * the fallback must be taken (not recorded as a failure), or another negative errno. */
int overlay_detached(const struct kilnrun_layers *layers, enum kilnrun_overlay method,
                     struct kilnrun_failure *failure);

/* Second half, in the step's own mount namespace: attaches that mount over "/", where it is out of
 * the way of lookups. Returns the fd given, which is the overlay's root directory from now on. */
int overlay_attach(int detached, struct kilnrun_failure *failure);

/* The fallback, instead of both, in the step's own mount namespace: mount(2). Returns an O_PATH fd
 * of the overlay's root directory. Changes the working directory. */
int overlay_by_mount(const struct kilnrun_layers *layers, struct kilnrun_failure *failure);
