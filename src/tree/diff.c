#include "tree/diff.h"
#include "tree/diff-claim.h"
#include "tree/tar.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

G_DEFINE_QUARK(kiln - diff - error - quark, kiln_diff_error)

#define OPAQUE_MARKER ".wh..wh..opq"

typedef struct {
    int upperfd;
    const KilnView *below;
    KilnOwners owners;
    const KilnDiffRecords *records;
    KilnManifest *out;
    GArray *claims; /* of KilnClaim */
    GPtrArray *todo;   /* of Dir: directories still to be read; no fd is held for them */
    GHashTable *links; /* inode → the first entry seen of a file with several links */
    uint32_t n_links;
    bool markers; /* files named ".wh.…" are whiteouts */
    char *names, *value; /* XATTR_SIZE_MAX bytes each */
} Diff;

typedef struct {
    char *path;
    bool hidden; /* a parent is opaque: nothing of the layers below shows here */
} Dir;

/* What flistxattr found besides the attributes that go into the image. */
typedef struct {
    bool opaque;
    bool has_record;
    KilnEntry record;
} Marks;

static void dir_free(gpointer p)
{
    Dir *d = p;
    g_free(d->path);
    g_free(d);
}

static bool fail(GError **error, int code, const char *doing, const char *path)
{
    g_autofree char *shown = g_utf8_make_valid(*path ? path : "/", -1);
    g_set_error(error, KILN_DIFF_ERROR, code, "cannot %s “%s” among the changes of the step: %s",
                doing, shown, g_strerror(code));
    return false;
}

/* image-spec, layer.md: no file system with such a name can be made of layers. */
static bool refuse_marker(const char *path, GError **error)
{
    g_autofree char *shown = g_utf8_make_valid(path, -1);
    g_set_error(error, KILN_DIFF_ERROR, EINVAL,
                "“%s” cannot be in an image: names that begin with “" KILN_WHITEOUT_PREFIX
                "” stand for deleted files there; remove or rename it in the same step",
                shown);
    return false;
}

/* --- Stubs --- */

/* Removes the mount point if it is as kiln made it. What was put into it since stays. */
static int remove_stub(int upperfd, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    g_autofree char *parent = g_strndup(path, slash ? (gsize)(slash - path) : 0);
    int fd = kiln_open_beneath(upperfd, parent, O_PATH | O_DIRECTORY);
    if (fd < 0)
        return fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP ? 0 : fd;
    struct stat st;
    int result = 0;
    if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        result = errno == ENOENT ? 0 : -errno;
    else if (S_ISREG(st.st_mode) && st.st_size == 0)
        result = unlinkat(fd, name, 0) < 0 ? -errno : 0;
    else if (S_ISDIR(st.st_mode) && unlinkat(fd, name, AT_REMOVEDIR) < 0)
        result = errno == ENOTEMPTY || errno == EEXIST ? 0 : -errno;
    close(fd);
    return result;
}

static gint deepest_first(gconstpointer a, gconstpointer b)
{
    return kiln_path_compare(*(const char *const *)b, *(const char *const *)a);
}

static bool remove_stubs(int upperfd, const char *const *stubs, GError **error)
{
    g_autoptr(GPtrArray) paths = g_ptr_array_new();
    for (; stubs && *stubs; stubs++)
        g_ptr_array_add(paths, (gpointer)(*stubs + strspn(*stubs, "/")));
    g_ptr_array_sort(paths, deepest_first);
    for (guint i = 0; i < paths->len; i++) {
        const char *path = paths->pdata[i];
        int result = *path ? remove_stub(upperfd, path) : 0;
        if (result < 0)
            return fail(error, -result, "remove the mount point", path);
    }
    return true;
}

/* --- Extended attributes --- */

static bool is_opaque_mark(const char *name)
{
    return strcmp(name, "user.overlay.opaque") == 0 || strcmp(name, "trusted.overlay.opaque") == 0 ||
           strcmp(name, "user.fuseoverlayfs.opaque") == 0;
}

