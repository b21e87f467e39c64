#include "tree/rootfs.h"

#include "tree/diff.h"
#include "tree/place-content.h"
#include "tree/tar.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

static bool fail(GError **error, int code, const char *doing, const char *path)
{
    g_autofree char *shown = g_utf8_make_valid(*path ? path : "/", -1);
    g_set_error(error, KILN_DIFF_ERROR, code, "cannot %s “%s”: %s", doing, shown, g_strerror(code));
    return false;
}

static int open_parent(int dirfd, const char *path, const char **name)
{
    const char *slash = strrchr(path, '/');
    g_autofree char *parent = g_strndup(path, slash ? (gsize)(slash - path) : 0);
    *name = slash ? slash + 1 : path;
    return kiln_open_beneath(dirfd, parent, O_PATH | O_DIRECTORY);
}

/* --- Layers → rootfs ----------------------------------------------------------------------------- */

static bool is_directory(int rootfd, const char *path)
{
    int fd = kiln_open_beneath(rootfd, path, O_PATH | O_DIRECTORY);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static bool put(KilnPlacer *placer, const KilnEntry *e, int layerfd, GError **error)
{
    int fd = -1;
    if (e->type == KILN_TYPE_FILE && (fd = kiln_open_beneath(layerfd, e->path, O_RDONLY)) < 0)
        return fail(error, -fd, "open a layer's file", e->path);
    bool ok = kiln_placer_put(placer, e, fd, error);
    if (fd >= 0)
        close(fd);
    return ok;
}

/* links: group → path of the first. */
static bool put_linked(KilnPlacer *placer, GHashTable *links, const KilnEntry *e, int layerfd, GError **error)
{
    const char *first = g_hash_table_lookup(links, GUINT_TO_POINTER(e->link_group));
    if (first)
        return kiln_placer_link(placer, first, e->path, error);
    g_hash_table_insert(links, GUINT_TO_POINTER(e->link_group), (gpointer)e->path);
    return put(placer, e, layerfd, error);
}

bool kiln_rootfs_apply(int rootfd, KilnOwners owners, const KilnManifest *layer, int layerfd, GError **error)
{
    g_autoptr(KilnPlacer) placer = kiln_placer_new(rootfd, owners);
    g_autoptr(GHashTable) links = g_hash_table_new(NULL, NULL);
    for (guint i = 0; i < kiln_manifest_length(layer); i++) {
        KilnEntry e = *kiln_manifest_get(layer, i);
        bool gone = e.type == KILN_TYPE_WHITEOUT || (e.type == KILN_TYPE_DIR && e.opaque && *e.path);
        if (gone && !kiln_placer_remove(placer, e.path, error))
            return false;
        if (e.type == KILN_TYPE_WHITEOUT || (e.implicit && is_directory(rootfd, e.path)))
            continue;
        e.opaque = false;
        if (!(e.link_group ? put_linked(placer, links, &e, layerfd, error)
                           : put(placer, &e, layerfd, error)))
            return false;
    }
    return kiln_placer_finish(placer, error);
}

/* --- Rootfs → upper directory -------------------------------------------------------------------- */

typedef struct {
    int rootfd;
    KilnPlacer *placer;
    KilnManifest *scratch; /* memory of entries */
    KilnCopier copier;
    GHashTable *links;     /* inode → path of the first link that was copied */
    char *names, *value;   /* XATTR_SIZE_MAX bytes each */
    int upperfd;
} Extraction;

/* The attributes as they are on disk, which is where they go again. */
static KilnEntry *entry_of(Extraction *x, const char *path, KilnType type, const struct stat *st)
{
    KilnEntry *e = kiln_manifest_add(x->scratch, path);
    e->type = type;
    e->mode = st->st_mode & 07777;
    e->uid = st->st_uid;
    e->gid = st->st_gid;
    e->mtime = st->st_mtim.tv_sec;
    e->mtime_nsec = (uint32_t)st->st_mtim.tv_nsec;
    e->size = type == KILN_TYPE_FILE ? (uint64_t)st->st_size : 0;
    e->major = major(st->st_rdev);
    e->minor = minor(st->st_rdev);
    return e;
}

static int read_xattrs(Extraction *x, int fd, KilnEntry *e)
{
    ssize_t size = flistxattr(fd, x->names, XATTR_LIST_MAX);
    g_autoptr(GArray) xattrs = g_array_new(FALSE, FALSE, sizeof(KilnXattr));
    int result = size < 0 && errno != ENOTSUP ? -errno : 0;
    for (const char *name = x->names; name < x->names + size; name += strlen(name) + 1) {
        if (!kiln_xattr_in_image(name))
            continue;
        ssize_t n = fgetxattr(fd, name, x->value, XATTR_SIZE_MAX);
        if (n < 0) {
            result = -errno;
            break;
        }
        KilnXattr attribute = {.name = name, .value = g_memdup2(x->value, n), .size = (uint32_t)n};
        g_array_append_val(xattrs, attribute);
    }
    if (result == 0)
        kiln_manifest_set_xattrs(x->scratch, e, (KilnXattr *)(void *)xattrs->data, xattrs->len);
    for (guint i = 0; i < xattrs->len; i++)
        g_free((gpointer)g_array_index(xattrs, KilnXattr, i).value);
    return result;
}

static int copy_record(Extraction *x, int from, int to)
{
    ssize_t n = fgetxattr(from, KILN_STAT_XATTR, x->value, XATTR_SIZE_MAX);
    if (n < 0)
        return errno == ENODATA || errno == ENOTSUP ? 0 : -errno;
    return fsetxattr(to, KILN_STAT_XATTR, x->value, (size_t)n, 0) < 0 ? -errno : 0;
}

static bool extract_file(Extraction *x, int from, const char *path, const struct stat *st, GError **error)
{
    KilnEntry *e = entry_of(x, path, KILN_TYPE_FILE, st);
    int result = read_xattrs(x, from, e);
    if (result < 0)
        return fail(error, -result, "read the attributes of", path);
    int to = kiln_placer_open_file(x->placer, e, error);
    if (to < 0)
        return false;
    if (e->size)
        result = kiln_copier_copy(&x->copier, from, to, e->size);
    if (result == 0)
        result = copy_record(x, from, to);
    if (result == 0)
        return kiln_placer_close_file(x->placer, e, to, error);
    close(to);
    return fail(error, -result, "copy", path);
}

static bool extract_directory(Extraction *x, int from, const char *path, const struct stat *st,
                              GError **error)
{
    KilnEntry *e = entry_of(x, path, KILN_TYPE_DIR, st);
    int result = read_xattrs(x, from, e);
    if (result < 0)
        return fail(error, -result, "read the attributes of", path);
    if (!kiln_placer_put(x->placer, e, -1, error))
        return false;
    int to = kiln_open_beneath(x->upperfd, path, O_RDONLY | O_DIRECTORY);
    result = to < 0 ? to : copy_record(x, from, to);
    if (to >= 0)
        close(to);
    return result == 0 || fail(error, -result, "record the owner of", path);
}

static bool extract_opened(Extraction *x, int dirfd, const char *name, const char *path, GError **error)
{
    struct stat st;
    int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0) {
        int code = errno;
        if (fd >= 0)
            close(fd);
        return fail(error, code, "open", path);
    }
    bool ok = S_ISDIR(st.st_mode) ? extract_directory(x, fd, path, &st, error)
                                  : extract_file(x, fd, path, &st, error);
    close(fd);
    return ok;
}

