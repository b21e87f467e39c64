#include "builder/input.h"
#include "tree/tar.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* What is looked at: more than the longest header that a tar begins with. */
#define HEAD (64 * 1024)
#define BLOCK 512 /* tar(5) */

struct KilnInput {
    KilnOperation *op;
    int fd;
    char *name;
    bool head_taken;
    gsize head_size;
    uint8_t buffer[HEAD]; /* the head first, then what is read behind it */
};

static ssize_t read_some(KilnInput *i, uint8_t *buffer, gsize size, GError **error)
{
    ssize_t n = -1;
    do {
        if (kiln_cancel_check(i->op->cancel, error))
            return -1;
        n = read(i->fd, buffer, size);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        g_set_error(error, KILN_OPERATION_ERROR, 1, "reading %s: %s", i->name, g_strerror(errno));
    return n;
}

KilnInput *kiln_input_new(KilnOperation *op, int fd, const char *name, GError **error)
{
    g_autoptr(KilnInput) i = g_new(KilnInput, 1);
    memset(i, 0, offsetof(KilnInput, buffer)); /* the rest need not be touched */
    i->op = op;
    i->fd = fd;
    i->name = g_strdup(name);
    ssize_t n;
    while ((n = read_some(i, i->buffer + i->head_size, HEAD - i->head_size, error)) > 0)
        i->head_size += (gsize)n;
    return n < 0 ? NULL : g_steal_pointer(&i);
}

KilnInput *kiln_input_new_standard(KilnOperation *op, GError **error)
{
    int fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
    if (fd >= 0)
        return kiln_input_new(op, fd, "standard input", error);
    g_set_error(error, KILN_OPERATION_ERROR, 1, "opening standard input: %s", g_strerror(errno));
    return NULL;
}

void kiln_input_free(KilnInput *i)
{
    if (!i)
        return;
    close(i->fd);
    g_free(i->name);
    g_free(i);
}

/* --- What it is ----------------------------------------------------------------------------------------- */

static bool is_compressed(const KilnInput *i)
{
    static const struct {
        const char *bytes;
        gsize size;
    } magics[] = {
        {"\x1f\x8b\x08", 3}, {"BZh", 3}, {"\xfd" "7zXZ\0", 6}, {"\x28\xb5\x2f\xfd", 4},
    };
    for (gsize k = 0; k < G_N_ELEMENTS(magics); k++)
        if (i->head_size >= magics[k].size && memcmp(i->buffer, magics[k].bytes, magics[k].size) == 0)
            return true;
    return false;
}

static bool is_tar(const KilnInput *i)
{
    static const uint8_t zeros[BLOCK];
    if (i->head_size < BLOCK)
        return false;
    if (memcmp(i->buffer, zeros, BLOCK) == 0 || memcmp(i->buffer + 257, "ustar", 5) == 0)
        return true;
    int fd = memfd_create("head", MFD_CLOEXEC); /* of before POSIX: known by its checksum */
    bool tar = fd >= 0 && write(fd, i->buffer, i->head_size) == (ssize_t)i->head_size &&
               kiln_tar_detect(fd);
    if (fd >= 0)
        close(fd);
    return tar;
}

KilnInputKind kiln_input_kind(const KilnInput *i)
{
    if (i->head_size == 0)
        return KILN_INPUT_EMPTY;
    return is_compressed(i) || is_tar(i) ? KILN_INPUT_ARCHIVE : KILN_INPUT_TEXT;
}

/* --- Taking it ------------------------------------------------------------------------------------------ */

static ssize_t take(void *data, const void **buffer, GError **error)
{
    KilnInput *i = data;
    *buffer = i->buffer;
    if (i->head_taken)
        return read_some(i, i->buffer, HEAD, error);
    i->head_taken = true;
    return i->head_size ? (ssize_t)i->head_size : 0;
}

char *kiln_input_text(KilnInput *i, gsize *size, GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);
    const void *piece;
    ssize_t n;
    while ((n = take(i, &piece, error)) > 0) {
        if (text->len + (gsize)n > KILN_TEXT_MAX) {
            g_set_error(error, KILN_OPERATION_ERROR, 1, "%s is larger than %d MB", i->name,
                        KILN_TEXT_MAX >> 20);
            return NULL;
        }
        g_string_append_len(text, piece, n);
    }
    if (n < 0)
        return NULL;
    *size = text->len;
    return g_string_free(g_steal_pointer(&text), FALSE);
}

KilnContext *kiln_input_unpack(KilnInput *i, const char *name, GError **error)
{
    g_autoptr(KilnWork) work = kiln_work_new(i->op->store, error);
    int fd = work ? kiln_work_mkdir(work, "context", error) : -1;
    if (fd < 0)
        return NULL;
    const KilnUntarOptions options = {
        .owners = kiln_store_owners(i->op->store),
        .limits = kiln_store_limits(i->op->store),
        .detect_compression = true,
        .uid = -1,
        .gid = -1,
        .end_marker = true,
    };
    g_autoptr(KilnManifest) manifest = kiln_manifest_new();
    if (!kiln_untar(take, i, fd, &options, manifest, error)) {
        g_prefix_error(error, "unpacking %s: ", i->name);
        return NULL;
    }
    return kiln_context_new_tree(name, fd, g_steal_pointer(&work), g_steal_pointer(&manifest));
}
