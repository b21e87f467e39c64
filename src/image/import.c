/* `docker import`: a root file system as an image of one layer. */
#include "image/compress.h"
#include "image/export.h"
#include "image/load.h"
#include "image/piece.h"

#include "tree/digest.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    int fd;
    uint8_t *buffer;
} Input;

static ssize_t read_fd(void *data, const void **buffer, GError **error)
{
    Input *in = data;
    *buffer = in->buffer;
    return kiln_piece_read(in->fd, in->buffer, "the archive", error);
}

/* gzip and zstd are ours, being several times faster; libarchive knows bzip2 and xz as well. */
static bool unpack(KilnStore *s, int fd, int upper, KilnManifest *out, GError **error)
{
    Input in = {.fd = fd, .buffer = g_malloc(KILN_PIECE)};
    g_autoptr(KilnDecompressor) d = kiln_decompressor_new(read_fd, &in);
    const KilnUntarOptions options = {.owners = kiln_store_owners(s),
                                      .limits = kiln_store_limits(s),
                                      .whiteouts = true,
                                      .detect_compression = true,
                                      .uid = -1,
                                      .gid = -1};
    bool ok = kiln_untar(kiln_decompressor_read, d, upper, &options, out, error);
    g_free(in.buffer);
    return ok;
}

/* There is nothing below: directories that were not listed are what they are, and nothing is
 * deleted. */
static bool settle(KilnStore *s, int upper, KilnManifest *m, GError **error)
{
    g_autoptr(KilnPlacer) placer = kiln_placer_new(upper, kiln_store_owners(s));
    for (guint i = kiln_manifest_length(m); i-- > 0;) {
        KilnEntry *e = kiln_manifest_get(m, i);
        e->implicit = false;
        if (e->type != KILN_TYPE_WHITEOUT)
            continue;
        if (!kiln_placer_remove(placer, e->path, error))
            return false;
        kiln_manifest_remove(m, i);
    }
    return kiln_placer_finish(placer, error);
}

static bool hash_bytes(void *hash, const void *bytes, size_t size, GError **error)
{
    (void)error;
    kiln_hash_update(hash, bytes, size);
    return true;
}

static char *config_bytes(const KilnConfig *config, const char *diff_id, const char *message,
                          gsize *size)
{
    g_autoptr(KilnConfig) c = NULL;
    if (config != NULL) {
        c = kiln_config_copy(config);
    } else {
        g_autoptr(KilnPlatform) host = kiln_platform_host();
        c = kiln_config_new(host);
        kiln_config_set_string(c, "WorkingDir", NULL); /* docker import sets none */
    }
    json_object *created = NULL;
    g_autofree char *now = NULL;
    if (json_object_object_get_ex(kiln_config_json(c), "created", &created) &&
        json_object_is_type(created, json_type_string))
        now = g_strdup(json_object_get_string(created));
    else
        now = kiln_time_format(g_get_real_time() / G_USEC_PER_SEC, 0);
    kiln_config_set_top(c, "created", now);
    kiln_config_set_diff_ids(c, (const char *const[]){diff_id, NULL});
    kiln_config_add_history(c, now, NULL, message != NULL ? message : "Imported by kiln", false);
    return kiln_config_dump(c, size);
}

char *kiln_import(KilnStore *s, int fd, const char *name, const char *message,
                  const KilnConfig *config, GError **error)
{
    g_autoptr(KilnWork) work = kiln_work_new(s, error);
    int upper = work != NULL ? kiln_work_mkdir(work, "upper", error) : -1;
    if (upper < 0)
        return NULL;
    g_autoptr(KilnManifest) m = kiln_manifest_new();
    g_autoptr(KilnHash) hash = kiln_hash_new();
    if (!unpack(s, fd, upper, m, error) || !settle(s, upper, m, error) ||
        !kiln_tar_write(m, upper, -1, hash_bytes, hash, error)) {
        g_prefix_error(error, "cannot import the root file system: ");
        return NULL;
    }
    g_autofree char *diff_id = kiln_hash_finish_text(hash); /* the chainID of a first layer, too */
    gint64 layer = kiln_layer_by_chain(s, diff_id);
    if (layer == 0) {
        layer = kiln_layer_commit(s, work, m, error);
        if (layer == 0 || !kiln_layer_set_diff_id(s, layer, diff_id, error) ||
            !kiln_layer_set_chain(s, layer, diff_id, error))
            return NULL;
    }
    gsize size;
    g_autofree char *bytes = config_bytes(config, diff_id, message, &size);
    g_autofree char *id = NULL;
    if (!kiln_blob_put_bytes(s, bytes, size, &id, error) ||
        !kiln_image_put(s, id, name, &layer, 1, NULL, error))
        return NULL;
    return g_steal_pointer(&id);
}
