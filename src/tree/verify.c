#include "tree/verify.h"

#include "tree/digest.h"
#include "tree/tar.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#define OPAQUE_MARKER ".wh..wh..opq"

typedef struct {
    const KilnManifest *m;
    int rootfd;
    KilnOwners owners;
    KilnVerifyFunc func;
    void *data;
    guint undigested;
    bool *seen;        /* by index: met, or not to be missed because of what was said of a parent */
    GHashTable *links; /* link group → inode */
    char *uids, *gids; /* the id maps */
    char *names, *value; /* XATTR_LIST_MAX, XATTR_SIZE_MAX bytes */
} Verify;

/* What the disk says beyond stat(2). */
typedef struct {
    bool opaque, has_record;
    KilnEntry record;
} Marks;

static void report(const Verify *v, const char *path, const char *format, ...) G_GNUC_PRINTF(3, 4);

static void report(const Verify *v, const char *path, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *problem = g_strdup_vprintf(format, args);
    va_end(args);
    v->func(path, problem, v->data);
}

/* --- Owners --- */

/* Whether the id map has the id: user_namespaces(7). */
static bool is_mapped(const char *map, uint32_t id)
{
    for (const char *line = map; line && *line; line = strchr(line, '\n'), line = line ? line + 1 : NULL) {
        guint64 inside, outside, count;
        if (sscanf(line, "%" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT, &inside, &outside,
                   &count) == 3 &&
            id >= inside && id - inside < count)
            return true;
    }
    return false;
}

static bool is_owned(const KilnEntry *e, uint32_t uid, uint32_t gid)
{
    return e->uid == uid && e->gid == gid;
}

/* marks: NULL of what holds no xattr; its owner stands in the manifest alone where the disk could not take it. */
static bool owner_fits(const Verify *v, const KilnEntry *e, const struct stat *st, const Marks *marks)
{
    bool recorded = v->owners == KILN_OWNERS_RECORDED;
    if (!marks)
        return recorded || is_owned(e, st->st_uid, st->st_gid) || !is_mapped(v->uids, e->uid) ||
               !is_mapped(v->gids, e->gid);
    bool device = e->type != KILN_TYPE_FILE && e->type != KILN_TYPE_DIR;
    if (recorded && (device || !marks->has_record))
        return device || is_owned(e, 0, 0);
    if (marks->has_record && is_owned(e, marks->record.uid, marks->record.gid))
        return true;
    return !recorded && is_owned(e, st->st_uid, st->st_gid);
}

/* --- Extended attributes --- */

static bool is_opaque_mark(const char *name)
{
    return strcmp(name, "user.overlay.opaque") == 0 || strcmp(name, "trusted.overlay.opaque") == 0 ||
           strcmp(name, "user.fuseoverlayfs.opaque") == 0;
}

static const KilnXattr *find_xattr(const KilnEntry *e, const char *name)
{
    for (uint32_t i = 0; i < e->n_xattrs; i++)
        if (strcmp(e->xattrs[i].name, name) == 0)
            return &e->xattrs[i];
    return NULL;
}

static void check_xattr(const Verify *v, const KilnEntry *e, const char *name, ssize_t size)
{
    const KilnXattr *x = find_xattr(e, name);
    if (!x)
        report(v, e->path, "has the extended attribute %s, which it did not have", name);
    else if (x->size != (size_t)size || memcmp(x->value, v->value, x->size) != 0)
        report(v, e->path, "has another value in its extended attribute %s", name);
}

/* Reads what is on disk into *marks, and holds what belongs to the image against the entry. A security.* one may be
 * missing: not every host can set it (src/tree/place.c). */
static void check_xattrs(const Verify *v, const KilnEntry *e, int fd, Marks *marks)
{
    ssize_t size = flistxattr(fd, v->names, XATTR_LIST_MAX);
    if (size < 0) {
        if (errno != ENOTSUP)
            report(v, e->path, "cannot be read: %s", g_strerror(errno));
        return;
    }
    guint met = 0;
    for (const char *name = v->names; name < v->names + size; name += strlen(name) + 1) {
        bool wanted = kiln_xattr_in_image(name), record = strcmp(name, KILN_STAT_XATTR) == 0;
        if (!wanted && !record && !is_opaque_mark(name))
            continue;
        ssize_t n = fgetxattr(fd, name, v->value, XATTR_SIZE_MAX);
        if (n < 0)
            report(v, e->path, "cannot be read: %s", g_strerror(errno));
        else if (record)
            marks->has_record = kiln_stat_record_parse(v->value, (size_t)n, &marks->record);
        else if (!wanted)
            marks->opaque = marks->opaque || (n == 1 && v->value[0] == 'y');
        else
            check_xattr(v, e, name, n);
        met += wanted && find_xattr(e, name);
    }
    for (uint32_t i = 0; met < e->n_xattrs && i < e->n_xattrs; i++) {
        const char *name = e->xattrs[i].name;
        if (kiln_xattr_in_image(name) && g_str_has_prefix(name, "user.") &&
            fgetxattr(fd, name, NULL, 0) < 0)
            report(v, e->path, "lacks its extended attribute %s", name);
    }
}

