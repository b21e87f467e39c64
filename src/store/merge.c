/* Merged layers: what is mounted in the place of many. docs/store.md, "Merged layers". */
#include "store/state.h"
#include "tree/merge.h"

/* A chain of up to SHORT layers is mounted as it is. The topmost KEPT at least stay single: the next step will
 * add to them. */
#define SHORT 128
#define KEPT 64
/* A group ends at GROUP layers, or sooner if it would hold many files: making it costs a link each. */
#define GROUP 64
#define GROUP_ENOUGH 8
#define GROUP_ENTRIES 32768

/* What the layer that merges these is found by; a collector reads it too. */
static char *name_of_group(const gint64 *layers, guint n)
{
    GString *text = g_string_new("merge:");
    for (guint i = 0; i < n; i++)
        g_string_append_printf(text, "%s%" G_GINT64_FORMAT, i ? "," : "", layers[i]);
    return g_string_free(text, FALSE);
}

static bool fill(KilnStore *s, const gint64 *layers, int upperfd, const KilnManifest *merged,
                 const guint *sources, GError **error)
{
    g_autoptr(KilnPlacer) placer = kiln_placer_new(upperfd, kiln_store_owners(s));
    for (guint i = 0; i < kiln_manifest_length(merged); i++) {
        const KilnEntry *e = kiln_manifest_get(merged, i);
        bool made = e->type == KILN_TYPE_DIR || e->type == KILN_TYPE_WHITEOUT;
        int layerfd = made ? -1 : kiln_layer_fd(s, layers[sources[i]], error);
        if (made ? !kiln_placer_put(placer, e, -1, error)
                 : layerfd < 0 || !kiln_placer_share(placer, layerfd, e, error))
            return false;
    }
    return kiln_placer_finish(placer, error);
}

static gint64 make(KilnStore *s, const gint64 *layers, guint n, const char *name, GError **error)
{
    g_autoptr(GPtrArray) manifests =
        g_ptr_array_new_with_free_func((GDestroyNotify)kiln_manifest_unref);
    for (guint i = 0; i < n; i++) {
        KilnManifest *m = kiln_layer_manifest(s, layers[i], error);
        if (!m)
            return 0;
        g_ptr_array_add(manifests, m);
    }
    g_autofree guint *sources = NULL;
    g_autoptr(KilnManifest) merged =
        kiln_manifest_merge((KilnManifest *const *)manifests->pdata, n, &sources);
    g_autoptr(KilnWork) work = kiln_work_new(s, error);
    int upperfd = work ? kiln_work_mkdir(work, "upper", error) : -1;
    if (upperfd < 0 || !fill(s, layers, upperfd, merged, sources, error))
        return 0;
    gint64 layer = kiln_layer_commit(s, work, merged, error);
    return layer && kiln_layer_set_chain(s, layer, name, error) ? layer : 0;
}

/* How many layers from the first on make a group; 1: it stays as it is. */
static bool group_length(KilnStore *s, const gint64 *layers, guint n, guint *length, GError **error)
{
    guint entries = 0;
    for (*length = 0; *length < MIN(n, GROUP); ++*length) {
        g_autoptr(KilnManifest) m = kiln_layer_manifest(s, layers[*length], error);
        if (!m)
            return false;
        entries += kiln_manifest_length(m);
        if (*length >= GROUP_ENOUGH && entries > GROUP_ENTRIES)
            break;
    }
    return true;
}

GArray *kiln_layer_lowers(KilnStore *s, const gint64 *chain, guint n, GError **error)
{
    g_autoptr(GArray) lowers = g_array_sized_new(FALSE, FALSE, sizeof(gint64), n);
    guint done = 0;
    while (n > SHORT && n - done >= KEPT + GROUP) {
        guint length;
        if (!group_length(s, chain + done, n - done, &length, error))
            return NULL;
        g_autofree char *name = name_of_group(chain + done, length);
        gint64 layer = kiln_layer_by_chain(s, name);
        if (!layer)
            layer = make(s, chain + done, length, name, error);
        if (!layer) {
            g_prefix_error(error, "merging layers to mount them: ");
            return NULL;
        }
        g_array_append_val(lowers, layer);
        done += length;
    }
    if (!kiln_layers_require(s, chain + done, n - done, error))
        return NULL;
    g_array_append_vals(lowers, chain + done, n - done);
    return g_steal_pointer(&lowers);
}