/* Reads the xattrs of an open file or directory into the entry and *marks. Negative errno. */
static int read_xattrs(Diff *d, int fd, KilnEntry *e, Marks *marks)
{
    ssize_t size = flistxattr(fd, d->names, XATTR_LIST_MAX);
    if (size < 0)
        return errno == ENOTSUP ? 0 : -errno;
    g_autoptr(GArray) xattrs = g_array_new(FALSE, FALSE, sizeof(KilnXattr));
    for (const char *name = d->names; name < d->names + size; name += strlen(name) + 1) {
        bool wanted = kiln_xattr_in_image(name), record = strcmp(name, KILN_STAT_XATTR) == 0;
        if (!wanted && !record && !is_opaque_mark(name))
            continue;
        ssize_t n = fgetxattr(fd, name, d->value, XATTR_SIZE_MAX);
        if (n < 0)
            return -errno;
        if (record) {
            marks->has_record = kiln_stat_record_parse(d->value, (size_t)n, &marks->record);
        } else if (!wanted) {
            marks->opaque = n == 1 && d->value[0] == 'y'; /* "x" means another thing */
        } else {
            KilnXattr x = {.name = name, .value = g_memdup2(d->value, n), .size = (uint32_t)n};
            g_array_append_val(xattrs, x);
        }
    }
    kiln_manifest_set_xattrs(d->out, e, (KilnXattr *)xattrs->data, xattrs->len);
    for (guint i = 0; i < xattrs->len; i++)
        g_free((gpointer)g_array_index(xattrs, KilnXattr, i).value);
    return 0;
}

/* --- Entries --- */

static void set_stat(KilnEntry *e, KilnType type, const struct stat *st)
{
    e->type = type;
    e->mode = type == KILN_TYPE_SYMLINK ? 0777 : st->st_mode & 07777;
    e->uid = st->st_uid;
    e->gid = st->st_gid;
    e->mtime = st->st_mtim.tv_sec;
    e->mtime_nsec = (uint32_t)st->st_mtim.tv_nsec;
    if (type == KILN_TYPE_FILE)
        e->size = (uint64_t)st->st_size;
    if (type == KILN_TYPE_CHAR || type == KILN_TYPE_BLOCK) {
        e->major = major(st->st_rdev);
        e->minor = minor(st->st_rdev);
    }
}

/* Whether the layers below have what the record says at this path. Where commands may write the
 * xattr, that alone proves that it was not one of them who did. */
static bool is_device_below(const Diff *d, const KilnEntry *record, const KilnEntry *e)
{
    const KilnEntry *b = kiln_view_lookup(d->below, e->path, NULL);
    return b && b->type == record->type && b->major == record->major && b->minor == record->minor;
}

static bool is_owner_below(const Diff *d, const KilnEntry *record, const KilnEntry *e)
{
    const KilnEntry *b = kiln_view_lookup(d->below, e->path, NULL);
    return b && b->uid == record->uid && b->gid == record->gid;
}

static void claim(Diff *d, KilnEntry *e, const KilnEntry *record)
{
    KilnClaim c = {e, *record};
    g_array_append_val(d->claims, c);
}

/* The record tells what the disk could not hold. With real owners that is only an owner outside the
 * id map, and a file that is not ours any more was given away by the command since. */
static void apply_record(Diff *d, const KilnEntry *record, KilnEntry *e)
{
    bool recorded = d->owners == KILN_OWNERS_RECORDED;
    if (recorded ||
        (e->uid == geteuid() && e->gid == getegid() && is_owner_below(d, record, e))) {
        e->uid = record->uid;
        e->gid = record->gid;
    }
    if (e->type != KILN_TYPE_FILE || !kiln_type_is_device(record->type))
        return;
    if ((d->records && d->records->xattrs_are_true) || is_device_below(d, record, e))
        kiln_claim_take_device(e, record);
    else
        claim(d, e, record);
}

/* What the sandbox has recorded of a file. */
static bool find_record(const Diff *d, int dirfd, const char *name, const char *path, KilnEntry *record)
{
    const KilnDiffRecords *r = d->records;
    if (!r || !r->find)
        return false;
    int fd = r->made_in ? kiln_open_beneath(r->made_in, path, O_PATH | O_NOFOLLOW)
                        : openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    bool found = fd >= 0 && r->find(fd, record, r->data);
    if (fd >= 0)
        close(fd);
    return found;
}

