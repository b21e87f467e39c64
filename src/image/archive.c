#include "image/archive.h"

#include "image/compress.h"
#include "image/config.h"
#include "image/piece.h"
#include "tree/digest.h"
#include "tree/write.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
    char *path;
    char *digest, *diff_id; /* of a blob; with diff_id: its content */
    GBytes *bytes;
    bool directory;
} Member;

struct KilnArchive {
    KilnStore *store;
    GPtrArray *members;
    GHashTable *paths;
    uint8_t *buffer;
    int fd;
    bool failed; /* nothing more is written */
    GError *error;
};

static void member_free(gpointer member)
{
    Member *m = member;
    g_free(m->path);
    g_free(m->digest);
    g_free(m->diff_id);
    g_clear_pointer(&m->bytes, g_bytes_unref);
    g_free(m);
}

KilnArchive *kiln_archive_new(KilnStore *s)
{
    KilnArchive *a = g_new0(KilnArchive, 1);
    a->store = s;
    a->members = g_ptr_array_new_with_free_func(member_free);
    a->paths = g_hash_table_new(g_str_hash, g_str_equal);
    a->buffer = g_malloc(KILN_PIECE);
    return a;
}

void kiln_archive_free(KilnArchive *a)
{
    if (a == NULL)
        return;
    g_hash_table_unref(a->paths);
    g_ptr_array_unref(a->members);
    g_clear_error(&a->error);
    g_free(a->buffer);
    g_free(a);
}

/* The new member, or NULL if the path is there. */
static Member *add(KilnArchive *a, const char *path)
{
    if (g_hash_table_contains(a->paths, path))
        return NULL;
    Member *m = g_new0(Member, 1);
    m->path = g_strdup(path);
    g_ptr_array_add(a->members, m);
    g_hash_table_add(a->paths, m->path);
    return m;
}

void kiln_archive_add_directory(KilnArchive *a, const char *path)
{
    Member *m = add(a, path);
    if (m != NULL)
        m->directory = true;
}

void kiln_archive_add_bytes(KilnArchive *a, const char *path, const void *bytes, gsize size)
{
    Member *m = add(a, path);
    if (m != NULL)
        m->bytes = g_bytes_new(bytes, size);
}

void kiln_archive_add_blob(KilnArchive *a, const char *path, const char *digest)
{
    Member *m = add(a, path);
    if (m != NULL)
        m->digest = g_strdup(digest);
}

void kiln_archive_add_content(KilnArchive *a, const char *path, const char *digest,
                              const char *diff_id)
{
    Member *m = add(a, path);
    if (m != NULL) {
        m->digest = g_strdup(digest);
        m->diff_id = g_strdup(diff_id);
    }
}

static bool write_archive(int fd, const void *bytes, size_t size, GError **error)
{
    int result = kiln_write_all(fd, bytes, size);
    if (result < 0)
        g_set_error(error, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_IO, "cannot write the archive: %s%s",
                    g_strerror(-result),
                    result == -ENOSPC || result == -EDQUOT ? "; free some space or write it elsewhere" : "");
    return result == 0;
}

/* Never fails: libarchive 3.6 leaks its buffers when the writer fails. The error is kept for
 * check(), and what libarchive still wants to write after it goes nowhere. */
static la_ssize_t write_out(struct archive *out, void *data, const void *bytes, size_t size)
{
    KilnArchive *a = data;
    (void)out;
    if (!a->failed && !write_archive(a->fd, bytes, size, &a->error))
        a->failed = true;
    return (la_ssize_t)size;
}

/* Whether all was well until now; result is what libarchive said last. */
static bool check(KilnArchive *a, struct archive *out, bool result, GError **error)
{
    if (a->error != NULL) {
        g_propagate_error(error, g_steal_pointer(&a->error));
        return false;
    }
    if (!result)
        g_set_error(error, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_IO, "cannot write the archive: %s",
                    archive_error_string(out));
    return result;
}

static bool put_header(KilnArchive *a, struct archive *out, const char *path, bool directory,
                       guint64 size, GError **error)
{
    struct archive_entry *e = archive_entry_new();
    archive_entry_set_pathname(e, path);
    archive_entry_set_filetype(e, directory ? AE_IFDIR : AE_IFREG);
    archive_entry_set_perm(e, directory ? 0755 : 0644);
    archive_entry_set_size(e, (la_int64_t)size);
    archive_entry_set_mtime(e, 0, 0);
    bool ok = archive_write_header(out, e) == ARCHIVE_OK;
    archive_entry_free(e);
    return check(a, out, ok, error);
}

/* Writes a file of the store, which must have the bytes that its digest says: a damaged store must
 * not make a damaged image. */
