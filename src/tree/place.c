#include "tree/place.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tree/opener.h"
#include "tree/place-content.h"
#include "tree/tar.h"

G_DEFINE_QUARK(kiln - place - error - quark, kiln_place_error)

#define OPAQUE_XATTR "user.overlay.opaque"

struct KilnPlacer {
    int rootfd; /* borrowed */
    KilnOwners owners;
    /* The directory of the path last worked on: entries come sorted or grouped. */
    char *parent;
    int parentfd;
    KilnOpener twins; /* in other layers */
    KilnCopier copier;
    GHashTable *deferred; /* path → Deferred */
};

/* What a directory gets in the end. */
typedef struct {
    uint16_t mode;
    struct timespec mtime;
} Deferred;

int kiln_open_beneath(int dirfd, const char *path, int flags)
{
    struct open_how how = {
        .flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
    };
    /* EAGAIN: a rename somewhere on the system raced with the look-up, openat2(2). */
    for (int tries = 0;; tries++) {
        long fd = syscall(SYS_openat2, dirfd, *path ? path : ".", &how, sizeof(how));
        if (fd >= 0)
            return (int)fd;
        if (errno != EAGAIN && errno != EINTR)
            return -errno;
        if (tries == 100)
            return -EAGAIN;
    }
}

KilnPlacer *kiln_placer_new(int dirfd, KilnOwners owners)
{
    KilnPlacer *p = g_new0(KilnPlacer, 1);
    p->rootfd = dirfd;
    p->owners = owners;
    p->parentfd = -1;
    p->deferred = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    return p;
}

void kiln_placer_free(KilnPlacer *p)
{
    if (!p)
        return;
    if (p->parentfd >= 0)
        close(p->parentfd);
    g_free(p->parent);
    kiln_opener_clear(&p->twins);
    kiln_copier_clear(&p->copier);
    g_hash_table_unref(p->deferred);
    g_free(p);
}

static bool fail(GError **error, int code, const char *doing, const char *path)
{
    g_autofree char *shown = g_utf8_make_valid(*path ? path : "/", -1);
    g_set_error(error, KILN_PLACE_ERROR, code, "cannot %s “%s” in the layer directory: %s", doing,
                shown, g_strerror(code));
    return false;
}

/* Makes p->parentfd the directory of path; *name is the last component. Negative errno. */
static int enter_parent(KilnPlacer *p, const char *path, const char **name)
{
    const char *slash = strrchr(path, '/');
    gsize length = slash ? (gsize)(slash - path) : 0;
    *name = slash ? slash + 1 : path;

    if (p->parentfd >= 0 && strncmp(p->parent, path, length) == 0 && p->parent[length] == '\0')
        return 0;
    g_autofree char *parent = g_strndup(path, length);
    int fd = kiln_open_beneath(p->rootfd, parent, O_PATH | O_DIRECTORY);
    if (fd < 0)
        return fd;
    if (p->parentfd >= 0)
        close(p->parentfd);
    g_free(p->parent);
    p->parent = g_steal_pointer(&parent);
    p->parentfd = fd;
    return 0;
}

static bool need_parent(KilnPlacer *p, const char *path, const char **name, GError **error)
{
    int result = *path ? enter_parent(p, path, name) : -EISDIR;
    return result == 0 || fail(error, -result, "reach the directory of", path);
}

/* --- Attributes --- */

static struct timespec mtime_of(const KilnEntry *e)
{
    return (struct timespec){.tv_sec = e->mtime, .tv_nsec = e->mtime_nsec};
}

bool kiln_xattr_in_image(const char *name)
{
    if (strcmp(name, "security.capability") == 0)
        return true;
    return g_str_has_prefix(name, "user.") && !g_str_has_prefix(name, "user.kiln.") &&
           !g_str_has_prefix(name, "user.overlay.") && !g_str_has_prefix(name, "user.fuseoverlayfs.");
}

/* The host may be unable to hold one: no CAP_SETFCAP over the map (EPERM), a capability of another
 * root id (EINVAL), a file system without xattrs. Then only the manifest knows it. */
static bool is_manifest_only(const char *name, int code)
{
    return code == ENOTSUP ||
           ((code == EPERM || code == EINVAL) && g_str_has_prefix(name, "security."));
}

