/* A manifest as a file. docs/store.md, "Manifest", has the format; keep the two together. */
#include "tree/digest.h"
#include "tree/manifest-private.h"
#include "tree/write.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char magic[8] = "kilnman";

enum {
    VERSION = 1,
    BUFFER_SIZE = 64 * 1024,
    MIN_RECORD_SIZE = 7, /* type, flags, path length, mode, uid, gid, mtime: a byte each */
};

typedef enum {
    FLAG_OPAQUE = 1 << 0,
    FLAG_IMPLICIT = 1 << 1,
    FLAG_DIGEST = 1 << 2,
    FLAG_LINK_GROUP = 1 << 3,
    FLAG_XATTRS = 1 << 4,
    FLAG_NSEC = 1 << 5,
    FLAGS_ALL = (1 << 6) - 1,
} Flags;

/* All numbers little-endian. 32 bytes without padding, written and read as it lies in memory. */
typedef struct {
    char magic[8];
    uint32_t version;
    uint32_t entries;
    uint64_t strings_size; /* bytes */
    uint64_t records_size; /* bytes */
} Header;
G_STATIC_ASSERT(sizeof(Header) == 32);

static bool is_device(KilnType type)
{
    return type == KILN_TYPE_CHAR || type == KILN_TYPE_BLOCK;
}

static bool path_is_valid(const char *path)
{
    if (!*path)
        return true;
    for (const char *p = path;;) {
        gsize length = strcspn(p, "/");
        if (length == 0 || (p[0] == '.' && (length == 1 || (length == 2 && p[1] == '.'))))
            return false;
        if (!p[length])
            return true;
        p += length + 1;
    }
}

/* --- writing --- */

typedef struct {
    int fd;
    int failed; /* errno of the first write that failed */
    KilnHash *hash;
    gsize used;
    uint64_t total; /* bytes given so far; with fd -1 they are only counted */
    uint8_t buffer[BUFFER_SIZE];
} Writer;

static void flush(Writer *w)
{
    kiln_hash_update(w->hash, w->buffer, w->used);
    if (!w->failed)
        w->failed = -kiln_write_all(w->fd, w->buffer, w->used);
    w->used = 0;
}

static void put_bytes(Writer *w, const void *bytes, gsize size)
{
    const uint8_t *p = bytes;
    w->total += size;
    if (w->fd < 0)
        return;
    while (size) {
        gsize part = MIN(size, sizeof(w->buffer) - w->used);
        memcpy(w->buffer + w->used, p, part);
        w->used += part;
        p += part;
        size -= part;
        if (w->used == sizeof(w->buffer))
            flush(w);
    }
}

static void put_number(Writer *w, uint64_t number)
{
    uint8_t bytes[10];
    gsize n = 0;
    for (; number >= 0x80; number >>= 7)
        bytes[n++] = (uint8_t)(number | 0x80);
    bytes[n++] = (uint8_t)number;
    put_bytes(w, bytes, n);
}

/* Zigzag, so that small negative times are short too. */
static void put_signed(Writer *w, int64_t number)
{
    put_number(w, ((uint64_t)number << 1) ^ (number < 0 ? UINT64_MAX : 0));
}

static void put_strings(Writer *w, const KilnEntry *e)
{
    put_bytes(w, e->path, strlen(e->path) + 1);
    if (e->type == KILN_TYPE_SYMLINK)
        put_bytes(w, e->target, strlen(e->target) + 1);
    for (uint32_t i = 0; i < e->n_xattrs; i++) {
        put_bytes(w, e->xattrs[i].name, strlen(e->xattrs[i].name) + 1);
        put_bytes(w, e->xattrs[i].value, e->xattrs[i].size);
        put_bytes(w, "", 1);
    }
}

static void put_record(Writer *w, const KilnEntry *e)
{
    Flags flags = (e->opaque ? FLAG_OPAQUE : 0) | (e->implicit ? FLAG_IMPLICIT : 0) |
                  (e->has_digest ? FLAG_DIGEST : 0) | (e->link_group ? FLAG_LINK_GROUP : 0) |
                  (e->n_xattrs ? FLAG_XATTRS : 0) | (e->mtime_nsec ? FLAG_NSEC : 0);
    const uint8_t head[] = {(uint8_t)e->type, (uint8_t)flags};

    put_bytes(w, head, sizeof(head));
    put_number(w, strlen(e->path));
    put_number(w, e->mode);
    put_number(w, e->uid);
    put_number(w, e->gid);
    put_signed(w, e->mtime);
    if (flags & FLAG_NSEC)
        put_number(w, e->mtime_nsec);
    if (e->type == KILN_TYPE_FILE)
        put_number(w, e->size);
    if (e->type == KILN_TYPE_SYMLINK)
        put_number(w, strlen(e->target));
    if (is_device(e->type)) {
        put_number(w, e->major);
        put_number(w, e->minor);
    }
    if (flags & FLAG_LINK_GROUP)
        put_number(w, e->link_group);
    if (flags & FLAG_XATTRS) {
        put_number(w, e->n_xattrs);
        for (uint32_t i = 0; i < e->n_xattrs; i++) {
            put_number(w, strlen(e->xattrs[i].name));
            put_number(w, e->xattrs[i].size);
        }
    }
    if (flags & FLAG_DIGEST)
        put_bytes(w, e->digest, sizeof(e->digest));
}

