#include "owners.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "paths.h"
#include "supervisor.h"
#include "sys.h"

#define MAX_ENTRIES (1u << 20) /* a command that gives more symlinks away than this gets ENOSPC */

struct key {
    struct kilnrun_identity identity;
    uint64_t device;
};

struct owners_entry {
    struct key key;
    struct owned owned;
    bool used, in_upper;
};

struct owners_below {
    const char *path;
    struct owned owned;
};

/* --- The layers below --- */

static int compare_paths(const void *a, const void *b)
{
    return strcmp(((const struct owners_below *)a)->path, ((const struct owners_below *)b)->path);
}

/* "<type letter> <octal mode> <uid> <gid> <major> <minor>"; the rest is put to *end. */
static bool parse(const char *text, char *letter, struct owned *out, const char **end)
{
    int n = 0;
    unsigned mode;

    *out = (struct owned){.recorded = true};
    if (sscanf(text, "%c %o %u %u %u %u%n", letter, &mode, &out->uid, &out->gid, &out->major,
               &out->minor, &n) != 6)
        return false;
    out->mode = mode & 07777;
    *end = text + n;
    return true;
}

int owners_init(struct owners *o, int below_fd)
{
    struct stat st;
    const char *text, *end;
    size_t n = 0;

    if (below_fd < 0)
        return 0;
    if (fstat(below_fd, &st) < 0)
        return -errno;
    if (st.st_size == 0)
        return 0;
    text = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, below_fd, 0);
    if (text == MAP_FAILED)
        return -errno;
    end = text + st.st_size;
    if (end[-1] != 0)
        return -EPROTO;
    for (const char *p = text; p < end; p += strlen(p) + 1)
        n++;
    o->below = calloc(n, sizeof *o->below);
    if (!o->below)
        return -ENOMEM;
    for (const char *p = text; p < end; p += strlen(p) + 1) {
        struct owners_below *b = &o->below[o->n_below];
        char letter;
        if (!parse(p, &letter, &b->owned, &b->path) || *b->path++ != ' ')
            return -EPROTO;
        b->owned.mode |= letter == 'l' ? S_IFLNK : S_IFIFO;
        o->n_below++;
    }
    qsort(o->below, o->n_below, sizeof *o->below, compare_paths);
    return 0;
}

static const struct owned *find_below(const struct owners *o, const char *path, mode_t type)
{
    struct owners_below wanted = {.path = path};
    const struct owners_below *found =
        o->n_below > 0 ? bsearch(&wanted, o->below, o->n_below, sizeof *o->below, compare_paths)
                       : NULL;

    return found && (found->owned.mode & S_IFMT) == type ? &found->owned : NULL;
}

bool owners_only_xattrs(const struct owners *o)
{
    return o->n == 0 && o->n_below == 0;
}

/* --- The table --- */

static size_t hash(const struct key *key)
{
    const unsigned char *bytes = (const unsigned char *)key;
    uint64_t h = UINT64_C(14695981039346656037); /* FNV-1a */

    for (size_t i = 0; i < sizeof *key; i++)
        h = (h ^ bytes[i]) * UINT64_C(1099511628211);
    return (size_t)h;
}

/* Where the key is, or would be. */
static struct owners_entry *slot(const struct owners *o, const struct key *key)
{
    size_t i = hash(key) & (o->room - 1);

    while (o->entries[i].used && memcmp(&o->entries[i].key, key, sizeof *key) != 0)
        i = (i + 1) & (o->room - 1);
    return &o->entries[i];
}

static int grow(struct owners *o)
{
    struct owners grown = {.room = o->room ? o->room * 2 : 64};

    if (o->n * 2 < o->room)
        return 0;
    if (o->n >= MAX_ENTRIES)
        return -ENOSPC;
    grown.entries = calloc(grown.room, sizeof *grown.entries);
    if (!grown.entries)
        return -ENOMEM;
    for (size_t i = 0; i < o->room; i++)
        if (o->entries[i].used)
            *slot(&grown, &o->entries[i].key) = o->entries[i];
    free(o->entries);
    o->entries = grown.entries;
    o->room = grown.room;
    return 0;
}

