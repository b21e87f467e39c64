/* Layers for tests of the store. */
#pragma once

#include "store/store.h"

#include <string.h>

/* Of a layer that holds one file. */
static inline KilnManifest *manifest_of(const char *file, const char *text)
{
    KilnManifest *m = kiln_manifest_new();
    KilnEntry *e = kiln_manifest_add(m, "");
    e->type = KILN_TYPE_DIR;
    e->mode = 0755;
    e = kiln_manifest_add(m, file);
    e->type = KILN_TYPE_FILE;
    e->mode = 0644;
    e->size = strlen(text);
    kiln_manifest_sort(m);
    return m;
}

/* Such a layer. */
static inline gint64 make_layer_in(KilnStore *s, const char *file, const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(KilnWork) w = kiln_work_new(s, &error);
    g_assert_no_error(error);
    g_assert_cmpint(kiln_work_mkdir(w, "upper", &error), >=, 0);
    g_autofree char *path = g_build_filename(kiln_work_path(w), "upper", file, NULL);
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
    g_autoptr(KilnManifest) m = manifest_of(file, text);
    gint64 layer = kiln_layer_commit(s, w, m, &error);
    g_assert_no_error(error);
    g_assert_cmpint(layer, >, 0);
    return layer;
}
