#include "tree/tar.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tree/opener.h"
#include "tree/tar-archive.h"

enum { BUFFER_SIZE = 256 * 1024 };

typedef struct {
    KilnWriteFunc write;
    void *data;
    GError *error; /* of the write function */
    bool closed;   /* takes no more */
} Sink;

typedef struct {
    struct archive *archive;
    struct archive_entry *header;
    int dirfd;
    KilnOpener opener; /* of the files in dirfd */
    int64_t clamp;
    KilnWaitFunc wait; /* or NULL */
    void *wait_data;
    GHashTable *groups; /* link group → path of the file that carries the content */
    char *buffer, *zeros;
} Writer;

static la_ssize_t write_sink(struct archive *a, void *data, const void *buffer, size_t size)
{
    Sink *s = data;
    if (s->closed) /* libarchive writes the end when it frees a broken archive too */
        return (la_ssize_t)size;
    if (!s->error && s->write(s->data, buffer, size, &s->error))
        return (la_ssize_t)size;
    archive_set_error(a, EIO, "%s", s->error ? s->error->message : "write error");
    return -1;
}

static bool fail(GError **error, const char *path, const char *reason)
{
    g_autofree char *shown = g_utf8_make_valid(path, -1);
    g_set_error(error, KILN_TAR_ERROR, KILN_TAR_ERROR_IO,
                "cannot put “%s” into the layer's tar: %s", shown, reason);
    return false;
}

/* --- Content --- */

static bool write_data(Writer *w, const KilnEntry *e, const char *bytes, size_t size,
                       GError **error)
{
    while (size) {
        la_ssize_t n = archive_write_data(w->archive, bytes, size);
        if (n <= 0)
            return fail(error, e->path, archive_error_string(w->archive));
        bytes += n;
        size -= (size_t)n;
    }
    return true;
}

static bool write_zeros(Writer *w, const KilnEntry *e, uint64_t size, GError **error)
{
    if (size && !w->zeros)
        w->zeros = g_malloc0(BUFFER_SIZE);
    for (size_t n; size; size -= n) {
        n = (size_t)MIN(size, (uint64_t)BUFFER_SIZE);
        if (!write_data(w, e, w->zeros, n, error))
            return false;
    }
    return true;
}

static bool write_range(Writer *w, const KilnEntry *e, int fd, uint64_t from, uint64_t to,
                        GError **error)
{
    while (from < to) {
        ssize_t n =
            pread(fd, w->buffer, (size_t)MIN(to - from, (uint64_t)BUFFER_SIZE), (off_t)from);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail(error, e->path, g_strerror(errno));
        if (n == 0)
            return fail(error, e->path, "the file is shorter than the manifest says");
        if (!write_data(w, e, w->buffer, (size_t)n, error))
            return false;
        from += (uint64_t)n;
    }
    return true;
}

/* Holes are not read, but written out: not every reader of layers knows sparse tars. */
static bool write_sparse(Writer *w, const KilnEntry *e, int fd, GError **error)
{
    uint64_t position = 0;
    while (position < e->size) {
        off_t data = lseek(fd, (off_t)position, SEEK_DATA);
        if (data < 0 && errno != ENXIO)
            return write_range(w, e, fd, position, e->size, error);
        uint64_t begin = data < 0 ? e->size : MIN((uint64_t)data, e->size);
        if (!write_zeros(w, e, begin - position, error))
            return false;
        off_t hole = begin < e->size ? lseek(fd, (off_t)begin, SEEK_HOLE) : -1;
        uint64_t end = hole < 0 ? e->size : MIN((uint64_t)hole, e->size);
        if (!write_range(w, e, fd, begin, end, error))
            return false;
        position = end;
    }
    return true;
}

/* Reads a file that fits into the buffer; false if it is not as long as the manifest says, or cannot be read. */
static bool read_small(Writer *w, const KilnEntry *e, int fd)
{
    return e->size < BUFFER_SIZE && pread(fd, w->buffer, (size_t)e->size + 1, 0) == (ssize_t)e->size;
}

static bool write_any(Writer *w, const KilnEntry *e, int fd, GError **error)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return fail(error, e->path, g_strerror(errno));
    if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != e->size)
        return fail(error, e->path, "it is not the file that the manifest lists");
    return (uint64_t)st.st_blocks * 512 < e->size ? write_sparse(w, e, fd, error)
                                                  : write_range(w, e, fd, 0, e->size, error);
}

