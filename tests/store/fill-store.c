/* Fills a store with layers that look like those of real steps, each with its directory, manifest, record, diffID and
 * chainID: what a machine has that has built for months. For scripts/bench and integration/72-scale.bats.
 *
 *     fill-store STORE LAYERS
 *
 * Under "kiln unshare" for a store of a user with subordinate ids. */
#include "store/store.h"

#include "tree/digest.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILES 4

/* "sha256:…" of a text that no real build has. */
static char *digest_of(const char *what, guint number)
{
    g_autofree char *text = g_strdup_printf("fill-store %s %u", what, number);
    return kiln_digest_of_bytes(text, strlen(text));
}

static KilnManifest *fill(int upperfd, guint number)
{
    KilnManifest *m = kiln_manifest_new();
    KilnEntry *root = kiln_manifest_add(m, "");
    root->type = KILN_TYPE_DIR;
    root->mode = 0755;
    for (guint i = 0; i < FILES; i++) {
        g_autofree char *name = g_strdup_printf("file-%u-%u", number, i);
        int fd = openat(upperfd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        gsize size = strlen(name);
        if (fd < 0 || write(fd, name, size) != (ssize_t)size)
            g_error("cannot write %s", name);
        close(fd);
        KilnEntry *e = kiln_manifest_add(m, name);
        e->type = KILN_TYPE_FILE;
        e->mode = 0644;
        e->size = size;
    }
    kiln_manifest_sort(m);
    return m;
}

static bool add_layer(KilnStore *s, guint number, GError **error)
{
    g_autoptr(KilnWork) work = kiln_work_new(s, error);
    int upperfd = work ? kiln_work_mkdir(work, "upper", error) : -1;
    if (upperfd < 0)
        return false;
    g_autoptr(KilnManifest) manifest = fill(upperfd, number);
    gint64 layer = kiln_layer_commit(s, work, manifest, error);
    g_autofree char *key = digest_of("key", number), *operation = digest_of("operation", number);
    g_autofree char *diff_id = digest_of("tar", number), *chain_id = digest_of("chain", number);
    g_autofree char *inputs = g_strdup_printf("%s 1-%" G_GINT64_FORMAT "\n", key, layer - 1);
    const KilnRecord record = {.key = key,
                               .operation = operation,
                               .inputs = inputs,
                               .layer = layer,
                               .created = 1700000000,
                               .duration = 1000,
                               .name = (char *)"RUN true"};
    return layer && kiln_record_put(s, &record, NULL, error) &&
           kiln_layer_set_tar_diff_id(s, layer, -1, diff_id, error) &&
           kiln_layer_set_chain(s, layer, chain_id, error);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: fill-store STORE LAYERS\n");
        return 2;
    }
    g_autoptr(GError) error = NULL;
    KilnStore *s = kiln_store_open(argv[1], KILN_STORE_SHARED, &error);
    bool ok = s != NULL;
    for (guint i = 0; ok && i < (guint)atoi(argv[2]); i++)
        ok = add_layer(s, i, &error);
    ok = ok && kiln_store_confirm(s, &error);
    kiln_store_close(s);
    if (!ok)
        fprintf(stderr, "fill-store: %s\n", error->message);
    return ok ? 0 : 1;
}