/* A device that the command made: from now on the placeholder, which is open, says that it is one. */
static bool note_device(Diff *d, int dirfd, const char *name, int fd, KilnEntry *e, GError **error)
{
    KilnEntry device = {0};
    if (!find_record(d, dirfd, name, e->path, &device) || !kiln_type_is_device(device.type))
        return true;
    kiln_claim_take_device(e, &device);
    g_autofree char *text = kiln_stat_record_format(&(KilnEntry){
        .type = e->type, .mode = e->mode, .major = e->major, .minor = e->minor});
    return fsetxattr(fd, KILN_STAT_XATTR, text, strlen(text), 0) == 0 ||
           fail(error, errno, "record the device", e->path);
}

/* The owner of a symlink or fifo, where the disk has none: what is recorded of it, else, if the
 * command did not make it but only copied it up or moved it, that which it had below. */
static void find_owner(Diff *d, int dirfd, const char *name, KilnEntry *e, bool hidden)
{
    KilnEntry record;
    if (d->owners != KILN_OWNERS_RECORDED)
        return;
    const KilnEntry *b = hidden ? NULL : kiln_view_lookup(d->below, e->path, NULL);
    if (find_record(d, dirfd, name, e->path, &record))
        b = &record;
    else if (!b || b->type != e->type || b->mtime != e->mtime ||
             g_strcmp0(b->target, e->target) != 0) {
        claim(d, e, e);
        return;
    }
    e->uid = b->uid;
    e->gid = b->gid;
}

static void note_link(Diff *d, KilnEntry *e, const struct stat *st)
{
    if (st->st_nlink < 2)
        return;
    uint64_t ino = st->st_ino; /* an upper directory is one file system */
    KilnEntry *first = g_hash_table_lookup(d->links, &ino);
    if (!first) {
        g_hash_table_insert(d->links, g_memdup2(&ino, sizeof(ino)), e);
        return;
    }
    if (!first->link_group)
        first->link_group = ++d->n_links;
    e->link_group = first->link_group;
}

static bool add_dir(Diff *d, int fd, const char *path, const struct stat *st, bool hidden,
                    GError **error)
{
    KilnEntry *e = kiln_manifest_add(d->out, path);
    Marks marks = {0};
    set_stat(e, KILN_TYPE_DIR, st);
    int result = read_xattrs(d, fd, e, &marks);
    if (result < 0)
        return fail(error, -result, "read the attributes of", path);
    if (marks.has_record)
        apply_record(d, &marks.record, e);
    marks.opaque = marks.opaque || (d->markers && faccessat(fd, OPAQUE_MARKER, F_OK, AT_SYMLINK_NOFOLLOW) == 0);
    if (marks.opaque && !hidden) {
        const KilnEntry *b = kiln_view_lookup(d->below, path, NULL);
        e->opaque = b && b->type == KILN_TYPE_DIR;
    }
    Dir *dir = g_new(Dir, 1);
    dir->path = g_strdup(path);
    dir->hidden = hidden || marks.opaque;
    g_ptr_array_add(d->todo, dir);
    return true;
}

static bool add_file(Diff *d, int dirfd, const char *name, const char *path, const struct stat *st,
                     GError **error)
{
    int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return fail(error, errno, "open", path);
    KilnEntry *e = kiln_manifest_add(d->out, path);
    Marks marks = {0};
    set_stat(e, KILN_TYPE_FILE, st);
    int result = read_xattrs(d, fd, e, &marks);
    bool ok = result == 0 || fail(error, -result, "read the attributes of", path);
    if (ok && marks.has_record)
        apply_record(d, &marks.record, e);
    ok = ok && note_device(d, dirfd, name, fd, e, error);
    close(fd);
    note_link(d, e, st);
    return ok;
}

