#include "cache/directory.h"

#include "cache/format.h"
#include "image/document.h"
#include "tree/digest.h"
#include "tree/write.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ANNOTATION_REF "org.opencontainers.image.ref.name"
#define LAYOUT "{\"imageLayoutVersion\":\"1.0.0\"}"

enum { MAX_DEPTH = 4 };

struct KilnCacheDirectory {
    char *path;
    int fd, blobs_fd, lock_fd;
    mode_t umask;
    GHashTable *damaged; /* digests */
};

void kiln_cache_blob_clear(KilnCacheBlob *b)
{
    g_clear_pointer(&b->media_type, g_free);
    g_clear_pointer(&b->digest, g_free);
}

static bool fail(const KilnCacheDirectory *d, GError **error, int errnum, const char *doing)
{
    g_set_error(error, KILN_CACHE_ERROR, KILN_CACHE_ERROR_IO, "%s %s: %s", doing, d->path, g_strerror(errnum));
    return false;
}

const char *kiln_cache_directory_path(const KilnCacheDirectory *d)
{
    return d->path;
}

/* --- Files ---------------------------------------------------------------------------------------------- */

/* A new file, under a name that nobody reads. *name: g_free(). */
static int open_temporary(const KilnCacheDirectory *d, int dirfd, char **name, GError **error)
{
    int fd = -1;
    for (int attempt = 0; fd < 0 && attempt < 100; attempt++) {
        g_free(*name);
        *name = g_strdup_printf(".kiln-%08x", g_random_int());
        fd = openat(dirfd, *name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666 & ~d->umask);
        if (fd < 0 && errno != EEXIST)
            break;
    }
    if (fd < 0)
        fail(d, error, errno, "creating a file in");
    else
        (void)!fchmod(fd, 0666 & ~d->umask); /* whatever this process's own umask is */
    return fd;
}

static bool put_file(KilnCacheDirectory *d, int dirfd, const char *name, const void *bytes, gsize size,
                     GError **error)
{
    g_autofree char *temporary = NULL;
    int fd = open_temporary(d, dirfd, &temporary, error);
    if (fd < 0)
        return false;
    int result = kiln_write_all(fd, bytes, size);
    if (close(fd) < 0 && result == 0)
        result = -errno;
    if (result == 0 && renameat(dirfd, temporary, dirfd, name) < 0)
        result = -errno;
    if (result < 0)
        unlinkat(dirfd, temporary, 0);
    return result == 0 || fail(d, error, -result, "writing to");
}

static char *read_file(int dirfd, const char *name, gsize *size)
{
    int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat st;
    g_autofree char *bytes = NULL;
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= KILN_DOCUMENT_MAX) {
        bytes = g_malloc((gsize)st.st_size + 1);
        ssize_t n = pread(fd, bytes, (gsize)st.st_size, 0);
        *size = n > 0 ? (gsize)n : 0;
        bytes[*size] = '\0';
    }
    if (fd >= 0)
        close(fd);
    return g_steal_pointer(&bytes);
}

/* --- The directory -------------------------------------------------------------------------------------- */

static int open_child(KilnCacheDirectory *d, int dirfd, const char *name, GError **error)
{
    if (mkdirat(dirfd, name, 0777) == 0)
        (void)!fchmodat(dirfd, name, 0777 & ~d->umask, 0);
    int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        fail(d, error, errno, "opening blobs of");
    return fd;
}

/* `oci-layout` is locked: it is written once and stays. 1: locked; 0: another one has it; -1: error. */
static int lock_layout(KilnCacheDirectory *d, GError **error)
{
    d->lock_fd = openat(d->fd, "oci-layout", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0666 & ~d->umask);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (d->lock_fd < 0) {
        fail(d, error, errno, "opening oci-layout in");
        return -1;
    }
    if (fcntl(d->lock_fd, F_OFD_SETLK, &lock) < 0) {
        if (errno == EAGAIN || errno == EACCES)
            return 0;
        fail(d, error, errno, "locking");
        return -1;
    }
    struct stat st;
    int result = fstat(d->lock_fd, &st) < 0 ? -errno
                 : !S_ISREG(st.st_mode)     ? -EINVAL
                 : st.st_size == 0          ? kiln_write_all(d->lock_fd, LAYOUT, strlen(LAYOUT))
                                            : 0;
    if (result < 0) {
        fail(d, error, -result, "writing oci-layout in");
        return -1;
    }
    (void)!fchmod(d->lock_fd, 0666 & ~d->umask);
    return 1;
}

