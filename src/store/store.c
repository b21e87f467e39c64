/* Opening a store: its directory, lock, version and database. */
#include "store/state.h"

#include "store/lease.h"
#include "store/owner.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

static int set_lock(int fd, gint64 first, gint64 length, short kind, int command)
{
    struct flock lock = {.l_type = kind, .l_whence = SEEK_SET, .l_start = first, .l_len = length};
    while (fcntl(fd, command, &lock) < 0)
        if (errno != EINTR)
            return errno == EACCES ? -EAGAIN : -errno;
    return 0;
}

int kiln_lock_set(int fd, gint64 byte, short kind, bool wait)
{
    return set_lock(fd, byte, 1, kind, wait ? F_OFD_SETLKW : F_OFD_SETLK);
}

int kiln_lock_set_range(int fd, gint64 first, gint64 last, short kind)
{
    return set_lock(fd, first, last - first + 1, kind, F_OFD_SETLK);
}

/* File systems on which a WAL's shared memory is not shared (sqlite.org/wal.html); numbers from
 * statfs(2). */
static bool on_network(int fd)
{
    static const guint32 network[] = {
        0x6969 /* NFS */,        0xff534d42 /* CIFS */,
        0xfe534d42 /* SMB2 */,   0x517b /* SMB */,
        0x01021997 /* 9P */,     0x00c36400 /* Ceph */,
        0x0bd00bd0 /* Lustre */, 0x47504653 /* GPFS */,
        0x5346414f /* AFS */,    0x7461636f /* OCFS2 */,
        0x01161970 /* GFS2 */,   0x65735546 /* FUSE: sshfs, glusterfs, s3fs */,
        0x19830326 /* BeeGFS */,
    };
    struct statfs st;
    if (fstatfs(fd, &st) < 0)
        return false;
    for (gsize i = 0; i < G_N_ELEMENTS(network); i++)
        if ((guint32)st.f_type == network[i])
            return true;
    return false;
}

/* Every layer costs an fd. Whoever runs commands resets the limit for them. */
static void raise_fd_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* How long who opens a store waits for another one that has it exclusively: 5 s in steps of 10 ms. */
#define SWEEP_TRIES 500
#define SWEEP_WAIT 10000

/* Opens root/lock and takes its use byte. A reset may remove the file in between: then try again.
 */