static int put(struct owners *o, const struct key *key, const struct owned *owned, bool in_upper)
{
    int rc = grow(o);
    struct owners_entry *e;

    if (rc < 0)
        return rc;
    e = slot(o, key);
    o->n += !e->used;
    *e = (struct owners_entry){.key = *key, .owned = *owned, .used = true, .in_upper = in_upper};
    e->owned.recorded = true;
    return 0;
}

/* --- Which file it is --- */

/* A path of the step, as the kernel tells it, without the slash in front; false if it has none any
 * more. */
static bool path_of(struct supervisor *s, int fd, char path[PATH_MAX])
{
    ssize_t n;

    if (s->elsewhere) {
        if (fchdir(s->root) < 0 || chroot(".") < 0 || fchdir(s->proc) < 0)
            return false;
        s->elsewhere = false;
    }
    n = readlink(fd_name(fd).text, path, PATH_MAX - 1);
    if (n <= 1 || path[0] != '/')
        return false;
    path[n] = 0;
    memmove(path, path + 1, (size_t)n);
    return true;
}

static bool on_root_mount(const struct supervisor *s, int fd)
{
    struct statx st;

    return statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &st) == 0 && st.stx_mnt_id == s->root_mount;
}

/* overlayfs numbers files as it likes: the number of the one in the upper directory counts. That is
 * found by name, which somebody may be changing at this moment: then by the next. 1 if found, 0 if
 * it is not in the upper directory; path gets its name. */