static bool add_symlink(Diff *d, int dirfd, const char *name, const char *path,
                        const struct stat *st, bool hidden, GError **error)
{
    char target[PATH_MAX];
    ssize_t n = readlinkat(dirfd, name, target, sizeof(target) - 1);
    if (n < 0)
        return fail(error, errno, "read the symbolic link", path);
    target[n] = '\0';
    KilnEntry *e = kiln_manifest_add(d->out, path);
    set_stat(e, KILN_TYPE_SYMLINK, st);
    e->target = kiln_manifest_string(d->out, target);
    note_link(d, e, st);
    find_owner(d, dirfd, name, e, hidden);
    return true;
}

static bool add_whiteout(Diff *d, int dirfd, const char *name, const char *path,
                         const struct stat *st, bool hidden, GError **error)
{
    if (hidden || !kiln_view_lookup(d->below, path, NULL))
        return unlinkat(dirfd, name, 0) == 0 || fail(error, errno, "remove", path);
    KilnEntry *e = kiln_manifest_add(d->out, path);
    e->type = KILN_TYPE_WHITEOUT;
    e->mtime = st->st_mtim.tv_sec;
    e->mtime_nsec = (uint32_t)st->st_mtim.tv_nsec;
    return true;
}

/* ".wh.NAME" in the place of a 0:0 device. What makes a directory opaque was found with the directory. */
static bool add_marker(Diff *d, int dirfd, const char *name, const char *directory, bool hidden, GError **error)
{
    const char *target = name + strlen(KILN_WHITEOUT_PREFIX);
    struct stat st;
    if (strcmp(name, OPAQUE_MARKER) == 0)
        return true;
    g_autofree char *path = g_strconcat(directory, *directory ? "/" : "", target, NULL);
    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return fail(error, errno, "examine", path);
    return add_whiteout(d, dirfd, name, path, &st, hidden, error);
}

static bool add_special(Diff *d, int dirfd, const char *name, KilnType type, const char *path,
                        const struct stat *st, bool hidden)
{
    KilnEntry *e = kiln_manifest_add(d->out, path);
    set_stat(e, type, st);
    note_link(d, e, st);
    if (type == KILN_TYPE_FIFO)
        find_owner(d, dirfd, name, e, hidden);
    return true;
}

/* Where owners are recorded the disk says only who built, whatever id that is here: root in the image. */
static void forget_owner(const Diff *d, struct stat *st)
{
    if (d->owners == KILN_OWNERS_RECORDED)
        st->st_uid = st->st_gid = 0;
}

static bool add_entry(Diff *d, int dirfd, const char *name, const char *path, bool hidden,
                      GError **error)
{
    struct stat st;
    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return fail(error, errno, "examine", path);
    forget_owner(d, &st);
    switch (st.st_mode & S_IFMT) {
    case S_IFDIR: {
        int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
            return fail(error, errno, "open", path);
        bool ok = add_dir(d, fd, path, &st, hidden, error);
        close(fd);
        return ok;
    }
    case S_IFREG:
        return add_file(d, dirfd, name, path, &st, error);
    case S_IFLNK:
        return add_symlink(d, dirfd, name, path, &st, hidden, error);
    case S_IFIFO:
        return add_special(d, dirfd, name, KILN_TYPE_FIFO, path, &st, hidden);
    case S_IFBLK:
        return add_special(d, dirfd, name, KILN_TYPE_BLOCK, path, &st, hidden);
    case S_IFCHR:
        if (st.st_rdev == makedev(0, 0))
            return add_whiteout(d, dirfd, name, path, &st, hidden, error);
        return add_special(d, dirfd, name, KILN_TYPE_CHAR, path, &st, hidden);
    default: /* a socket has no place in a tar; Docker leaves it out likewise */
        return unlinkat(dirfd, name, 0) == 0 || fail(error, errno, "remove", path);
    }
}

