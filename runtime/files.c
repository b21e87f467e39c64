/* open and chmod, which need an answer only where the caller is not root: it creates files of its
 * own, and may not set the set-id bits of others'. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "caller.h"
#include "nodes.h"

#define TMPFILE_BIT (O_TMPFILE & ~O_DIRECTORY)

/* --- open --- */

/* What is there already is the kernel's to open, if the user may. */
static long open_existing(struct call *c, int fd, const struct user *user, int flags)
{
    static const unsigned wants[4] = {4, 2, 6, 6};
    struct owned owned;
    struct stat st;
    int rc = fstat(fd, &st) < 0 ? -errno : owners_get(c->s, fd, &st, &owned);

    if (rc < 0)
        return rc;
    if ((flags & O_CREAT) && (flags & O_EXCL))
        return -EEXIST;
    if (S_ISREG(st.st_mode) &&
        !user_may(user, owned.mode, owned.uid, owned.gid, wants[flags & O_ACCMODE]))
        return -EACCES;
    return ANSWER_CONTINUE;
}

static long open_created(struct call *c, int fd, const struct owned *owned, int flags)
{
    long rc = node_record(c, fd, owned);

    if (rc == 0)
        rc = call_answer_with(c, fd, flags & O_CLOEXEC);
    close(fd);
    return rc;
}

/* -EEXIST when it has come into being since it was looked for. */
static long create_new(struct call *c, const struct place *place, const struct user *user,
                       int flags, mode_t mode)
{
    char target[1];
    struct new_node node;
    long rc = node_begin(c, place, user, &node);
    int fd;

    if (rc < 0)
        return rc;
    fd = openat(node.directory, node.name,
                (flags & ~O_TRUNC) | O_CREAT | O_EXCL | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC,
                mode & 07777 & ~node.umask);
    if (fd >= 0)
        rc = open_created(c, fd, &node.owned, flags);
    else if (errno == EEXIST && readlinkat(node.directory, node.name, target, sizeof target) > 0)
        rc = ANSWER_CONTINUE; /* a symlink to what is not there: that will be 0:0's */
    else
        rc = -errno;
    close(node.directory);
    return rc;
}

static long create_unnamed(struct call *c, const struct place *place, const struct user *user,
                           int flags, mode_t mode)
{
    int fd, directory = place_open(c, place, !(flags & O_NOFOLLOW));
    mode_t mask = (mode_t)caller_status(c, "Umask", 8);
    struct owned parent, owned = {.uid = user->fsuid, .gid = user->fsgid};
    struct stat st;
    long rc;

    if (directory < 0)
        return directory;
    rc = fstat(directory, &st) < 0 ? -errno : owners_get(c->s, directory, &st, &parent);
    if (rc == 0 && !user_may(user, parent.mode, parent.uid, parent.gid, 3))
        rc = -EACCES;
    if (rc == 0) {
        fd = open(fd_name(directory).text, flags | O_CLOEXEC, mode & 07777 & ~mask);
        rc = fd < 0 ? -errno : open_created(c, fd, &owned, flags);
    }
    close(directory);
    return rc;
}

static long open_place(struct call *c, const struct place *place, int flags, mode_t mode)
{
    bool follow = !(flags & O_NOFOLLOW) && !((flags & O_CREAT) && (flags & O_EXCL));
    struct user user = users_of(c);
    long rc = -EEXIST;

    /* With O_PATH nothing is made, whatever else the flags say. */
    if ((flags & O_PATH) || node_is_ordinary(c, place, &user))
        return ANSWER_CONTINUE;
    if (flags & TMPFILE_BIT)
        return create_unnamed(c, place, &user, flags, mode);
    for (int tries = 0; rc == -EEXIST && tries < 10; tries++) {
        int fd = place_open(c, place, follow);
        if (fd == -ENOENT && (flags & O_CREAT)) {
            rc = create_new(c, place, &user, flags, mode);
            if (rc != -EEXIST || (flags & O_EXCL))
                return rc;
        } else if (fd < 0) {
            return fd;
        } else {
            rc = open_existing(c, fd, &user, flags);
            close(fd);
            return rc;
        }
    }
    return rc;
}

static long open_path(struct call *c, uint64_t dirfd, uint64_t path, uint64_t flags, uint64_t mode)
{
    struct place place;
    int rc = place_read(c, dirfd, path, 0, &place);

    return rc < 0 ? rc : open_place(c, &place, (int)flags, (mode_t)mode);
}

long files_open(struct call *c)
{
    return open_path(c, (uint64_t)AT_FDCWD, c->args[0], c->args[1], c->args[2]);
}

long files_openat(struct call *c)
{
    return open_path(c, c->args[0], c->args[1], c->args[2], c->args[3]);
}

long files_creat(struct call *c)
{
    return open_path(c, (uint64_t)AT_FDCWD, c->args[0], O_CREAT | O_WRONLY | O_TRUNC, c->args[1]);
}

/* What it is to do is behind a pointer, which cannot be let through once it was looked at. */
long files_openat2(struct call *c)
{
    struct user user = users_of(c);

    return user.fsuid == 0 && user.fsgid == 0 ? ANSWER_CONTINUE : -ENOSYS;
}

/* --- chmod --- */

/* Of set-id bits: only the owner may, and the group must be one of his. */
static long change_mode(struct call *c, const struct place *place, mode_t mode)
{
    struct user user = users_of(c);
    struct owned owned;
    struct stat st;
    int fd;
    long rc;

    if (user_can(&user, CAP_FOWNER) && user_can(&user, CAP_FSETID))
        return ANSWER_CONTINUE;
    fd = place_open(c, place, true);
    if (fd < 0)
        return fd;
    rc = fstat(fd, &st) < 0 ? -errno : owners_get(c->s, fd, &st, &owned);
    if (rc == 0 && !user_can(&user, CAP_FOWNER) && user.fsuid != owned.uid)
        rc = -EPERM;
    if (!user_can(&user, CAP_FSETID) && !user_in_group(&user, owned.gid))
        mode &= ~(mode_t)S_ISGID;
    if (rc == 0)
        rc = chmod(fd_name(fd).text, mode & 07777) < 0 ? -errno : 0;
    close(fd);
    return rc;
}

static long change_path_mode(struct call *c, uint64_t dirfd, uint64_t path, uint64_t mode)
{
    struct place place;
    int rc = place_read(c, dirfd, path, 0, &place);

    return rc < 0 ? rc : change_mode(c, &place, (mode_t)mode);
}

long files_chmod(struct call *c)
{
    return change_path_mode(c, (uint64_t)AT_FDCWD, c->args[0], c->args[1]);
}

long files_fchmodat(struct call *c)
{
    return change_path_mode(c, c->args[0], c->args[1], c->args[2]);
}

long files_fchmod(struct call *c)
{
    struct place place = place_of_fd(c->args[0]);

    return change_mode(c, &place, (mode_t)c->args[1]);
}
