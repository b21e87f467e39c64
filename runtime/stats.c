/* stat and its like: answered for files that are not just as on the disk; all others' are let
 * through, the truth being what the kernel says. */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "caller.h"
#include "paths.h"
#include "supervisor.h"

/* i386's struct stat64 (arch/x86/include/uapi/asm/stat.h); other architectures' 32-bit programs are
 * told what the disk says. */
#ifdef __x86_64__
#define HAS_COMPAT_STAT true
#else
#define HAS_COMPAT_STAT false
#endif
struct __attribute__((packed)) compat_stat {
    uint64_t st_dev;
    uint32_t pad0, st_ino32, st_mode, st_nlink, st_uid, st_gid;
    uint64_t st_rdev;
    uint32_t pad3;
    int64_t st_size;
    uint32_t st_blksize;
    uint64_t st_blocks;
    uint32_t times[6];
    uint64_t st_ino;
};

static int put_compat(const struct call *c, uint64_t address, const struct stat *st)
{
    struct compat_stat out = {.st_dev = st->st_dev,
                              .st_ino32 = (uint32_t)st->st_ino,
                              .st_mode = st->st_mode,
                              .st_nlink = (uint32_t)st->st_nlink,
                              .st_uid = st->st_uid,
                              .st_gid = st->st_gid,
                              .st_rdev = st->st_rdev,
                              .st_size = st->st_size,
                              .st_blksize = (uint32_t)st->st_blksize,
                              .st_blocks = (uint64_t)st->st_blocks,
                              .times = {(uint32_t)st->st_atim.tv_sec, (uint32_t)st->st_atim.tv_nsec,
                                        (uint32_t)st->st_mtim.tv_sec, (uint32_t)st->st_mtim.tv_nsec,
                                        (uint32_t)st->st_ctim.tv_sec,
                                        (uint32_t)st->st_ctim.tv_nsec},
                              .st_ino = st->st_ino};

    return caller_write(c, address, &out, sizeof out);
}

static bool is_device(const struct owned *owned)
{
    return S_ISCHR(owned->mode) || S_ISBLK(owned->mode);
}

static int put_stat(const struct call *c, uint64_t address, struct stat *st,
                    const struct owned *owned)
{
    st->st_mode = owned->mode;
    st->st_uid = owned->uid;
    st->st_gid = owned->gid;
    if (is_device(owned)) {
        st->st_rdev = makedev(owned->major, owned->minor);
        st->st_size = 0;
    }
    return c->compat ? put_compat(c, address, st) : caller_write(c, address, st, sizeof *st);
}

static int put_statx(const struct call *c, int fd, const struct owned *owned)
{
    struct statx st;

    if (statx(fd, "", AT_EMPTY_PATH | ((int)c->args[2] & AT_STATX_SYNC_TYPE), (unsigned)c->args[3],
              &st) < 0)
        return -errno;
    st.stx_mode = (uint16_t)owned->mode;
    st.stx_uid = owned->uid;
    st.stx_gid = owned->gid;
    if (is_device(owned)) {
        st.stx_rdev_major = owned->major;
        st.stx_rdev_minor = owned->minor;
        st.stx_size = 0;
    }
    return caller_write(c, c->args[4], &st, sizeof st);
}

/* Whether the truth is on the disk, as for most files: asked without opening it. */
static bool is_plain(struct call *c, const struct place *place, bool follow)
{
    struct place_name name;
    char record[128];

    if (!owners_only_xattrs(&c->s->owners) || place_name(c, place, &name) < 0)
        return false;
    return (follow || place->is_fd ? getxattr(name.text, OWNERS_XATTR, record, sizeof record)
                                   : lgetxattr(name.text, OWNERS_XATTR, record, sizeof record)) < 0;
}

static long answer_stat(struct call *c, const struct place *place, bool follow, uint64_t buffer,
                        bool extended)
{
    struct owned owned;
    struct stat st;
    int fd;
    long rc;

    if (is_plain(c, place, follow))
        return ANSWER_CONTINUE;
    fd = place_open(c, place, follow);
    if (fd < 0)
        return ANSWER_CONTINUE; /* it fails in the caller's own way */
    rc = fstat(fd, &st) < 0 ? -errno : owners_get(c->s, fd, &st, &owned);
    if (rc < 0 || !owned.recorded)
        rc = ANSWER_CONTINUE;
    else
        rc = extended ? put_statx(c, fd, &owned) : put_stat(c, buffer, &st, &owned);
    close(fd);
    return rc;
}

static long stat_path(struct call *c, uint64_t dirfd, uint64_t path, unsigned flags,
                      uint64_t buffer, bool extended)
{
    struct place place;

    if (c->compat && !extended && (c->narrow || !HAS_COMPAT_STAT))
        return ANSWER_CONTINUE;
    if (place_read(c, dirfd, path, flags, &place) < 0)
        return ANSWER_CONTINUE;
    return answer_stat(c, &place, !(flags & AT_SYMLINK_NOFOLLOW), buffer, extended);
}

long stats_stat(struct call *c)
{
    return stat_path(c, (uint64_t)AT_FDCWD, c->args[0], 0, c->args[1], false);
}

long stats_lstat(struct call *c)
{
    return stat_path(c, (uint64_t)AT_FDCWD, c->args[0], AT_SYMLINK_NOFOLLOW, c->args[1], false);
}

long stats_fstatat(struct call *c)
{
    return stat_path(c, c->args[0], c->args[1], (unsigned)c->args[3], c->args[2], false);
}

long stats_statx(struct call *c)
{
    return stat_path(c, c->args[0], c->args[1], (unsigned)c->args[2], c->args[4], true);
}

long stats_fstat(struct call *c)
{
    struct place place = place_of_fd(c->args[0]);

    if (c->compat && (c->narrow || !HAS_COMPAT_STAT))
        return ANSWER_CONTINUE;
    return answer_stat(c, &place, true, c->args[1], false);
}