/* --- One entry --- */

static void check_time(const Verify *v, const KilnEntry *e, const struct stat *st)
{
    /* Beyond that, file systems keep what they can. */
    bool common = e->mtime >= 0 && e->mtime <= G_MAXINT32;
    if (common && (st->st_mtim.tv_sec != e->mtime ||
                   (st->st_mtim.tv_nsec != (long)e->mtime_nsec && st->st_mtim.tv_nsec != 0)))
        report(v, e->path, "was modified: its time is another");
}

static void check_common(const Verify *v, const KilnEntry *e, const struct stat *st, const Marks *marks)
{
    if (e->type != KILN_TYPE_SYMLINK && (st->st_mode & 07777) != e->mode)
        report(v, e->path, "has mode %04o in place of %04o", (unsigned)st->st_mode & 07777, e->mode);
    if (!owner_fits(v, e, st, marks))
        report(v, e->path, "has another owner than %u:%u", e->uid, e->gid);
    if (!e->link_group)
        return;
    gpointer group = GUINT_TO_POINTER(e->link_group);
    guint64 *inode = g_hash_table_lookup(v->links, group);
    guint64 ino = st->st_ino;
    if (!inode)
        g_hash_table_insert(v->links, group, g_memdup2(&ino, sizeof ino));
    else if (*inode != ino)
        report(v, e->path, "is no longer a hard link to the same file");
}

static void check_content(Verify *v, const KilnEntry *e, int fd)
{
    uint8_t digest[KILN_SHA256_SIZE];
    if (!e->has_digest) {
        v->undigested += e->size != 0;
        return;
    }
    int result = kiln_digest_fd(fd, digest, NULL);
    if (result < 0)
        report(v, e->path, "cannot be read: %s", g_strerror(-result));
    else if (memcmp(digest, e->digest, sizeof digest) != 0)
        report(v, e->path, "has another content");
}

/* A file, or the one that stands for a device that could not be made. */
static void check_file(Verify *v, const KilnEntry *e, int dirfd, const char *name, const struct stat *st)
{
    bool device = e->type != KILN_TYPE_FILE;
    int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        report(v, e->path, "cannot be read: %s", g_strerror(errno));
        return;
    }
    Marks marks = {0};
    check_xattrs(v, e, fd, &marks);
    check_common(v, e, st, &marks);
    const KilnEntry *r = &marks.record;
    if (device && (!marks.has_record || r->type != e->type || r->major != e->major || r->minor != e->minor))
        report(v, e->path, "is not recorded as the device that it is");
    if ((guint64)st->st_size != e->size)
        report(v, e->path, "has %" G_GINT64_FORMAT " bytes in place of %" G_GUINT64_FORMAT, (gint64)st->st_size,
               (guint64)e->size);
    else if (!device)
        check_content(v, e, fd);
    if (!device)
        check_time(v, e, st);
    close(fd);
}

static void check_symlink(const Verify *v, const KilnEntry *e, int dirfd, const char *name, const struct stat *st)
{
    char target[PATH_MAX];
    ssize_t n = readlinkat(dirfd, name, target, sizeof target - 1);
    if (n < 0) {
        report(v, e->path, "cannot be read: %s", g_strerror(errno));
        return;
    }
    target[n] = '\0';
    if (g_strcmp0(target, e->target) != 0)
        report(v, e->path, "links to another path");
    check_common(v, e, st, NULL);
    check_time(v, e, st);
}

static bool is_type(const KilnEntry *e, const struct stat *st)
{
    dev_t rdev = makedev(e->major, e->minor);
    switch (e->type) {
    case KILN_TYPE_FILE:
        return S_ISREG(st->st_mode);
    case KILN_TYPE_DIR:
        return S_ISDIR(st->st_mode);
    case KILN_TYPE_SYMLINK:
        return S_ISLNK(st->st_mode);
    case KILN_TYPE_FIFO:
        return S_ISFIFO(st->st_mode);
    case KILN_TYPE_WHITEOUT:
        return S_ISCHR(st->st_mode) && st->st_rdev == makedev(0, 0);
    case KILN_TYPE_CHAR:
        return S_ISREG(st->st_mode) || (S_ISCHR(st->st_mode) && st->st_rdev == rdev);
    case KILN_TYPE_BLOCK:
        return S_ISREG(st->st_mode) || (S_ISBLK(st->st_mode) && st->st_rdev == rdev);
    default:
        return false;
    }
}

static void check_entry(Verify *v, const KilnEntry *e, int dirfd, const char *name)
{
    struct stat st;
    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        report(v, e->path, "cannot be read: %s", g_strerror(errno));
    else if (!is_type(e, &st))
        report(v, e->path, "is a file of another type");
    else if (S_ISREG(st.st_mode))
        check_file(v, e, dirfd, name, &st);
    else if (e->type == KILN_TYPE_SYMLINK)
        check_symlink(v, e, dirfd, name, &st);
    else if (e->type != KILN_TYPE_DIR && e->type != KILN_TYPE_WHITEOUT)
        check_common(v, e, &st, NULL);
}

