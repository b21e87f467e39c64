#include "tree/merge.h"

#include <string.h>

#include "tree/view.h"

/* A layer in short: one entry a word: "d:a" directory, "o:a" opaque directory, "i:a" implicit directory, "f:a"
 * file, "w:a" whiteout. */
static KilnManifest *layer(const char *text)
{
    KilnManifest *m = kiln_manifest_new();
    g_auto(GStrv) words = g_strsplit(text, " ", -1);
    for (char **w = words; *w; w++) {
        KilnEntry *e = kiln_manifest_add(m, *w + 2);
        e->implicit = **w == 'i';
        e->opaque = **w == 'o';
        e->type = strchr("io", **w) ? KILN_TYPE_DIR : (KilnType) * *w;
        e->mode = e->implicit ? 0700 : 0755;
    }
    kiln_manifest_sort(m);
    return m;
}

static GPtrArray *layers_of(const char *const *texts)
{
    GPtrArray *layers = g_ptr_array_new_with_free_func((GDestroyNotify)kiln_manifest_unref);
    for (; *texts; texts++)
        g_ptr_array_add(layers, layer(*texts));
    return layers;
}

/* "LETTER:PATH@SOURCE " for each entry of the merge; O for an opaque directory. */
static char *merged_text(const char *const *texts)
{
    g_autoptr(GPtrArray) layers = layers_of(texts);
    g_autofree guint *sources = NULL;
    g_autoptr(KilnManifest) m =
        kiln_manifest_merge((KilnManifest *const *)layers->pdata, layers->len, &sources);
    g_autoptr(GString) s = g_string_new(NULL);
    for (guint i = 0; i < kiln_manifest_length(m); i++) {
        const KilnEntry *e = kiln_manifest_get(m, i);
        g_string_append_printf(s, "%s%c:%s@%u", i ? " " : "", e->opaque ? 'O' : e->type, e->path, sources[i]);
    }
    return g_string_free(g_steal_pointer(&s), FALSE);
}

static void assert_merge(const char *expected, const char *const *texts)
{
    g_autofree char *text = merged_text(texts);
    g_assert_cmpstr(text, ==, expected);
}

static void test_upper_hides_lower(void)
{
    assert_merge("d:@1 f:a@1 f:b@0", (const char *const[]){"d: f:a f:b", "d: f:a", NULL});
    assert_merge("d:@1 d:x@1 f:x/a@0 f:x/b@1", (const char *const[]){"d: d:x f:x/a", "d: d:x f:x/b", NULL});
}

static void test_whiteouts_stay(void)
{
    assert_merge("d:@1 w:x@1 f:y@0", (const char *const[]){"d: d:x f:x/a f:y", "d: w:x", NULL});
    assert_merge("d:@1 f:x@1", (const char *const[]){"d: w:x", "d: f:x", NULL});
}

/* A whiteout or a file between two directories of one name: nothing shows through. */
static void test_directory_over_another_type(void)
{
    assert_merge("d:@1 O:x@1 f:x/a@1", (const char *const[]){"d: w:x", "d: d:x f:x/a", NULL});
    assert_merge("d:@1 O:x@1", (const char *const[]){"d: f:x", "d: d:x", NULL});
    assert_merge("d:@2 O:x@2 f:x/b@2", (const char *const[]){"d: d:x f:x/a", "d: w:x", "d: d:x f:x/b", NULL});
}

static void test_opaque(void)
{
    assert_merge("d:@1 O:x@1 f:x/b@1 f:y@0", (const char *const[]){"d: d:x f:x/a f:y", "d: o:x f:x/b", NULL});
    assert_merge("d:@1 O:x@1 f:x/a@0 f:x/b@1", (const char *const[]){"d: o:x f:x/a", "d: d:x f:x/b", NULL});
    assert_merge("d:@1 O:x@1 d:x/y@1", (const char *const[]){"d: d:x d:x/y f:x/y/a", "d: o:x d:x/y", NULL});
}

static void test_file_over_directory(void)
{
    assert_merge("d:@1 f:x@1 f:x-y@0", (const char *const[]){"d: d:x f:x/a f:x-y", "d: f:x", NULL});
}

static void test_implicit_directory(void)
{
    g_autoptr(GPtrArray) layers = layers_of((const char *const[]){"d: d:x", "d: i:x f:x/a", NULL});
    g_autofree guint *sources = NULL;
    g_autoptr(KilnManifest) m =
        kiln_manifest_merge((KilnManifest *const *)layers->pdata, layers->len, &sources);
    g_assert_cmpint(kiln_manifest_lookup(m, "x")->mode, ==, 0755);
    g_assert_false(kiln_manifest_lookup(m, "x")->implicit);
}

static bool append(const KilnEntry *entry, guint number, void *data)
{
    (void)number;
    g_string_append_printf(data, "%c:%s ", entry->type, entry->path);
    return true;
}

static char *seen(KilnManifest *const *layers, guint n)
{
    g_autoptr(KilnView) v = kiln_view_new(layers, n);
    GString *s = g_string_new(NULL);
    g_assert_true(kiln_view_foreach(v, "", append, s));
    return g_string_free(s, FALSE);
}

/* A layer of what may come: each name is a file, a directory with something in it, deleted, or not named. */
static KilnManifest *random_layer(GRand *random)
{
    g_autoptr(GString) text = g_string_new("d:");
    for (char name = 'a'; name < 'f'; name++) {
        const char *forms[] = {" f:%c", " d:%c f:%c/p d:%c/q", " o:%c f:%c/q", " w:%c", " d:%c w:%c/p", ""};
        const char *form = forms[g_rand_int_range(random, 0, G_N_ELEMENTS(forms))];
        for (; *form; form++)
            if (*form == '%') {
                g_string_append_c(text, name);
                form++;
            } else
                g_string_append_c(text, *form);
    }
    return layer(text->str);
}

/* Whatever lies below and above, the merge shows what its layers show. */
static void test_shows_the_same(void)
{
    for (guint32 seed = 0; seed < 500; seed++) {
        GRand *random = g_rand_new_with_seed(seed);
        g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func((GDestroyNotify)kiln_manifest_unref);
        for (int i = 0; i < 7; i++)
            g_ptr_array_add(all, random_layer(random));
        g_rand_free(random);
        KilnManifest **m = (KilnManifest **)(void *)all->pdata;
        g_autofree guint *sources = NULL;
        g_autoptr(KilnManifest) merged = kiln_manifest_merge(m + 1, 5, &sources);
        KilnManifest *few[] = {m[0], merged, m[6]};
        g_autofree char *expected = seen(m, 7), *got = seen(few, 3);
        g_assert_cmpstr(got, ==, expected);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/merge/upper-hides-lower", test_upper_hides_lower);
    g_test_add_func("/merge/whiteouts-stay", test_whiteouts_stay);
    g_test_add_func("/merge/directory-over-another-type", test_directory_over_another_type);
    g_test_add_func("/merge/opaque", test_opaque);
    g_test_add_func("/merge/file-over-directory", test_file_over_directory);
    g_test_add_func("/merge/implicit-directory", test_implicit_directory);
    g_test_add_func("/merge/shows-the-same", test_shows_the_same);
    return g_test_run();
}