static bool write_content(Writer *w, const KilnEntry *e, GError **error)
{
    if (w->wait && !w->wait(e, w->wait_data))
        return fail(error, e->path, "it is not wanted any more");
    int fd = kiln_opener_open(&w->opener, w->dirfd, e->path, O_RDONLY | O_NONBLOCK);
    if (fd < 0)
        return fail(error, e->path, g_strerror(-fd));
    /* Most files are small: those need no more than one read. */
    bool ok = read_small(w, e, fd) ? write_data(w, e, w->buffer, (size_t)e->size, error) : write_any(w, e, fd, error);
    close(fd);
    return ok;
}

/* --- Headers --- */

static __LA_MODE_T filetype(KilnType type)
{
    switch (type) {
    case KILN_TYPE_DIR:
        return AE_IFDIR;
    case KILN_TYPE_SYMLINK:
        return AE_IFLNK;
    case KILN_TYPE_FIFO:
        return AE_IFIFO;
    case KILN_TYPE_CHAR:
        return AE_IFCHR;
    case KILN_TYPE_BLOCK:
        return AE_IFBLK;
    default:
        return AE_IFREG;
    }
}

static bool write_header(Writer *w, const char *name, GError **error)
{
    /* A warning tells that a name is not UTF-8; it is written as it is (hdrcharset=BINARY). */
    int r = archive_write_header(w->archive, w->header);
    return r == ARCHIVE_OK || r == ARCHIVE_WARN ||
           fail(error, name, archive_error_string(w->archive));
}

static int64_t clamped(const Writer *w, int64_t time)
{
    return w->clamp >= 0 && time > w->clamp ? w->clamp : time;
}

/* An empty file called prefix + name in the directory of path: image-spec layer.md. */
static bool write_marker(Writer *w, const char *dir, const char *prefix, const char *name,
                         int64_t mtime, GError **error)
{
    g_autofree char *path = g_strconcat(dir, *dir ? "/" : "", prefix, name, NULL);
    archive_entry_clear(w->header);
    archive_entry_copy_pathname(w->header, path);
    archive_entry_set_filetype(w->header, AE_IFREG);
    archive_entry_set_perm(w->header, 0);
    archive_entry_set_size(w->header, 0);
    archive_entry_set_mtime(w->header, clamped(w, mtime), 0);
    return write_header(w, path, error);
}

static bool write_whiteout(Writer *w, const KilnEntry *e, GError **error)
{
    const char *slash = strrchr(e->path, '/');
    g_autofree char *dir = g_strndup(e->path, slash ? (gsize)(slash - e->path) : 0);
    return write_marker(w, dir, KILN_WHITEOUT_PREFIX, slash ? slash + 1 : e->path, e->mtime, error);
}

static void fill_header(Writer *w, const KilnEntry *e)
{
    struct archive_entry *h = w->header;
    archive_entry_clear(h);
    archive_entry_copy_pathname(h, e->path);
    archive_entry_set_filetype(h, filetype(e->type));
    archive_entry_set_perm(h, e->mode);
    archive_entry_set_uid(h, e->uid);
    archive_entry_set_gid(h, e->gid);
    archive_entry_set_mtime(h, clamped(w, e->mtime), 0);
    archive_entry_set_size(h, e->type == KILN_TYPE_FILE ? (int64_t)e->size : 0);
    if (e->type == KILN_TYPE_SYMLINK)
        archive_entry_copy_symlink(h, e->target);
    if (e->type == KILN_TYPE_CHAR || e->type == KILN_TYPE_BLOCK) {
        archive_entry_set_rdevmajor(h, e->major);
        archive_entry_set_rdevminor(h, e->minor);
    }
    for (uint32_t i = e->n_xattrs; i-- > 0;) /* libarchive puts each before the others */
        archive_entry_xattr_add_entry(h, e->xattrs[i].name, e->xattrs[i].value, e->xattrs[i].size);
}

