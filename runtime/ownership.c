/* chown: the ids are recorded; what else a chown does (copying up, taking set-id bits and file
 * capabilities away, failing on a read-only mount) the kernel does for one to 0:0. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <unistd.h>

#include "paths.h"
#include "supervisor.h"

#define LEAVE ((uid_t)-1)

/* chown(2): without CAP_CHOWN the owner may give the file to a group of his, and do nothing. */
static bool allowed(const struct user *user, const struct owned *now, uid_t uid, gid_t gid)
{
    if (user_can(user, CAP_CHOWN))
        return true;
    if (user->fsuid != now->uid)
        return false;
    return (uid == LEAVE || uid == now->uid) &&
           (gid == LEAVE || gid == now->gid || user_in_group(user, gid));
}

static long change(struct call *c, int fd, uid_t uid, gid_t gid)
{
    struct user user = users_of(c);
    struct owned owned;
    struct stat st;
    int rc;

    if (fstat(fd, &st) < 0)
        return -errno;
    rc = owners_get(c->s, fd, &st, &owned);
    if (rc < 0)
        return rc;
    if (!allowed(&user, &owned, uid, gid))
        return -EPERM;
    if (fchownat(fd, "", uid == LEAVE ? LEAVE : 0, gid == LEAVE ? LEAVE : 0, AT_EMPTY_PATH) < 0)
        return -errno;
    if (uid == LEAVE && gid == LEAVE)
        return 0;
    owned.uid = uid == LEAVE ? owned.uid : uid;
    owned.gid = gid == LEAVE ? owned.gid : gid;
    return owners_set(c->s, fd, &st, &owned);
}

static long change_place(struct call *c, const struct place *place, bool follow, uint64_t uid,
                         uint64_t gid, bool narrow)
{
    uid_t u = narrow && (uid & 0xffff) == 0xffff ? LEAVE : (uid_t)uid;
    gid_t g = narrow && (gid & 0xffff) == 0xffff ? LEAVE : (gid_t)gid;
    int fd = place_open(c, place, follow);
    long rc;

    if (fd < 0)
        return fd;
    rc = change(c, fd, u, g);
    close(fd);
    return rc;
}

static long change_path(struct call *c, uint64_t dirfd, uint64_t path, unsigned flags,
                        const uint64_t ids[2], bool narrow)
{
    struct place place;
    int rc = place_read(c, dirfd, path, flags, &place);

    if (rc < 0)
        return rc;
    return change_place(c, &place, !(flags & AT_SYMLINK_NOFOLLOW), ids[0], ids[1], narrow);
}

long ownership_chown(struct call *c)
{
    return change_path(c, (uint64_t)AT_FDCWD, c->args[0], 0, c->args + 1, c->narrow);
}

long ownership_lchown(struct call *c)
{
    return change_path(c, (uint64_t)AT_FDCWD, c->args[0], AT_SYMLINK_NOFOLLOW, c->args + 1,
                       c->narrow);
}

long ownership_fchown(struct call *c)
{
    struct place place = place_of_fd(c->args[0]);

    return change_place(c, &place, true, c->args[1], c->args[2], c->narrow);
}

long ownership_fchownat(struct call *c)
{
    unsigned flags = (unsigned)c->args[4];

    if (flags & ~(unsigned)(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW))
        return -EINVAL;
    return change_path(c, c->args[0], c->args[1], flags, c->args + 2, false);
}
