/* The file: a header and entries of a fixed size in host byte order, sorted by (device, inode),
 * looked up where they were read to. It is a cache of one machine: what does not check out is
 * dropped. */
#include "tree/statindex.h"

#include "tree/digest.h"
#include "tree/write.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef struct {
    char magic[8];                    /* with the version of the format */
    uint32_t byte_order;              /* BYTE_ORDER_MARK as the writer stores it */
    uint32_t generation;              /* counts the writes */
    uint64_t count;                   /* of entries */
    int64_t written;                  /* seconds since the epoch, by the clock of then */
    uint8_t sha256[KILN_SHA256_SIZE]; /* of `written` and the entries */
} Header;

typedef struct {
    uint64_t dev, ino;
    int64_t ctime, mtime;
    uint64_t size;
    uint32_t ctime_nsec, mtime_nsec;
    uint32_t generation; /* of the write before which it was last of use */
    uint32_t zero;
    uint8_t digest[KILN_SHA256_SIZE];
} Entry;

#define MAGIC "kilnsi2\n"
enum { BYTE_ORDER_MARK = 0x01020304, KEEP_WRITES = 10 };
static const uint64_t max_count = 1 << 23; /* 8 million files, 740 MB */

/* The steps of the clock that file times are taken from: the kernel's tick, at most 10 ms, by which it may
 * also be late; where a time has no nanoseconds the file system may store whole or even seconds (FAT). */
static const int64_t fine_step_ns = 20 * 1000000;
static const int64_t coarse_step_ns = 2 * G_GINT64_CONSTANT(1000000000) + fine_step_ns;

struct KilnStatIndex {
    Entry *old; /* as read; only .generation changes */
    gsize n_old;
    uint32_t generation;
    struct timespec opened;
    GMutex mutex;      /* guards fresh */
    GHashTable *fresh; /* Entry → itself: stored since; stands before one of the same file in old */
};

static guint entry_hash(gconstpointer p)
{
    const Entry *e = p;
    return g_int64_hash(&e->ino) ^ g_int64_hash(&e->dev);
}

static int compare_files(const void *a, const void *b)
{
    const Entry *x = a, *y = b;
    if (x->dev != y->dev)
        return x->dev < y->dev ? -1 : 1;
    return x->ino == y->ino ? 0 : x->ino < y->ino ? -1 : 1;
}

static gboolean same_file(gconstpointer a, gconstpointer b)
{
    return compare_files(a, b) == 0;
}

static Entry entry_of(const struct stat *st)
{
    return (Entry){
        .dev = st->st_dev,
        .ino = st->st_ino,
        .ctime = st->st_ctim.tv_sec,
        .ctime_nsec = (uint32_t)st->st_ctim.tv_nsec,
        .mtime = st->st_mtim.tv_sec,
        .mtime_nsec = (uint32_t)st->st_mtim.tv_nsec,
        .size = (uint64_t)st->st_size,
    };
}

static bool same_state(const Entry *a, const Entry *b)
{
    return same_file(a, b) && a->ctime == b->ctime && a->ctime_nsec == b->ctime_nsec &&
           a->mtime == b->mtime && a->mtime_nsec == b->mtime_nsec && a->size == b->size;
}

/* --- Reading --- */

static bool read_exactly(int fd, void *buffer, size_t size)
{
    char *p = buffer;
    while (size) {
        ssize_t n = read(fd, p, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        p += n;
        size -= (size_t)n;
    }
    return true;
}

static void digest_entries(const Entry *entries, gsize n, int64_t written, uint8_t digest[KILN_SHA256_SIZE])
{
    g_autoptr(KilnHash) hash = kiln_hash_new();
    kiln_hash_update(hash, &written, sizeof(written));
    kiln_hash_update(hash, entries, n * sizeof(*entries));
    kiln_hash_finish(hash, digest);
}

static void read_index(KilnStatIndex *x, int fd)
{
    Header header;
    struct stat st;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || !read_exactly(fd, &header, sizeof(header)))
        return;
    if (memcmp(header.magic, MAGIC, sizeof(header.magic)) != 0 ||
        header.byte_order != BYTE_ORDER_MARK || header.count > max_count ||
        header.written > x->opened.tv_sec || /* the clock was set back: times can come again */
        (uint64_t)st.st_size != sizeof(header) + header.count * sizeof(Entry))
        return;

    g_autofree Entry *entries = g_new(Entry, header.count);
    uint8_t digest[KILN_SHA256_SIZE];
    if (!read_exactly(fd, entries, header.count * sizeof(Entry)))
        return;
    digest_entries(entries, header.count, header.written, digest);
    if (memcmp(digest, header.sha256, sizeof(digest)) != 0)
        return;
    x->old = g_steal_pointer(&entries);
    x->n_old = header.count;
    x->generation = header.generation;
}

KilnStatIndex *kiln_statindex_open(int dirfd, const char *name)
{
    KilnStatIndex *x = g_new0(KilnStatIndex, 1);
    g_mutex_init(&x->mutex);
    clock_gettime(CLOCK_REALTIME, &x->opened);
    x->fresh = g_hash_table_new_full(entry_hash, same_file, NULL, g_free);
    int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0) {
        read_index(x, fd);
        close(fd);
    }
    return x;
}

void kiln_statindex_free(KilnStatIndex *x)
{
    if (!x)
        return;
    g_hash_table_unref(x->fresh);
    g_mutex_clear(&x->mutex);
    g_free(x->old);
    g_free(x);
}

