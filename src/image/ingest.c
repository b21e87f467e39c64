#include "image/ingest.h"

#include "image/compress.h"
#include "image/queue.h"
#include "image/piece.h"
#include "tree/digest.h"
#include "tree/write.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Reads a blob: counts and hashes its bytes on their way, and writes them to a copy if there must
 * be one. */
typedef struct {
    int fd, copy_fd;
    const char *name; /* for errors */
    guint64 size;
    KilnHash *hash;
    uint8_t *buffer;
} Blob;

static bool copy_error(GError **error, int errnum, const char *name)
{
    bool full = errnum == ENOSPC || errnum == EDQUOT;
    g_set_error(
        error, full ? KILN_STORE_ERROR : KILN_IMAGE_ERROR,
        full ? (int)KILN_STORE_ERROR_SPACE : (int)KILN_IMAGE_ERROR_IO,
        "cannot copy the layer %s: %s%s", name, g_strerror(errnum),
        full ? "; free some space, or put the store on another disk with --root or KILN_ROOT" : "");
    return false;
}

static bool write_copy(Blob *b, const uint8_t *bytes, size_t size, GError **error)
{
    int result = kiln_write_all(b->copy_fd, bytes, size);
    return result == 0 || copy_error(error, -result, b->name);
}

static ssize_t read_blob(void *data, const void **buffer, GError **error)
{
    Blob *b = data;
    g_autofree char *what = g_strconcat("the layer ", b->name, NULL);
    ssize_t n = kiln_piece_read(b->fd, b->buffer, what, error);
    if (n < 0)
        return -1;
    kiln_hash_update(b->hash, b->buffer, (size_t)n);
    b->size += (guint64)n;
    if (b->copy_fd >= 0 && !write_copy(b, b->buffer, (size_t)n, error))
        return -1;
    *buffer = b->buffer;
    return n;
}

/* The thread that decompresses. */
typedef struct {
    Blob *blob;
    KilnDecompressor *decompressor;
    KilnQueue *queue; /* NULL if nobody unpacks */
    KilnHash *hash;   /* of the content */
    GError *error;
} Producer;

static gpointer produce(gpointer data)
{
    Producer *p = data;
    const void *piece;
    ssize_t n;
    while ((n = kiln_decompressor_read(p->decompressor, &piece, &p->error)) > 0) {
        kiln_hash_update(p->hash, piece, (size_t)n);
        /* A consumer that has gone had an error; whether the digest is right decides which to
         * report. */
        if (p->queue != NULL && !kiln_queue_put(p->queue, piece, (size_t)n))
            break;
    }
    if (p->queue != NULL)
        kiln_queue_end(p->queue, p->error != NULL ? g_error_copy(p->error) : NULL);
    while (read_blob(p->blob, &piece, NULL) > 0)
        ; /* to the end, for the digest */
    return NULL;
}

/* The blob's own copy in the work folder: a hard link where the layout is ours, else a clone, which
 * is then read instead (the original may change meanwhile), else written while reading. False on
 * error; *copy_fd is -1 unless it has to be written. */
