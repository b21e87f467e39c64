#include "image/unpack.h"

#include "image/compress.h"
#include "image/config.h"
#include "image/piece.h"
#include "tree/place.h"
#include "tree/tar.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
    int fd;
    uint8_t *buffer;
    KilnDecompressor *decompressor;
    GError *error;
} Input;

static ssize_t read_fd(void *data, const void **buffer, GError **error)
{
    Input *in = data;
    *buffer = in->buffer;
    return kiln_piece_read(in->fd, in->buffer, "it", error);
}

static la_ssize_t read_archive(struct archive *a, void *data, const void **buffer)
{
    Input *in = data;
    ssize_t n = kiln_decompressor_read(in->decompressor, buffer, &in->error);
    if (n < 0)
        archive_set_error(a, EIO, "%s", in->error->message);
    return n < 0 ? ARCHIVE_FATAL : n;
}

static bool refuse(GError **error, const char *name, const char *why)
{
    g_autofree char *shown = kiln_tar_shown(name);
    g_set_error(error, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_FORMAT, "the archive's entry \"%s\" %s",
                shown, why);
    return false;
}

static bool failed(GError **error, const char *name)
{
    int errnum = errno;
    g_autofree char *shown = kiln_tar_shown(name);
    g_set_error(error, G_FILE_ERROR, (int)g_file_error_from_errno(errnum),
                "cannot unpack \"%s\": %s%s", shown, g_strerror(errnum),
                errnum == ENOSPC || errnum == EDQUOT
                    ? "; free some space, or put the store on another disk with --root or KILN_ROOT"
                    : "");
    return false;
}

/* Splits a name into its components, without "." and empty ones. NULL if there is "..". */
static char **components(const char *name)
{
    g_auto(GStrv) parts = g_strsplit(name, "/", -1);
    g_autoptr(GPtrArray) kept = g_ptr_array_new_with_free_func(g_free);
    for (char **p = parts; *p != NULL; p++) {
        if (strcmp(*p, "..") == 0)
            return NULL;
        if (**p != '\0' && strcmp(*p, ".") != 0)
            g_ptr_array_add(kept, g_strdup(*p));
    }
    g_ptr_array_add(kept, NULL);
    g_ptr_array_set_free_func(kept, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&kept), FALSE);
}

