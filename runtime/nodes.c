/* What is made by name alone: devices, which only seem to be made; and fifos, directories, symlinks
 * and others, which are made here if they have another owner than 0:0. */
#include "nodes.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "caller.h"

/* --- Who will own it --- */

bool node_is_ordinary(struct call *c, const struct place *place, const struct user *user)
{
    size_t length = strlen(place->path);
    struct place parent = {.dirfd = place->dirfd};
    struct place_name name;
    char record[128];

    if (user->fsuid != 0 || user->fsgid != 0 || !user_can(user, CAP_DAC_OVERRIDE))
        return false;
    while (length > 0 && place->path[length - 1] == '/')
        length--;
    while (length > 0 && place->path[length - 1] != '/')
        length--;
    memcpy(parent.path, place->path, length);
    memcpy(parent.path + length, ".", 2);
    return place_name(c, &parent, &name) < 0 ||
           getxattr(name.text, OWNERS_XATTR, record, sizeof record) < 0;
}

int node_begin(struct call *c, const struct place *place, const struct user *user,
               struct new_node *out)
{
    struct owned parent;
    struct stat st;
    int rc;

    out->directory = place_parent(c, place, out->name);
    if (out->directory < 0)
        return out->directory;
    rc = fstat(out->directory, &st) < 0 ? -errno : owners_get(c->s, out->directory, &st, &parent);
    if (rc == 0 && !user_may(user, parent.mode, parent.uid, parent.gid, 3)) /* in this order */
        rc = faccessat(out->directory, out->name, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ? -EEXIST
                                                                                  : -EACCES;
    if (rc < 0) {
        close(out->directory);
        return rc;
    }
    out->umask = (mode_t)caller_status(c, "Umask", 8) & 0777;
    out->owned =
        (struct owned){.uid = user->fsuid, .gid = parent.mode & S_ISGID ? parent.gid : user->fsgid};
    return 0;
}

int node_record(struct call *c, int fd, const struct owned *owned)
{
    struct stat st;

    if (owned->uid == 0 && owned->gid == 0 && !S_ISCHR(owned->mode) && !S_ISBLK(owned->mode))
        return 0;
    return fstat(fd, &st) < 0 ? -errno : owners_set(c->s, fd, &st, owned);
}

/* What has just been made under that name, unless somebody has put another thing there: that would
 * have links already, or content. */
static int open_new(const struct new_node *node, struct stat *st)
{
    int fd = openat(node->directory, node->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    if (fstat(fd, st) == 0 && (S_ISDIR(st->st_mode) || st->st_nlink == 1) &&
        (!S_ISREG(st->st_mode) || st->st_size == 0))
        return fd;
    close(fd);
    return -ENOENT;
}

static long record_new(struct call *c, const struct new_node *node)
{
    struct stat st;
    int fd = open_new(node, &st), rc;

    if (fd < 0)
        return 0; /* it is there no more */
    rc = node_record(c, fd, &node->owned);
    close(fd);
    return rc;
}

/* --- mkdir, symlink --- */

static long make_directory(struct call *c, uint64_t dirfd, uint64_t path, mode_t mode)
{
    struct user user = users_of(c);
    struct new_node node;
    struct place place;
    long rc = place_read(c, dirfd, path, 0, &place);

    if (rc < 0)
        return rc;
    if (node_is_ordinary(c, &place, &user))
        return ANSWER_CONTINUE;
    rc = node_begin(c, &place, &user, &node);
    if (rc < 0)
        return rc;
    rc = mkdirat(node.directory, node.name, mode & 01777 & ~node.umask) < 0 ? -errno
                                                                            : record_new(c, &node);
    close(node.directory);
    return rc;
}

long nodes_mkdir(struct call *c)
{
    return make_directory(c, (uint64_t)AT_FDCWD, c->args[0], (mode_t)c->args[1]);
}

long nodes_mkdirat(struct call *c)
{
    return make_directory(c, c->args[0], c->args[1], (mode_t)c->args[2]);
}

static long make_symlink(struct call *c, uint64_t target_address, uint64_t dirfd, uint64_t path)
{
    struct user user = users_of(c);
    char target[PATH_MAX];
    struct new_node node;
    struct place place;
    long rc = place_read(c, dirfd, path, 0, &place);

    if (rc < 0)
        return rc;
    if (node_is_ordinary(c, &place, &user))
        return ANSWER_CONTINUE;
    rc = caller_string(c, target_address, target, sizeof target);
    if (rc == 0)
        rc = node_begin(c, &place, &user, &node);
    if (rc < 0)
        return rc;
    rc = symlinkat(target, node.directory, node.name) < 0 ? -errno : record_new(c, &node);
    close(node.directory);
    return rc;
}

long nodes_symlink(struct call *c)
{
    return make_symlink(c, c->args[0], (uint64_t)AT_FDCWD, c->args[1]);
}

long nodes_symlinkat(struct call *c)
{
    return make_symlink(c, c->args[0], c->args[1], c->args[2]);
}

/* --- mknod --- */

/* dev_t as system calls have it, in 32 bits. */
static void split_device(uint32_t device, struct owned *owned)
{
    owned->major = (device & 0xfff00) >> 8;
    owned->minor = (device & 0xff) | ((device >> 12) & 0xfff00);
}

/* An empty file that stands for the device until the layer is written. */
static long make_placeholder(struct call *c, struct new_node *node, mode_t mode)
{
    struct stat st;
    int fd, rc;

    if (mknodat(node->directory, node->name, S_IFREG | (mode & 07777 & ~node->umask), 0) < 0)
        return -errno;
    fd = open_new(node, &st);
    if (fd < 0)
        return 0;
    node->owned.mode = mode;
    if (c->s->mode != KILNRUN_EMULATE_DEVICES)
        rc = owners_set(c->s, fd, &st, &node->owned);
    else if (fchownat(fd, "", node->owned.uid, node->owned.gid, AT_EMPTY_PATH) < 0)
        rc = -errno;
    else
        rc = owners_set_record(c->s, fd, &st, &node->owned);
    close(fd);
    if (rc < 0)
        unlinkat(node->directory, node->name, 0);
    return rc;
}

/* Where only devices are emulated, the caller's ids and powers are real. */
static struct user user_who_makes(struct call *c)
{
    struct user user = {0};

    if (c->s->mode != KILNRUN_EMULATE_DEVICES)
        return users_of(c);
    user.fsuid = (uid_t)caller_status(c, "Uid", 10); /* the last of four */
    user.fsgid = (gid_t)caller_status(c, "Gid", 10);
    user.effective = (uint64_t)caller_status(c, "CapEff", 16);
    return user;
}

static long make_node(struct call *c, uint64_t dirfd, uint64_t path, mode_t mode, uint32_t device)
{
    bool is_device = S_ISCHR(mode) || S_ISBLK(mode);
    struct user user = user_who_makes(c);
    struct new_node node;
    struct place place;
    long rc = place_read(c, dirfd, path, 0, &place);

    if (rc < 0)
        return rc;
    if (!is_device && node_is_ordinary(c, &place, &user))
        return ANSWER_CONTINUE;
    if (is_device && (!user_can(&user, CAP_MKNOD) || device == 0)) /* 0:0 would be a whiteout */
        return -EPERM;
    rc = node_begin(c, &place, &user, &node);
    if (rc < 0)
        return rc;
    split_device(device, &node.owned);
    if (is_device)
        rc = make_placeholder(c, &node, mode);
    else if (mknodat(node.directory, node.name, mode & ~node.umask, 0) < 0)
        rc = -errno;
    else
        rc = record_new(c, &node);
    close(node.directory);
    return rc;
}

long nodes_mknod(struct call *c)
{
    return make_node(c, (uint64_t)AT_FDCWD, c->args[0], (mode_t)c->args[1], (uint32_t)c->args[2]);
}

long nodes_mknodat(struct call *c)
{
    return make_node(c, c->args[0], c->args[1], (mode_t)c->args[2], (uint32_t)c->args[3]);
}
