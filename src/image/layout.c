#include "image/layout.h"

#include "image/document.h"
#include "image/unpack.h"
#include "remote/reference.h"
#include "tree/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MAX_IMAGES = 1000, MAX_CONFIGS = 64 << 20 /* bytes */ };

struct KilnLayout {
    KilnStore *store;
    int fd;         /* of its directory */
    KilnWork *work; /* that it was unpacked to, or NULL */
    bool ours;
};

static bool io_error(GError **error, int errnum, const char *format, ...) G_GNUC_PRINTF(3, 4);
static bool io_error(GError **error, int errnum, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(error, KILN_IMAGE_ERROR,
                errnum == ENOENT ? KILN_IMAGE_ERROR_NOT_FOUND : KILN_IMAGE_ERROR_IO, "%s: %s", text,
                g_strerror(errnum));
    return false;
}

/* What kiln-remote downloads lies in the store's tmp. */
static bool lies_in_store(KilnStore *s, const char *path)
{
    g_autofree char *tmp = g_build_filename(kiln_store_root(s), "tmp/", NULL);
    char *real = realpath(path, NULL);
    bool yes = real != NULL && g_str_has_prefix(real, tmp);
    free(real);
    return yes;
}

KilnLayout *kiln_layout_open(KilnStore *s, const char *path, GError **error)
{
    bool standard_input = strcmp(path, "-") == 0;
    int fd =
        standard_input ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) : open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0) {
        io_error(error, errno, "cannot open %s", standard_input ? "standard input" : path);
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    g_autoptr(KilnLayout) l = g_new0(KilnLayout, 1);
    l->store = s;
    if (S_ISDIR(st.st_mode)) {
        l->fd = fd;
        l->ours = lies_in_store(s, path);
        return g_steal_pointer(&l);
    }
    l->ours = true;
    l->work = kiln_work_new(s, error);
    l->fd = l->work != NULL ? kiln_work_mkdir(l->work, "archive", error) : -1;
    bool ok = l->fd >= 0 && kiln_unpack(fd, l->fd, kiln_store_limits(s), error);
    close(fd);
    return ok ? g_steal_pointer(&l) : NULL;
}

void kiln_layout_free(KilnLayout *l)
{
    if (l == NULL)
        return;
    if (l->work == NULL && l->fd >= 0)
        close(l->fd);
    kiln_work_free(l->work);
    g_free(l);
}

KilnStore *kiln_layout_store(const KilnLayout *l)
{
    return l->store;
}

bool kiln_layout_is_ours(const KilnLayout *l)
{
    return l->ours;
}

int kiln_layout_open_file(const KilnLayout *l, const char *path, guint64 *size, GError **error)
{
    /* O_NONBLOCK: a fifo must not keep us. RESOLVE_IN_ROOT gives EAGAIN when something is renamed
     * meanwhile. */
    struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK,
                           .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
    int fd = -1;
    for (int attempt = 0; attempt < 16 && fd < 0; attempt++) {
        fd = (int)syscall(SYS_openat2, l->fd, path, &how, sizeof how);
        if (fd < 0 && errno != EAGAIN && errno != EINTR)
            break;
    }
    if (fd < 0) {
        io_error(error, errno, "cannot open %s in it", path);
        return -1;
    }
    struct stat st;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        g_set_error(error, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_FORMAT, "%s is not a regular file",
                    path);
        return -1;
    }
    if (size != NULL)
        *size = (guint64)st.st_size;
    return fd;
}