static bool put_file(KilnArchive *a, struct archive *out, const Member *m, int fd, guint64 size,
                     const char *digest, GError **error)
{
    g_autoptr(KilnHash) hash = kiln_hash_new();
    if (!put_header(a, out, m->path, false, size, error))
        return false;
    guint64 left = size;
    while (left > 0) {
        ssize_t n = read(fd, a->buffer, MIN(left, (guint64)KILN_PIECE));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        kiln_hash_update(hash, a->buffer, (size_t)n);
        if (!check(a, out, archive_write_data(out, a->buffer, (size_t)n) == n, error))
            return false;
        left -= (guint64)n;
    }
    g_autofree char *real = kiln_hash_finish_text(hash);
    if (left == 0 && strcmp(real, digest) == 0)
        return true;
    g_set_error(error, KILN_STORE_ERROR, KILN_STORE_ERROR_CORRUPT,
                "the blob %s in the store %s is damaged; load, pull or build the image again",
                digest, kiln_store_root(a->store));
    return false;
}

typedef struct {
    int fd;
    uint8_t *buffer;
} Blob;

static ssize_t read_blob(void *data, const void **buffer, GError **error)
{
    Blob *b = data;
    *buffer = b->buffer;
    return kiln_piece_read(b->fd, b->buffer, "a blob", error);
}

/* Decompresses a blob to a file without a name: its size must be known before it is written. -1 on
 * error. */
static int decompress(KilnArchive *a, KilnWork *work, int blob, guint64 *size, GError **error)
{
    int fd = openat(kiln_work_fd(work), "content", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        g_set_error(error, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_IO, "cannot create %s/content: %s",
                    kiln_work_path(work), g_strerror(errno));
        return -1;
    }
    unlinkat(kiln_work_fd(work), "content", 0);
    Blob b = {.fd = blob, .buffer = a->buffer};
    g_autoptr(KilnDecompressor) d = kiln_decompressor_new(read_blob, &b);
    const void *piece;
    ssize_t n;
    *size = 0;
    while ((n = kiln_decompressor_read(d, &piece, error)) > 0) {
        if (!write_archive(fd, piece, (size_t)n, error)) {
            n = -1;
            break;
        }
        *size += (guint64)n;
    }
    if (n == 0 && lseek(fd, 0, SEEK_SET) == 0)
        return fd;
    close(fd);
    return -1;
}

static bool put_content(KilnArchive *a, struct archive *out, const Member *m, int blob,
                        GError **error)
{
    g_autoptr(KilnWork) work = kiln_work_new(a->store, error);
    guint64 size;
    int fd = work != NULL ? decompress(a, work, blob, &size, error) : -1;
    if (fd < 0)
        return false;
    bool ok = put_file(a, out, m, fd, size, m->diff_id, error);
    close(fd);
    return ok;
}

static bool put_member(KilnArchive *a, struct archive *out, const Member *m, GError **error)
{
    if (m->directory)
        return put_header(a, out, m->path, true, 0, error);
    if (m->bytes != NULL) {
        gsize size;
        const void *bytes = g_bytes_get_data(m->bytes, &size);
        return put_header(a, out, m->path, false, size, error) &&
               check(a, out, archive_write_data(out, bytes, size) == (la_ssize_t)size, error);
    }
    guint64 size;
    int fd = kiln_blob_open(a->store, m->digest, &size, error);
    if (fd < 0)
        return false;
    bool ok = m->diff_id == NULL || strcmp(m->diff_id, m->digest) == 0
                  ? put_file(a, out, m, fd, size, m->digest, error)
                  : put_content(a, out, m, fd, error);
    close(fd);
    return ok;
}

static int by_path(gconstpointer a, gconstpointer b)
{
    const Member *x = *(Member *const *)a, *y = *(Member *const *)b;
    return strcmp(x->path, y->path);
}

bool kiln_archive_write(KilnArchive *a, int fd, GError **error)
{
    a->fd = fd;
    a->failed = false;
    g_ptr_array_sort(a->members, by_path);
    struct archive *out = archive_write_new();
    archive_write_set_format_pax_restricted(
        out); /* ustar, and PAX only for members of 8 GiB and more */
    archive_write_set_bytes_per_block(out, KILN_PIECE);
    archive_write_set_bytes_in_last_block(out, 512);
    bool ok = check(a, out, archive_write_open(out, a, NULL, write_out, NULL) == ARCHIVE_OK, error);
    for (guint i = 0; ok && i < a->members->len; i++)
        ok = put_member(a, out, a->members->pdata[i], error);
    if (ok)
        ok = check(a, out, archive_write_close(out) == ARCHIVE_OK, error);
    a->failed = true; /* freeing it would go on writing what was not finished */
    archive_write_free(out);
    return ok;
}
