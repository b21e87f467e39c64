/* What is mounted inside a rootfs: proc, sys, dev, single files and binds. Every target is found by
 * rootfs_place(); everything below a mount made here is found from that mount's own fd, so that no
 * link of the image can lead a mask astray. All functions return 0 or a negative errno. */
#pragma once

#include "rootfs.h"

struct mounts {
    int root; /* the overlay's root directory */
    bool single_id;
    uint64_t shm_size; /* bytes; 0: 64 MiB */
    struct rootfs_stubs stubs;
    struct kilnrun_failure *failure;
    int proc, sys, dev; /* roots of the mounts of these names */
    int empty;          /* an empty, read-only tmpfs that is mounted somewhere, or -1 */
};

/* A fresh proc of the pid namespace, with Docker's masked and read-only paths. Refuses an image in
 * which /proc or /sys is a symbolic link, as runc does. */
int mounts_proc(struct mounts *m);
/* /sys, read-only, without firmware, power meters and the cgroup tree: one of the network namespace
 * that the step is in (own_network), where the kernel allows it, else the host's, with the host's
 * devices in class/net. writable: as far as the host's mount and the command's ids allow. */
int mounts_sys(struct mounts *m, bool own_network, bool writable);
/* A tmpfs with the usual device nodes of the host, pts, shm and mqueue. */
/* /proc of the builder, with what covers parts of it. */
int mounts_outer_proc(struct mounts *m);
/* Whether something lies over parts of /proc and a fresh one is refused for that. */
bool mounts_proc_is_covered(void);
int mounts_dev(struct mounts *m);
/* The masks of proc and sys; needs dev/null, so comes after mounts_dev(). */
int mounts_masks(struct mounts *m);

/* A copy of what source_fd lies on, as a detached mount without device nodes; to be made in the
 * mount namespace that the fd was opened in. Returns an fd, -1 if source_fd is -1 (and then no
 * failure is recorded), or a negative errno. */
int mounts_detach(int source_fd, bool readonly, struct kilnrun_failure *failure, const char *what);
/* Detached as well: an empty directory in memory of at most so many bytes (0: the kernel's
 * default), as Docker mounts a tmpfs for a container (nosuid, nodev). */
int mounts_tmpfs(uint64_t size, bool readonly);
/* A file in memory with the bytes of content_fd, read-only; noexec unless its mode says x. To be
 * made in the step's own mount namespace before its rootfs is there: it comes out of a ramfs that
 * stays mounted over "/". keep_owner: ids other than root's cannot be given, and need not be. */
int mounts_secret(int content_fd, mode_t mode, uid_t uid, gid_t gid, bool keep_owner);
/* A path of a mounted file system, symlinks followed inside it, as a detached mount of its own. */
int mounts_subpath(int mount, const char *path, bool readonly);

/* Attaches a detached mount at a path in the rootfs; nothing if it is -1. */
int mounts_attach(struct mounts *m, int detached, const char *path, const char *stage);
