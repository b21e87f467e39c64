#include "remote/layout.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "remote/digest.h"
#include "remote/error.h"
#include "remote/json.h"

struct RemoteLayout {
    char *folder, *have; /* for messages; `have` may be NULL */
    int fd, blobs, have_fd;
};

static bool io_error(GError **error, const char *doing, const char *folder, const char *name)
{
    int number = errno;
    g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_IO, "cannot %s %s%s%s: %s", doing, folder,
                *name ? "/" : "", name, g_strerror(number));
    return false;
}

void remote_layout_free(RemoteLayout *l)
{
    int fds[] = {l->fd, l->blobs, l->have_fd};
    for (gsize i = 0; i < G_N_ELEMENTS(fds); i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
    g_free(l->folder);
    g_free(l->have);
    g_free(l);
}

const char *remote_layout_folder(const RemoteLayout *l)
{
    return l->folder;
}

/* Whether nothing but "." and ".." is in a directory. */
static bool is_empty(int fd)
{
    int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
    if (!dir) {
        return false;
    }
    bool empty = true;
    for (struct dirent *d = readdir(dir); d && empty; d = readdir(dir)) {
        empty = strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0;
    }
    closedir(dir);
    return empty;
}

RemoteLayout *remote_layout_open(const char *folder, const char *have, GError **error)
{
    g_autoptr(RemoteLayout) l = g_new0(RemoteLayout, 1);
    l->folder = g_strdup(folder);
    l->have = g_strdup(have);
    l->blobs = l->have_fd = -1;
    l->fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (l->fd < 0) {
        io_error(error, "open the directory", folder, "");
        return NULL;
    }
    if (!is_empty(l->fd)) {
        g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_USAGE, "the directory %s is not empty",
                    folder);
        return NULL;
    }
    if (mkdirat(l->fd, "blobs", 0777) != 0 || mkdirat(l->fd, "blobs/sha256", 0777) != 0) {
        io_error(error, "make the directory", folder, "blobs/sha256");
        return NULL;
    }
    l->blobs = openat(l->fd, "blobs/sha256", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (l->blobs < 0) {
        io_error(error, "open the directory", folder, "blobs/sha256");
        return NULL;
    }
    if (have) {
        l->have_fd = open(have, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        /* A store that has no blobs yet may have no directory for them. */
        if (l->have_fd < 0 && errno != ENOENT) {
            io_error(error, "open the directory", have, "");
            return NULL;
        }
    }
    return g_steal_pointer(&l);
}

static bool write_all(int fd, const void *data, gsize size)
{
    const char *p = data;
    while (size > 0) {
        ssize_t n = write(fd, p, size);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return false;
        }
        p += n;
        size -= (gsize)n;
    }
    return true;
}

static char *part_name(const RemoteDescriptor *blob)
{
    return g_strconcat(".part-", remote_digest_hex(blob->digest), NULL);
}

int remote_layout_begin(RemoteLayout *l, const RemoteDescriptor *blob, GError **error)
{
    g_autofree char *part = part_name(blob);
    int fd = openat(l->blobs, part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) {
        io_error(error, "create", l->folder, part);
    }
    return fd;
}

bool remote_layout_commit(RemoteLayout *l, const RemoteDescriptor *blob, GError **error)
{
    g_autofree char *part = part_name(blob);
    if (renameat(l->blobs, part, l->blobs, remote_digest_hex(blob->digest)) != 0) {
        return io_error(error, "rename", l->folder, part);
    }
    return true;
}

void remote_layout_abandon(RemoteLayout *l, const RemoteDescriptor *blob)
{
    g_autofree char *part = part_name(blob);
    unlinkat(l->blobs, part, 0);
}

/* Copies `size` bytes; by reference where the file system can (copy_file_range(2)). */
static bool copy_bytes(int from, int to, gint64 size)
{
    while (size > 0) {
        ssize_t n = copy_file_range(from, NULL, to, NULL, (size_t)MIN(size, G_MAXINT32), 0);
        if (n <= 0) {
            break; /* refused between some file systems: by hand from here */
        }
        size -= n;
    }
    g_autofree char *buffer = size > 0 ? g_malloc(256 * 1024) : NULL;
    while (size > 0) {
        ssize_t n = read(from, buffer, 256 * 1024);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0 || !write_all(to, buffer, (gsize)n)) {
            errno = n == 0 ? EIO : errno; /* shorter than it was a moment ago */
            return false;
        }
        size -= n;
    }
    return size == 0;
}