static bool set_xattrs(int fd, const KilnEntry *e, GError **error)
{
    for (uint32_t i = 0; i < e->n_xattrs; i++) {
        const KilnXattr *x = &e->xattrs[i];
        if (!kiln_xattr_in_image(x->name) || fsetxattr(fd, x->name, x->value, x->size, 0) == 0)
            continue;
        if (!is_manifest_only(x->name, errno))
            return fail(error, errno, "set an extended attribute of", e->path);
    }
    if (e->opaque && fsetxattr(fd, OPAQUE_XATTR, "y", 1, 0) < 0)
        return fail(error, errno, "set " OPAQUE_XATTR " on", e->path);
    return true;
}

/* owner: whether the disk does not have that. Of a device's, which is on disk, the record says 0:0. */
static bool set_record(int fd, const KilnEntry *e, bool owner, GError **error)
{
    KilnEntry record = *e;
    if (!owner)
        record.uid = record.gid = 0;
    g_autofree char *text = kiln_stat_record_format(&record);
    if (fsetxattr(fd, KILN_STAT_XATTR, text, strlen(text), 0) == 0)
        return true;
    int code = errno;
    g_autofree char *shown = g_utf8_make_valid(*e->path ? e->path : "/", -1);
    if (code == ENOTSUP)
        g_set_error(error, KILN_PLACE_ERROR, code,
                    "cannot record the owner of “%s”: the file system of the store has no user "
                    "extended attributes; put the store (--root) on ext4, xfs or btrfs",
                    shown);
    else
        g_set_error(error, KILN_PLACE_ERROR, code, "cannot record the owner of “%s”: %s", shown,
                    g_strerror(code));
    return false;
}

/* Gives the file its owner, where the id map has it; *record tells that it must be recorded. */
static bool set_owner(KilnPlacer *p, int fd, const KilnEntry *e, bool *record, GError **error)
{
    *record = false;
    if (p->owners == KILN_OWNERS_RECORDED) {
        *record = e->uid != 0 || e->gid != 0;
        return true;
    }
    struct stat st; /* a set-gid parent or mount option can have given it any group */
    if (fstat(fd, &st) < 0)
        return fail(error, errno, "examine", e->path);
    if (st.st_uid == e->uid && st.st_gid == e->gid)
        return true;
    if (fchown(fd, e->uid, e->gid) == 0)
        return true;
    if (errno != EINVAL) /* EINVAL: not in the id map, user_namespaces(7) */
        return fail(error, errno, "change the owner of", e->path);
    *record = true;
    return true;
}

/* Owner and xattrs of an open file or directory. The order matters: chown clears
 * security.capability and set-id bits, and setting user xattrs needs write permission. */
static bool set_identity(KilnPlacer *p, int fd, const KilnEntry *e, bool existed, GError **error)
{
    bool device = e->type == KILN_TYPE_CHAR || e->type == KILN_TYPE_BLOCK;
    bool record;
    if (!set_owner(p, fd, e, &record, error) || !set_xattrs(fd, e, error))
        return false;
    if (record || device)
        return set_record(fd, e, record, error);
    if (existed)
        (void)fremovexattr(fd, KILN_STAT_XATTR); /* mostly it has none */
    return true;
}

static bool set_mode_and_time(int fd, const char *path, uint16_t mode, struct timespec mtime,
                              GError **error)
{
    const struct timespec times[2] = {mtime, mtime};
    if (fchmod(fd, mode) < 0)
        return fail(error, errno, "change the mode of", path);
    if (futimens(fd, times) < 0)
        return fail(error, errno, "set the time of", path);
    return true;
}

/* --- Files --- */

/* Opens a new file, in place of whatever is there. */
static int create_file(KilnPlacer *p, const char *name, const char *path, GError **error)
{
    const int flags = O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(p->parentfd, name, flags, 0600);
    if (fd < 0 && errno == EEXIST) {
        if (!kiln_remove_tree(p->parentfd, name, error))
            return -1;
        fd = openat(p->parentfd, name, flags, 0600);
    }
    if (fd < 0)
        fail(error, errno, "create", path);
    return fd;
}

int kiln_placer_open_file(KilnPlacer *p, const KilnEntry *e, GError **error)
{
    const char *name;
    if (!need_parent(p, e->path, &name, error))
        return -1;
    return create_file(p, name, e->path, error);
}

bool kiln_placer_close_file(KilnPlacer *p, const KilnEntry *e, int fd, GError **error)
{
    bool ok = set_identity(p, fd, e, false, error) &&
              set_mode_and_time(fd, e->path, e->mode, mtime_of(e), error);
    if (close(fd) < 0 && ok) /* a network file system may tell only now that the disk is full */
        return fail(error, errno, "write", e->path);
    return ok;
}