static void put_sections(Writer *w, const KilnManifest *m, Header *header)
{
    uint64_t start = w->total;
    for (guint i = 0; i < m->entries->len; i++)
        put_strings(w, kiln_manifest_get(m, i));
    header->strings_size = GUINT64_TO_LE(w->total - start);
    start = w->total;
    for (guint i = 0; i < m->entries->len; i++)
        put_record(w, kiln_manifest_get(m, i));
    header->records_size = GUINT64_TO_LE(w->total - start);
}

/* What is written must be what can be read back; anything else is a mistake of the code that
 * filled the manifest, caught before it becomes a layer. */
static bool check(const KilnManifest *m, const char *name, GError **error)
{
    const KilnEntry *before = NULL;
    for (guint i = 0; i < m->entries->len; i++) {
        const KilnEntry *e = kiln_manifest_get(m, i);
        const char *wrong = NULL;
        if (!path_is_valid(e->path))
            wrong = "is not a relative path";
        else if (before && kiln_path_compare(before->path, e->path) >= 0)
            wrong = "is not in sorted order";
        else if (e->type == 0 || !strchr("fdlpcbsw", e->type))
            wrong = "has no type";
        else if (e->type == KILN_TYPE_SYMLINK && !e->target)
            wrong = "is a symlink without a target";
        else if (e->mode & ~07777)
            wrong = "has a mode beyond 07777";
        if (wrong) {
            g_set_error(error, KILN_MANIFEST_ERROR, KILN_MANIFEST_ERROR_FORMAT,
                        "cannot write manifest %s: entry %u, \"%s\", %s (a bug in kiln)", name, i,
                        e->path, wrong);
            return false;
        }
        before = e;
    }
    return true;
}

static void set_io_error(GError **error, const char *doing, const char *name, int code)
{
    g_set_error(error, KILN_MANIFEST_ERROR, KILN_MANIFEST_ERROR_IO, "cannot %s manifest %s: %s",
                doing, name, g_strerror(code));
}

bool kiln_manifest_write(const KilnManifest *m, int dirfd, const char *name, GError **error)
{
    if (!check(m, name, error))
        return false;
    int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        set_io_error(error, "create", name, errno);
        return false;
    }

    g_autoptr(KilnHash) hash = kiln_hash_new();
    g_autofree Writer *w = g_new(Writer, 1);
    *w = (Writer){.fd = -1, .hash = hash};
    Header header = {.version = GUINT32_TO_LE(VERSION), .entries = GUINT32_TO_LE(m->entries->len)};
    memcpy(header.magic, magic, sizeof(magic));
    put_sections(w, m, &header); /* only to learn the sizes */

    w->fd = fd;
    put_bytes(w, &header, sizeof(header));
    put_sections(w, m, &header);
    flush(w);
    uint8_t digest[KILN_SHA256_SIZE];
    kiln_hash_finish(hash, digest);
    put_bytes(w, digest, sizeof(digest));
    flush(w);

    if (close(fd) < 0 && !w->failed)
        w->failed = errno;
    if (w->failed) {
        unlinkat(dirfd, name, 0);
        set_io_error(error, "write", name, w->failed);
        return false;
    }
    return true;
}

/* --- reading --- */

typedef struct {
    int fd;
    const char *name;
    KilnHash *hash;
    uint64_t records_left; /* bytes of the records section that are not in the buffer yet */
    const char *strings;   /* the part of the strings section that no record has taken */
    uint64_t strings_left;
    gsize next, used; /* in buffer */
    GError **error;
    uint8_t buffer[BUFFER_SIZE];
} Reader;

G_GNUC_PRINTF(2, 3) static bool damaged(const Reader *r, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *why = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_set_error(r->error, KILN_MANIFEST_ERROR, KILN_MANIFEST_ERROR_FORMAT,
                "manifest %s cannot be used: %s", r->name, why);
    return false;
}

/* Fills the buffer, or fails; hashes what it got. */
static bool read_exactly(Reader *r, void *buffer, gsize size)
{
    for (gsize done = 0; done < size;) {
        ssize_t n = read(r->fd, (char *)buffer + done, size - done);
        if (n > 0) {
            done += (gsize)n;
        } else if (n == 0) {
            return damaged(r, "it is truncated");
        } else if (errno != EINTR) {
            set_io_error(r->error, "read", r->name, errno);
            return false;
        }
    }
    kiln_hash_update(r->hash, buffer, size);
    return true;
}