static int identify_upper(struct supervisor *s, int fd, const struct stat *st, struct key *key,
                          char path[PATH_MAX])
{
    struct stat real;
    int rc = 0;

    for (int tries = 0; tries < 10; tries++) {
        int upper;
        if (!path_of(s, fd, path))
            return 0;
        upper = sys_openat2(s->upper, path, O_PATH | O_NOFOLLOW | O_CLOEXEC,
                            RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
        if (upper < 0)
            return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? 0 : -errno;
        rc = fstat(upper, &real) < 0 ? -errno : 0;
        if (rc == 0 && (real.st_mode & S_IFMT) == (st->st_mode & S_IFMT) &&
            real.st_size == st->st_size && real.st_mtim.tv_nsec == st->st_mtim.tv_nsec)
            rc = kilnrun_identify(upper, &key->identity) < 0 ? -ESTALE : 1;
        close(upper);
        if (rc != 0)
            return rc;
    }
    return -EAGAIN;
}

/* 1 and the key, or 0 if it is of a layer below: then its path. */
static int identify(struct supervisor *s, int fd, const struct stat *st, struct key *key,
                    char path[PATH_MAX], bool *in_upper)
{
    int rc;

    memset(key, 0, sizeof *key);
    path[0] = 0;
    *in_upper = on_root_mount(s, fd);
    if (*in_upper)
        return identify_upper(s, fd, st, key, path);
    key->device = st->st_dev;
    rc = kilnrun_identify(fd, &key->identity);
    return rc < 0 ? rc : 1;
}

static int get_from_table(struct supervisor *s, int fd, const struct stat *st, struct owned *out)
{
    char path[PATH_MAX];
    struct key key;
    bool in_upper;
    const struct owned *found = NULL;
    int rc;

    if (owners_only_xattrs(&s->owners))
        return 0;
    rc = identify(s, fd, st, &key, path, &in_upper);
    if (rc < 0)
        return rc;
    if (rc > 0 && s->owners.room > 0) {
        const struct owners_entry *e = slot(&s->owners, &key);
        found = e->used ? &e->owned : NULL;
    }
    /* Copied up without a chown, it keeps the owner it has below. */
    if (!found && path[0])
        found = find_below(&s->owners, path, st->st_mode & S_IFMT);
    if (found) {
        out->uid = found->uid;
        out->gid = found->gid;
        out->recorded = true;
    }
    return 0;
}

static int set_in_table(struct supervisor *s, int fd, const struct stat *st,
                        const struct owned *owned)
{
    char path[PATH_MAX];
    struct key key;
    bool in_upper;
    int rc = identify(s, fd, st, &key, path, &in_upper);

    if (rc <= 0) /* 0: it has been removed since; nobody will ask */
        return rc;
    return put(&s->owners, &key, owned, in_upper);
}

/* --- Asking and recording --- */

static bool takes_xattr(const struct stat *st)
{
    return S_ISREG(st->st_mode) || S_ISDIR(st->st_mode);
}

int owners_get(struct supervisor *s, int fd, const struct stat *st, struct owned *out)
{
    char text[128], letter;
    const char *end;
    ssize_t n;

    *out = (struct owned){.mode = st->st_mode,
                          .uid = st->st_uid,
                          .gid = st->st_gid,
                          .major = major(st->st_rdev),
                          .minor = minor(st->st_rdev)};
    if (s->mode == KILNRUN_EMULATE_DEVICES) /* where xattrs are what a command made them */
        return 0;
    if (!takes_xattr(st))
        return get_from_table(s, fd, st, out);
    n = getxattr(fd_name(fd).text, OWNERS_XATTR, text, sizeof text - 1);
    if (n < 0)
        return errno == ENODATA ? 0 : get_from_table(s, fd, st, out);
    text[n] = 0;
    if (!parse(text, &letter, out, &end))
        *out = (struct owned){.uid = st->st_uid, .gid = st->st_gid};
    out->mode = st->st_mode;
    if (S_ISREG(st->st_mode) && (letter == 'c' || letter == 'b'))
        out->mode = (letter == 'c' ? S_IFCHR : S_IFBLK) | (st->st_mode & 07777);
    return 0;
}

int owners_set(struct supervisor *s, int fd, const struct stat *st, const struct owned *owned)
{
    bool device = S_ISCHR(owned->mode) || S_ISBLK(owned->mode);
    char text[128], letter = S_ISDIR(st->st_mode) ? 'd' : 'f';
    int size, rc;

    if (!takes_xattr(st))
        return set_in_table(s, fd, st, owned);
    if (device)
        letter = S_ISCHR(owned->mode) ? 'c' : 'b';
    size = snprintf(text, sizeof text, "%c %o %u %u %u %u", letter, st->st_mode & 07777, owned->uid,
                    owned->gid, device ? owned->major : 0, device ? owned->minor : 0);
    if (!device && owned->uid == 0 && owned->gid == 0)
        rc = removexattr(fd_name(fd).text, OWNERS_XATTR);
    else
        rc = setxattr(fd_name(fd).text, OWNERS_XATTR, text, (size_t)size, 0);
    if (rc == 0 || errno == ENODATA)
        return 0;
    return errno == EOPNOTSUPP ? set_in_table(s, fd, st, owned) : -errno;
}

int owners_set_record(struct supervisor *s, int fd, const struct stat *st,
                      const struct owned *owned)
{
    return set_in_table(s, fd, st, owned);
}

int owners_save(const struct owners *o, int file)
{
    for (size_t i = 0; i < o->room; i++) {
        const struct owners_entry *e = &o->entries[i];
        struct kilnrun_record record;

        if (!e->used || !e->in_upper)
            continue;
        memset(&record, 0, sizeof record);
        record.identity = e->key.identity;
        record.mode = e->owned.mode;
        record.uid = e->owned.uid;
        record.gid = e->owned.gid;
        record.major = e->owned.major;
        record.minor = e->owned.minor;
        if (write(file, &record, sizeof record) != sizeof record)
            return errno ? -errno : -EIO;
    }
    return 0;
}
