#include "build/cover.h"

#include "tree/diff.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* One path of the rootfs that something lies over. */
typedef struct {
    char *path, *parent; /* of a manifest */
    const char *name;    /* the last component of path */
    char *origin;        /* absolute: where it was taken from, and goes again */
    char *hidden;        /* name in the work folder of what was there; NULL: nothing */
    GPtrArray *made;     /* char *: directories above it that were made for it, the topmost first */
    ino_t ino;           /* of what covers it */
} Cover;

struct KilnCovers {
    KilnEngine *engine;
    KilnRootfsCopy *rootfs;
    KilnWork *work;
    const KilnView *below;
    GPtrArray *covers; /* in the order in which they were made */
    GArray *secrets;   /* struct kilnrun_bind; the fds are ours */
};

static void cover_free(gpointer data)
{
    Cover *v = data;
    g_free(v->path);
    g_free(v->parent);
    g_free(v->origin);
    g_free(v->hidden);
    g_ptr_array_unref(v->made);
    g_free(v);
}

static bool fail(GError **error, int code, const char *target)
{
    g_set_error(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_STEP, "putting what is mounted on %s in its place: %s",
                target, g_strerror(code));
    return false;
}

/* --- Covering ------------------------------------------------------------------------------------ */

/* The times of a directory in which only kiln changes something. */
static void restore_times(int dirfd, const struct stat *st)
{
    const struct timespec times[2] = {st->st_atim, st->st_mtim};
    (void)utimensat(dirfd, ".", times, 0);
}

static int open_above(int root, const char *path, const char **name)
{
    const char *slash = strrchr(path, '/');
    g_autofree char *above = g_strndup(path, slash ? (gsize)(slash - path) : 0);
    *name = slash ? slash + 1 : path;
    return kiln_open_beneath(root, above, O_PATH | O_DIRECTORY);
}

/* Opens the directory above, making what is missing. Negative errno. */
static int open_parent(KilnCovers *c, Cover *v)
{
    int root = kiln_rootfs_copy_fd(c->rootfs), result = 0;
    for (const char *slash = strchr(v->path, '/'); slash && result == 0; slash = strchr(slash + 1, '/')) {
        g_autofree char *directory = g_strndup(v->path, (gsize)(slash - v->path));
        const char *name;
        int above = open_above(root, directory, &name);
        if (above >= 0 && mkdirat(above, name, 0755) == 0)
            g_ptr_array_add(v->made, g_steal_pointer(&directory));
        else if (above < 0 || errno != EEXIST)
            result = above < 0 ? above : -errno;
        if (above >= 0)
            close(above);
    }
    return result < 0 ? result : kiln_open_beneath(root, v->parent, O_PATH | O_DIRECTORY);
}

static int swap_in(KilnCovers *c, Cover *v, int parent)
{
    struct stat times, st;
    int work = kiln_work_fd(c->work);
    g_autofree char *hidden = g_strdup_printf("hidden%u", c->covers->len);
    if (fstat(parent, &times) < 0 || lstat(v->origin, &st) < 0)
        return -errno;
    if (renameat2(parent, v->name, work, hidden, RENAME_NOREPLACE) == 0)
        v->hidden = g_steal_pointer(&hidden);
    else if (errno != ENOENT)
        return -errno;
    v->ino = st.st_ino;
    int result = renameat2(AT_FDCWD, v->origin, parent, v->name, RENAME_NOREPLACE) < 0 ? -errno : 0;
    restore_times(parent, &times);
    return result;
}

/* Looks at the directory that was changed for the cover: that was not the command. */
static void forgive(KilnCovers *c, const Cover *v)
{
    KilnSnapshot *snapshot = kiln_rootfs_copy_snapshot(c->rootfs);
    const char *path = v->made->len ? v->made->pdata[0] : v->path;
    const char *slash = strrchr(path, '/');
    g_autofree char *changed = g_strndup(path, slash ? (gsize)(slash - path) : 0);
    kiln_snapshot_refresh(snapshot, kiln_rootfs_copy_fd(c->rootfs), changed);
}

