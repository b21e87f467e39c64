#include "build/copy-donor.h"

#include <string.h>

/* Few steps are written alike but for those of other projects and branches, which change by turns. */
enum { MOST_LAYERS = 4, SAMPLES = 64 };

void kiln_copy_donor_clear(KilnCopyDonor *d)
{
    g_clear_pointer(&d->manifest, kiln_manifest_unref);
    d->layer = 0;
}

static const KilnEntry *lookup(const KilnManifest *m, const KilnEntry *file)
{
    const KilnEntry *there = kiln_manifest_lookup(m, file->path);
    /* One that is a hard link there, but not here, must not become one. */
    bool same = there && !there->link_group && file->has_digest && there->has_digest &&
                memcmp(there->digest, file->digest, sizeof file->digest) == 0 &&
                kiln_entry_same_attributes(there, file);
    return same ? there : NULL;
}

/* How many of some of the files it has. */
static guint sample(const KilnManifest *m, const KilnEntry *const *files, guint n)
{
    guint found = 0, step = MAX(n / SAMPLES, 1);
    for (guint i = 0; i < n; i += step)
        found += lookup(m, files[i]) != NULL;
    return found;
}

KilnCopyDonor kiln_copy_donor_find(KilnStore *store, const KilnStep *step, const KilnEntry *const *files, guint n)
{
    KilnCopyDonor best = {0};
    guint most = 0;
    g_autoptr(GArray) layers = kiln_record_layers_named(store, step->created_by, n, MOST_LAYERS);
    for (guint i = 0; i < layers->len && most < SAMPLES / 2; i++) {
        gint64 layer = g_array_index(layers, gint64, i);
        g_autoptr(KilnManifest) m = kiln_layer_manifest(store, layer, NULL);
        guint found = m ? sample(m, files, n) : 0;
        if (found <= most)
            continue;
        most = found;
        kiln_copy_donor_clear(&best);
        best = (KilnCopyDonor){.layer = layer, .manifest = g_steal_pointer(&m)};
    }
    return best;
}

const KilnEntry *kiln_copy_donor_lookup(const KilnCopyDonor *d, const KilnEntry *file)
{
    return d->manifest ? lookup(d->manifest, file) : NULL;
}
