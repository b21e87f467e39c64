/* xattrs: the record of owners is one, which no command may write, nor see in a list of what it may
 * copy. A name is behind a pointer, so that all others' calls have to be made here, too. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/xattr.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "caller.h"
#include "paths.h"
#include "supervisor.h"

#define RESERVED "user.kiln."

/* Whether a user who is not root may: xattr(7) and, for access lists, acl(5). */
static bool may_set(struct call *c, int fd, const char *name, const struct user *user)
{
    struct owned owned;
    struct stat st;

    if (user_can(user, CAP_DAC_OVERRIDE) && user_can(user, CAP_FOWNER))
        return true;
    if (strncmp(name, "security.", 9) == 0)
        return user_can(user, CAP_SETFCAP);
    if (fstat(fd, &st) < 0 || owners_get(c->s, fd, &st, &owned) < 0)
        return false;
    if (strncmp(name, "user.", 5) != 0)
        return user_can(user, CAP_FOWNER) || user->fsuid == owned.uid;
    return user_may(user, owned.mode, owned.uid, owned.gid, 2);
}

/* Symlinks at the end have an xattr only by the calls that say so. */
static long set_on(struct call *c, int fd, const char *name, const void *value, size_t size,
                   int flags)
{
    struct user user = users_of(c);
    struct stat st;
    int rc;

    if (strncmp(name, RESERVED, strlen(RESERVED)) == 0)
        return value ? -EOPNOTSUPP : -ENODATA;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (S_ISLNK(st.st_mode)) /* user.* is refused there, and a command has no other that is not */
        return -EPERM;
    if (!may_set(c, fd, name, &user))
        return -EPERM;
    rc = value ? setxattr(fd_name(fd).text, name, value, size, flags)
               : removexattr(fd_name(fd).text, name);
    return rc < 0 ? -errno : 0;
}

/* value_arg: number of the argument that is the value, followed by size and flags; 0 to remove. */
static long change_xattr(struct call *c, const struct place *place, bool follow, unsigned value_arg)
{
    char name[XATTR_NAME_MAX + 2];
    size_t size = value_arg ? (size_t)c->args[value_arg + 1] : 0;
    char *value = NULL;
    int fd;
    long rc = caller_string(c, c->args[1], name, sizeof name);

    if (rc < 0)
        return rc == -ENAMETOOLONG ? -ERANGE : rc;
    if (size > XATTR_SIZE_MAX)
        return -E2BIG;
    if (value_arg) {
        value = malloc(size + 1);
        rc = value ? caller_read(c, c->args[value_arg], value, size) : -ENOMEM;
    }
    fd = rc < 0 ? (int)rc : place_open(c, place, follow);
    if (fd >= 0) {
        rc = set_on(c, fd, name, value, size, value_arg ? (int)c->args[value_arg + 2] : 0);
        close(fd);
    }
    free(value);
    return fd < 0 ? fd : rc;
}

static long change_path_xattr(struct call *c, bool follow, unsigned value_arg)
{
    struct place place;
    int rc = place_read(c, (uint64_t)AT_FDCWD, c->args[0], 0, &place);

    return rc < 0 ? rc : change_xattr(c, &place, follow, value_arg);
}

static long change_fd_xattr(struct call *c, unsigned value_arg)
{
    struct place place = place_of_fd(c->args[0]);

    return change_xattr(c, &place, true, value_arg);
}

long xattrs_setxattr(struct call *c)
{
    return change_path_xattr(c, true, 2);
}

long xattrs_lsetxattr(struct call *c)
{
    return change_path_xattr(c, false, 2);
}

long xattrs_fsetxattr(struct call *c)
{
    return change_fd_xattr(c, 2);
}

long xattrs_removexattr(struct call *c)
{
    return change_path_xattr(c, true, 0);
}

long xattrs_lremovexattr(struct call *c)
{
    return change_path_xattr(c, false, 0);
}

long xattrs_fremovexattr(struct call *c)
{
    return change_fd_xattr(c, 0);
}

/* --- Lists --- */

/* Takes the reserved names out; returns the size of what is left. */
static size_t without_reserved(char *names, size_t size)
{
    size_t kept = 0;

    for (size_t at = 0, length; at < size; at += length) {
        length = strnlen(names + at, size - at) + 1;
        if (length > size - at)
            break;
        if (strncmp(names + at, RESERVED, strlen(RESERVED)) == 0)
            continue;
        memmove(names + kept, names + at, length);
        kept += length;
    }
    return kept;
}

/* Most files have no reserved name: then the kernel answers. */
static long list(struct call *c, const struct place *place, bool follow)
{
    char *names = malloc(XATTR_LIST_MAX);
    size_t room = (size_t)c->args[2], kept = 0;
    int fd = names ? place_open(c, place, follow) : -ENOMEM;
    ssize_t size = fd < 0 ? -1 : listxattr(fd_name(fd).text, names, XATTR_LIST_MAX);
    long rc = ANSWER_CONTINUE;

    if (size > 0)
        kept = without_reserved(names, (size_t)size);
    if (size > 0 && kept < (size_t)size) {
        if (room > 0 && room < kept)
            rc = -ERANGE;
        else
            rc = room > 0 ? caller_write(c, c->args[1], names, kept) : 0;
        rc = rc == 0 ? (long)kept : rc;
    }
    if (fd >= 0)
        close(fd);
    free(names);
    return rc;
}

static long list_path(struct call *c, bool follow)
{
    struct place place;

    return place_read(c, (uint64_t)AT_FDCWD, c->args[0], 0, &place) < 0 ? ANSWER_CONTINUE
                                                                        : list(c, &place, follow);
}

long xattrs_listxattr(struct call *c)
{
    return list_path(c, true);
}

long xattrs_llistxattr(struct call *c)
{
    return list_path(c, false);
}

long xattrs_flistxattr(struct call *c)
{
    struct place place = place_of_fd(c->args[0]);

    return list(c, &place, true);
}