static bool write_entry(Writer *w, const KilnEntry *e, GError **error)
{
    if (e->type == KILN_TYPE_SOCKET)
        return true;
    if (e->type == KILN_TYPE_WHITEOUT)
        return write_whiteout(w, e, error);
    const char *slash = strrchr(e->path, '/');
    if (g_str_has_prefix(slash ? slash + 1 : e->path, KILN_WHITEOUT_PREFIX))
        return fail(error, e->path,
                    "names that begin with “" KILN_WHITEOUT_PREFIX
                    "” stand for deleted files there");
    if (*e->path) {
        fill_header(w, e);
        const char *first = NULL;
        if (e->link_group && e->type != KILN_TYPE_DIR) {
            gpointer group = GUINT_TO_POINTER(e->link_group);
            first = g_hash_table_lookup(w->groups, group);
            if (first)
                archive_entry_copy_hardlink(w->header, first);
            else
                g_hash_table_insert(w->groups, group, (gpointer)e->path);
        }
        if (!write_header(w, e->path, error))
            return false;
        if (e->type == KILN_TYPE_FILE && e->size && !first && !write_content(w, e, error))
            return false;
    }
    if (e->type == KILN_TYPE_DIR && e->opaque)
        return write_marker(w, e->path, ".wh..wh.", ".opq", e->mtime, error);
    return true;
}

/* --- The archive --- */

/* Names are written as UTF-8 where all are; else as bytes, in the C locale: libarchive would mend
 * some (surrogate pairs) that only look like UTF-8. */
static bool is_utf8(const KilnManifest *m)
{
    for (guint i = 0; i < kiln_manifest_length(m); i++) {
        const KilnEntry *e = kiln_manifest_get(m, i);
        if (!g_utf8_validate(e->path, -1, NULL) ||
            (e->target && !g_utf8_validate(e->target, -1, NULL)))
            return false;
    }
    return true;
}

static struct archive *new_writer(void)
{
    struct archive *a = archive_write_new();
    if (!a)
        g_error("out of memory");
    /* Restricted: a PAX header only where ustar cannot hold the entry. */
    archive_write_set_format_pax_restricted(a);
    archive_write_set_format_option(a, "pax", "xattrheader", "SCHILY");
    archive_write_set_bytes_per_block(a, BUFFER_SIZE);
    archive_write_set_bytes_in_last_block(a, 1);
    return a;
}

static bool run(Writer *w, const KilnManifest *m, Sink *sink, GError **error)
{
    if (archive_write_open(w->archive, sink, NULL, write_sink, NULL) != ARCHIVE_OK)
        return fail(error, "", archive_error_string(w->archive));
    for (guint i = 0; i < kiln_manifest_length(m); i++) {
        if (!write_entry(w, kiln_manifest_get(m, i), error))
            return false;
    }
    return archive_write_close(w->archive) == ARCHIVE_OK ||
           fail(error, "the end of the archive", archive_error_string(w->archive));
}

bool kiln_tar_write(const KilnManifest *m, int dirfd, int64_t clamp, KilnWriteFunc write,
                    void *data, GError **error)
{
    return kiln_tar_write_following(m, dirfd, clamp, NULL, NULL, write, data, error);
}

bool kiln_tar_write_following(const KilnManifest *m, int dirfd, int64_t clamp, KilnWaitFunc wait, void *wait_data,
                              KilnWriteFunc write, void *data, GError **error)
{
    Sink sink = {.write = write, .data = data};
    g_autoptr(GHashTable) groups = g_hash_table_new(NULL, NULL);
    g_autofree char *buffer = g_malloc(BUFFER_SIZE);
    Writer w = {.dirfd = dirfd, .clamp = clamp, .groups = groups, .buffer = buffer};
    w.wait = wait;
    w.wait_data = wait_data;
    KilnTarLocale locale;

    kiln_tar_locale_enter(&locale, is_utf8(m) ? "C.UTF-8" : "C");
    w.archive = new_writer();
    w.header = archive_entry_new();
    bool ok = run(&w, m, &sink, error);
    sink.closed = true;
    archive_entry_free(w.header);
    archive_write_free(w.archive);
    kiln_opener_clear(&w.opener);
    kiln_tar_locale_leave(&locale);
    g_free(w.zeros);
    if (sink.error) { /* the caller's own error, not what libarchive made of it */
        if (error)
            g_clear_error(error);
        g_propagate_error(error, g_steal_pointer(&sink.error));
        return false;
    }
    return ok;
}