static bool put_file(KilnPlacer *p, const KilnEntry *e, int content_fd, GError **error)
{
    int fd = kiln_placer_open_file(p, e, error);
    if (fd < 0)
        return false;
    int result = e->size ? kiln_copier_copy(&p->copier, content_fd, fd, e->size) : 0;
    if (result < 0) {
        close(fd);
        if (result != -ESTALE)
            return fail(error, -result, "write", e->path);
        g_autofree char *shown = g_utf8_make_valid(e->path, -1);
        g_set_error(error, KILN_PLACE_ERROR, ESTALE,
                    "“%s” became shorter while it was being copied; run the build again", shown);
        return false;
    }
    return kiln_placer_close_file(p, e, fd, error);
}

/* --- Directories --- */

static void defer(KilnPlacer *p, const KilnEntry *e)
{
    Deferred *d = g_new(Deferred, 1);
    d->mode = e->mode;
    d->mtime = mtime_of(e);
    g_hash_table_insert(p->deferred, g_strdup(e->path), d);
}

/* Creates the directory with permissions that let it be filled. */
static bool make_directory(KilnPlacer *p, const char *name, const char *path, bool *existed,
                           GError **error)
{
    *existed = false;
    if (mkdirat(p->parentfd, name, 0700) == 0)
        return true;
    struct stat st;
    if (errno != EEXIST || fstatat(p->parentfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return fail(error, errno, "create", path);
    *existed = S_ISDIR(st.st_mode);
    if (*existed)
        return true;
    if (!kiln_remove_tree(p->parentfd, name, error))
        return false;
    return mkdirat(p->parentfd, name, 0700) == 0 || fail(error, errno, "create", path);
}

static bool put_dir(KilnPlacer *p, const KilnEntry *e, GError **error)
{
    bool existed = true;
    int fd;
    if (*e->path) {
        const char *name;
        if (!need_parent(p, e->path, &name, error) ||
            !make_directory(p, name, e->path, &existed, error))
            return false;
        fd = openat(p->parentfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    } else {
        fd = openat(p->rootfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    if (fd < 0)
        return fail(error, errno, "open", e->path);
    bool ok = set_identity(p, fd, e, existed, error);
    close(fd);
    if (ok)
        defer(p, e);
    return ok;
}

/* --- Everything else --- */

static int make_special(KilnPlacer *p, const char *name, const KilnEntry *e)
{
    switch (e->type) {
    case KILN_TYPE_SYMLINK:
        return symlinkat(e->target, p->parentfd, name);
    case KILN_TYPE_FIFO:
        return mknodat(p->parentfd, name, S_IFIFO | 0600, 0);
    case KILN_TYPE_WHITEOUT: /* needs no capability since Linux 5.8 */
        return mknodat(p->parentfd, name, S_IFCHR, makedev(0, 0));
    case KILN_TYPE_CHAR:
        return mknodat(p->parentfd, name, S_IFCHR | 0600, makedev(e->major, e->minor));
    case KILN_TYPE_BLOCK:
        return mknodat(p->parentfd, name, S_IFBLK | 0600, makedev(e->major, e->minor));
    default:
        errno = EINVAL;
        return -1;
    }
}

/* Attributes of what cannot be opened. It was created here, so that a name is as good as an fd;
 * neither symlinks nor fifos hold user xattrs: xattr(7). */
static bool set_special(KilnPlacer *p, const char *name, const KilnEntry *e, GError **error)
{
    const struct timespec times[2] = {mtime_of(e), mtime_of(e)};
    struct stat st;
    if (p->owners == KILN_OWNERS_REAL) {
        if (fstatat(p->parentfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            return fail(error, errno, "examine", e->path);
        if ((st.st_uid != e->uid || st.st_gid != e->gid) &&
            fchownat(p->parentfd, name, e->uid, e->gid, AT_SYMLINK_NOFOLLOW) < 0 && errno != EINVAL)
            return fail(error, errno, "change the owner of", e->path);
    }
    if (e->type != KILN_TYPE_SYMLINK && fchmodat(p->parentfd, name, e->mode, 0) < 0)
        return fail(error, errno, "change the mode of", e->path);
    if (utimensat(p->parentfd, name, times, AT_SYMLINK_NOFOLLOW) < 0)
        return fail(error, errno, "set the time of", e->path);
    return true;
}

static bool put_placeholder(KilnPlacer *p, const char *name, const KilnEntry *e, GError **error)
{
    int fd = create_file(p, name, e->path, error);
    return fd >= 0 && kiln_placer_close_file(p, e, fd, error);
}

/* Where no 0:0 device can be made (on an overlay it would be a whiteout of its own): a file whose name says so,
 * which fuse-overlayfs takes for the same. */
static bool put_marker(KilnPlacer *p, const char *name, const KilnEntry *e, GError **error)
{
    g_autofree char *marker = g_strconcat(KILN_WHITEOUT_PREFIX, name, NULL);
    int fd = openat(p->parentfd, marker, O_CREAT | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail(error, errno, "mark as deleted", e->path);
    close(fd);
    return true;
}

static bool put_special(KilnPlacer *p, const KilnEntry *e, GError **error)
{
    bool device = e->type == KILN_TYPE_CHAR || e->type == KILN_TYPE_BLOCK;
    const char *name;
    if (!need_parent(p, e->path, &name, error))
        return false;
    /* A real 0:0 character device would be a whiteout. */
    bool like_whiteout = e->type == KILN_TYPE_CHAR && e->major == 0 && e->minor == 0;
    if (device && (p->owners == KILN_OWNERS_RECORDED || like_whiteout))
        return put_placeholder(p, name, e, error);

    int result = make_special(p, name, e);
    if (result < 0 && errno == EEXIST) {
        if (!kiln_remove_tree(p->parentfd, name, error))
            return false;
        result = make_special(p, name, e);
    }
    if (result < 0 && device && (errno == EPERM || errno == EINVAL))
        return put_placeholder(p, name, e, error);
    if (result < 0 && e->type == KILN_TYPE_WHITEOUT && errno == EPERM)
        return put_marker(p, name, e, error);
    if (result < 0)
        return fail(error, errno, "create", e->path);
    return e->type == KILN_TYPE_WHITEOUT || set_special(p, name, e, error);
}

bool kiln_placer_put(KilnPlacer *p, const KilnEntry *e, int content_fd, GError **error)
{
    if (e->type == KILN_TYPE_FILE)
        return put_file(p, e, content_fd, error);
    if (e->type == KILN_TYPE_DIR)
        return put_dir(p, e, error);
    return put_special(p, e, error);
}

bool kiln_placer_link(KilnPlacer *p, const char *existing, const char *path, GError **error)
{
    const char *slash = strrchr(existing, '/'), *name;
    const char *existing_name = slash ? slash + 1 : existing;
    g_autofree char *dir = slash ? g_strndup(existing, (gsize)(slash - existing)) : g_strdup("");
    if (strcmp(existing, path) == 0)
        return true;
    if (!need_parent(p, path, &name, error))
        return false;
    int fd = strcmp(dir, p->parent) == 0 ? p->parentfd : kiln_open_beneath(p->rootfd, dir, O_PATH);
    if (fd < 0)
        return fail(error, -fd, "reach the directory of", existing);

    bool ok = false;
    if (linkat(fd, existing_name, p->parentfd, name, 0) == 0)
        ok = true;
    else if (errno != EEXIST)
        fail(error, errno, "create the hard link", path);
    else if (kiln_remove_tree(p->parentfd, name, error)) {
        ok = linkat(fd, existing_name, p->parentfd, name, 0) == 0;
        if (!ok)
            fail(error, errno, "create the hard link", path);
    }
    if (fd != p->parentfd)
        close(fd);
    return ok;
}

/* The file at `name` of dirfd once more, as a file of its own. */
static bool put_again(KilnPlacer *p, int dirfd, const char *name, const KilnEntry *e, GError **error)
{
    int content = -1;
    if (e->type == KILN_TYPE_FILE &&
        (content = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)) < 0)
        return fail(error, errno, "open", e->path);
    bool ok = kiln_placer_put(p, e, content, error);
    if (content >= 0)
        close(content);
    return ok;
}

bool kiln_placer_share(KilnPlacer *p, int layerfd, const KilnEntry *e, GError **error)
{
    const char *slash = strrchr(e->path, '/'), *name;
    g_autofree char *dir = g_strndup(e->path, slash ? (gsize)(slash - e->path) : 0);
    if (!need_parent(p, e->path, &name, error))
        return false;
    int fd = kiln_open_beneath(layerfd, dir, O_PATH);
    if (fd < 0)
        return fail(error, -fd, "reach the directory of", e->path);
    bool ok = linkat(fd, name, p->parentfd, name, 0) == 0;
    if (!ok)
        ok = errno == EMLINK ? put_again(p, fd, name, e, error)
                             : fail(error, errno, "create the hard link", e->path);
    close(fd);
    return ok;
}

/* Whether the file has no xattrs but those that e would be given. Security modules label what they like. */
static bool has_xattrs_of(int fd, const KilnEntry *e, bool record)
{
    char names[4096];
    ssize_t size = flistxattr(fd, names, sizeof names);
    uint32_t found = 0;
    if (size < 0)
        return errno == ENOTSUP && !record && !e->n_xattrs;
    for (const char *name = names; name < names + size; name += strlen(name) + 1) {
        bool image = kiln_xattr_in_image(name);
        if (strcmp(name, KILN_STAT_XATTR) == 0 ? !record : !image && !g_str_has_prefix(name, "security."))
            return false;
        found += image || strcmp(name, KILN_STAT_XATTR) == 0;
    }
    return found == e->n_xattrs + (record ? 1 : 0);
}

/* Whether a file of a layer has, but for xattrs, what kiln_placer_put() would give e. */
static bool has_stat_of(const KilnPlacer *p, const struct stat *st, const KilnEntry *e)
{
    if (!S_ISREG(st->st_mode) || (uint64_t)st->st_size != e->size || (st->st_mode & 07777) != e->mode ||
        st->st_mtim.tv_sec != e->mtime || st->st_mtim.tv_nsec != (long)e->mtime_nsec)
        return false;
    /* Another owner is one outside of the id map: rare enough. */
    return p->owners == KILN_OWNERS_RECORDED || (st->st_uid == e->uid && st->st_gid == e->gid);
}

/* Whether the file is on disk as kiln_placer_put() would put e. */
static bool is_as_put(const KilnPlacer *p, int dirfd, const char *name, const KilnEntry *e, bool placed)
{
    struct stat st;
    if (placed)
        return fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && has_stat_of(p, &st, e);
    int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool record = p->owners == KILN_OWNERS_RECORDED && (e->uid || e->gid);
    bool same = fstat(fd, &st) == 0 && has_stat_of(p, &st, e) && has_xattrs_of(fd, e, record);
    close(fd);
    return same;
}

/* Links name of dirfd in the place of whatever is at `to`. */
static bool link_over(KilnPlacer *p, int dirfd, const char *name, const char *to, GError **error)
{
    if (linkat(dirfd, name, p->parentfd, to, 0) == 0)
        return true;
    if (errno != EEXIST || !kiln_remove_tree(p->parentfd, to, error))
        return false;
    return linkat(dirfd, name, p->parentfd, to, 0) == 0;
}

bool kiln_placer_link_twin(KilnPlacer *p, int layerfd, const char *twin, bool placed, const KilnEntry *e, bool *done,
                           GError **error)
{
    const char *twin_name, *name;
    *done = false;
    if (!need_parent(p, e->path, &name, error))
        return false;
    int dirfd = kiln_opener_parent(&p->twins, layerfd, twin, &twin_name);
    GError *failure = NULL;
    *done = dirfd >= 0 && is_as_put(p, dirfd, twin_name, e, placed) &&
            link_over(p, dirfd, twin_name, name, &failure);
    if (failure)
        g_propagate_error(error, failure);
    return !failure;
}

bool kiln_placer_remove(KilnPlacer *p, const char *path, GError **error)
{
    const char *name;
    int result = *path ? enter_parent(p, path, &name) : -EBUSY;
    if (result == -ENOENT || result == -ENOTDIR || result == -ELOOP)
        return true;
    if (result < 0)
        return fail(error, -result, "remove", path);
    return kiln_remove_tree(p->parentfd, name, error);
}

static gint deepest_first(gconstpointer a, gconstpointer b)
{
    return kiln_path_compare(*(const char *const *)b, *(const char *const *)a);
}

bool kiln_placer_finish(KilnPlacer *p, GError **error)
{
    guint n;
    g_autofree char **paths = (char **)g_hash_table_get_keys_as_array(p->deferred, &n);
    qsort(paths, n, sizeof(*paths), deepest_first);
    for (guint i = 0; i < n; i++) {
        const Deferred *d = g_hash_table_lookup(p->deferred, paths[i]);
        int fd = kiln_open_beneath(p->rootfd, paths[i], O_RDONLY | O_DIRECTORY);
        if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP)
            continue; /* replaced or removed since */
        if (fd < 0)
            return fail(error, -fd, "open", paths[i]);
        bool ok = set_mode_and_time(fd, paths[i], d->mode, d->mtime, error);
        close(fd);
        if (!ok)
            return false;
    }
    g_hash_table_remove_all(p->deferred);
    return true;
}
