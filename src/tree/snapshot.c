#include "tree/snapshot.h"

#include "arena/arena.h"
#include "tree/diff.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Ticks are 10 ms at most (CONFIG_HZ=100); a server's clock may be ahead of its files by a little. */
enum { SETTLE_TRIES = 200, SETTLE_NS = 1000000 };

typedef struct {
    char *path;
    guint64 ino, size;
    gint64 ctime; /* nanoseconds */
    guint32 mode, uid, gid;
} Seen;

struct KilnSnapshot {
    KilnArena arena;
    GHashTable *entries; /* path → Seen, both in the arena */
};

static bool fail(GError **error, int code, const char *doing, const char *path)
{
    g_autofree char *shown = g_utf8_make_valid(*path ? path : "/", -1);
    g_set_error(error, KILN_DIFF_ERROR, code, "cannot %s “%s” of the rootfs: %s", doing, shown,
                g_strerror(code));
    return false;
}

static void fill(Seen *seen, const struct stat *st)
{
    seen->ino = st->st_ino;
    seen->size = S_ISDIR(st->st_mode) ? 0 : (guint64)st->st_size;
    seen->ctime = (gint64)st->st_ctim.tv_sec * G_GINT64_CONSTANT(1000000000) + st->st_ctim.tv_nsec;
    seen->mode = st->st_mode;
    seen->uid = st->st_uid;
    seen->gid = st->st_gid;
}

static bool equal(const Seen *a, const Seen *b)
{
    return a->ino == b->ino && a->ctime == b->ctime && a->size == b->size && a->mode == b->mode &&
           a->uid == b->uid && a->gid == b->gid;
}

static Seen *add(KilnSnapshot *s, const char *path, const struct stat *st)
{
    Seen *seen = kiln_arena_alloc(&s->arena, sizeof *seen, _Alignof(Seen));
    seen->path = kiln_arena_copy(&s->arena, path, strlen(path));
    fill(seen, st);
    g_hash_table_replace(s->entries, seen->path, seen);
    return seen;
}

static bool add_below(KilnSnapshot *s, int dirfd, const char *name, const char *path, GPtrArray *todo,
                      GError **error)
{
    struct stat st;
    if (strlen(path) >= PATH_MAX)
        return fail(error, ENAMETOOLONG, "examine", path);
    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return fail(error, errno, "examine", path);
    const Seen *seen = add(s, path, &st);
    if (S_ISDIR(st.st_mode))
        g_ptr_array_add(todo, seen->path);
    return true;
}

static bool read_directory(KilnSnapshot *s, int rootfd, const char *directory, GPtrArray *todo,
                           GError **error)
{
    int fd = kiln_open_beneath(rootfd, directory, O_RDONLY | O_DIRECTORY);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        int code = fd < 0 ? -fd : errno;
        if (fd >= 0)
            close(fd);
        return fail(error, code, "list", directory);
    }
    g_autoptr(GString) path = g_string_new(directory);
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
        ok = add_below(s, dirfd(dir), entry->d_name, path->str, todo, error);
    }
    if (ok && errno)
        ok = fail(error, errno, "list", directory);
    closedir(dir);
    return ok;
}

KilnSnapshot *kiln_snapshot_take(int rootfd, GError **error)
{
    g_autoptr(KilnSnapshot) s = g_new0(KilnSnapshot, 1);
    g_autoptr(GPtrArray) todo = g_ptr_array_new(); /* directories; no fd is held for them */
    struct stat st;
    kiln_arena_init(&s->arena);
    s->entries = g_hash_table_new(g_str_hash, g_str_equal);
    if (fstat(rootfd, &st) < 0) {
        fail(error, errno, "examine", "");
        return NULL;
    }
    g_ptr_array_add(todo, add(s, "", &st)->path);
    while (todo->len)
        if (!read_directory(s, rootfd, g_ptr_array_steal_index_fast(todo, todo->len - 1), todo, error))
            return NULL;
    return g_steal_pointer(&s);
}

void kiln_snapshot_free(KilnSnapshot *s)
{
    if (!s)
        return;
    g_hash_table_unref(s->entries);
    kiln_arena_clear(&s->arena);
    g_free(s);
}

/* --- The moment ---------------------------------------------------------------------------------- */

static gint64 newest(const KilnSnapshot *s)
{
    GHashTableIter iter;
    gpointer value;
    gint64 time = 0;
    g_hash_table_iter_init(&iter, s->entries);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        time = MAX(time, ((const Seen *)value)->ctime);
    return time;
}