/* A directory of something else does not become a cache. */
static bool is_usable(KilnCacheDirectory *d, GError **error)
{
    if (faccessat(d->fd, "oci-layout", F_OK, 0) == 0)
        return true;
    int fd = openat(d->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    bool empty = true;
    for (struct dirent *e; dir && (e = readdir(dir));)
        empty = empty && (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
                          strcmp(e->d_name, "oci-layout") == 0);
    if (dir)
        closedir(dir);
    if (!empty)
        g_set_error(error, KILN_CACHE_ERROR, KILN_CACHE_ERROR_FORMAT,
                    "%s is neither empty nor an OCI layout (it has no oci-layout); name another directory", d->path);
    return empty;
}

KilnCacheDirectory *kiln_cache_directory_open(const char *path, mode_t umask, GError **error)
{
    g_autoptr(KilnCacheDirectory) d = g_new0(KilnCacheDirectory, 1);
    d->path = g_strdup(path);
    d->umask = umask;
    d->damaged = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    d->fd = d->blobs_fd = d->lock_fd = -1;
    if (g_mkdir_with_parents(path, 0777 & ~(int)umask) < 0) {
        fail(d, error, errno, "creating");
        return NULL;
    }
    d->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d->fd < 0) {
        fail(d, error, errno, "opening");
        return NULL;
    }
    if (!is_usable(d, error) || lock_layout(d, error) <= 0)
        return NULL;
    int blobs = open_child(d, d->fd, "blobs", error);
    if (blobs < 0)
        return NULL;
    d->blobs_fd = open_child(d, blobs, "sha256", error);
    close(blobs);
    return d->blobs_fd >= 0 ? g_steal_pointer(&d) : NULL;
}

void kiln_cache_directory_close(KilnCacheDirectory *d)
{
    if (!d)
        return;
    const int fds[] = {d->fd, d->blobs_fd, d->lock_fd};
    for (guint i = 0; i < G_N_ELEMENTS(fds); i++)
        if (fds[i] >= 0)
            close(fds[i]);
    g_hash_table_unref(d->damaged);
    g_free(d->path);
    g_free(d);
}

/* --- Blobs ---------------------------------------------------------------------------------------------- */

static const char *hex_of(const char *digest)
{
    uint8_t bytes[KILN_SHA256_SIZE];
    return digest && kiln_digest_parse(digest, bytes) ? digest + strlen(KILN_DIGEST_PREFIX) : NULL;
}