bool kiln_layout_has(const KilnLayout *l, const char *path)
{
    int fd = kiln_layout_open_file(l, path, NULL, NULL);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* Reads fd, of this size, to memory and closes it. */
static char *read_whole(int fd, guint64 size, const char *what, gsize *length, GError **error)
{
    if (size > KILN_DOCUMENT_MAX) {
        close(fd);
        g_set_error(error, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_FORMAT,
                    "%s has %" G_GUINT64_FORMAT
                    " bytes, more than the %d that such a document may have",
                    what, size, KILN_DOCUMENT_MAX);
        return NULL;
    }
    g_autofree char *bytes = g_malloc(size + 1);
    gsize n = 0;
    while (n < size) {
        ssize_t part = read(fd, bytes + n, size - n);
        if (part < 0 && errno == EINTR)
            continue;
        if (part < 0) {
            io_error(error, errno, "cannot read %s", what);
            close(fd);
            return NULL;
        }
        if (part == 0)
            break;
        n += (gsize)part;
    }
    close(fd);
    bytes[n] = '\0';
    *length = n;
    return g_steal_pointer(&bytes);
}

char *kiln_layout_read_file(const KilnLayout *l, const char *path, gsize *size, GError **error)
{
    guint64 length;
    int fd = kiln_layout_open_file(l, path, &length, error);
    return fd >= 0 ? read_whole(fd, length, path, size, error) : NULL;
}

int kiln_layout_open_blob(const KilnLayout *l, const char *digest, guint64 *size, GError **error)
{
    uint8_t bytes[KILN_SHA256_SIZE];
    if (!kiln_digest_parse(digest, bytes)) {
        g_set_error(error, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_FORMAT,
                    "\"%s\" is not a sha256 digest, the only kind that kiln reads", digest);
        return -1;
    }
    g_autofree char *path = g_strconcat("blobs/sha256/", digest + strlen(KILN_DIGEST_PREFIX), NULL);
    g_autoptr(GError) failed = NULL;
    int fd = kiln_layout_open_file(l, path, size, &failed);
    if (fd < 0 && g_error_matches(failed, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_NOT_FOUND)) {
        fd = kiln_blob_open(l->store, digest, size, NULL);
        if (fd >= 0)
            return fd;
        g_set_error(error, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_NOT_FOUND, "the blob %s is missing",
                    digest);
        return -1;
    }
    if (fd < 0)
        g_propagate_error(error, g_steal_pointer(&failed));
    return fd;
}

char *kiln_layout_read_blob(const KilnLayout *l, const char *digest, gint64 size, const char *what,
                            gsize *length, GError **error)
{
    guint64 found;
    int fd = kiln_layout_open_blob(l, digest, &found, error);
    if (fd < 0) {
        g_prefix_error(error, "%s: ", what);
        return NULL;
    }
    g_autofree char *bytes = read_whole(fd, found, what, length, error);
    if (bytes == NULL)
        return NULL;
    g_autofree char *real = kiln_digest_of_bytes(bytes, *length);
    if (strcmp(real, digest) != 0 || (size >= 0 && (guint64)size != *length)) {
        g_set_error(error, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_DIGEST,
                    "%s is damaged: the blob %s has %" G_GSIZE_FORMAT " bytes and the digest %s",
                    what, digest, *length, real);
        return NULL;
    }
    return g_steal_pointer(&bytes);
}

static void layer_free(gpointer layer)
{
    KilnLayoutLayer *y = layer;
    g_free(y->path);
    g_free(y->digest);
    g_free(y);
}

KilnLayoutImage *kiln_layout_image_new(void)
{
    KilnLayoutImage *i = g_new0(KilnLayoutImage, 1);
    i->names = g_ptr_array_new_with_free_func(g_free);
    i->layers = g_ptr_array_new_with_free_func(layer_free);
    return i;
}

void kiln_layout_image_free(KilnLayoutImage *i)
{
    if (i == NULL)
        return;
    g_ptr_array_unref(i->names);
    g_ptr_array_unref(i->layers);
    g_free(i->config);
    g_free(i);
}

void kiln_layout_image_add_name(KilnLayoutImage *i, const char *name)
{
    g_autoptr(KilnReference) r = kiln_reference_parse(name, NULL);
    if (r == NULL || r->tag == NULL)
        return;
    g_clear_pointer(&r->digest, g_free);
    g_autofree char *canonical = kiln_reference_canonical(r);
    if (!g_ptr_array_find_with_equal_func(i->names, canonical, g_str_equal, NULL))
        g_ptr_array_add(i->names, g_steal_pointer(&canonical));
}

/* An archive may name one large config for thousands of images. */
bool kiln_layout_images_add(GPtrArray *images, KilnLayoutImage *image, GError **error)
{
    gsize total = 0;
    g_ptr_array_add(images, image);
    for (guint i = 0; i < images->len; i++)
        total += ((const KilnLayoutImage *)images->pdata[i])->config_size;
    if (images->len <= MAX_IMAGES && total <= MAX_CONFIGS)
        return true;
    g_set_error(error, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_FORMAT,
                "it has too many images to load at once (more than %d, or %d MiB of configs)",
                MAX_IMAGES, MAX_CONFIGS >> 20);
    return false;
}

GPtrArray *kiln_layout_images(const KilnLayout *l, const char *ref, const KilnPlatform *platform,
                              GError **error)
{
    bool docker = kiln_layout_has(l, "manifest.json");
    if (kiln_layout_has(l, "index.json")) {
        g_autoptr(GError) failed = NULL;
        GPtrArray *images = kiln_layout_oci_images(l, ref, platform, &failed);
        /* `docker save` writes both; some versions' index.json is not usable, the other always is.
         */
        bool other =
            docker && (g_error_matches(failed, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_FORMAT) ||
                       g_error_matches(failed, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_NOT_FOUND));
        if (images == NULL && other)
            images = kiln_layout_docker_images(l, ref, NULL);
        if (images == NULL)
            g_propagate_error(error, g_steal_pointer(&failed));
        return images;
    }
    if (docker)
        return kiln_layout_docker_images(l, ref, error);
    g_set_error(error, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_FORMAT,
                "it is neither an OCI layout nor a docker-archive: it has no index.json and no "
                "manifest.json%s",
                kiln_layout_has(l, "etc/passwd") || kiln_layout_has(l, "bin/sh") ||
                        kiln_layout_has(l, "usr/bin/env")
                    ? " (it looks like a root file system: use \"kiln import\")"
                    : "");
    return NULL;
}
