/* Digests of layers: the diffID of one, the chainID of several. */
#include "image/compress.h"
#include "image/export.h"

#include "tree/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

char *kiln_chain_id(const char *below, const char *diff_id)
{
    if (!below)
        return g_strdup(diff_id);
    g_autofree char *text = g_strconcat(below, " ", diff_id, NULL);
    return kiln_digest_of_bytes(text, strlen(text));
}

/* Where the tar goes: into the diffID, and if there shall be a blob through gzip into a file and
 * its digest. */
typedef struct {
    KilnHash *content;
    KilnGzip *gzip;
    KilnHash *blob;
    guint64 blob_size;
    int fd;
} Sink;

static bool take_tar(void *data, const void *bytes, size_t size, GError **error)
{
    Sink *k = data;
    kiln_hash_update(k->content, bytes, size);
    return k->gzip == NULL || kiln_gzip_write(k->gzip, bytes, size, error);
}

static bool take_blob(void *data, const void *bytes, size_t size, GError **error)
{
    Sink *k = data;
    kiln_hash_update(k->blob, bytes, size);
    k->blob_size += size;
    const char *from = bytes;
    while (size > 0) {
        ssize_t n = write(k->fd, from, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            bool full = errno == ENOSPC || errno == EDQUOT;
            g_set_error(
                error, KILN_STORE_ERROR, full ? KILN_STORE_ERROR_SPACE : KILN_STORE_ERROR_IO,
                "cannot write the layer's blob: %s%s", g_strerror(errno),
                full
                    ? "; free some space, or put the store on another disk with --root or KILN_ROOT"
                    : "");
            return false;
        }
        from += n;
        size -= (size_t)n;
    }
    return true;
}

/* Writes the layer's tar through a sink; returns its diffID. */
static char *write_layer(KilnStore *s, gint64 layer, KilnManifest *m, gint64 clamp, Sink *k,
                         GError **error)
{
    int dirfd = kiln_layer_fd(s, layer, error);
    GError *failed = NULL;
    if (dirfd < 0)
        return NULL;
    if (kiln_tar_write(m, dirfd, clamp, take_tar, k, &failed) &&
        (k->gzip == NULL || kiln_gzip_finish(k->gzip, &failed)))
        return kiln_hash_finish_text(k->content);
    if (failed->domain == KILN_TAR_ERROR) /* not where it should go: a file of the layer */
        kiln_layer_condemn(s, layer);
    g_propagate_error(error, failed);
    return NULL;
}