bool kiln_snapshot_settle(const KilnSnapshot *s, int dirfd, GError **error)
{
    const gint64 time = newest(s);
    const struct timespec pause = {.tv_nsec = SETTLE_NS};
    int fd = openat(dirfd, "clock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail(error, errno, "create a file beside", "");
    Seen now = {0};
    for (int i = 0; i < SETTLE_TRIES && now.ctime <= time; i++) {
        struct stat st;
        if (i > 0)
            nanosleep(&pause, NULL);
        if (futimens(fd, NULL) < 0 || fstat(fd, &st) < 0)
            break;
        fill(&now, &st);
    }
    close(fd);
    unlinkat(dirfd, "clock", 0);
    return true;
}

static bool look(int rootfd, const char *path, struct stat *st)
{
    int fd = kiln_open_beneath(rootfd, path, O_PATH | O_NOFOLLOW);
    bool there = fd >= 0 && fstat(fd, st) == 0;
    if (fd >= 0)
        close(fd);
    return there;
}

bool kiln_snapshot_is_current(const KilnSnapshot *s, int rootfd, const char *path)
{
    struct stat st;
    const Seen *seen = g_hash_table_lookup(s->entries, path);
    Seen now;
    if (!look(rootfd, path, &st))
        return !seen;
    fill(&now, &st);
    return seen && equal(seen, &now);
}

void kiln_snapshot_refresh(KilnSnapshot *s, int rootfd, const char *path)
{
    struct stat st;
    if (look(rootfd, path, &st))
        add(s, path, &st);
    else
        g_hash_table_remove(s->entries, path);
}

/* --- Comparing ----------------------------------------------------------------------------------- */

typedef struct {
    const KilnSnapshot *before, *after;
    const char *const *ignored;
    GHashTable *listed; /* paths that are in `out` */
    GArray *out;
} Comparison;

static bool is_ignored(const Comparison *c, const char *path)
{
    for (const char *const *p = c->ignored; p && *p; p++)
        if (kiln_path_within(path, *p))
            return true;
    return false;
}

/* The directory above, in the memory of the snapshot; NULL for the root, and if it has none. */
static const Seen *parent_of(const KilnSnapshot *s, const char *path)
{
    const char *slash = strrchr(path, '/');
    g_autofree char *parent = g_strndup(path, slash ? (gsize)(slash - path) : 0);
    return *path ? g_hash_table_lookup(s->entries, parent) : NULL;
}

static void list(Comparison *c, const char *path, bool deleted)
{
    if (!g_hash_table_add(c->listed, (gpointer)path))
        return;
    KilnTreeChange change = {.path = path, .deleted = deleted};
    g_array_append_val(c->out, change);
    const Seen *parent = parent_of(c->after, path);
    if (parent)
        list(c, parent->path, false);
}

static void compare_after(Comparison *c)
{
    GHashTableIter iter;
    gpointer value;
    g_hash_table_iter_init(&iter, c->after->entries);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const Seen *now = value, *then = g_hash_table_lookup(c->before->entries, now->path);
        if ((!*now->path || !then || !equal(then, now)) && !is_ignored(c, now->path))
            list(c, now->path, false);
    }
}

/* What has gone with its directory needs no mention. */
static void compare_before(Comparison *c)
{
    GHashTableIter iter;
    gpointer value;
    g_hash_table_iter_init(&iter, c->before->entries);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const Seen *then = value;
        if (g_hash_table_contains(c->after->entries, then->path) || is_ignored(c, then->path))
            continue;
        const Seen *parent = parent_of(c->after, then->path);
        if (parent && S_ISDIR(parent->mode))
            list(c, then->path, true);
    }
}

static gint by_path(gconstpointer a, gconstpointer b)
{
    return kiln_path_compare(((const KilnTreeChange *)a)->path, ((const KilnTreeChange *)b)->path);
}

GArray *kiln_snapshot_compare(const KilnSnapshot *before, const KilnSnapshot *after,
                              const char *const *ignored)
{
    g_autoptr(GHashTable) listed = g_hash_table_new(g_str_hash, g_str_equal);
    Comparison c = {.before = before,
                    .after = after,
                    .ignored = ignored,
                    .listed = listed,
                    .out = g_array_new(FALSE, FALSE, sizeof(KilnTreeChange))};
    compare_after(&c);
    compare_before(&c);
    g_array_sort(c.out, by_path);
    return c.out;
}