static bool get_bytes(Reader *r, void *bytes, gsize size)
{
    uint8_t *p = bytes;
    while (size) {
        if (r->next == r->used) {
            gsize part = (gsize)MIN(r->records_left, sizeof(r->buffer));
            if (!part)
                return damaged(r, "a record runs past the end of the records");
            if (!read_exactly(r, r->buffer, part))
                return false;
            r->records_left -= part;
            r->next = 0;
            r->used = part;
        }
        gsize part = MIN(size, r->used - r->next);
        memcpy(p, r->buffer + r->next, part);
        r->next += part;
        p += part;
        size -= part;
    }
    return true;
}

static bool get_number(Reader *r, uint64_t limit, uint64_t *number)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte;
        if (r->next < r->used)
            byte = r->buffer[r->next++];
        else if (!get_bytes(r, &byte, 1))
            return false;
        if (shift == 63 && byte > 1)
            break;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte & 0x80)
            continue;
        if (value > limit)
            break;
        *number = value;
        return true;
    }
    return damaged(r, "a number is out of range");
}

static bool get_u32(Reader *r, uint32_t *number)
{
    uint64_t value;
    if (!get_number(r, UINT32_MAX, &value))
        return false;
    *number = (uint32_t)value;
    return true;
}

/* The next `size` bytes of the strings section, which a NUL follows. */
static bool take_string(Reader *r, uint64_t size, bool text, const char **string)
{
    if (size >= r->strings_left)
        return damaged(r, "a string runs past the end of the strings");
    if (r->strings[size] != '\0' || (text && memchr(r->strings, '\0', (gsize)size)))
        return damaged(r, "a string has not the length that its record gives");
    *string = r->strings;
    r->strings += size + 1;
    r->strings_left -= size + 1;
    return true;
}

static bool get_xattrs(Reader *r, KilnManifest *m, KilnEntry *e)
{
    /* Each takes two bytes of records and two of strings, so n is bounded by the file's size. */
    uint32_t n;
    if (!get_u32(r, &n))
        return false;
    if (n == 0 || n > r->strings_left / 2)
        return damaged(r, "\"%s\" has a wrong number of extended attributes", e->path);
    KilnXattr *xattrs =
        kiln_arena_alloc(&m->arena, (gsize)n * sizeof(*xattrs), _Alignof(KilnXattr));
    for (uint32_t i = 0; i < n; i++) {
        uint64_t name_size;
        const char *value = NULL;
        if (!get_number(r, r->strings_left, &name_size) || !get_u32(r, &xattrs[i].size) ||
            !take_string(r, name_size, true, &xattrs[i].name) ||
            !take_string(r, xattrs[i].size, false, &value))
            return false;
        xattrs[i].value = value;
        if (i && strcmp(xattrs[i - 1].name, xattrs[i].name) >= 0)
            return damaged(r, "the extended attributes of \"%s\" are not sorted", e->path);
    }
    e->xattrs = xattrs;
    e->n_xattrs = n;
    return true;
}

static bool get_type_fields(Reader *r, KilnEntry *e)
{
    uint64_t number;
    switch (e->type) {
    case KILN_TYPE_FILE:
        return get_number(r, UINT64_MAX, &e->size);
    case KILN_TYPE_SYMLINK:
        return get_number(r, r->strings_left, &number) && take_string(r, number, true, &e->target);
    case KILN_TYPE_CHAR:
    case KILN_TYPE_BLOCK:
        return get_u32(r, &e->major) && get_u32(r, &e->minor);
    case KILN_TYPE_DIR:
    case KILN_TYPE_FIFO:
    case KILN_TYPE_SOCKET:
    case KILN_TYPE_WHITEOUT:
        return true;
    }
    return damaged(r, "\"%s\" has the unknown type %d", e->path, (int)e->type);
}

static bool get_path(Reader *r, KilnManifest *m, KilnEntry **entry)
{
    uint64_t size;
    const char *path = NULL;
    if (!get_number(r, r->strings_left, &size) || !take_string(r, size, true, &path))
        return false;
    if (!path_is_valid(path))
        return damaged(r, "\"%s\" is not a relative path", path);
    guint n = m->entries->len;
    if (n && kiln_path_compare(kiln_manifest_get(m, n - 1)->path, path) >= 0)
        return damaged(r, "\"%s\" is not in sorted order", path);
    *entry = kiln_manifest_add_borrowed(m, path);
    return true;
}

