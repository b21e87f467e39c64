/* Whether a layer can be used: what a look at its files can tell, and what was found out while it was used.
 * docs/store.md, "Damaged layers". */
#include "store/state.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

/* What a packed layer can be unpacked from. */
static bool has_tar(KilnStore *s, gint64 layer)
{
    KilnLayerBlob blob;
    g_autofree char *diff_id = kiln_layer_any_diff_id(s, layer);
    bool there = diff_id != NULL && kiln_layer_blob_lookup(s, diff_id, &blob);
    if (there)
        kiln_layer_blob_clear(&blob);
    return there;
}

bool kiln_layer_is_usable(KilnStore *s, gint64 layer)
{
    g_mutex_lock(&s->layers_mutex);
    bool condemned = s->condemned && g_hash_table_contains(s->condemned, &layer);
    bool was_read = g_hash_table_contains(s->manifests, &layer);
    g_mutex_unlock(&s->layers_mutex);
    char name[24];
    struct stat st;
    snprintf(name, sizeof name, "%" G_GINT64_FORMAT, layer);
    if (condemned)
        return false;
    if (!was_read && !kiln_manifest_is_whole(s->manifests_fd, name)) /* asked in this order: few layers are packed */
        return kiln_layer_is_packed(s, layer) && has_tar(s, layer);
    return fstatat(s->layers_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

void kiln_layer_condemn(KilnStore *s, gint64 layer)
{
    g_mutex_lock(&s->layers_mutex);
    if (!s->condemned)
        s->condemned = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    if (g_hash_table_add(s->condemned, g_memdup2(&layer, sizeof layer)))
        s->newly_condemned = layer;
    g_mutex_unlock(&s->layers_mutex);
    /* Its step's record is replaced when the step is executed again; a layer of an image is found by this. Where the
     * store is only read, the next one will find out again. */
    kiln_layer_set_chain(s, layer, NULL, NULL);
}

gint64 kiln_layer_newly_condemned(KilnStore *s)
{
    g_mutex_lock(&s->layers_mutex);
    gint64 layer = s->newly_condemned;
    s->newly_condemned = 0;
    g_mutex_unlock(&s->layers_mutex);
    return layer;
}