static char *write_blob(KilnStore *s, gint64 layer, KilnManifest *m, gint64 clamp,
                        KilnLayerBlob *blob, GError **error)
{
    g_autoptr(KilnWork) work = kiln_work_new(s, error);
    if (work == NULL)
        return NULL;
    g_autoptr(KilnHash) content = kiln_hash_new(), compressed = kiln_hash_new();
    Sink k = {.content = content, .blob = compressed};
    k.fd = openat(kiln_work_fd(work), "blob", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (k.fd < 0) {
        g_set_error(error, KILN_STORE_ERROR, KILN_STORE_ERROR_IO, "cannot create %s/blob: %s",
                    kiln_work_path(work), g_strerror(errno));
        return NULL;
    }
    k.gzip = kiln_gzip_new(take_blob, &k);
    g_autofree char *diff_id = write_layer(s, layer, m, clamp, &k, error);
    kiln_gzip_free(k.gzip);
    close(k.fd);
    if (diff_id == NULL)
        return NULL;
    blob->digest = kiln_hash_finish_text(compressed);
    blob->media_type = g_strdup(kiln_compression_media_type(KILN_COMPRESSION_GZIP));
    blob->size = k.blob_size;
    if (!kiln_blob_commit(s, work, "blob", blob->digest, error) ||
        !kiln_layer_blob_set(s, diff_id, blob, error)) {
        kiln_layer_blob_clear(blob);
        return NULL;
    }
    return g_steal_pointer(&diff_id);
}

/* A clamp later than every mtime changes nothing. */
static gint64 effective_clamp(const KilnManifest *m, gint64 clamp)
{
    guint n = kiln_manifest_length(m);
    for (guint i = 0; clamp >= 0 && i < n; i++)
        if (kiln_manifest_get(m, i)->mtime > clamp)
            return clamp;
    return -1;
}

bool kiln_layer_digest_record(KilnStore *s, gint64 layer, const KilnManifest *m, gint64 clamp, const char *diff_id,
                              GError **error)
{
    gint64 effective = effective_clamp(m, clamp);
    return kiln_layer_set_tar_diff_id(s, layer, effective, diff_id, error) &&
           (effective == clamp || kiln_layer_set_tar_diff_id(s, layer, clamp, diff_id, error));
}

char *kiln_layer_digest_early(const KilnManifest *m, int dirfd, gint64 clamp, KilnWaitFunc wait, void *data)
{
    g_autoptr(KilnHash) content = kiln_hash_new();
    Sink k = {.content = content};
    return kiln_tar_write_following(m, dirfd, effective_clamp(m, clamp), wait, data, take_tar, &k, NULL)
               ? kiln_hash_finish_text(content)
               : NULL;
}

/* A layer that a step made: its tar was another one once. */
static void fail_altered(KilnStore *s, gint64 layer, GError **error)
{
    kiln_layer_condemn(s, layer);
    g_set_error(error, KILN_STORE_ERROR, KILN_STORE_ERROR_CORRUPT,
                "layer %" G_GINT64_FORMAT " of the store %s is not as it was made; \"kiln fsck\" tells more", layer,
                kiln_store_root(s));
}

/* wanted: the diffID that the layer came with, or NULL; known: of the tar that was written of it earlier, or NULL. */
static char *make(KilnStore *s, gint64 layer, gint64 clamp, const char *wanted, const char *known,
                  KilnLayerBlob *blob, GError **error)
{
    g_autoptr(KilnManifest) m = kiln_layer_manifest(s, layer, error);
    if (m == NULL)
        return NULL;
    gint64 effective = effective_clamp(m, clamp);
    g_autofree char *diff_id = NULL;
    if (blob != NULL) {
        diff_id = write_blob(s, layer, m, effective, blob, error);
    } else {
        g_autoptr(KilnHash) content = kiln_hash_new();
        Sink k = {.content = content};
        diff_id = write_layer(s, layer, m, effective, &k, error);
    }
    if (diff_id == NULL || (known != NULL && strcmp(diff_id, known) != 0)) {
        if (diff_id != NULL)
            fail_altered(s, layer, error);
        if (diff_id != NULL && blob != NULL)
            kiln_layer_blob_clear(blob);
        return NULL;
    }
    if (wanted != NULL && strcmp(diff_id, wanted) != 0) {
        if (blob != NULL)
            kiln_layer_blob_clear(blob);
        g_set_error(error, KILN_STORE_ERROR, KILN_STORE_ERROR_CORRUPT,
                    "the blob of the layer %s is gone from the store %s, and the layer's own tar "
                    "is another; load "
                    "or pull the image again",
                    wanted, kiln_store_root(s));
        return NULL;
    }
    if (wanted == NULL && !kiln_layer_digest_record(s, layer, m, clamp, diff_id, error)) {
        if (blob != NULL)
            kiln_layer_blob_clear(blob);
        return NULL;
    }
    return g_steal_pointer(&diff_id);
}

char *kiln_layer_digest(KilnStore *s, gint64 layer, gint64 clamp, KilnLayerBlob *blob,
                        GError **error)
{
    if (blob != NULL)
        *blob = (KilnLayerBlob){0};
    /* No tar is ever written with this clamp, so this is a diffID that came with an image, if any.
     */
    g_autofree char *original = kiln_layer_tar_diff_id(s, layer, G_MININT64);
    g_autofree char *known = original != NULL ? NULL : kiln_layer_tar_diff_id(s, layer, clamp);
    const char *diff_id = original != NULL ? original : known;
    if (diff_id != NULL && (blob == NULL || kiln_layer_blob_lookup(s, diff_id, blob)))
        return g_strdup(diff_id);
    return make(s, layer, original != NULL ? -1 : clamp, original, known, blob, error);
}