bool kiln_cache_directory_has(const KilnCacheDirectory *d, const char *digest, guint64 size)
{
    struct stat st;
    const char *name = hex_of(digest);
    return name && !g_hash_table_contains(d->damaged, digest) &&
           fstatat(d->blobs_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
           (guint64)st.st_size == size;
}

void kiln_cache_directory_distrust(KilnCacheDirectory *d, const char *digest)
{
    g_hash_table_add(d->damaged, g_strdup(digest));
}

/* Documents are small: whether they are whole costs nothing to see. */
static bool has_bytes(const KilnCacheDirectory *d, const char *name, const void *bytes, gsize size)
{
    gsize found = 0;
    g_autofree char *there = read_file(d->blobs_fd, name, &found);
    return there && found == size && memcmp(there, bytes, size) == 0;
}

bool kiln_cache_directory_put_bytes(KilnCacheDirectory *d, const void *bytes, gsize size, KilnCacheBlob *out,
                                    GError **error)
{
    g_autofree char *digest = kiln_digest_of_bytes(bytes, size);
    if (!has_bytes(d, hex_of(digest), bytes, size) &&
        !put_file(d, d->blobs_fd, hex_of(digest), bytes, size, error))
        return false;
    out->digest = g_steal_pointer(&digest);
    out->size = size;
    return true;
}

struct KilnCacheLayerWriter {
    KilnCacheDirectory *directory;
    KilnCompression compression;
    KilnCompressor *compressor;
    KilnHash *content, *blob;
    guint64 size;
    int fd;
    char *name; /* of the temporary file; NULL once it is in place */
};

static bool take_blob(void *data, const void *bytes, size_t size, GError **error)
{
    KilnCacheLayerWriter *w = data;
    kiln_hash_update(w->blob, bytes, size);
    w->size += size;
    int result = kiln_write_all(w->fd, bytes, size);
    return result == 0 || fail(w->directory, error, -result, "writing to");
}

KilnCacheLayerWriter *kiln_cache_layer_writer_new(KilnCacheDirectory *d, KilnCompression compression, int level,
                                                  GError **error)
{
    g_autofree char *name = NULL;
    int fd = open_temporary(d, d->blobs_fd, &name, error);
    if (fd < 0)
        return NULL;
    KilnCacheLayerWriter *w = g_new0(KilnCacheLayerWriter, 1);
    w->directory = d;
    w->compression = compression;
    w->content = kiln_hash_new();
    w->blob = kiln_hash_new();
    w->fd = fd;
    w->name = g_steal_pointer(&name);
    w->compressor = kiln_compressor_new(compression, level, take_blob, w);
    return w;
}

bool kiln_cache_layer_writer_write(void *writer, const void *bytes, size_t size, GError **error)
{
    KilnCacheLayerWriter *w = writer;
    kiln_hash_update(w->content, bytes, size);
    return kiln_compressor_write(w->compressor, bytes, size, error);
}

/* Gives the temporary file the name of its content. */
static bool settle(KilnCacheLayerWriter *w, const char *digest, GError **error)
{
    int result = close(w->fd);
    w->fd = -1;
    if (result == 0 && kiln_cache_directory_has(w->directory, digest, w->size))
        return true; /* the temporary one goes */
    if (result < 0 || renameat(w->directory->blobs_fd, w->name, w->directory->blobs_fd, hex_of(digest)) < 0)
        return fail(w->directory, error, errno, "writing to");
    g_clear_pointer(&w->name, g_free);
    g_hash_table_remove(w->directory->damaged, digest);
    return true;
}

bool kiln_cache_layer_writer_finish(KilnCacheLayerWriter *w, KilnCacheBlob *out, char **diff_id, GError **error)
{
    if (!kiln_compressor_finish(w->compressor, error))
        return false;
    g_autofree char *digest = kiln_hash_finish_text(w->blob);
    if (!settle(w, digest, error))
        return false;
    *diff_id = kiln_hash_finish_text(w->content);
    *out = (KilnCacheBlob){g_strdup(kiln_compression_media_type(w->compression)), g_steal_pointer(&digest), w->size};
    return true;
}

void kiln_cache_layer_writer_free(KilnCacheLayerWriter *w)
{
    if (!w)
        return;
    if (w->fd >= 0)
        close(w->fd);
    if (w->name)
        unlinkat(w->directory->blobs_fd, w->name, 0);
    kiln_compressor_free(w->compressor);
    kiln_hash_free(w->content);
    kiln_hash_free(w->blob);
    g_free(w->name);
    g_free(w);
}

bool kiln_cache_directory_put_copy(KilnCacheDirectory *d, int fd, const KilnCacheBlob *blob, GError **error)
{
    enum { PIECE = 256 * 1024 };
    if (kiln_cache_directory_has(d, blob->digest, blob->size))
        return true;
    g_autoptr(KilnCacheLayerWriter) w = kiln_cache_layer_writer_new(d, KILN_COMPRESSION_NONE, 0, error);
    g_autofree char *buffer = g_malloc(PIECE);
    ssize_t n = 0;
    if (!w)
        return false;
    for (off_t at = 0; (n = pread(fd, buffer, PIECE, at)) > 0; at += n)
        if (!take_blob(w, buffer, (size_t)n, error))
            return false;
    g_autofree char *digest = kiln_hash_finish_text(w->blob);
    if (n < 0 || strcmp(digest, blob->digest) != 0) {
        g_set_error(error, KILN_CACHE_ERROR, KILN_CACHE_ERROR_FORMAT, "the blob %s is damaged", blob->digest);
        return false;
    }
    return settle(w, digest, error);
}

/* --- index.json ----------------------------------------------------------------------------------------- */

static const char *ref_of(json_object *descriptor)
{
    return kiln_document_string(kiln_document_object(descriptor, "annotations"), ANNOTATION_REF);
}

/* What is there; of a damaged one nothing is kept. */
static json_object *read_index(const KilnCacheDirectory *d)
{
    gsize size = 0;
    g_autofree char *bytes = read_file(d->fd, "index.json", &size);
    return bytes ? kiln_document_parse(bytes, size, false, "index.json", NULL) : NULL;
}

GPtrArray *kiln_cache_directory_manifests(const KilnCacheDirectory *d)
{
    GPtrArray *digests = g_ptr_array_new_with_free_func(g_free);
    json_object *index = read_index(d), *list = kiln_document_array(index, "manifests");
    for (gsize i = 0; list && i < json_object_array_length(list); i++) {
        const char *digest = kiln_document_string(json_object_array_get_idx(list, i), "digest");
        if (digest)
            g_ptr_array_add(digests, g_strdup(digest));
    }
    json_object_put(index);
    return digests;
}

static json_object *new_entry(const KilnCacheBlob *manifest, const char *tag)
{
    json_object *o = json_object_new_object(), *annotations = json_object_new_object();
    json_object_object_add(o, "mediaType", json_object_new_string(manifest->media_type));
    json_object_object_add(o, "digest", json_object_new_string(manifest->digest));
    json_object_object_add(o, "size", json_object_new_int64((gint64)manifest->size));
    json_object_object_add(annotations, ANNOTATION_REF, json_object_new_string(tag));
    json_object_object_add(o, "annotations", annotations);
    return o;
}

bool kiln_cache_directory_publish(KilnCacheDirectory *d, const KilnCacheBlob *manifest, const char *tag,
                                  GError **error)
{
    json_object *old = read_index(d), *index = json_object_new_object(), *list = json_object_new_array();
    json_object *there = kiln_document_array(old, "manifests");
    json_object_object_add(index, "schemaVersion", json_object_new_int(2));
    json_object_object_add(index, "mediaType", json_object_new_string("application/vnd.oci.image.index.v1+json"));
    for (gsize i = 0; there && i < json_object_array_length(there); i++) {
        json_object *entry = json_object_array_get_idx(there, i);
        if (g_strcmp0(ref_of(entry), tag) != 0)
            json_object_array_add(list, json_object_get(entry));
    }
    json_object_array_add(list, new_entry(manifest, tag));
    json_object_object_add(index, "manifests", list);
    gsize size;
    g_autofree char *bytes = kiln_document_dump(index, false, &size);
    json_object_put(index);
    json_object_put(old);
    return put_file(d, d->fd, "index.json", bytes, size, error);
}

/* --- Pruning -------------------------------------------------------------------------------------------- */

/* Marks all digests that a document names, and what the documents among them name. */
static void mark(const KilnCacheDirectory *d, json_object *o, guint depth, GHashTable *kept)
{
    if (json_object_is_type(o, json_type_array))
        for (gsize i = 0; i < json_object_array_length(o); i++)
            mark(d, json_object_array_get_idx(o, i), depth, kept);
    if (!json_object_is_type(o, json_type_object))
        return;
    const char *name = hex_of(kiln_document_string(o, "digest"));
    const char *type = kiln_document_string(o, "mediaType");
    bool document = type && (strstr(type, "manifest") || strstr(type, "index"));
    if (name && g_hash_table_add(kept, g_strdup(name)) && document && depth < MAX_DEPTH) {
        gsize size = 0;
        g_autofree char *bytes = read_file(d->blobs_fd, name, &size);
        json_object *below = bytes ? kiln_document_parse(bytes, size, false, name, NULL) : NULL;
        mark(d, below, depth + 1, kept);
        json_object_put(below);
    }
    json_object_object_foreach(o, key, value)
    {
        (void)key;
        mark(d, value, depth, kept);
    }
}

bool kiln_cache_directory_prune(KilnCacheDirectory *d, GError **error)
{
    g_autoptr(GHashTable) kept = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    json_object *index = read_index(d);
    mark(d, index, 0, kept);
    json_object_put(index);
    int fd = openat(d->blobs_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir)
        return fail(d, error, errno, "reading blobs of");
    for (struct dirent *e; (e = readdir(dir));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 && !g_hash_table_contains(kept, e->d_name))
            unlinkat(d->blobs_fd, e->d_name, 0);
    closedir(dir);
    return true;
}