/* An fd of the directory of the first n components, made where missing. No symlink is followed. */
static int open_parent(int dirfd, char **parts, guint n)
{
    int fd = fcntl(dirfd, F_DUPFD_CLOEXEC, 0);
    for (guint i = 0; fd >= 0 && i < n; i++) {
        int next = -1;
        if (mkdirat(fd, parts[i], 0700) == 0 || errno == EEXIST)
            next = openat(fd, parts[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int errnum = errno;
        close(fd);
        errno = errnum;
        fd = next;
    }
    return fd;
}

/* The content, which must come without holes: a sparse entry could claim any size. */
static bool write_content(struct archive *a, int fd, const char *name, KilnTarMeter *meter,
                          GError **error)
{
    const void *block;
    size_t size;
    la_int64_t offset, written = 0;
    int result;
    while ((result = archive_read_data_block(a, &block, &size, &offset)) == ARCHIVE_OK) {
        if (offset != written)
            return refuse(error, name, "is sparse");
        if (!kiln_tar_meter_size(meter, size, error))
            return false;
        const char *from = block;
        written += (la_int64_t)size;
        while (size > 0) {
            ssize_t n = write(fd, from, size);
            if (n < 0 && errno == EINTR)
                continue;
            if (n < 0)
                return failed(error, name);
            from += n;
            size -= (size_t)n;
        }
    }
    if (result != ARCHIVE_EOF)
        return refuse(error, name, "is truncated or damaged");
    return true;
}

static bool unpack_link(int dirfd, int parent, const char *last, const char *target,
                        const char *name, GError **error)
{
    g_auto(GStrv) parts = components(target);
    if (parts == NULL)
        return refuse(error, name, "is a hard link to a path with \"..\"");
    g_autofree char *clean = g_strjoinv("/", parts);
    int fd = kiln_open_beneath(dirfd, clean, O_RDONLY | O_NONBLOCK);
    if (fd < 0)
        return refuse(error, name, "is a hard link to a file that is not in the archive");
    char self[32];
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    int result = linkat(AT_FDCWD, self, parent, last, AT_SYMLINK_FOLLOW);
    int errnum = errno;
    close(fd);
    errno = errnum;
    return result == 0 || failed(error, name);
}

static bool unpack_one(struct archive *a, struct archive_entry *e, int dirfd, KilnTarMeter *meter,
                       GError **error)
{
    const char *name = archive_entry_pathname(e);
    if (name == NULL)
        return refuse(error, "?", "has a name that is not text");
    g_auto(GStrv) parts = components(name);
    if (parts == NULL)
        return refuse(error, name, "has a name with \"..\"");
    guint n = g_strv_length(parts);
    mode_t type = archive_entry_filetype(e);
    const char *link = archive_entry_hardlink(e);
    if (n == 0)
        return true;
    int parent = open_parent(dirfd, parts, type == AE_IFDIR && link == NULL ? n : n - 1);
    if (parent < 0)
        return failed(error, name);
    const char *last = parts[n - 1];
    bool ok = true;
    if (link != NULL || type == AE_IFREG || type == AE_IFLNK) {
        if (unlinkat(parent, last, 0) < 0 && errno != ENOENT)
            ok = failed(error, name);
        else if (link != NULL) {
            ok = unpack_link(dirfd, parent, last, link, name, error);
        } else if (type == AE_IFLNK) {
            const char *target = archive_entry_symlink(e);
            ok =
                target != NULL && symlinkat(target, parent, last) == 0 ? true : failed(error, name);
        } else {
            int fd =
                openat(parent, last, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
            ok = fd >= 0 ? write_content(a, fd, name, meter, error) : failed(error, name);
            if (fd >= 0)
                close(fd);
        }
    }
    close(parent);
    return ok;
}

static bool unpack_all(struct archive *a, int dirfd, KilnTarLimits limits, GError **error)
{
    KilnTarMeter meter = {.limits = limits};
    struct archive_entry *e;
    int result;
    while ((result = archive_read_next_header(a, &e)) == ARCHIVE_OK || result == ARCHIVE_WARN)
        if (!kiln_tar_meter_entry(&meter, error) || !unpack_one(a, e, dirfd, &meter, error))
            return false;
    if (result != ARCHIVE_EOF) {
        const char *why = archive_error_string(a);
        g_set_error(error, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_FORMAT,
                    "it is not an image archive: %s", why != NULL ? why : "not a tar");
        return false;
    }
    return true;
}

bool kiln_unpack(int fd, int dirfd, KilnTarLimits limits, GError **error)
{
    Input in = {.fd = fd, .buffer = g_malloc(KILN_PIECE)};
    in.decompressor = kiln_decompressor_new(read_fd, &in);
    struct archive *a = archive_read_new();
    archive_read_support_format_tar(a);
    archive_read_support_filter_none(a);
    bool ok = true;
    GError *problem = NULL;
    if (archive_read_open(a, &in, NULL, read_archive, NULL) != ARCHIVE_OK) {
        ok = false;
        g_set_error(&problem, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_FORMAT,
                    "it is not an image archive: %s", archive_error_string(a));
    } else {
        ok = unpack_all(a, dirfd, limits, &problem);
    }
    archive_read_free(a);
    kiln_decompressor_free(in.decompressor);
    g_free(in.buffer);
    if (in.error != NULL) { /* says more than what libarchive made of it */
        g_clear_error(&problem);
        problem = in.error;
        ok = false;
    }
    if (!ok)
        g_propagate_error(error, problem);
    return ok;
}