/* origin is taken over. */
static bool cover(KilnCovers *c, const char *target, char *origin, GError **error)
{
    g_autofree char *path = kiln_view_resolve(c->below, target, true, error);
    if (!path || !*path) {
        g_free(origin);
        return path && fail(error, EBUSY, target);
    }
    Cover *v = g_new0(Cover, 1);
    const char *slash = strrchr(path, '/');
    v->parent = g_strndup(path, slash ? (gsize)(slash - path) : 0);
    v->path = g_steal_pointer(&path);
    v->name = slash ? slash + 1 : v->path;
    v->origin = origin;
    v->made = g_ptr_array_new_with_free_func(g_free);
    int parent = open_parent(c, v);
    int result = parent < 0 ? parent : swap_in(c, v, parent);
    if (parent >= 0)
        close(parent);
    g_ptr_array_add(c->covers, v);
    forgive(c, v);
    return result == 0 || fail(error, -result, target);
}

/* --- Uncovering ---------------------------------------------------------------------------------- */

static bool is_ours(int parent, const Cover *v)
{
    struct stat st;
    return fstatat(parent, v->name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_ino == v->ino;
}

static void swap_out(KilnCovers *c, Cover *v, int parent)
{
    struct stat times;
    (void)!fstat(parent, &times);
    if (is_ours(parent, v))
        (void)renameat2(parent, v->name, AT_FDCWD, v->origin, RENAME_NOREPLACE);
    (void)kiln_remove_tree(parent, v->name, NULL); /* what the command may have put in its place */
    if (v->hidden)
        (void)renameat2(kiln_work_fd(c->work), v->hidden, parent, v->name, RENAME_NOREPLACE);
    restore_times(parent, &times);
}

static void remove_made(KilnCovers *c, Cover *v)
{
    for (guint i = v->made->len; i-- > 0;) {
        const char *name;
        int above = open_above(kiln_rootfs_copy_fd(c->rootfs), v->made->pdata[i], &name);
        if (above < 0)
            continue;
        (void)unlinkat(above, name, AT_REMOVEDIR); /* unless the command uses it, too */
        close(above);
    }
}

/* A command that has removed the directory above has removed what was hidden, as it wished. */
static void uncover(KilnCovers *c, Cover *v)
{
    KilnSnapshot *snapshot = kiln_rootfs_copy_snapshot(c->rootfs);
    int root = kiln_rootfs_copy_fd(c->rootfs);
    const char *top = v->made->len ? v->made->pdata[0] : v->path, *slash = strrchr(top, '/');
    g_autofree char *changed = g_strndup(top, slash ? (gsize)(slash - top) : 0);
    bool untouched = kiln_snapshot_is_current(snapshot, root, changed);
    int above = kiln_open_beneath(root, changed, O_PATH | O_DIRECTORY);
    int parent = kiln_open_beneath(root, v->parent, O_PATH | O_DIRECTORY);
    struct stat times;
    bool timed = above >= 0 && fstat(above, &times) == 0;
    if (parent >= 0) {
        swap_out(c, v, parent);
        close(parent);
    }
    remove_made(c, v);
    if (timed)
        restore_times(above, &times);
    if (above >= 0)
        close(above);
    if (untouched)
        kiln_snapshot_refresh(snapshot, root, changed);
    kiln_snapshot_refresh(snapshot, root, v->path);
}

void kiln_covers_free(KilnCovers *c)
{
    if (!c)
        return;
    for (guint i = c->covers->len; i-- > 0;)
        uncover(c, c->covers->pdata[i]);
    for (guint i = 0; i < c->secrets->len; i++) {
        int fd = g_array_index(c->secrets, struct kilnrun_bind, i).source_fd;
        (void)!ftruncate(fd, 0);
        close(fd);
    }
    g_ptr_array_unref(c->covers);
    g_array_unref(c->secrets);
    g_free(c);
}

/* --- What covers --------------------------------------------------------------------------------- */

static char *in_work(const KilnCovers *c, const char *name)
{
    return g_build_filename(kiln_work_path(c->work), name, NULL);
}

/* A new directory of the work folder; -1 with an error. */
static int make_directory(KilnCovers *c, const char *name, mode_t mode, GError **error)
{
    int fd = kiln_work_mkdir(c->work, name, error);
    if (fd >= 0 && fchmod(fd, mode) < 0) {
        fail(error, errno, name);
        return -1;
    }
    return fd;
}

static bool cover_by_directory(KilnCovers *c, const char *target, const char *name, mode_t mode, GError **error)
{
    return make_directory(c, name, mode, error) >= 0 && cover(c, target, in_work(c, name), error);
}

/* Docker's device cgroup lets these be made and used. A host that lets less be made has less. */
static bool cover_dev(KilnCovers *c, GError **error)
{
    static const struct {
        const char *name;
        unsigned major, minor;
    } nodes[] = {{"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}};
    int dev = make_directory(c, "dev", 0755, error);
    if (dev < 0)
        return false;
    for (guint i = 0; i < G_N_ELEMENTS(nodes); i++)
        if (mknodat(dev, nodes[i].name, S_IFCHR | 0600, makedev(nodes[i].major, nodes[i].minor)) < 0 ||
            fchmodat(dev, nodes[i].name, 0666, 0) < 0) {
            g_set_error(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_UNSUPPORTED,
                        "making /dev/%s for the command: %s; without namespaces that takes the capability MKNOD "
                        "(Docker gives it to containers)",
                        nodes[i].name, g_strerror(errno));
            return false;
        }
    if (mkdirat(dev, "shm", 0700) < 0 || fchmodat(dev, "shm", 01777, 0) < 0)
        return fail(error, errno, "/dev/shm");
    return cover(c, "/dev", in_work(c, "dev"), error);
}

static bool copy_all(int from, int to)
{
    char buffer[16 * 1024];
    off_t done = 0;
    ssize_t n;
    while ((n = pread(from, buffer, sizeof buffer, done)) > 0) {
        if (write(to, buffer, (size_t)n) != n)
            return false;
        done += n;
    }
    explicit_bzero(buffer, sizeof buffer);
    return n == 0;
}

/* A copy of the file's bytes in the work folder, open for writing; -1 with an error. */
static int copy_file(KilnCovers *c, int from, const char *name, const char *target, GError **error)
{
    int fd = openat(kiln_work_fd(c->work), name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0 && copy_all(from, fd))
        return fd;
    fail(error, errno, target);
    if (fd >= 0)
        close(fd);
    return -1;
}

static bool cover_by_file(KilnCovers *c, const char *target, int from, GError **error)
{
    g_autofree char *name = g_strdup_printf("file%u", c->covers->len);
    int fd = copy_file(c, from, name, target, error);
    if (fd < 0)
        return false;
    bool ok = fchmod(fd, 0644) == 0 || fail(error, errno, target);
    close(fd);
    return ok && cover(c, target, in_work(c, name), error);
}

/* The file lies on disk while the command runs: there is no other place that it could see. */
static bool cover_by_secret(KilnCovers *c, const struct kilnrun_bind *bind, GError **error)
{
    g_autofree char *name = g_strdup_printf("file%u", c->covers->len);
    int fd = copy_file(c, bind->source_fd, name, bind->target, error);
    if (fd < 0)
        return false;
    struct kilnrun_bind secret = *bind;
    secret.source_fd = fd;
    g_array_append_val(c->secrets, secret);
    bool owned = (bind->uid == 0 && bind->gid == 0) || fchown(fd, bind->uid, bind->gid) == 0 ||
                 kiln_store_owners(c->engine->options->store) == KILN_OWNERS_RECORDED;
    if (!owned || fchmod(fd, bind->mode & 0777) < 0)
        return fail(error, errno, bind->target);
    return cover(c, bind->target, in_work(c, name), error);
}

/* A directory is in one place at a time. */
static bool is_in_use(const KilnCovers *c, const struct kilnrun_bind *bind, GError **error)
{
    struct stat st;
    if (fstat(bind->source_fd, &st) < 0)
        return !fail(error, errno, bind->target);
    for (guint i = 0; i < c->covers->len; i++) {
        const Cover *v = c->covers->pdata[i];
        if (v->ino != st.st_ino)
            continue;
        g_set_error(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_UNSUPPORTED,
                    "%s and /%s are the same cache mount: without namespaces a cache can be mounted once in a RUN; "
                    "use one target, or another id",
                    bind->target, v->path);
        return true;
    }
    return false;
}

/* What the step's mounts are made of lies in the work folder or is a cache: bind-mount.c copies everything else. */
static bool cover_by_source(KilnCovers *c, const struct kilnrun_bind *bind, GError **error)
{
    g_autofree char *link = g_strdup_printf("/proc/self/fd/%d", bind->source_fd);
    g_autofree char *path = g_file_read_link(link, NULL);
    const char *root = kiln_store_root(c->engine->options->store);
    gsize length = strlen(root);
    if (!path || strncmp(path, root, length) != 0 || path[length] != '/')
        return fail(error, EXDEV, bind->target);
    return !is_in_use(c, bind, error) && cover(c, bind->target, g_steal_pointer(&path), error);
}

static bool cover_by_bind(KilnCovers *c, const struct kilnrun_bind *bind, GError **error)
{
    g_autofree char *name = g_strdup_printf("tmpfs%u", c->covers->len);
    switch (bind->kind) {
    case KILNRUN_SECRET:
        return cover_by_secret(c, bind, error);
    case KILNRUN_TMPFS:
        return cover_by_directory(c, bind->target, name, 01777, error);
    case KILNRUN_BIND:
        return cover_by_source(c, bind, error);
    default:
        return fail(error, ENOTSUP, bind->target);
    }
}

static bool cover_all(KilnCovers *c, const KilnEtc *etc, const KilnStepMounts *mounts, GError **error)
{
    bool chroot = c->engine->options->run_settings.isolation == KILNRUN_CHROOT; /* proot shows its own */
    size_t n;
    const struct kilnrun_bind *binds = kiln_step_mounts_binds(mounts, &n);
    if ((chroot && (!cover_dev(c, error) || !cover_by_directory(c, "/proc", "proc", 0555, error) ||
                    !cover_by_directory(c, "/sys", "sys", 0555, error))) ||
        !cover_by_file(c, "/etc/resolv.conf", etc->resolv, error) ||
        !cover_by_file(c, "/etc/hosts", etc->hosts, error) ||
        !cover_by_file(c, "/etc/hostname", etc->hostname, error))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!cover_by_bind(c, &binds[i], error))
            return false;
    return true;
}

KilnCovers *kiln_covers_new(KilnEngine *e, KilnRootfsCopy *rootfs, const KilnView *below, KilnWork *work,
                            const KilnEtc *etc, const KilnStepMounts *mounts, GError **error)
{
    KilnCovers *c = g_new0(KilnCovers, 1);
    c->engine = e;
    c->rootfs = rootfs;
    c->work = work;
    c->below = below;
    c->covers = g_ptr_array_new_with_free_func(cover_free);
    c->secrets = g_array_new(FALSE, FALSE, sizeof(struct kilnrun_bind));
    if (!cover_all(c, etc, mounts, error))
        g_clear_pointer(&c, kiln_covers_free);
    return c;
}

const struct kilnrun_bind *kiln_covers_secrets(const KilnCovers *c, size_t *n)
{
    *n = c->secrets->len;
    return (const struct kilnrun_bind *)(void *)c->secrets->data;
}