static bool read_dir(Diff *d, const Dir *parent, GError **error)
{
    int fd = kiln_open_beneath(d->upperfd, parent->path, O_RDONLY | O_DIRECTORY);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        int code = fd < 0 ? -fd : errno;
        if (fd >= 0)
            close(fd);
        return fail(error, code, "list", parent->path);
    }
    g_autoptr(GString) path = g_string_new(parent->path);
    if (path->len)
        g_string_append_c(path, '/');
    const gsize length = path->len;
    const struct dirent *entry;
    bool ok = true;
    while (ok && (errno = 0, entry = readdir(dir))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        g_string_truncate(path, length);
        g_string_append(path, entry->d_name);
        if (d->markers && g_str_has_prefix(entry->d_name, KILN_WHITEOUT_PREFIX))
            ok = add_marker(d, dirfd(dir), entry->d_name, parent->path, parent->hidden, error);
        else if (g_str_has_prefix(entry->d_name, KILN_WHITEOUT_PREFIX))
            ok = refuse_marker(path->str, error);
        else
            ok = path->len < PATH_MAX
                     ? add_entry(d, dirfd(dir), entry->d_name, path->str, parent->hidden, error)
                     : fail(error, ENAMETOOLONG, "add", path->str);
    }
    if (ok && errno)
        ok = fail(error, errno, "list", parent->path);
    closedir(dir);
    return ok;
}

/* Directory order is the file system's; numbers in path order make equal layers equal manifests. */
static void number_links(Diff *d)
{
    g_autofree uint32_t *numbers = g_new0(uint32_t, d->n_links + 1);
    uint32_t next = 0;
    for (guint i = 0; i < kiln_manifest_length(d->out); i++) {
        KilnEntry *e = kiln_manifest_get(d->out, i);
        if (e->link_group && !numbers[e->link_group])
            numbers[e->link_group] = ++next;
        if (e->link_group)
            e->link_group = numbers[e->link_group];
    }
}

static bool run(Diff *d, GError **error)
{
    struct stat st;
    if (fstat(d->upperfd, &st) < 0)
        return fail(error, errno, "examine", "");
    forget_owner(d, &st);
    if (!add_dir(d, d->upperfd, "", &st, false, error))
        return false;
    while (d->todo->len) {
        Dir *dir = g_ptr_array_steal_index_fast(d->todo, d->todo->len - 1);
        bool ok = read_dir(d, dir, error);
        dir_free(dir);
        if (!ok)
            return false;
    }
    kiln_manifest_sort(d->out);
    kiln_claims_settle(d->claims, d->out, d->below, d->owners);
    number_links(d);
    return true;
}

static KilnManifest *diff_upper(int upperfd, const KilnView *below, const char *const *stubs,
                                KilnOwners owners, const KilnDiffRecords *records, bool markers,
                                GError **error)
{
    if (!remove_stubs(upperfd, stubs, error))
        return NULL;
    g_autoptr(KilnManifest) out = kiln_manifest_new();
    g_autoptr(GPtrArray) todo = g_ptr_array_new_with_free_func(dir_free);
    g_autoptr(GHashTable) links = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    g_autoptr(GArray) claims = g_array_new(FALSE, FALSE, sizeof(KilnClaim));
    g_autofree char *names = g_malloc(XATTR_LIST_MAX);
    g_autofree char *value = g_malloc(XATTR_SIZE_MAX);
    Diff d = {
        .upperfd = upperfd,
        .below = below,
        .owners = owners,
        .records = records,
        .markers = markers,
        .out = out,
        .claims = claims,
        .todo = todo,
        .links = links,
        .names = names,
        .value = value,
    };
    return run(&d, error) ? g_steal_pointer(&out) : NULL;
}

KilnManifest *kiln_diff_upper(int upperfd, const KilnView *below, const char *const *stubs,
                              KilnOwners owners, const KilnDiffRecords *records, GError **error)
{
    return diff_upper(upperfd, below, stubs, owners, records, false, error);
}

KilnManifest *kiln_diff_marked_upper(int upperfd, const KilnView *below, const char *const *stubs,
                                     KilnOwners owners, const KilnDiffRecords *records, GError **error)
{
    return diff_upper(upperfd, below, stubs, owners, records, true, error);
}

bool kiln_diff_remove_stubs(int dirfd, const char *const *stubs, GError **error)
{
    return remove_stubs(dirfd, stubs, error);
}