static bool take_lock(KilnStore *s, KilnStoreAccess access, GError **error)
{
    short kind = access == KILN_STORE_EXCLUSIVE ? F_WRLCK : F_RDLCK;
    int flags = access == KILN_STORE_READ ? O_RDONLY : O_RDWR | O_CREAT;
    for (int attempt = 0; attempt < 16; attempt++) {
        s->lock_fd = openat(s->root_fd, "lock", flags | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (s->lock_fd < 0)
            return kiln_store_fail(error, errno, "cannot open %s/lock", s->root);
        int result = kiln_lock_set(s->lock_fd, KILN_LOCK_USE, kind, false);
        for (int tries = 0; result == -EAGAIN && kind == F_RDLCK && tries < SWEEP_TRIES; tries++) {
            g_usleep(SWEEP_WAIT); /* another one may be sweeping, after a crash */
            result = kiln_lock_set(s->lock_fd, KILN_LOCK_USE, kind, false);
        }
        if (result == -EAGAIN) {
            g_set_error(error, KILN_STORE_ERROR, KILN_STORE_ERROR_BUSY,
                        access == KILN_STORE_EXCLUSIVE
                            ? "another kiln is using the store %s; try again when it has ended"
                            : "the store %s is being reset or collected by another kiln; try again",
                        s->root);
            return false;
        }
        if (result < 0)
            return kiln_store_fail(error, -result, "cannot lock %s/lock", s->root);
        struct stat st;
        if (fstat(s->lock_fd, &st) == 0 && st.st_nlink > 0)
            return true;
        close(s->lock_fd);
        s->lock_fd = -1;
    }
    g_set_error(error, KILN_STORE_ERROR, KILN_STORE_ERROR_BUSY, "the store %s is being removed",
                s->root);
    return false;
}

/* NULL without error if there is none. */
static char *read_version(KilnStore *s, GError **error)
{
    int fd = openat(s->root_fd, "version", O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) {
        if (errno != ENOENT)
            kiln_store_fail(error, errno, "cannot open %s/version", s->root);
        return NULL;
    }
    /* More than the longest that kiln writes: 340 extents a map (user_namespaces(7)). */
    g_autofree char *text = g_malloc(65536);
    ssize_t n = read(fd, text, 65535);
    if (n < 0) {
        kiln_store_fail(error, errno, "cannot read %s/version", s->root);
        close(fd);
        return NULL;
    }
    close(fd);
    text[n] = '\0';
    return g_steal_pointer(&text);
}

/* Refuses to make a store among things that are not kiln's. */
static bool check_empty(KilnStore *s, GError **error)
{
    static const char *const ours[] = {".",
                                       "..",
                                       "lock",
                                       "leases",
                                       "version.new",
                                       "layers",
                                       "manifests",
                                       "blobs",
                                       "tmp",
                                       "index",
                                       "stub",
                                       "caches",
                                       "store.db",
                                       "store.db-wal",
                                       "store.db-shm",
                                       "store.db-journal",
                                       "lost+found",
                                       NULL};
    int fd = openat(s->root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (d == NULL) {
        int errnum = errno;
        if (fd >= 0)
            close(fd);
        return kiln_store_fail(error, errnum, "cannot read %s", s->root);
    }
    bool ok = true;
    struct dirent *e;
    while (ok && (e = readdir(d)) != NULL) {
        ok = g_strv_contains(ours, e->d_name);
        if (!ok)
            g_set_error(
                error, KILN_STORE_ERROR, KILN_STORE_ERROR_MISMATCH,
                "%s is not empty and not a kiln store (it holds \"%s\"); name an empty or new "
                "directory with --root or KILN_ROOT",
                s->root, e->d_name);
    }
    closedir(d);
    return ok;
}

static bool make_directory(KilnStore *s, const char *name, mode_t mode, GError **error)
{
    if (mkdirat(s->root_fd, name, mode) < 0 && errno != EEXIST)
        return kiln_store_fail(error, errno, "cannot create %s/%s", s->root, name);
    return true;
}

/* The mount points that a RUN needs whatever its image holds; see runtime/kilnrun.h. Modes are set
 * explicitly: the umask must not show in an image. */
static bool make_stub(KilnStore *s, GError **error)
{
    static const char *const directories[] = {"stub", "stub/proc", "stub/sys", "stub/dev",
                                              "stub/etc"};
    static const char *const files[] = {"stub/etc/hosts", "stub/etc/resolv.conf",
                                        "stub/etc/hostname"};
    for (gsize i = 0; i < G_N_ELEMENTS(directories); i++) {
        if (!make_directory(s, directories[i], 0755, error))
            return false;
        if (fchmodat(s->root_fd, directories[i], 0755, 0) < 0)
            return kiln_store_fail(error, errno, "cannot change the mode of %s/%s", s->root,
                                   directories[i]);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
        int fd = openat(s->root_fd, files[i], O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
        if (fd < 0 || fchmod(fd, 0644) < 0) {
            kiln_store_fail(error, errno, "cannot create %s/%s", s->root, files[i]);
            if (fd >= 0)
                close(fd);
            return false;
        }
        close(fd);
    }
    return true;
}

/* Asks ext4 to put each folder of tmp/ into a block group of its own (FS_TOPDIR_FL, "top of
 * directory hierarchies" of chattr(1)) rather than all into the parent's. New files take inodes of
 * their directory's group, and ext4 does not give inodes again for some minutes after they were
 * freed but looks at each of them every time (recently_deleted() in fs/ext4/ialloc.c): in a group
 * where thousands of files have just been removed, which is what builds do, making one takes half a
 * millisecond. Best effort; others than ext4 refuse it. */
static void spread_work(KilnStore *s)
{
    int fd = openat(s->root_fd, "tmp", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int flags = 0; /* the kernel takes an int, whatever the ioctl's number says */
    if (fd >= 0 && ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0) {
        flags |= FS_TOPDIR_FL;
        (void)ioctl(fd, FS_IOC_SETFLAGS, &flags);
    }
    if (fd >= 0)
        close(fd);
}

static bool write_version(KilnStore *s, const char *text, GError **error)
{
    int fd = openat(s->root_fd, "version.new",
                    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return kiln_store_fail(error, errno, "cannot create %s/version", s->root);
    size_t length = strlen(text);
    ssize_t n = write(fd, text, length);
    int errnum = n < 0 ? errno : ENOSPC;
    /* An empty version file after a power cut would lock its owner out. */
    bool ok = n == (ssize_t)length;
    if (ok && fsync(fd) < 0) {
        ok = false;
        errnum = errno;
    }
    close(fd);
    if (ok && renameat(s->root_fd, "version.new", s->root_fd, "version") < 0) {
        ok = false;
        errnum = errno;
    }
    return ok || kiln_store_fail(error, errnum, "cannot write %s/version", s->root);
}

/* Makes what is missing; `version` comes last, so that its presence means the rest is there. */
static bool create(KilnStore *s, const KilnOwner *owner, GError **error)
{
    static const char *const directories[] = {"layers",       "manifests", "blobs",
                                              "blobs/sha256", "tmp",       "index"};
    int result = kiln_lock_set(s->lock_fd, KILN_LOCK_CREATE, F_WRLCK, true);
    if (result < 0)
        return kiln_store_fail(error, -result, "cannot lock %s/lock", s->root);
    g_autoptr(GError) failed = NULL;
    g_autofree char *version = read_version(s, &failed); /* another may have been faster */
    bool ok = failed == NULL;
    if (ok && version == NULL) {
        ok = check_empty(s, &failed);
        for (gsize i = 0; ok && i < G_N_ELEMENTS(directories); i++)
            ok = make_directory(s, directories[i], KILN_STORE_MODE, &failed);
        spread_work(s);
        ok = ok && make_stub(s, &failed) && write_version(s, owner->text, &failed);
    } else if (ok) {
        ok = kiln_owner_check(owner, version, s->root, &failed);
    }
    kiln_lock_set(s->lock_fd, KILN_LOCK_CREATE, F_UNLCK, false);
    if (!ok)
        g_propagate_error(error, g_steal_pointer(&failed));
    return ok;
}

/* In a directory where anybody may make files (/tmp), whoever was faster owns the store. */
static bool check_place(KilnStore *s, GError **error)
{
    struct stat own, parent;
    if (fstat(s->root_fd, &own) < 0 || fstatat(s->root_fd, "..", &parent, 0) < 0)
        return kiln_store_fail(error, errno, "cannot examine the store %s", s->root);
    if (own.st_uid == geteuid() || !(parent.st_mode & S_ISVTX))
        return true;
    g_set_error(error, KILN_STORE_ERROR, KILN_STORE_ERROR_PERMISSION,
                "the store %s belongs to another user; name another one with --root or KILN_ROOT",
                s->root);
    return false;
}

static bool no_store(const char *root, GError **error)
{
    g_set_error(error, KILN_STORE_ERROR, KILN_STORE_ERROR_NOT_FOUND, "there is no store at %s", root);
    return false;
}

static bool open_root(KilnStore *s, const char *root, KilnStoreAccess access, GError **error)
{
    g_autofree char *absolute = g_canonicalize_filename(root, NULL);
    s->root_fd = open(absolute, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->root_fd < 0 && errno == ENOENT && access == KILN_STORE_READ)
        return no_store(absolute, error);
    if (s->root_fd < 0 && errno == ENOENT) {
        if (g_mkdir_with_parents(absolute, KILN_STORE_MODE) < 0)
            return kiln_store_fail(error, errno, "cannot create the store %s", absolute);
        s->root_fd = open(absolute, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    if (s->root_fd < 0)
        return kiln_store_fail(error, errno, "cannot open the store %s", absolute);
    g_autofree char *real = realpath(absolute, NULL);
    s->root = g_strdup(real != NULL ? real : absolute);
    s->blob_directory = g_build_filename(s->root, "blobs/sha256", NULL);
    return check_place(s, error);
}

/* A reader takes the store at its word, so the directory has to be the caller's own, and not only say so. */
static bool check_reader(KilnStore *s, GError **error)
{
    g_autoptr(GError) failed = NULL;
    struct stat st;
    if (fstat(s->root_fd, &st) < 0 || st.st_uid != geteuid()) {
        g_set_error(error, KILN_STORE_ERROR, KILN_STORE_ERROR_PERMISSION,
                    "the store %s belongs to another user", s->root);
        return false;
    }
    g_autofree char *version = read_version(s, &failed);
    if (version)
        return kiln_owner_check_reader(version, s->root, &s->owners, error);
    if (!failed)
        return no_store(s->root, error);
    g_propagate_error(error, g_steal_pointer(&failed));
    return false;
}

static bool check_owner(KilnStore *s, KilnStoreAccess access, GError **error)
{
    if (access == KILN_STORE_READ)
        return check_reader(s, error);
    KilnOwner owner = {0};
    if (!kiln_owner_find(&owner, error))
        return false;
    s->owners = owner.owners;
    g_autoptr(GError) failed = NULL;
    g_autofree char *version = read_version(s, &failed);
    bool ok = failed == NULL;
    if (ok)
        ok = version != NULL ? kiln_owner_check(&owner, version, s->root, &failed)
                             : create(s, &owner, &failed);
    kiln_owner_clear(&owner);
    if (!ok)
        g_propagate_error(error, g_steal_pointer(&failed));
    return ok;
}

static bool open_folders(KilnStore *s, GError **error)
{
    const struct {
        const char *name;
        int *fd;
        int flags;
    } folders[] = {
        {"layers", &s->layers_fd, O_PATH},      {"manifests", &s->manifests_fd, O_PATH},
        {"blobs/sha256", &s->blobs_fd, O_PATH}, {"tmp", &s->tmp_fd, O_RDONLY},
        {"stub", &s->stub_fd, O_PATH},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(folders); i++) {
        *folders[i].fd = openat(s->root_fd, folders[i].name,
                                folders[i].flags | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (*folders[i].fd < 0)
            return kiln_store_fail(error, errno,
                                   "cannot open %s/%s; the store is damaged, remove it with "
                                   "\"kiln reset\"",
                                   s->root, folders[i].name);
    }
    return true;
}

static bool sweep_now(KilnStore *s, GError **error)
{
    return kiln_store_sweep(s, error) && kiln_session_forget(s, error);
}

/* Rows of another boot, and files that a killed process left without a row, are worth an exclusive lock, but not
 * waiting for it: they are not believed anyway. */
static bool sweep_if_alone(KilnStore *s, KilnStoreAccess access, GError **error)
{
    bool killed;
    if (!kiln_session_clean(s, &killed, error))
        return false;
    kiln_database_lock(s->db);
    bool stale = kiln_database_has_stale(s->db);
    kiln_database_unlock(s->db);
    if (!stale && !killed)
        return true;
    if (access == KILN_STORE_EXCLUSIVE)
        return sweep_now(s, error);
    if (kiln_lock_set(s->lock_fd, KILN_LOCK_USE, F_WRLCK, false) < 0)
        return true;
    bool ok = sweep_now(s, error);
    kiln_lock_set(s->lock_fd, KILN_LOCK_USE, F_RDLCK, false);
    return ok;
}

static void close_cached_fd(gpointer fd)
{
    close(GPOINTER_TO_INT(fd) - 1);
}

KilnStore *kiln_store_open(const char *root, KilnStoreAccess access, GError **error)
{
    g_autoptr(KilnStore) s = g_new0(KilnStore, 1);
    s->root_fd = s->layers_fd = s->manifests_fd = s->blobs_fd = s->tmp_fd = s->stub_fd = -1;
    s->lock_fd = s->session_fd = s->session_lock_fd = -1;
    s->limits = KILN_TAR_LIMITS_DEFAULT;
    g_mutex_init(&s->layers_mutex);
    g_mutex_init(&s->session_mutex);
    kiln_leases_init(s);
    s->layer_fds = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, close_cached_fd);
    s->manifests = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free,
                                         (GDestroyNotify)kiln_manifest_unref);
    raise_fd_limit();
    if (!open_root(s, root, access, error) || !take_lock(s, access, error) ||
        !check_owner(s, access, error) || !open_folders(s, error))
        return NULL;
    bool reads = access == KILN_STORE_READ;
    s->db = kiln_database_open(s->root, on_network(s->root_fd), reads, error);
    if (reads)
        return s->db ? g_steal_pointer(&s) : NULL;
    if (s->db == NULL || !kiln_leases_open(s, error) || !sweep_if_alone(s, access, error))
        return NULL;
    return g_steal_pointer(&s);
}

void kiln_store_close(KilnStore *s)
{
    if (s == NULL)
        return;
    kiln_session_close(s);
    kiln_leases_clear(s);
    g_hash_table_unref(s->layer_fds);
    g_hash_table_unref(s->manifests);
    g_clear_pointer(&s->condemned, g_hash_table_unref);
    kiln_database_close(s->db);
    const int fds[] = {s->layers_fd, s->manifests_fd, s->blobs_fd, s->tmp_fd,
                       s->stub_fd,   s->root_fd,      s->lock_fd};
    for (gsize i = 0; i < G_N_ELEMENTS(fds); i++)
        if (fds[i] >= 0)
            close(fds[i]);
    g_mutex_clear(&s->layers_mutex);
    g_mutex_clear(&s->session_mutex);
    g_free(s->root);
    g_free(s->blob_directory);
    g_free(s);
}

int kiln_store_fd(const KilnStore *s)
{
    return s->root_fd;
}

const char *kiln_store_root(const KilnStore *s)
{
    return s->root;
}

KilnOwners kiln_store_owners(const KilnStore *s)
{
    return s->owners;
}

KilnTarLimits kiln_store_limits(const KilnStore *s)
{
    return s->limits;
}

void kiln_store_set_limits(KilnStore *s, KilnTarLimits limits)
{
    s->limits = limits;
}

int kiln_store_layers_fd(const KilnStore *s)
{
    return s->layers_fd;
}

int kiln_store_stub_fd(const KilnStore *s)
{
    return s->stub_fd;
}

const char *kiln_blob_directory(const KilnStore *s)
{
    return s->blob_directory;
}

bool kiln_store_has_written(KilnStore *s)
{
    kiln_database_lock(s->db);
    bool written = kiln_database_written(s->db);
    kiln_database_unlock(s->db);
    return written;
}

/* The write-ahead log that who opens the store has to read: confirming empties it. */
static bool has_long_log(const KilnStore *s)
{
    enum { LONG = 1 << 20 }; /* bytes: some 40 builds that were all cached */
    struct stat st;
    return fstatat(s->root_fd, "store.db-wal", &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size >= LONG;
}

bool kiln_store_needs_confirming(KilnStore *s)
{
    kiln_database_lock(s->db);
    bool needs = kiln_database_written(s->db) && (kiln_database_has_provisional(s->db) || has_long_log(s));
    kiln_database_unlock(s->db);
    return needs;
}

bool kiln_store_confirm(KilnStore *s, GError **error)
{
    kiln_database_lock(s->db);
    bool written = kiln_database_written(s->db);
    gint64 mark = written ? kiln_database_mark(s->db, error) : 0;
    kiln_database_unlock(s->db);
    if (!written)
        return true;
    if (mark == 0)
        return false;
    if (syncfs(s->root_fd) < 0)
        return kiln_store_fail(error, errno, "cannot write the store %s to disk", s->root);
    kiln_database_lock(s->db);
    bool ok = kiln_database_confirm(s->db, mark, error);
    kiln_database_unlock(s->db);
    return ok;
}