static bool prepare_copy(KilnIngest *i, int *fd, int *copy_fd, GError **error)
{
    int workfd = kiln_work_fd(i->work);
    char self[32];
    snprintf(self, sizeof self, "/proc/self/fd/%d", *fd);
    if (kiln_layout_is_ours(i->layout) &&
        linkat(AT_FDCWD, self, workfd, "blob", AT_SYMLINK_FOLLOW) == 0)
        return true;
    *copy_fd = openat(workfd, "blob", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (*copy_fd < 0)
        return copy_error(error, errno, i->diff_id);
    if (ioctl(*copy_fd, FICLONE, *fd) == 0) {
        close(*fd);
        *fd = *copy_fd;
        *copy_fd = -1;
    }
    return true;
}

static bool unpack(KilnIngest *i, Producer *p, GError **error)
{
    i->upper_fd = kiln_work_mkdir(i->work, "upper", error);
    if (i->upper_fd < 0)
        return false;
    g_autoptr(KilnQueue) queue = kiln_queue_new();
    p->queue = queue;
    i->manifest = kiln_manifest_new();
    const KilnUntarOptions options = {.owners = kiln_store_owners(kiln_layout_store(i->layout)),
                                      .limits = kiln_store_limits(kiln_layout_store(i->layout)),
                                      .whiteouts = true,
                                      .uid = -1,
                                      .gid = -1};
    GThread *thread = g_thread_new("inflate", produce, p);
    bool ok = kiln_untar(kiln_queue_get, queue, i->upper_fd, &options, i->manifest, error);
    kiln_queue_leave(queue);
    g_thread_join(thread);
    p->queue = NULL;
    return ok;
}

/* What went wrong, in the order of how much it explains: the blob is not the one that was named; it
 * cannot be read or unpacked; its content is not the one that was named. */
static bool verify(KilnIngest *i, Blob *b, Producer *p, GError *unpacking, GError **error)
{
    const KilnLayoutLayer *layer = i->layer;
    g_autofree char *digest = kiln_hash_finish_text(b->hash);
    g_autofree char *diff_id = kiln_hash_finish_text(p->hash);
    if ((layer->digest != NULL && strcmp(digest, layer->digest) != 0) ||
        (layer->size >= 0 && (guint64)layer->size != b->size)) {
        g_set_error(error, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_DIGEST,
                    "the layer %s is damaged: it has %" G_GUINT64_FORMAT " bytes and the digest %s",
                    b->name, b->size, digest);
        return false;
    }
    if (p->error != NULL || unpacking != NULL) {
        g_propagate_prefixed_error(error, g_error_copy(p->error != NULL ? p->error : unpacking),
                                   "the layer %s: ", b->name);
        return false;
    }
    if (strcmp(diff_id, i->diff_id) != 0) {
        g_set_error(
            error, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_DIGEST,
            "the layer %s is not the one that the image's config names: its diffID is %s, not %s",
            b->name, diff_id, i->diff_id);
        return false;
    }
    i->blob.digest = g_steal_pointer(&digest);
    i->blob.size = b->size;
    i->blob.media_type =
        g_strdup(kiln_compression_media_type(kiln_decompressor_kind(p->decompressor)));
    return true;
}

static bool run(KilnIngest *i, Blob *b, GError **error)
{
    g_autoptr(KilnHash) content = kiln_hash_new();
    g_autoptr(KilnDecompressor) decompressor = kiln_decompressor_new(read_blob, b);
    Producer p = {.blob = b, .decompressor = decompressor, .hash = content};
    g_autoptr(GError) unpacking = NULL;
    if (i->unpack)
        unpack(i, &p, &unpacking);
    else
        produce(&p);
    bool ok = verify(i, b, &p, unpacking, error);
    g_clear_error(&p.error);
    return ok;
}

bool kiln_ingest_run(KilnIngest *i, GError **error)
{
    KilnStore *s = kiln_layout_store(i->layout);
    const KilnLayoutLayer *layer = i->layer;
    i->keep = layer->digest == NULL || !kiln_blob_exists(s, layer->digest);
    i->work = kiln_work_new(s, error);
    if (i->work == NULL)
        return false;
    int fd = layer->path != NULL ? kiln_layout_open_file(i->layout, layer->path, NULL, error)
                                 : kiln_layout_open_blob(i->layout, layer->digest, NULL, error);
    if (fd < 0)
        return false;
    int copy_fd = -1;
    bool ok = !i->keep || prepare_copy(i, &fd, &copy_fd, error);
    if (ok) {
        g_autoptr(KilnHash) hash = kiln_hash_new();
        Blob b = {.fd = fd,
                  .copy_fd = copy_fd,
                  .name = layer->digest != NULL ? layer->digest : layer->path,
                  .hash = hash,
                  .buffer = g_malloc(KILN_PIECE)};
        ok = run(i, &b, error);
        g_free(b.buffer);
    }
    if (copy_fd >= 0)
        close(copy_fd);
    close(fd);
    return ok;
}

bool kiln_ingest_commit_blob(KilnIngest *i, GError **error)
{
    KilnStore *s = kiln_layout_store(i->layout);
    if (i->keep && !kiln_blob_exists(s, i->blob.digest) &&
        !kiln_blob_commit(s, i->work, "blob", i->blob.digest, error))
        return false;
    return kiln_layer_blob_set(s, i->diff_id, &i->blob, error);
}

bool kiln_ingest_commit_layer(KilnIngest *i, gint64 layer, GError **error)
{
    for (guint n = 0; n < kiln_manifest_length(i->manifest); n++)
        kiln_manifest_get(i->manifest, n)->implicit = false;
    return kiln_layer_commit_as(kiln_layout_store(i->layout), i->work, i->manifest, layer, error);
}

void kiln_ingest_clear(KilnIngest *i)
{
    g_clear_pointer(&i->manifest, kiln_manifest_unref);
    g_clear_pointer(&i->work, kiln_work_free);
    kiln_layer_blob_clear(&i->blob);
}