bool remote_layout_adopt(RemoteLayout *l, const RemoteDescriptor *blob, bool *found, GError **error)
{
    const char *hex = remote_digest_hex(blob->digest);
    struct stat st;
    *found = false;
    if (l->have_fd < 0 || fstatat(l->have_fd, hex, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISREG(st.st_mode) || st.st_size != blob->size) {
        return true;
    }
    if (linkat(l->have_fd, hex, l->blobs, hex, 0) == 0) {
        *found = true;
        return true;
    }
    int from = openat(l->have_fd, hex, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (from < 0) {
        return true; /* not readable: it is downloaded then */
    }
    int to = remote_layout_begin(l, blob, error);
    bool good = to >= 0;
    if (good && !copy_bytes(from, to, blob->size)) {
        good = io_error(error, "copy into", l->folder, hex);
    }
    close(from);
    if (to >= 0) {
        close(to);
        good = good && remote_layout_commit(l, blob, error);
        if (!good) {
            remote_layout_abandon(l, blob);
        }
    }
    *found = good;
    return good;
}

/* A file of the layout with its whole content. */
static bool put_file(int at, const char *folder, const char *name, const void *data, gsize size,
                     GError **error)
{
    int fd = openat(at, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) {
        return errno == EEXIST || io_error(error, "create", folder, name);
    }
    bool good = write_all(fd, data, size);
    int number = errno;
    good = close(fd) == 0 && good;
    if (!good) {
        errno = number;
        return io_error(error, "write", folder, name);
    }
    return true;
}

bool remote_layout_put(RemoteLayout *l, const RemoteDescriptor *blob, GBytes *bytes, GError **error)
{
    gsize size = 0;
    const void *data = g_bytes_get_data(bytes, &size);
    return put_file(l->blobs, l->folder, remote_digest_hex(blob->digest), data, size, error);
}

GBytes *remote_layout_read(RemoteLayout *l, const RemoteDescriptor *blob, GError **error)
{
    const char *hex = remote_digest_hex(blob->digest);
    g_autofree char *path = g_build_filename(l->folder, "blobs", "sha256", hex, NULL);
    char *text = NULL;
    gsize size = 0;
    g_autoptr(GError) why = NULL;
    if (!g_file_get_contents(path, &text, &size, &why)) {
        g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_IO, "cannot read %s: %s", path, why->message);
        return NULL;
    }
    return g_bytes_new_take(text, size);
}

static json_object *platform_json(const RemotePlatform *p)
{
    json_object *json = json_object_new_object();
    json_object_object_add(json, "architecture", json_object_new_string(p->architecture));
    json_object_object_add(json, "os", json_object_new_string(p->os));
    if (p->variant) {
        json_object_object_add(json, "variant", json_object_new_string(p->variant));
    }
    return json;
}

bool remote_layout_finish(RemoteLayout *l, const RemoteDescriptor *manifest, const char *tag,
                          const char *source, GError **error)
{
    static const char marker[] = "{\"imageLayoutVersion\":\"1.0.0\"}";
    json_object *annotations = json_object_new_object();
    json_object_object_add(annotations, "io.kiln.source", json_object_new_string(source));
    if (tag) {
        json_object_object_add(annotations, "org.opencontainers.image.ref.name",
                               json_object_new_string(tag));
    }
    json_object *entry = json_object_new_object();
    json_object_object_add(entry, "mediaType", json_object_new_string(manifest->media_type));
    json_object_object_add(entry, "digest", json_object_new_string(manifest->digest));
    json_object_object_add(entry, "size", json_object_new_int64(manifest->size));
    if (manifest->platform) {
        json_object_object_add(entry, "platform", platform_json(manifest->platform));
    }
    json_object_object_add(entry, "annotations", annotations);
    json_object *entries = json_object_new_array();
    json_object_array_add(entries, entry);
    g_autoptr(json_object) index = json_object_new_object();
    json_object_object_add(index, "schemaVersion", json_object_new_int(2));
    json_object_object_add(index, "mediaType",
                           json_object_new_string("application/vnd.oci.image.index.v1+json"));
    json_object_object_add(index, "manifests", entries);
    const char *text = remote_json_text(index);
    return put_file(l->fd, l->folder, "index.json", text, strlen(text), error) &&
           put_file(l->fd, l->folder, "oci-layout", marker, strlen(marker), error);
}
