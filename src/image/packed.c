/* Unpacks a layer of which the store has but the tar. docs/store.md, "Packed layers". */
#include "image/ingest.h"
#include "image/load.h"

static bool unpack(const KilnLayout *l, gint64 layer, const char *diff_id, const KilnLayerBlob *blob,
                   GError **error)
{
    const KilnLayoutLayer source = {.digest = blob->digest, .size = (gint64)blob->size};
    KilnIngest i = {.layout = l, .layer = &source, .diff_id = diff_id, .unpack = true};
    bool ok = kiln_ingest_run(&i, error) && kiln_ingest_commit_layer(&i, layer, error);
    kiln_ingest_clear(&i);
    return ok;
}

bool kiln_layer_unpack(KilnStore *s, gint64 layer, void *data, GError **error)
{
    (void)data;
    KilnLayerBlob blob = {0};
    g_autofree char *diff_id = kiln_layer_any_diff_id(s, layer);
    if (diff_id == NULL || !kiln_layer_blob_lookup(s, diff_id, &blob)) {
        g_set_error(error, KILN_STORE_ERROR, KILN_STORE_ERROR_CORRUPT,
                    "the layer %" G_GINT64_FORMAT " is not in the store %s any more; build it again with "
                    "--no-cache",
                    layer, kiln_store_root(s));
        kiln_layer_condemn(s, layer);
        return false;
    }
    g_autoptr(KilnLayout) l = kiln_layout_open(s, kiln_store_root(s), error); /* blobs lie there as in a layout */
    bool ok = l != NULL && unpack(l, layer, diff_id, &blob, error);
    kiln_layer_blob_clear(&blob);
    if (!ok) {
        g_prefix_error(error, "unpacking a layer of the store %s: ", kiln_store_root(s));
        kiln_layer_condemn(s, layer);
    }
    return ok;
}