/* --- Use --- */

static bool is_recent(const struct timespec *time, const struct timespec *now)
{
    if (time->tv_sec > now->tv_sec)
        return true;
    if (now->tv_sec - time->tv_sec > 10)
        return false;
    int64_t age = (now->tv_sec - time->tv_sec) * G_GINT64_CONSTANT(1000000000) +
                  (now->tv_nsec - time->tv_nsec);
    return age <= (time->tv_nsec ? fine_step_ns : coarse_step_ns);
}

bool kiln_statindex_lookup(KilnStatIndex *x, const struct stat *st,
                           uint8_t digest[KILN_SHA256_SIZE])
{
    const Entry wanted = entry_of(st);

    g_mutex_lock(&x->mutex);
    const Entry *fresh = g_hash_table_lookup(x->fresh, &wanted);
    bool stored = fresh != NULL;
    bool found = stored && same_state(fresh, &wanted);
    if (found)
        memcpy(digest, fresh->digest, KILN_SHA256_SIZE);
    g_mutex_unlock(&x->mutex);
    if (stored || !x->n_old)
        return found;

    Entry *old = bsearch(&wanted, x->old, x->n_old, sizeof(Entry), compare_files);
    if (!old || !same_state(old, &wanted))
        return false;
    /* It was not recent when it was stored: the clock was set back, and may have shown this time twice. */
    if (is_recent(&st->st_ctim, &x->opened))
        return false;
    __atomic_store_n(&old->generation, x->generation, __ATOMIC_RELAXED);
    memcpy(digest, old->digest, KILN_SHA256_SIZE);
    return true;
}

bool kiln_statindex_changed_since(const struct stat *st, const struct timespec *since)
{
    struct timespec ctime = st->st_ctim;
    int64_t behind = ctime.tv_nsec ? 0 : coarse_step_ns;
    ctime.tv_sec += behind / 1000000000;
    ctime.tv_nsec += behind % 1000000000;
    return ctime.tv_sec > since->tv_sec ||
           (ctime.tv_sec == since->tv_sec && ctime.tv_nsec >= since->tv_nsec);
}

bool kiln_statindex_racy(const struct stat *st)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return is_recent(&st->st_ctim, &now) || is_recent(&st->st_mtim, &now);
}

void kiln_statindex_store(KilnStatIndex *x, const struct stat *st,
                          const uint8_t digest[KILN_SHA256_SIZE])
{
    if (kiln_statindex_racy(st))
        return;
    Entry *entry = g_new(Entry, 1);
    *entry = entry_of(st);
    memcpy(entry->digest, digest, KILN_SHA256_SIZE);
    g_mutex_lock(&x->mutex);
    g_hash_table_replace(x->fresh, entry, entry);
    g_mutex_unlock(&x->mutex);
}

/* --- Writing --- */

/* Old and fresh entries in one sorted array, without what was of no use for KEEP_WRITES writes. */
static Entry *merge(KilnStatIndex *x, gsize *n)
{
    Entry *entries = g_new(Entry, x->n_old + g_hash_table_size(x->fresh));
    gsize count = 0;
    for (gsize i = 0; i < x->n_old; i++) {
        /* An entry looked up after the write number x->generation carries that number. */
        if (x->generation - x->old[i].generation < KEEP_WRITES &&
            !g_hash_table_contains(x->fresh, &x->old[i]))
            entries[count++] = x->old[i];
    }
    GHashTableIter iter;
    gpointer key;
    g_hash_table_iter_init(&iter, x->fresh);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        entries[count] = *(const Entry *)key;
        entries[count++].generation = x->generation;
    }
    qsort(entries, count, sizeof(*entries), compare_files);
    *n = count;
    return entries;
}

/* Not synced: a torn index is an empty one, and the context is digested again. */
static int write_file(int dirfd, const char *name, const Header *header, const Entry *entries)
{
    g_autofree char *temporary = g_strdup_printf("%s.%08x.tmp", name, g_random_int());
    int fd = openat(dirfd, temporary, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    int result = kiln_write_all(fd, header, sizeof(*header));
    if (result == 0)
        result = kiln_write_all(fd, entries, header->count * sizeof(*entries));
    if (close(fd) < 0 && result == 0)
        result = -errno;
    if (result == 0 && renameat(dirfd, temporary, dirfd, name) < 0)
        result = -errno;
    if (result < 0)
        (void)unlinkat(dirfd, temporary, 0);
    return result;
}

bool kiln_statindex_write(KilnStatIndex *x, int dirfd, const char *name, GError **error)
{
    g_mutex_lock(&x->mutex);
    if (g_hash_table_size(x->fresh) == 0) {
        g_mutex_unlock(&x->mutex);
        return true;
    }
    x->generation++;
    Header header = {.byte_order = BYTE_ORDER_MARK, .generation = x->generation};
    header.written = g_get_real_time() / G_USEC_PER_SEC;
    memcpy(header.magic, MAGIC, sizeof(header.magic));
    gsize n;
    g_autofree Entry *entries = merge(x, &n);
    g_mutex_unlock(&x->mutex);

    header.count = n;
    digest_entries(entries, n, header.written, header.sha256);
    int result = n <= max_count ? write_file(dirfd, name, &header, entries) : -EFBIG;
    if (result == 0)
        return true;
    g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(-result),
                "cannot write the stat index “%s” of the context: %s", name, g_strerror(-result));
    return false;
}