static bool get_record(Reader *r, KilnManifest *m)
{
    uint8_t head[2];
    KilnEntry *e = NULL;
    uint64_t mode, mtime;
    if (!get_bytes(r, head, sizeof(head)) || !get_path(r, m, &e))
        return false;
    unsigned flags = head[1];
    e->type = (KilnType)head[0];
    if (flags & ~(unsigned)FLAGS_ALL)
        return damaged(r, "\"%s\" has unknown flags", e->path);
    e->opaque = flags & FLAG_OPAQUE;
    e->implicit = flags & FLAG_IMPLICIT;
    e->has_digest = flags & FLAG_DIGEST;

    if (!get_number(r, 07777, &mode) || !get_u32(r, &e->uid) || !get_u32(r, &e->gid) ||
        !get_number(r, UINT64_MAX, &mtime))
        return false;
    e->mode = (uint16_t)mode;
    e->mtime = (int64_t)(mtime >> 1 ^ (mtime & 1 ? UINT64_MAX : 0));
    if ((flags & FLAG_NSEC) && !get_u32(r, &e->mtime_nsec))
        return false;
    if (!get_type_fields(r, e))
        return false;
    if ((flags & FLAG_LINK_GROUP) && !get_u32(r, &e->link_group))
        return false;
    if ((flags & FLAG_XATTRS) && !get_xattrs(r, m, e))
        return false;
    return !(flags & FLAG_DIGEST) || get_bytes(r, e->digest, sizeof(e->digest));
}

/* Makes the header's numbers the host's; whether they add up to the file's size. */
static bool header_fits(Header *header, uint64_t size)
{
    header->entries = GUINT32_FROM_LE(header->entries);
    header->strings_size = GUINT64_FROM_LE(header->strings_size);
    header->records_size = GUINT64_FROM_LE(header->records_size);
    uint64_t fixed = sizeof *header + KILN_SHA256_SIZE;
    return size >= fixed && header->strings_size <= size - fixed &&
           header->records_size == size - fixed - header->strings_size &&
           header->entries <= header->records_size / MIN_RECORD_SIZE;
}

static bool read_header(Reader *r, Header *header)
{
    struct stat st;
    if (fstat(r->fd, &st) < 0) {
        set_io_error(r->error, "read", r->name, errno);
        return false;
    }
    if (!read_exactly(r, header, sizeof(*header)))
        return false;
    if (memcmp(header->magic, magic, sizeof(magic)) != 0)
        return damaged(r, "it is not a manifest");
    uint32_t version = GUINT32_FROM_LE(header->version);
    if (version != VERSION)
        return damaged(r, "it has format version %u, and this kiln reads version %d", version,
                       VERSION);
    /* Checked before anything is allocated by these numbers. */
    if (!header_fits(header, (uint64_t)st.st_size))
        return damaged(r, "its size does not agree with its header (truncated?)");
    return true;
}

static bool read_all(Reader *r, KilnManifest *m)
{
    Header header;
    if (!read_header(r, &header))
        return false;
    char *strings = g_try_malloc(header.strings_size + 1);
    if (!strings) {
        set_io_error(r->error, "read", r->name, ENOMEM);
        return false;
    }
    kiln_arena_adopt(&m->arena, strings); /* entries point into it */
    if (!read_exactly(r, strings, header.strings_size))
        return false;

    r->strings = strings;
    r->strings_left = header.strings_size;
    r->records_left = header.records_size;
    for (uint32_t i = 0; i < header.entries; i++)
        if (!get_record(r, m))
            return false;
    if (r->strings_left || r->records_left || r->next != r->used)
        return damaged(r, "it holds more than its entries");

    uint8_t expected[KILN_SHA256_SIZE], found[KILN_SHA256_SIZE];
    kiln_hash_finish(r->hash, expected);
    if (!read_exactly(r, found, sizeof(found)))
        return false;
    if (memcmp(expected, found, sizeof(found)) != 0)
        return damaged(r, "its checksum is wrong, it has been altered or damaged");
    return true;
}

KilnManifest *kiln_manifest_read(int dirfd, const char *name, GError **error)
{
    int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        set_io_error(error, "open", name, errno);
        return NULL;
    }
    g_autoptr(KilnManifest) m = kiln_manifest_new();
    g_autoptr(KilnHash) hash = kiln_hash_new();
    g_autofree Reader *r = g_new(Reader, 1);
    r->fd = fd;
    r->name = name;
    r->hash = hash;
    r->next = r->used = 0;
    r->error = error;
    bool ok = read_all(r, m);
    close(fd);
    return ok ? g_steal_pointer(&m) : NULL;
}

bool kiln_manifest_is_whole(int dirfd, const char *name)
{
    int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    Header header;
    struct stat st;
    if (fd < 0)
        return false;
    bool ok = fstat(fd, &st) == 0 && pread(fd, &header, sizeof header, 0) == (ssize_t)sizeof header;
    close(fd);
    return ok && memcmp(header.magic, magic, sizeof magic) == 0 && header_fits(&header, (uint64_t)st.st_size);
}