/* --- Directories --- */

/* The index of the entry of exactly this path, or -1. */
static gint64 index_of(const Verify *v, const char *path)
{
    guint i = kiln_manifest_lower_bound(v->m, path);
    return i < kiln_manifest_length(v->m) && strcmp(kiln_manifest_get(v->m, i)->path, path) == 0 ? (gint64)i : -1;
}

static char *path_in(const KilnEntry *dir, const char *name)
{
    return g_strconcat(dir->path, *dir->path ? "/" : "", name, NULL);
}

/* ".wh.NAME", where no 0:0 device could be made; "opaque" was looked at with the directory. */
static bool is_marker(const Verify *v, const KilnEntry *dir, const char *name)
{
    if (!g_str_has_prefix(name, KILN_WHITEOUT_PREFIX))
        return false;
    if (strcmp(name, OPAQUE_MARKER) == 0)
        return true;
    g_autofree char *path = path_in(dir, name + strlen(KILN_WHITEOUT_PREFIX));
    gint64 i = index_of(v, path);
    if (i < 0 || kiln_manifest_get(v->m, (guint)i)->type != KILN_TYPE_WHITEOUT)
        return false;
    v->seen[i] = true;
    return true;
}

static void check_name(Verify *v, const KilnEntry *dir, int dirfd, const char *name)
{
    g_autofree char *path = path_in(dir, name);
    gint64 i = index_of(v, path);
    if (i < 0) {
        if (!is_marker(v, dir, name))
            report(v, path, "was not in the layer");
        return;
    }
    v->seen[i] = true;
    check_entry(v, kiln_manifest_get(v->m, (guint)i), dirfd, name);
}

static void check_dir(Verify *v, const KilnEntry *e, int fd)
{
    Marks marks = {0};
    struct stat st;
    if (fstat(fd, &st) < 0) {
        report(v, e->path, "cannot be read: %s", g_strerror(errno));
        return;
    }
    check_xattrs(v, e, fd, &marks);
    check_common(v, e, &st, &marks);
    /* A mark that the manifest lacks hides nothing (src/tree/diff.c). */
    if (e->opaque && !marks.opaque && faccessat(fd, OPAQUE_MARKER, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
        report(v, e->path, "does not hide the same directory of the layers below any more");
}

/* Of what is below a directory that is not there nothing more need be said. */
static void pass_over(const Verify *v, guint dir)
{
    const char *path = kiln_manifest_get(v->m, dir)->path;
    for (guint i = dir + 1; i < kiln_manifest_length(v->m); i++) {
        if (!kiln_path_within(kiln_manifest_get(v->m, i)->path, path))
            break;
        v->seen[i] = true;
    }
}

static void walk_dir(Verify *v, guint index)
{
    const KilnEntry *e = kiln_manifest_get(v->m, index);
    int fd = kiln_open_beneath(v->rootfd, e->path, O_RDONLY | O_DIRECTORY);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) {
        int code = fd < 0 ? -fd : errno;
        if (fd >= 0)
            close(fd);
        bool told = code == ENOENT || code == ENOTDIR || code == ELOOP;
        if (!told)
            report(v, e->path, "cannot be read: %s", g_strerror(code));
        pass_over(v, index);
        return;
    }
    check_dir(v, e, fd);
    const struct dirent *entry;
    while ((errno = 0, entry = readdir(d)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            check_name(v, e, fd, entry->d_name);
    if (errno)
        report(v, e->path, "cannot be read: %s", g_strerror(errno));
    closedir(d);
}

static char *read_map(const char *path)
{
    char *text = NULL;
    return g_file_get_contents(path, &text, NULL, NULL) ? text : g_strdup("0 0 4294967295\n");
}

void kiln_verify_layer(const KilnManifest *m, int layerfd, KilnOwners owners, KilnVerifyFunc func, void *data,
                       guint *undigested)
{
    guint n = kiln_manifest_length(m);
    g_autofree bool *seen = g_new0(bool, n + 1);
    g_autoptr(GHashTable) links = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    g_autofree char *uids = read_map("/proc/self/uid_map"), *gids = read_map("/proc/self/gid_map");
    g_autofree char *names = g_malloc(XATTR_LIST_MAX), *value = g_malloc(XATTR_SIZE_MAX);
    Verify v = {.m = m,
                .rootfd = layerfd,
                .owners = owners,
                .func = func,
                .data = data,
                .seen = seen,
                .links = links,
                .uids = uids,
                .gids = gids,
                .names = names,
                .value = value};
    for (guint i = 0; i < n; i++) {
        const KilnEntry *e = kiln_manifest_get(m, i);
        if (*e->path && !seen[i])
            report(&v, e->path, "is missing");
        if (e->type == KILN_TYPE_DIR)
            walk_dir(&v, i);
    }
    if (undigested)
        *undigested = v.undigested;
}