static bool extract_symlink(Extraction *x, int dirfd, const char *name, const char *path,
                            const struct stat *st, GError **error)
{
    char target[PATH_MAX];
    ssize_t n = readlinkat(dirfd, name, target, sizeof target - 1);
    if (n < 0)
        return fail(error, errno, "read the symbolic link", path);
    target[n] = '\0';
    KilnEntry *e = entry_of(x, path, KILN_TYPE_SYMLINK, st);
    e->target = kiln_manifest_string(x->scratch, target);
    return kiln_placer_put(x->placer, e, -1, error);
}

/* *done: it was linked. Otherwise it is the first of its links, or has none. */
static bool link_to_first(Extraction *x, const char *path, const struct stat *st, bool *done, GError **error)
{
    guint64 ino = st->st_ino; /* a rootfs is one file system */
    *done = false;
    if (S_ISDIR(st->st_mode) || S_ISSOCK(st->st_mode) || st->st_nlink < 2)
        return true;
    const char *first = g_hash_table_lookup(x->links, &ino);
    *done = first != NULL;
    if (first)
        return kiln_placer_link(x->placer, first, path, error);
    g_hash_table_insert(x->links, g_memdup2(&ino, sizeof ino), (gpointer)path);
    return true;
}

static bool extract_type(Extraction *x, int dirfd, const char *name, const char *path,
                         const struct stat *st, GError **error)
{
    switch (st->st_mode & S_IFMT) {
    case S_IFDIR:
    case S_IFREG:
        return extract_opened(x, dirfd, name, path, error);
    case S_IFLNK:
        return extract_symlink(x, dirfd, name, path, st, error);
    case S_IFIFO:
        return kiln_placer_put(x->placer, entry_of(x, path, KILN_TYPE_FIFO, st), -1, error);
    case S_IFCHR:
        return kiln_placer_put(x->placer, entry_of(x, path, KILN_TYPE_CHAR, st), -1, error);
    case S_IFBLK:
        return kiln_placer_put(x->placer, entry_of(x, path, KILN_TYPE_BLOCK, st), -1, error);
    default: /* sockets are in no layer: see diff.h */
        return true;
    }
}

/* As diff.c refuses it: there is no whiteout for a name that stands for one. */
static bool check_name(const char *name, const char *path, GError **error)
{
    if (!g_str_has_prefix(name, KILN_WHITEOUT_PREFIX))
        return true;
    g_autofree char *shown = g_utf8_make_valid(path, -1);
    g_set_error(error, KILN_DIFF_ERROR, EINVAL,
                "“%s” cannot be in an image: names that begin with “" KILN_WHITEOUT_PREFIX
                "” stand for deleted files there; remove or rename it in the same step",
                shown);
    return false;
}

static bool extract(Extraction *x, const KilnTreeChange *change, GError **error)
{
    static const struct stat nothing;
    const char *name, *path = change->path;
    struct stat st;
    bool linked;
    if (change->deleted)
        return kiln_placer_put(x->placer, entry_of(x, path, KILN_TYPE_WHITEOUT, &nothing), -1, error);
    if (!*path)
        return extract_opened(x, x->rootfd, ".", path, error);
    int dirfd = open_parent(x->rootfd, path, &name);
    if (dirfd < 0)
        return fail(error, -dirfd, "reach", path);
    bool ok = check_name(name, path, error) &&
              (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 || fail(error, errno, "examine", path));
    ok = ok && link_to_first(x, path, &st, &linked, error) &&
         (linked || extract_type(x, dirfd, name, path, &st, error));
    close(dirfd);
    return ok;
}

bool kiln_rootfs_extract(int rootfd, const GArray *changes, int upperfd, GError **error)
{
    g_autoptr(KilnPlacer) placer = kiln_placer_new(upperfd, KILN_OWNERS_REAL);
    g_autoptr(KilnManifest) scratch = kiln_manifest_new();
    g_autoptr(GHashTable) links = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    g_autofree char *names = g_malloc(XATTR_LIST_MAX);
    g_autofree char *value = g_malloc(XATTR_SIZE_MAX);
    Extraction x = {.rootfd = rootfd,
                    .upperfd = upperfd,
                    .placer = placer,
                    .scratch = scratch,
                    .links = links,
                    .names = names,
                    .value = value};
    bool ok = true;
    for (guint i = 0; ok && i < changes->len; i++)
        ok = extract(&x, &g_array_index(changes, KilnTreeChange, i), error);
    kiln_copier_clear(&x.copier);
    return ok && kiln_placer_finish(placer, error);
}
